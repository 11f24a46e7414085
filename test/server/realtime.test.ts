import { beforeAll, describe, expect, test } from "bun:test";
import { connect, connectLater } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});

describe("on connect", () => {
  test("a session that polls has an id that begins with the server's, by which a load balancer finds it", async () => {
    const client = connectLater(server.url, {}, { transports: ["polling", "websocket"] });
    const sid = await new Promise<string>((resolve) => {
      client.socket.io.engine.once("handshake", ({ sid: told }: { sid: string }) => resolve(told));
    });
    expect(sid).toMatch(new RegExp(`^${server.serverId}~[\\w-]{20}$`));
    await client.next("server_status");
    client.socket.disconnect();
  });

  test("connection_ack comes first, then server_status, and nothing else", async () => {
    const client = await connect(server.url, { claude_mpm_version: "4.1.0rc1", client_id: "c-1" });
    expect(client.received.map(({ name }) => name)).toEqual(["connection_ack", "server_status"]);
    const [ack, status] = client.received.map(({ args }) => args[0]);
    const { log } = (await server.get("/stats")).body;
    expect(ack).toMatchObject({
      server_version: "1.0.0",
      server_id: server.serverId,
      compatibility: { compatible: true, client_version: "4.1.0rc1" },
      epoch: log.epoch,
      first_seq: log.first_seq,
      last_seq: log.last_seq,
    });
    expect(Object.keys(status).toSorted()).toEqual([
      "clients_connected",
      "events_processed",
      "server_id",
      "server_version",
      "timestamp",
      "uptime",
    ]);
    const { body: health } = await server.get("/health");
    expect(health.client_versions[client.socket.id as string]).toBe("4.1.0rc1");
  });

  test("a client that is too old is warned and stays", async () => {
    const client = await connect(server.url, { claude_mpm_version: "0.6.0" });
    expect(await client.next("compatibility_warning")).toMatchObject({
      compatible: false,
      client_version: "0.6.0",
    });
    expect(await client.socket.emitWithAck("ping")).toMatchObject({ server_id: server.serverId });
  });

  for (const auth of [
    { claude_mpm_version: 7 },
    { claude_mpm_version: { a: 1 } },
    { subscribe: 5, resume: "x" },
    { resume: { epoch: 1, seq: -1 } },
  ]) {
    test(`a handshake with ${JSON.stringify(auth)} connects all the same`, async () => {
      const client = await connect(server.url, auth);
      expect(await client.socket.emitWithAck("get_status")).toMatchObject({ server_id: server.serverId });
    });
  }

  test("a client that leaves is counted out", async () => {
    const count = async () => (await server.get("/health")).body.clients_connected;
    const before = await count();
    const client = await connect(server.url);
    expect(await count()).toBe(before + 1);
    client.socket.disconnect();
    await eventually(async () => (await count()) === before);
  });
});

