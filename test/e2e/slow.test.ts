/** Clients that stop reading: they lose nothing, cost little, and hold nobody up. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { account } from "../support/binary.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw, type RawWebSocket } from "../support/raw-websocket.ts";
import { SOAK } from "../support/soak.ts";

const MIB = 1024 * 1024;
const EVENT_BYTES = 10_000;
const TOTAL_BYTES = (SOAK ? 200 : 40) * MIB;
const BATCH = 100;
const EVENTS = Math.ceil(TOTAL_BYTES / EVENT_BYTES / BATCH) * BATCH;
/** For one slow client above the same load with nobody slow, and for each further one. */
const FIRST_BYTES = 64 * MIB;
const FURTHER_BYTES = 8 * MIB;

/** Sends everything while so many clients do not read, then lets them read; returns the server's peak memory. */
async function run(slowClients: number): Promise<number> {
  const user = account();
  const { stdout } = await user.run(["start", "--port", "0", "--json", "--set", "max_history_size=1000000"]);
  const { pid, url } = JSON.parse(stdout) as { pid: number; url: string };
  const port = Number(new URL(url).port);
  const stats = async () => (await (await fetch(`${url}/stats`)).json()) as any;

  const fast = await connect(url);
  const slow: RawWebSocket[] = [];
  for (let n = 0; n < slowClients; n += 1) slow.push(await connectRaw(port));
  for (const client of slow) client.pause();

  // "5" resets the peak (proc(5), clear_refs).
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const text = "x".repeat(EVENT_BYTES);
  const body = JSON.stringify(Array.from({ length: BATCH }, () => ({ text })));
  for (let sent = 0; sent < EVENTS; sent += BATCH) {
    expect((await fetch(`${url}/api/events`, { method: "POST", body })).status).toBe(200);
  }
  await eventually(() => fast.events().length === EVENTS, {
    limitMs: 60_000,
    what: "all events at the fast client",
  });
  expect((await stats()).delivery.lagging_clients).toBe(slowClients);

  for (const client of slow) client.resume();
  const wanted = Array.from({ length: EVENTS }, (_, index) => index + 1);
  for (const client of slow) {
    const seqs = () =>
      client.received.filter(({ name }) => name === "claude_event").map(({ payload }) => payload.seq);
    await eventually(() => client.received.at(-1)?.payload.seq === EVENTS, {
      limitMs: 120_000,
      what: "the slow client at the end",
    });
    expect(client.closed()).toBe(false);
    expect(seqs()).toEqual(wanted);
    expect(client.received.some(({ name }) => name === "history_gap")).toBe(false);
  }
  expect(fast.events().map(({ seq }) => seq)).toEqual(wanted);
  await eventually(async () => (await stats()).delivery.lagging_clients === 0);

  // Back on the live feed.
  await fetch(`${url}/api/events`, { method: "POST", body: '{"type":"live again"}' });
  for (const client of slow) await eventually(() => client.received.at(-1)?.payload.type === "live again");
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  process.kill(pid, "SIGKILL");
  return peak;
}

test.skipIf(process.platform !== "linux")(
  `clients that stop reading while ${TOTAL_BYTES / MIB} MiB pass get all of it in the end, in order, at little memory`,
  async () => {
    const nobody = await run(0);
    const one = await run(1);
    const ten = await run(10);
    const peaks = [nobody, one, ten].map((bytes) => `${Math.round(bytes / MIB)} MiB`).join(", ");
    process.stdout.write(`peak memory with no, one and ten clients that do not read: ${peaks}\n`);
    expect(one - nobody).toBeLessThan(FIRST_BYTES);
    expect(ten - one).toBeLessThan(9 * FURTHER_BYTES);
  },
  900_000,
);
