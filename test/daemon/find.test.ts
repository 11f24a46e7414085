/** Whom `stop` and `restart` may signal. */
import { expect, test } from "bun:test";
import { mayBeSignalled } from "../../src/daemon/find.ts";
import { onEnd } from "../support/cleanup.ts";

test("what another machine answers is no reason to signal who holds the same port here", () => {
  const { port, stop } = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  onEnd(() => stop());
  const found = (host: string) => {
    const url = `http://${host}:${port}`;
    return { state: "guarded", pid: process.pid, status: "healthy", url, token: null } as const;
  };
  expect(mayBeSignalled(found("127.0.0.1"), Number(port))).toBe(true);
  for (const host of ["192.0.2.1", "[2001:db8::1]", "box.example"])
    expect(mayBeSignalled(found(host), Number(port))).toBe(false);
});
