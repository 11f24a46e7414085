/** Two servers with one log: what clients see of the other one, of a later epoch, and of a loss. */
import { describe, expect, test } from "bun:test";
import { ClientManager } from "../../src/client/manager.ts";
import { followEvents, type StreamUpdate } from "../../src/client/stream.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect, type TestClient } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw } from "../support/raw-websocket.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createSharedLog, type NodeLog, type SharedLog } from "../support/shared-log.ts";

interface Pair {
  shared: SharedLog;
  logB: NodeLog;
  a: TestServer;
  b: TestServer;
  /** Publishes so many events at A, and waits until B has them. */
  send(count: number, event?: object): Promise<void>;
}

const positionOf = async (server: TestServer) =>
  (await server.get("/stats")).body.log as { epoch: string; last_seq: number };

async function setUp(): Promise<Pair> {
  const shared = createSharedLog();
  const logB = shared.node();
  const a = await startTestServer({}, { log: shared.node() });
  const b = await startTestServer({}, { log: logB });
  return {
    shared,
    logB,
    a,
    b,
    async send(count, event = {}) {
      const { body } = await a.post(
        "/api/events",
        Array.from({ length: count }, () => event),
      );
      await eventually(async () => (await positionOf(b)).last_seq >= body.last_seq);
    },
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** What came, without what every connection begins with. */
const storyOf = (received: { name: string; payload: any }[]) =>
  received
    .filter(({ name }) => name !== "server_status")
    .map(({ name, payload }) => {
      if (name === "claude_event") return `${payload.seq}`;
      if (name === "history_gap") return `${payload.reason} ${payload.from_seq}-${payload.to_seq}`;
      return name === "connection_ack" ? `${payload.epoch} from ${payload.last_seq}` : name;
    });
const story = ({ received }: TestClient) =>
  storyOf(received.map(({ name, args }) => ({ name, payload: args[0] })));

/** Follows as `tail` does. */
function tail(server: TestServer, from: { epoch: string; seq: number }) {
  const abort = new AbortController();
  onEnd(() => abort.abort());
  const updates: StreamUpdate[] = [];
  const endpoint = { url: server.url, token: null, certificates: [] };
  (async () => {
    const filter = new URLSearchParams();
    for await (const update of followEvents({ server: () => endpoint, filter, from, signal: abort.signal }))
      updates.push(update);
  })().catch(() => {});
  const seqs = () =>
    updates.flatMap((update) => (update.kind === "event" ? [JSON.parse(update.json).seq] : []));
  return { updates, seqs };
}

describe("an event", () => {
  test("comes to the clients of both servers in one order, to its sender not", async () => {
    const { a, b } = await setUp();
    const [atA, atB, polling] = [
      await connect(a.url),
      await connect(b.url),
      await connect(b.url, {}, { transports: ["polling"] }),
    ];
    const acks = await Promise.all(
      range(1, 20).map((n) => (n % 2 ? atA : atB).socket.emitWithAck("claude_event", { n })),
    );
    expect(acks.every(({ ok }) => ok)).toBe(true);
    await eventually(() => polling.events().length === 20);
    await eventually(() => atA.events().length === 10 && atB.events().length === 10);
    const sentAt = new Map(polling.events().map(({ seq, n }) => [seq, n]));
    expect([...sentAt.keys()]).toEqual(range(1, 20));
    expect(atA.events().map(({ seq }) => seq)).toEqual(
      range(1, 20).filter((seq) => sentAt.get(seq) % 2 === 0),
    );
    expect(atB.events().map(({ seq }) => seq)).toEqual(
      range(1, 20).filter((seq) => sentAt.get(seq) % 2 === 1),
    );
  });

  test("is not told of as lost to who comes from a server that is ahead", async () => {
    const { shared, logB, a, b } = await setUp();
    logB.hold();
    shared.beginEpoch();
    await a.post("/api/events", [{}, {}, {}]);
    const { epoch } = await positionOf(a);
    const auth = { resume: { epoch, seq: 3 } };
    const connecting = [connect(b.url, auth), connect(b.url, auth, { transports: ["polling"] })];
    const stream = tail(b, auth.resume);
    await eventually(() => logB.settled() === 3);
    logB.release();
    const clients = await Promise.all(connecting);
    await eventually(() => stream.updates.length > 0);
    await a.post("/api/events", {});
    for (const client of clients) {
      await client.next("claude_event");
      expect(story(client)).toEqual([`${epoch} from 3`, "4"]);
    }
    await eventually(() => stream.seqs().length > 0);
    expect(stream.updates.map(({ kind }) => kind)).toEqual(["connected", "event"]);
    expect(stream.seqs()).toEqual([4]);
  });
});

describe("an epoch that loses nothing", () => {
  test("is told to every client before its first event", async () => {
    const { shared, b, send } = await setUp();
    await send(3, { type: "x" });
    const { epoch: first } = await positionOf(b);
    const clients = await Promise.all([
      connect(b.url),
      connect(b.url, { subscribe: { types: ["x"] } }),
      connect(b.url, {}, { transports: ["polling"] }),
      connect(b.url, {}, { transports: ["polling", "websocket"] }),
      connect(b.url, { resume: { epoch: first, seq: 1 } }),
    ]);
    await eventually(() => clients[4]?.events().length === 2);
    shared.beginEpoch();
    await send(2, { type: "x" });
    const { epoch: second } = await positionOf(b);
    expect(second).not.toBe(first);
    for (const [index, client] of clients.entries()) {
      await eventually(() => client.events().length === (index === 4 ? 4 : 2));
      expect(story(client)).toEqual([
        `${first} from 3`,
        ...(index === 4 ? ["2", "3"] : []),
        `${second} from 3`,
        "4",
        "5",
      ]);
      const [greeting, again] = client.received.filter(({ name }) => name === "connection_ack");
      expect(Object.keys(again?.args[0])).toEqual(Object.keys(greeting?.args[0]));
      expect(again?.args[0]).toMatchObject({ server_id: b.serverId, first_seq: 1 });
      expect(client.socket.connected).toBe(true);
    }
    for (const resume of [
      { epoch: first, seq: 3 },
      { epoch: first, seq: 2 },
      { epoch: second, seq: 4 },
    ]) {
      const client = await connect(b.url, { resume });
      await eventually(() => client.events().length === 5 - resume.seq);
      expect(story(client)).toEqual([`${second} from 5`, ...range(resume.seq + 1, 5).map(String)]);
    }
  });

  test("is told to who is behind with the place it has reached", async () => {
    const { shared, b, send } = await setUp();
    const { epoch: first } = await positionOf(b);
    const slow = await connectRaw(b.port);
    slow.pause();
    const text = "x".repeat(10_000);
    for (let sent = 0; sent < 2000; sent += 100) await send(100, { text });
    await eventually(async () => (await b.get("/stats")).body.delivery.lagging_clients === 1);
    shared.beginEpoch();
    await send(2);
    const { epoch: second } = await positionOf(b);
    slow.resume();
    await eventually(() => slow.received.at(-1)?.payload.seq === 2002, { limitMs: 30_000 });
    const told = storyOf(slow.received);
    const at = told.findIndex((line) => line.startsWith(second));
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(2000);
    expect(told[at]).toBe(`${second} from ${told[at - 1]}`);
    expect(told.toSpliced(at, 1)).toEqual([`${first} from 0`, ...range(1, 2002).map(String)]);
    expect(slow.closed()).toBe(false);
  });

  test("is in the ids of streams, from which they go on", async () => {
    const { shared, b, send } = await setUp();
    await send(2);
    const abort = new AbortController();
    onEnd(() => abort.abort());
    const response = await fetch(`${b.url}/api/events/stream?after=0`, { signal: abort.signal });
    let text = "";
    (async () => {
      for await (const chunk of response.body as ReadableStream<Uint8Array>)
        text += new TextDecoder().decode(chunk);
    })().catch(() => {});
    await eventually(() => text.includes(":2\ndata"));
    const { epoch: first } = await positionOf(b);
    shared.beginEpoch();
    await send(1);
    await eventually(() => text.includes(":3\ndata"));
    const { epoch: second } = await positionOf(b);
    const ids = [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id);
    expect(ids).toEqual([`${first}:1`, `${first}:2`, `${second}:3`]);

    await send(1);
    for (const [epoch, seq] of [
      [first, 2],
      [second, 2],
      [second, 3],
    ] as const) {
      const { updates, seqs } = tail(b, { epoch, seq });
      await eventually(() => seqs().includes(4));
      expect(seqs()).toEqual(range(seq + 1, 4));
      expect(updates.some(({ kind }) => kind === "gap")).toBe(false);
    }
  });

  test("changes the position of our own client, and restarts nothing", async () => {
    const { shared, a, b, send } = await setUp();
    const manager = new ClientManager({ url: b.url, reconnectionDelayMs: 5, reconnectionDelayMaxMs: 20 });
    onEnd(() => manager.stop());
    const told: string[] = [];
    for (const name of ["connected", "disconnected", "gap"] as const) manager.on(name, () => told.push(name));
    manager.on("event", ({ seq }) => void told.push(`${seq}`));
    manager.start();
    await manager.whenConnected(5000);
    await send(2);
    await eventually(() => told.includes("2"));
    await manager.emitEvent("own", {});
    shared.beginEpoch();
    await eventually(async () => (await positionOf(b)).epoch !== "1-first");
    const { epoch } = await positionOf(b);
    await eventually(() => manager.position?.epoch === epoch);
    expect(manager.position).toEqual({ epoch, seq: 3 });
    await send(1);
    await eventually(() => told.includes("4"));
    expect(told).toEqual(["connected", "1", "2", "4"]);

    manager.stop();
    await send(1);
    manager.start(a.url);
    await eventually(() => told.includes("5"));
    expect(told).toEqual(["connected", "1", "2", "4", "connected", "5"]);
  });
});

describe("a loss of what was delivered", () => {
  test("drops every transport, and is told on resume", async () => {
    const { shared, b, send } = await setUp();
    const clients = await Promise.all([
      connect(b.url),
      connect(b.url, { subscribe: { types: ["x"] } }),
      connect(b.url, {}, { transports: ["polling"] }),
    ]);
    const reasons: string[] = [];
    for (const { socket } of clients) socket.on("disconnect", (reason) => reasons.push(reason));
    const { epoch: first } = await positionOf(b);
    const stream = tail(b, { epoch: first, seq: 0 });
    await send(5, { type: "x" });
    for (const client of clients) await eventually(() => client.events().length === 5);
    await eventually(() => stream.seqs().length === 5);
    shared.rewindTo(3);
    await eventually(() => reasons.length === 3);
    // Not "io server disconnect", after which clients stay away.
    for (const reason of reasons) expect(reason).toMatch(/^transport (close|error)$/);
    await eventually(async () => (await positionOf(b)).last_seq === 3);
    await send(4);
    const { epoch: second } = await positionOf(b);
    const again = await connect(b.url, { resume: { epoch: first, seq: 5 } });
    await eventually(() => again.events().length === 4);
    expect(story(again)).toEqual([`${second} from 7`, "beyond_end 4-5", "4", "5", "6", "7"]);
    await eventually(() => stream.seqs().length === 9);
    expect(stream.seqs()).toEqual([1, 2, 3, 4, 5, 4, 5, 6, 7]);
    expect(stream.updates.filter(({ kind }) => kind === "gap")).toEqual([
      { kind: "gap", gap: { from_seq: 4, to_seq: 5, reason: "beyond_end" } },
    ]);
  });

  test("has our own client come again by itself", async () => {
    const { shared, b, send } = await setUp();
    const manager = new ClientManager({ url: b.url, reconnectionDelayMs: 5, reconnectionDelayMaxMs: 20 });
    onEnd(() => manager.stop());
    const told: string[] = [];
    for (const name of ["connected", "disconnected"] as const) manager.on(name, () => told.push(name));
    manager.on("gap", ({ reason, from_seq, to_seq }) => told.push(`${reason} ${from_seq}-${to_seq}`));
    manager.on("event", ({ seq }) => void told.push(`${seq}`));
    manager.start();
    await manager.whenConnected(5000);
    await send(3);
    await eventually(() => told.includes("3"));
    shared.rewindTo(2);
    await eventually(() => told.filter((line) => line === "connected").length === 2);
    await send(1);
    await eventually(() => told.length === 8);
    expect(told).toEqual(["connected", "1", "2", "3", "disconnected", "connected", "beyond_end 3-3", "3"]);
    expect(manager.position).toEqual({ epoch: (await positionOf(b)).epoch, seq: 3 });
  });
});