describe("claude_event", () => {
  test("reaches all others unchanged, is acknowledged once stored, and does not come back", async () => {
    const [sender, other] = [await connect(server.url), await connect(server.url)];
    const event = {
      type: "t",
      id: "rt-1",
      data: { text: "ünï ☃ \u2028", list: [null, 1.5, "", {}], "": 0 },
      client_version: "1",
    };
    const ack = await sender.socket.emitWithAck("claude_event", event);
    expect(ack).toEqual({ ok: true, seq: expect.any(Number), id: "rt-1" });
    const got = await other.next("claude_event");
    expect(got).toEqual({
      ...event,
      seq: ack.seq,
      server_id: server.serverId,
      received_at: expect.any(String),
    });
    expect(other.received.find(({ name }) => name === "claude_event")?.args).toHaveLength(1);
    await sender.socket.emitWithAck("ping");
    expect(sender.events()).toEqual([]);
  });

  test("numbers that no double holds reach everybody as they were written, by every way there is", async () => {
    const numbers = '{"ns":1754550000123456789,"list":[1e400,0.1234567890123456789],"plain":0.1}';
    const raw = async (path: string) => (await fetch(new URL(path, server.url))).text();
    const { body } = await server.post("/api/events", `{"type":"exact","data":${numbers}}`);
    expect(await raw(`/api/events?after=${body.last_seq - 1}`)).toContain(numbers);
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    const said: string[] = [];
    socket.addEventListener("message", ({ data }) => void said.push(String(data)));
    await eventually(() => said.length > 0);
    socket.send("40");
    await server.post("/api/events", `[{"type":"exact","data":${numbers}}]`);
    socket.send(`420["claude_event",{"type":"exact","id":"exact-1","data":${numbers}}]`);
    socket.send('421["get_history",{"limit":1}]');
    await eventually(() => said.some((text) => text.startsWith("431")));
    socket.close();
    const exact = (start: string) => said.filter((text) => text.startsWith(start) && text.includes(numbers));
    expect(exact('42["claude_event"').length).toBeGreaterThan(0);
    expect(exact('42["event_history"')).toHaveLength(1);
    expect(exact("431")).toHaveLength(1);
  });

  test("without a type and without a callback is fine", async () => {
    const [sender, other] = [await connect(server.url), await connect(server.url)];
    sender.socket.emit("claude_event", { note: "no type" });
    expect(await other.next("claude_event")).toMatchObject({ note: "no type" });
  });

  test("sent in the same breath as a disconnect is stored, and one sent after it is not", async () => {
    const other = await connect(server.url);
    const path = "/socket.io/?EIO=4&transport=polling";
    const { sid } = JSON.parse((await server.get(path)).body.slice(1));
    await server.post(`${path}&sid=${sid}`, "40");
    await eventually(async () => (await server.get(`${path}&sid=${sid}`)).body.includes("server_status"));
    const packets = ['42["claude_event",{"n":"before"}]', "41", '42["claude_event",{"n":"after"}]'];
    await server.post(`${path}&sid=${sid}`, packets.join("\x1e"));
    await server.post("/api/events", { n: "last" });
    await eventually(() => other.events().at(-1)?.n === "last");
    expect(other.events().map(({ n }) => n)).toEqual(["before", "last"]);
  });

  test("from HTTP reaches every socket", async () => {
    const client = await connect(server.url);
    const { body } = await server.post("/api/events", { type: "over http" });
    expect(await client.next("claude_event")).toMatchObject({ type: "over http", seq: body.first_seq });
  });

  for (const bad of [undefined, null, 5, "text", [1], [{}]]) {
    test(`${JSON.stringify(bad) ?? "nothing"} is refused, with or without a callback, and nothing is stored`, async () => {
      const client = await connect(server.url);
      const before = (await server.get("/stats")).body;
      const ack = await client.socket.emitWithAck("claude_event", ...(bad === undefined ? [] : [bad]));
      expect(ack).toMatchObject({ ok: false, error: { code: "invalid_event", message: expect.any(String) } });
      client.socket.emit("claude_event", bad);
      expect(await client.next("event_error")).toMatchObject({
        code: "invalid_event",
        message: expect.any(String),
      });
      const after = (await server.get("/stats")).body;
      expect(after.errors).toBe(before.errors + 2);
      expect(after.log.last_seq).toBe(before.log.last_seq);
      expect(client.socket.connected).toBe(true);
    });
  }

  test("bytes are refused", async () => {
    const client = await connect(server.url);
    const ack = await client.socket.emitWithAck("claude_event", { file: Buffer.from("abc") });
    expect(ack).toMatchObject({ ok: false, error: { code: "binary_event" } });
  });
});

describe("questions", () => {
  const answers: [string, unknown, string, string][] = [
    ["ping", undefined, "pong", "timestamp"],
    ["get_version", undefined, "version_info", "compatibility_matrix"],
    ["get_status", undefined, "server_status", "clients_connected"],
    ["get_history", { limit: 1 }, "event_history", "total_available"],
    ["get_history", undefined, "event_history", "gap"],
    ["get_history", null, "event_history", "epoch"],
  ];
  for (const [question, payload, answer, field] of answers) {
    test(`${question} ${JSON.stringify(payload) ?? ""} is answered by ${answer} and through the callback`, async () => {
      const client = await connect(server.url);
      client.received.length = 0;
      const args = payload === undefined ? [] : [payload];
      const acknowledged = await client.socket.emitWithAck(question, ...args);
      expect(acknowledged).toHaveProperty(field);
      expect(Object.keys(await client.next(answer))).toEqual(Object.keys(acknowledged));
      client.received.length = 0;
      client.socket.emit(question, ...args);
      expect(await client.next(answer)).toHaveProperty(field);
    });
  }

  test("get_history pages, filters, and says what is gone", async () => {
    const small = await startTestServer({ max_history_size: "10" });
    await small.post(
      "/api/events",
      Array.from({ length: 30 }, (_, n) => ({ n, type: n % 2 ? "odd" : "even" })),
    );
    const client = await connect(small.url);
    const ask = (query: object) => client.socket.emitWithAck("get_history", query);
    const newest = await ask({ limit: 3 });
    expect(newest).toMatchObject({
      returned: 3,
      count: 3,
      total_available: 10,
      first_seq: 21,
      last_seq: 30,
      gap: null,
    });
    expect(newest.events.map(({ seq }: any) => seq)).toEqual([28, 29, 30]);
    const after = await ask({ after: 5, limit: 2, type: "odd" });
    expect(after.events.map(({ seq }: any) => seq)).toEqual([22, 24]);
    expect(after).toMatchObject({ total_available: 5, gap: { from_seq: 6, to_seq: 20 } });
    expect(await ask({ limit: "many" })).toMatchObject({ ok: false, error: { code: "invalid_query" } });
    expect(await ask([1] as never)).toMatchObject({ ok: false, error: { code: "invalid_query" } });
  });

  test("an event the server does not know is answered where an answer is waited for, and ignored otherwise", async () => {
    const client = await connect(server.url);
    expect(await client.socket.emitWithAck("request.status", {})).toMatchObject({
      ok: false,
      error: { code: "unknown_event" },
    });
    client.socket.emit("request.status", {});
    await client.socket.emitWithAck("ping");
    expect(client.received.some(({ name }) => name === "event_error")).toBe(false);
  });
});

