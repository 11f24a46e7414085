import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, connectLater } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { addToken } from "../../src/auth/token-file.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startTestServer } from "../support/server.ts";
import { connect as connectTcp } from "node:net";

const refused = (status: number, code: string) => ({
  status,
  body: { error: expect.objectContaining({ code }) },
});

describe("events a second", () => {
  test("over HTTP a batch counts as many as it holds, and says when to come again", async () => {
    const { post, get } = await startTestServer({ max_events_per_second: "10" });
    const batch = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));
    expect(await post("/api/events", batch(8))).toMatchObject({ status: 200 });
    const answer = await post("/api/events", batch(8));
    expect(answer).toMatchObject(refused(429, "rate_limited"));
    expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(await post("/api/events", batch(1))).toMatchObject({ status: 200 });
    const { body } = await get("/api/events");
    expect(body.total_available).toBe(9);
  });

  test("a batch of more than a second's worth is taken when nothing was sent before, and then paid for", async () => {
    const { post } = await startTestServer({ max_events_per_second: "5" });
    const many = Array.from({ length: 500 }, (_, n) => ({ n }));
    expect((await post("/api/events", many)).body.accepted).toBe(500);
    const answer = await post("/api/events", {});
    expect(answer).toMatchObject(refused(429, "rate_limited"));
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(90);
    // Refused before it is read.
    expect(await post("/api/events", "no JSON")).toMatchObject(refused(429, "rate_limited"));
    expect(await post("/api/hooks/claude", {})).toMatchObject(refused(429, "rate_limited"));
  });

  test("over Socket.IO each connection has its own, and keeps what is refused", async () => {
    const server = await startTestServer({ max_events_per_second: "20" });
    const [flooding, other] = await Promise.all([connect(server.url), connect(server.url)]);
    const acks = await Promise.all(
      Array.from({ length: 100 }, (_, n) => flooding.socket.emitWithAck("claude_event", { n })),
    );
    const stored = acks.filter(({ ok }) => ok);
    expect(stored.length).toBeGreaterThanOrEqual(20);
    expect(stored.length).toBeLessThan(60);
    expect(acks.find(({ ok }) => !ok).error).toMatchObject({ code: "rate_limited" });
    expect(await other.socket.emitWithAck("claude_event", {})).toMatchObject({ ok: true });
    expect((await server.get("/api/events?limit=0")).body.total_available).toBe(stored.length + 1);
  });

  test("each token has its own, also where several have one name", async () => {
    const directory = temporaryDirectory();
    const { tokens: path } = tokenPaths(directory);
    const make = async () =>
      (await addToken(path, { name: "unnamed", scopes: ["publish"], expiresAt: null })).token;
    const [one, other] = [await make(), await make()];
    const { post } = await startTestServer({ auth: "on", state_dir: directory, max_events_per_second: "5" });
    const batch = Array.from({ length: 500 }, (_, n) => ({ n }));
    const send = (token: string) =>
      post("/api/events", batch, { headers: { Authorization: `Bearer ${token}` } });
    expect([(await send(one)).status, (await send(one)).status, (await send(other)).status]).toEqual([
      200, 429, 200,
    ]);
  });

  test("behind a proxy that is trusted each client has its own, and behind any other they share one", async () => {
    const batch = Array.from({ length: 500 }, (_, n) => ({ n }));
    const statuses = async (settings: Parameters<typeof startTestServer>[0]) => {
      const { post } = await startTestServer({ max_events_per_second: "5", ...settings });
      const send = (client: string) =>
        post("/api/events", batch, { headers: { "X-Forwarded-For": `192.0.2.77, ${client}` } });
      return [(await send("198.51.100.1")).status, (await send("198.51.100.2")).status];
    };
    expect(await statuses({ trusted_proxies: "127.0.0.0/8" })).toEqual([200, 200]);
    expect(await statuses({})).toEqual([200, 429]);
  });

  test("there is none on loopback", async () => {
    const { post } = await startTestServer();
    for (let n = 0; n < 3; n += 1) {
      const batch = Array.from({ length: 1000 }, () => ({}));
      expect((await post("/api/events", batch)).status).toBe(200);
    }
  });
});

