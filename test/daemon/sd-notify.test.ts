/** What systemd would hear; `e2e/service-systemd.test.ts` has the real one. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { serviceManager } from "../../src/daemon/sd-notify.ts";
import { serverEnv } from "../../src/config/env.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const PYTHON = Bun.which("python3");
const skipped = process.platform !== "linux" || PYTHON === null;
const path = join(temporaryDirectory(), "notify");

/** The lines that were sent so far. */
async function listen(name: string): Promise<string[]> {
  const script = join(import.meta.dir, "..", "support", "datagrams.py");
  const child = Bun.spawn([PYTHON as string, script, name], { stdout: "pipe" });
  onEnd(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  void (async () => {
    for await (const chunk of child.stdout) {
      lines.push(
        ...new TextDecoder()
          .decode(chunk)
          .split("\n")
          .filter((line) => line !== ""),
      );
    }
  })();
  await eventually(() => lines.shift() === "bound");
  return lines;
}

test.skipIf(skipped).each([path, `@cms-test-${process.pid}`])(
  "ready, alive twice as often as it is looked at, stopping: %s (needs python3)",
  async (name) => {
    const heard = await listen(name);
    const manager = serviceManager({
      NOTIFY_SOCKET: name,
      WATCHDOG_USEC: "100000",
      WATCHDOG_PID: `${process.pid}`,
    });
    expect(heard).toEqual([]);
    manager?.ready();
    await eventually(() => heard.length >= 5);
    manager?.stopping(0);
    await eventually(() => heard.at(-1) === "STOPPING=1");
    expect([...new Set(heard)]).toEqual(["READY=1", "WATCHDOG=1", "STOPPING=1"]);
  },
);

test.skipIf(skipped)("another process's watchdog is not fed (needs python3)", async () => {
  const heard = await listen(`${path}-2`);
  const manager = serviceManager({ NOTIFY_SOCKET: `${path}-2`, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" });
  manager?.ready();
  await Bun.sleep(50);
  manager?.stopping(0);
  await eventually(() => heard.length >= 2);
  expect(heard).toEqual(["READY=1", "STOPPING=1"]);
});

test.skipIf(skipped)("a stop that takes longer says so (needs python3)", async () => {
  const heard = await listen(`${path}-3`);
  serviceManager({ NOTIFY_SOCKET: `${path}-3` })?.stopping(60);
  await eventually(() => heard.length >= 2);
  expect(heard).toEqual(["STOPPING=1", "EXTEND_TIMEOUT_USEC=75000000"]);
});

test("without a service manager there is nobody to tell, and a socket that is gone hurts nobody", () => {
  expect(serviceManager({})).toBeNull();
  expect(serviceManager({ NOTIFY_SOCKET: "" })).toBeNull();
  expect(serviceManager({ NOTIFY_SOCKET: "relative" })).toBeNull();
  const manager = serviceManager({ NOTIFY_SOCKET: "/nowhere/at/all" });
  expect(() => manager?.ready()).not.toThrow();
});

test("a server in the background inherits none of it", () => {
  process.env.NOTIFY_SOCKET = "/run/somebody";
  onEnd(() => delete process.env.NOTIFY_SOCKET);
  expect(serverEnv()).not.toHaveProperty("NOTIFY_SOCKET");
});