describe("subscriptions", () => {
  test("narrow what a client gets, from the handshake or later, and can be lifted", async () => {
    const early = await connect(server.url, { subscribe: { types: ["hook.*"] } });
    const late = await connect(server.url);
    expect(await late.socket.emitWithAck("subscribe", { session_id: "sub-1" })).toEqual({ ok: true });
    await server.post("/api/events", [
      { type: "hook.a", n: 1 },
      { type: "b", session_id: "sub-1", n: 2 },
      { type: "c", n: 3 },
    ]);
    expect(await late.socket.emitWithAck("unsubscribe")).toEqual({ ok: true });
    await server.post("/api/events", { type: "last", n: 4 });
    await eventually(() => late.events().some(({ n }) => n === 4));
    await early.socket.emitWithAck("ping");
    expect(late.events().map(({ n }) => n)).toEqual([2, 4]);
    expect(early.events().map(({ n }) => n)).toEqual([1]);
  });

  test("a malformed one is refused and changes nothing", async () => {
    const client = await connect(server.url);
    expect(await client.socket.emitWithAck("subscribe", { types: [5] })).toMatchObject({
      ok: false,
      error: { code: "invalid_query" },
    });
    await server.post("/api/events", { type: "still here" });
    expect(await client.next("claude_event")).toMatchObject({ type: "still here" });
  });
});

describe("resume", () => {
  test("what was missed comes after server_status and before anything live", async () => {
    const first = await connect(server.url);
    const { epoch } = await first.next("connection_ack");
    const { last_seq: seq } = (await server.get("/stats")).body.log;
    first.socket.disconnect();
    await server.post(
      "/api/events",
      Array.from({ length: 700 }, (_, n) => ({ type: "missed", n })),
    );
    const again = connectLater(server.url, { resume: { epoch, seq } });
    await again.next("server_status");
    await server.post("/api/events", { type: "live" });
    await eventually(() => again.events().some(({ type }) => type === "live"));
    expect(again.events().map((event) => event.seq)).toEqual(
      Array.from({ length: 701 }, (_, n) => seq + 1 + n),
    );
    expect(again.received.slice(0, 2).map(({ name }) => name)).toEqual(["connection_ack", "server_status"]);
  });

  for (const resume of [
    { epoch: 1, seq: 0 },
    { epoch: "x", seq: "4" },
    { epoch: "x", seq: -1 },
    { seq: 4 },
    "x",
  ]) {
    test(`a position like ${JSON.stringify(resume)} is said to be none`, async () => {
      const client = await connect(server.url, { resume });
      expect(await client.next("event_error")).toMatchObject({ code: "invalid_query" });
      expect(client.events()).toEqual([]);
    });
  }

  test("what cannot be resumed is said", async () => {
    const client = await connect(server.url, { resume: { epoch: "long ago", seq: 3 } });
    expect(await client.next("history_gap")).toMatchObject({ reason: "unknown_epoch", from_seq: 4 });
  });
});

test("stopping closes sockets with 1001, and polling clients learn of it too", async () => {
  const own = await startTestServer();
  const codes: number[] = [];
  const raw = new WebSocket(`${own.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  raw.onclose = ({ code }) => codes.push(code);
  const polling = await connect(own.url, {}, { transports: ["polling"] });
  const reasons: string[] = [];
  polling.socket.on("disconnect", (reason) => reasons.push(reason));
  await eventually(() => raw.readyState === WebSocket.OPEN);
  await own.stop();
  await eventually(() => codes.length === 1 && reasons.length === 1);
  expect(codes).toEqual([1001]);
  // Not "io server disconnect", after which clients do not come back by themselves.
  expect(["transport close", "transport error"]).toContain(reasons[0] as string);
});
