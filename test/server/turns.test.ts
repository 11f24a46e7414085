import { describe, expect, test } from "bun:test";
import { createTurns } from "../../src/server/realtime/turns.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer } from "../support/server.ts";

interface Connection {
  name: string;
}

function setUp(limits: { maxWaiting?: number; maxWaitingInAll?: number } = {}) {
  const [a, b]: Connection[] = [{ name: "a" }, { name: "b" }];
  const handled: string[] = [];
  const refused: string[] = [];
  let busy = false;
  const turns = createTurns<Connection>({
    handle: ({ name }, message) => void handled.push(`${name}${String(message)}`),
    together: (_connection, act) => act(),
    isBusy: () => busy,
    end: ({ name }, code) => void handled.push(`${name} ends ${code}`),
    refuse: (_connection, message) => void refused.push(String(message)),
    ...limits,
  });
  return {
    a: a as Connection,
    b: b as Connection,
    handled,
    refused,
    turns,
    setBusy: (is: boolean) => (busy = is),
  };
}

describe("a connection that sends much at once", () => {
  test("waits while others come in between, and nothing changes places or is lost", async () => {
    const { a, b, handled, turns } = setUp();
    for (let n = 0; n < 10_000; n += 1) turns.message(a, `${n}`);
    turns.message(b, "!");
    turns.close(a, 1000, "");
    expect(handled.indexOf("b!")).toBeLessThan(100);
    await eventually(() => handled.includes("a ends 1000"));
    expect(handled.filter((entry) => /^a\d/.test(entry))).toEqual(
      Array.from({ length: 10_000 }, (_, n) => `a${n}`),
    );
    expect(handled.at(-1)).toBe("a ends 1000");
  });

  test("shares the turns with others like it", async () => {
    const { a, b, handled, turns } = setUp();
    for (const connection of [a, b]) for (let n = 0; n < 1000; n += 1) turns.message(connection, `${n}`);
    await eventually(() => handled.length === 2000);
    const half = handled.slice(0, 1000).filter((entry) => entry.startsWith("a")).length;
    expect(half).toBeGreaterThan(400);
    expect(half).toBeLessThan(600);
  });

  test("is refused what is more than may wait, and what waits is bounded by what it holds", async () => {
    const { a, handled, refused, turns } = setUp({ maxWaiting: 1000 });
    for (let n = 0; n < 100; n += 1) turns.message(a, "x".repeat(100));
    expect(handled.length + 10).toBeGreaterThanOrEqual(100 - refused.length);
    expect(refused.length).toBeGreaterThan(50);
    await eventually(() => handled.length === 100 - refused.length);
    turns.message(a, "again");
    expect(handled.at(-1)).toBe("aagain");
  });

  test("is refused also what is small and countless, as each takes memory of its own", () => {
    const { a, refused, turns, setBusy } = setUp({ maxWaiting: 10_000 });
    setBusy(true);
    for (let n = 0; n < 1000; n += 1) turns.message(a, "x");
    expect(refused.length).toBeGreaterThan(700);
    setBusy(false);
  });

  test("is refused what is more than may wait of all together", async () => {
    const { a, b, handled, refused, turns } = setUp({ maxWaitingInAll: 10_000 });
    for (const connection of [a, b])
      for (let n = 0; n < 80; n += 1) turns.message(connection, "x".repeat(136));
    expect(refused.length).toBeGreaterThan(30);
    await eventually(() => handled.length === 160 - refused.length);
    const before = refused.length;
    for (let n = 0; n < 60; n += 1) turns.message(a, "y");
    expect(refused.length).toBe(before);
  });

  test("waits on while the server has enough to do", async () => {
    const { a, handled, turns, setBusy } = setUp();
    setBusy(true);
    for (let n = 0; n < 100; n += 1) turns.message(a, `${n}`);
    const before = handled.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(handled.length).toBe(before);
    setBusy(false);
    await eventually(() => handled.length === 100);
  });
});

test("who sends tens of thousands of events at once has each acknowledged, and another is answered meanwhile", async () => {
  const server = await startTestServer();
  const [many, few] = await Promise.all([connect(server.url), connect(server.url)]);
  let stored = 0;
  const seqs: number[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    many.socket.emit("claude_event", { n }, ({ ok, seq }: { ok: boolean; seq: number }) => {
      if (ok) stored += 1;
      seqs.push(seq);
    });
  }
  const answer = await few.socket.emitWithAck("claude_event", { few: true });
  expect(answer.ok).toBe(true);
  expect(answer.seq).toBeLessThan(9000);
  await eventually(() => stored === 10_000, { limitMs: 30_000 });
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
});

test("what was sent right before a connection closed is stored, however much it was", async () => {
  const server = await startTestServer();
  let sent = 0;
  for (const burst of [1, 20, 40, 1000]) {
    const ws = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    await new Promise<void>((resolve) => {
      ws.addEventListener("message", ({ data }) => {
        if (String(data).startsWith("0")) ws.send("40");
        if (String(data).startsWith("40")) resolve();
      });
    });
    for (let n = 0; n < burst; n += 1) ws.send(`42["claude_event",{"n":${n}}]`);
    ws.close();
    sent += burst;
    await eventually(async () => (await server.get("/stats")).body.connections.current_clients === 0);
    await eventually(async () => (await server.get("/stats")).body.events.total_processed === sent, {
      limitMs: 3000,
    });
  }
});
