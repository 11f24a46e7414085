/** What was acknowledged is there, whatever happens to the server. */
import { describe, expect, test } from "bun:test";
import { type Account, account } from "../support/binary.ts";
import { connect, type TestClient } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { SOAK } from "../support/soak.ts";

const KILLS = SOAK ? 20 : 4;
const ACKNOWLEDGED = SOAK ? 50_000 : 4000;
const IN_FLIGHT = 50;
const BATCH = 20;

interface Sent {
  /** Ids in the order they were sent. */
  order: string[];
  /** Ids that were acknowledged, with their seq. */
  acknowledged: Map<string, number>;
}

interface LogEntry {
  id: string;
  seq: number;
}

const start = async (user: Account, port: number) => {
  const { exitCode, stdout, stderr } = await user.run([
    "start",
    "--json",
    "--port",
    `${port}`,
    "--set",
    "max_history_size=2000000",
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).pid as number;
};

/** Sends over Socket.IO until the connection is gone, so many unacknowledged at a time. */
async function sendBySocket(client: TestClient, name: string, sent: Sent): Promise<void> {
  let number = 0;
  const one = async (): Promise<void> => {
    while (client.socket.connected) {
      const id = `${name}-${number}`;
      number += 1;
      sent.order.push(id);
      const ack = await Promise.race([
        client.socket.emitWithAck("claude_event", { type: "kill.test", id, text: "x".repeat(200) }),
        new Promise<null>((resolve) => client.socket.once("disconnect", () => resolve(null))),
      ]).catch(() => null);
      if (ack?.ok) sent.acknowledged.set(id, ack.seq);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

/** Sends batches over HTTP until the server is gone. */
async function sendByHttp(url: string, name: string, sent: Sent, ended: () => boolean): Promise<void> {
  for (let number = 0; !ended(); number += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, n) => ({
      type: "kill.test",
      id: `${name}-${number + n}`,
      text: "x".repeat(200),
    }));
    for (const { id } of batch) sent.order.push(id);
    const response = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(batch) }).catch(
      () => null,
    );
    const answer = response?.ok ? ((await response.json().catch(() => null)) as any) : null;
    if (!answer) return;
    for (const [n, { id }] of batch.entries()) sent.acknowledged.set(id, answer.first_seq + n);
  }
}

async function readLog(url: string, after: number): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (let next = after; ;) {
    const page = (await (await fetch(`${url}/api/events?after=${next}&limit=1000`)).json()) as any;
    if (page.next === null) return entries;
    entries.push(...page.events.map(({ id, seq }: LogEntry) => ({ id, seq })));
    next = page.next;
  }
}

describe(`kill -9 in the middle of ${ACKNOWLEDGED} acknowledged events`, () => {
  test(`${KILLS} times over: each is in the log once, in order, and no client saw one that is not`, async () => {
    const user = account();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    let pid = await start(user, port);
    let before = 0;
    let epoch: string | null = null;

    for (let kill = 0; kill < KILLS; kill += 1) {
      const watcher = await connect(url);
      const position = await watcher.next("connection_ack");
      expect(position.epoch).toBe(epoch ?? position.epoch);
      epoch = position.epoch;
      const producers = await Promise.all([connect(url), connect(url)]);
      const all: Sent[] = Array.from({ length: 4 }, () => ({ order: [], acknowledged: new Map() }));
      let dead = false;
      const sending = [
        ...producers.map((client, n) => sendBySocket(client, `k${kill}-socket${n}`, all[n] as Sent)),
        ...[2, 3].map((n) => sendByHttp(url, `k${kill}-http${n}`, all[n] as Sent, () => dead)),
      ];
      const count = () => all.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
      await eventually(() => count() >= ACKNOWLEDGED, {
        limitMs: 120_000,
        what: `${ACKNOWLEDGED} acknowledgements`,
      });
      process.kill(pid, "SIGKILL");
      dead = true;
      await Promise.all(sending);
      await eventually(() => !watcher.socket.connected);

      pid = await start(user, port);
      const log = await readLog(url, before);
      const seqById = new Map(log.map(({ id, seq }) => [id, seq]));
      expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => before + 1 + index));
      expect(seqById.size).toBe(log.length);
      for (const { order, acknowledged } of all) {
        const wrong = [...acknowledged].filter(([id, seq]) => seqById.get(id) !== seq);
        expect(wrong).toEqual([]);
        const stored = order.filter((id) => seqById.has(id)).map((id) => seqById.get(id) as number);
        expect(stored).toEqual(stored.toSorted((a, b) => a - b));
      }
      const seen = watcher.events() as LogEntry[];
      expect(seen.filter(({ id, seq }) => seqById.get(id) !== seq)).toEqual([]);
      expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => before + 1 + index));
      before = log.at(-1)?.seq ?? before;
    }
  }, 1_800_000);
});

describe("across a restart", () => {
  const MOVES = SOAK ? 200 : 30;
  test(`a client that leaves and resumes ${MOVES} times, also while the server is killed, misses and repeats nothing`, async () => {
    const user = account();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    let pid = await start(user, port);
    const got: number[] = [];
    const gaps: unknown[] = [];
    let position: { epoch: string; seq: number } | null = null;
    let sent = 0;
    const send = async (count: number) => {
      const batch = Array.from({ length: count }, (_, n) => ({ type: "move", id: `m-${sent + n}` }));
      const response = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(batch) });
      expect(response.status).toBe(200);
      sent += count;
    };

    for (let move = 0; move < MOVES; move += 1) {
      const client: TestClient = await connect(url, position ? { resume: position } : {});
      const take = () => {
        for (const { seq } of client.events().slice(taken)) got.push(seq);
        taken = client.events().length;
      };
      let taken = 0;
      const { epoch } = await client.next("connection_ack");
      await send(1 + (move % 7));
      // Left at any moment: sometimes with events on their way, sometimes with all of them.
      if (move % 3 !== 0) await eventually(() => client.events().at(-1)?.seq === sent);
      client.socket.disconnect();
      take();
      gaps.push(...client.received.filter(({ name }) => name === "history_gap"));
      position = { epoch, seq: got.at(-1) ?? 0 };
      await send(move % 5);
      if (move % 10 === 9) {
        process.kill(pid, "SIGKILL");
        pid = await start(user, port);
      }
    }
    const last = await connect(url, { resume: position });
    await eventually(() => last.events().at(-1)?.seq === sent || got.at(-1) === sent);
    got.push(...last.events().map(({ seq }) => seq));
    expect(gaps).toEqual([]);
    expect(got).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  }, 600_000);

  test("a position whose events were trimmed meanwhile is told exactly which range is gone", async () => {
    const user = account();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = ["--port", `${port}`, "--set", "max_history_size=100"];
    await user.run(["start", ...args]);
    const client = await connect(url);
    const { epoch } = await client.next("connection_ack");
    client.socket.disconnect();
    for (let n = 0; n < 5; n += 1) {
      const batch = Array.from({ length: 100 }, () => ({}));
      await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(batch) });
    }
    await user.run(["restart", ...args]);
    const again = await connect(url, { resume: { epoch, seq: 7 } });
    await eventually(() => again.events().length === 100);
    expect(await again.next("history_gap")).toEqual({ from_seq: 8, to_seq: 400, reason: "trimmed" });
    expect(again.events().map(({ seq }) => seq)).toEqual(
      Array.from({ length: 100 }, (_, index) => 401 + index),
    );
  });
});