describe("connections", () => {
  test("of clients and streams together are no more than allowed, and one that leaves makes room", async () => {
    const server = await startTestServer({ max_connections: "3" });
    const first = await connect(server.url);
    await connect(server.url, {}, { transports: ["polling"] });
    const stream = new AbortController();
    const reading = await fetch(`${server.url}/api/events/stream`, { signal: stream.signal });
    expect(reading.status).toBe(200);

    for (const path of ["/api/events/stream", "/socket.io/?EIO=4&transport=polling"]) {
      const answer = await server.get(path);
      expect(answer).toMatchObject(refused(503, "too_many_connections"));
      expect(answer.headers.get("retry-after")).toBe("5");
    }
    const late = connectLater(server.url);
    const error = await new Promise<Error>((resolve) => late.socket.once("connect_error", resolve));
    expect(error.message).toBe("websocket error");
    expect((await server.get("/health")).status).toBe(200);

    first.socket.disconnect();
    stream.abort();
    await eventually(async () => (await server.get("/socket.io/?EIO=4&transport=polling")).status === 200);
    await connect(server.url);
    expect((await server.get("/api/events/stream")).status).toBe(503);
  });

  test("are asked for no faster than allowed, by all together", async () => {
    const server = await startTestServer({ max_handshakes_per_second: "5" });
    const statuses: number[] = [];
    for (let n = 0; n < 20; n += 1)
      statuses.push((await server.get("/socket.io/?EIO=4&transport=polling")).status);
    expect(statuses.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(10);
    const answer = await server.get("/socket.io/?EIO=4&transport=polling");
    expect(answer).toMatchObject(refused(429, "too_many_handshakes"));
    expect(answer.headers.get("retry-after")).toBe("1");
    // Who is connected goes on, and others come in when there is room again.
    await eventually(async () => (await server.get("/socket.io/?EIO=4&transport=polling")).status === 200);
  });
});

describe("what is asked", () => {
  test("with a URL of more than 8 KiB is refused, and one of nearly so many is not", async () => {
    const { get } = await startTestServer();
    expect(await get(`/health?${"a".repeat(9000)}`)).toMatchObject(refused(414, "url_too_long"));
    expect((await get(`/health?${"a".repeat(8000)}`)).status).toBe(200);
  });

  test("a head that is too large gets Bun's bare 431, and the server goes on", async () => {
    const { get, port } = await startTestServer();
    const answer = await new Promise<string>((resolve) => {
      const socket = connectTcp(port, "127.0.0.1", () =>
        socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(17_000)}\r\n\r\n`),
      );
      socket.once("data", (data) => resolve(data.toString()));
    });
    expect(answer).toStartWith("HTTP/1.1 431 ");
    expect((await get("/health")).status).toBe(200);
  });

  test("of a subscription is bounded: types, and the length of each part", async () => {
    const server = await startTestServer();
    const { socket } = await connect(server.url);
    for (const subscription of [
      { types: Array.from({ length: 101 }, (_, n) => `t${n}`) },
      { types: ["a".repeat(257)] },
      { project: "a".repeat(5000) },
      { session_id: "a".repeat(5000) },
    ]) {
      expect(await socket.emitWithAck("subscribe", subscription)).toMatchObject({
        ok: false,
        error: { code: "invalid_query" },
      });
    }
    const most = { types: Array.from({ length: 100 }, (_, n) => `t${n}`) };
    expect(await socket.emitWithAck("subscribe", most)).toEqual({ ok: true });
    expect(await server.get(`/api/events?q=${"a".repeat(5000)}`)).toMatchObject(
      refused(400, "invalid_query"),
    );
  });
});

test("refusals are said in the log once for a burst, without what was in the request", async () => {
  const file = join(temporaryDirectory(), "log");
  const server = await startTestServer({
    max_events_per_second: "1",
    log_level: "INFO",
    log_file_path: file,
  });
  for (let n = 0; n < 50; n += 1) await server.post("/api/events?x=hidden", { text: "hidden" });
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.includes("refused"));
  expect(lines.length).toBe(1);
  expect(lines[0]).toMatch(
    /code=rate_limited method=POST path=\/api\/events request_id=\S+ from=127\.0\.0\.1$/,
  );
  expect(readFileSync(file, "utf8")).not.toContain("hidden");
});
