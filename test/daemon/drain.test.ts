/** A server behind a load balancer says that it is going to stop, and serves until nobody is sent to it any more. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stopServer } from "../../src/daemon/stop.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { startServerProcess } from "../support/server-process.ts";
import { SOAK } from "../support/soak.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** More than a command waits for a server that says nothing of this. */
const LONG_SECONDS = SOAK ? 8 : 1;

async function start(seconds: number) {
  const directory = temporaryDirectory();
  const port = await freePort();
  const server = await startServerProcess(directory, port, [`drain_seconds=${seconds}`]);
  return {
    ...server,
    directory,
    port,
    ready: () => fetch(`${server.url}/ready`).then(({ status }) => status),
  };
}

test("with drain_seconds: not ready, and serving all the same until they are over", async () => {
  const { url, ready, signal, exited } = await start(1);
  const client = await connect(url);
  const asked = performance.now();
  signal("SIGTERM");
  await eventually(async () => (await ready()) === 503);

  const answer = await fetch(`${url}/api/events`, { method: "POST", body: '{"type":"late"}' });
  expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
  await eventually(() => client.events().length === 1);
  expect(await client.socket.emitWithAck("claude_event", {})).toMatchObject({ ok: true });
  expect((await connect(url)).socket.connected).toBe(true);

  expect(await exited).toBe(0);
  expect(performance.now() - asked).toBeGreaterThan(1000);
});

test("asked a second time it stops at once", async () => {
  const { ready, signal, exited } = await start(300);
  signal("SIGTERM");
  await eventually(async () => (await ready()) === 503);
  signal("SIGTERM");
  expect(await exited).toBe(0);
});

test(`stop waits until it is over, ${LONG_SECONDS} s, and kills nobody`, async () => {
  const { directory, port, ready } = await start(LONG_SECONDS);
  const stopping = stopServer({ stateDir: directory, port, host: "localhost", token: null });
  await eventually(async () => (await ready()) === 503);
  // It is still a server to be found.
  expect(existsSync(join(directory, `${port}`, "server.json"))).toBe(true);
  expect(await stopping).toMatchObject({ outcome: "stopped" });
});
