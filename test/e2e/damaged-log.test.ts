/** The log's file is damaged under a running server: it goes on, and so do its clients. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { account } from "../support/binary.ts";
import { connect } from "../support/clients.ts";
import { damage } from "../support/damage.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

test("nobody is disconnected, nothing acknowledged afterwards is lost, and who missed something is told", async () => {
  const user = account();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { exitCode } = await user.run(["start", "--port", `${port}`]);
  expect(exitCode).toBe(0);
  const directory = join(user.stateDir, `${port}`);
  let sent = 0;
  const send = async (count: number) => {
    const batch = Array.from({ length: count }, (_, n) => ({
      id: `e${sent + n + 1}`,
      text: "y".repeat(4000),
    }));
    const response = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(batch) });
    expect([response.status, await response.json()]).toEqual([
      200,
      { accepted: count, duplicates: 0, first_seq: sent + 1, last_seq: sent + count },
    ]);
    sent += count;
  };
  const history = async (after: number) =>
    (await (await fetch(`${url}/api/events?after=${after}&limit=1000`)).json()) as any;

  const watcher = await connect(url);
  const { epoch } = await watcher.next("connection_ack");
  const streamed: string[] = [];
  const stream = await fetch(`${url}/api/events/stream`);
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of stream.body as ReadableStream<Uint8Array>) {
      streamed.push(...(decoder.decode(chunk, { stream: true }).match(/^id: .+:\d+$/gm) ?? []));
    }
  })();
  for (let batch = 0; batch < 15; batch += 1) await send(100);
  const wait = () =>
    eventually(() => watcher.events().length === sent, { what: "all events", limitMs: 30_000 });
  await wait();

  for (const file of ["events.db", "events.db-wal"]) damage(join(directory, file), 0, 1);
  // The oldest have left the cache: whoever asks for them meets the damage.
  const { first_seq: firstHeld } = await history(0);
  for (let batch = 0; batch < 15; batch += 1) await send(100);
  await wait();

  expect(watcher.socket.connected).toBe(true);
  expect(watcher.events().map(({ seq }) => seq)).toEqual(Array.from({ length: sent }, (_, n) => n + 1));
  await eventually(() => streamed.at(-1) === `id: ${epoch}:${sent}`, { what: "the end of the stream" });
  expect(new Set(streamed).size).toBe(sent);
  expect(watcher.received.filter(({ name }) => name === "history_gap")).toEqual([]);
  expect(firstHeld).toBeGreaterThan(1);

  const late = await connect(url, { resume: { epoch, seq: 0 } });
  await eventually(() => late.events().at(-1)?.seq === sent, { what: "the resumed events" });
  expect(await late.next("history_gap")).toEqual({ from_seq: 1, to_seq: firstHeld - 1, reason: "trimmed" });
  expect(late.events()[0].seq).toBe(firstHeld);

  const health = (await (await fetch(`${url}/health`)).json()) as any;
  expect(health.status).toBe("healthy");
  expect(readdirSync(directory)).toContainEqual(expect.stringMatching(/^events\.db\.damaged-.+Z$/));
  const { stdout } = await user.run(["logs", "--port", `${port}`]);
  expect(stdout.match(/set aside.+ recovery=log_set_aside .+/g)).toHaveLength(1);

  // The process dies: what came after the damage is in the new file.
  process.kill(health.pid, "SIGKILL");
  watcher.socket.disconnect();
  await reading.catch(() => {});
  expect((await user.run(["start", "--port", `${port}`])).exitCode).toBe(0);
  expect(await history(firstHeld - 1)).toMatchObject({ epoch, first_seq: firstHeld, last_seq: sent });
  const resumed = await connect(url, { resume: { epoch, seq: sent - 1 } });
  await eventually(() => resumed.events().length === 1);
  expect(resumed.received.filter(({ name }) => name === "history_gap")).toEqual([]);
});
