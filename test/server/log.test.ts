/** What the log tells of requests, and what it never holds. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeToken } from "../../src/auth/token-file.ts";
import { connectLater } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const idOf = ({ headers }: { headers: Headers }) => headers.get("x-request-id");

/** A server whose log is read. */
async function logged(settings: Parameters<typeof startTestServer>[0]) {
  const file = join(temporaryDirectory(), "server.log");
  const server = await startTestServer({
    log_level: "INFO",
    log_file_path: file,
    log_to_file: "true",
    ...settings,
  });
  return { server, log: () => readFileSync(file, "utf8") };
}

describe("X-Request-Id", () => {
  test("is another one on every answer, of every kind", async () => {
    const server = await startTestServer();
    const answers = [
      await server.get("/health"),
      await server.get("/nothing"),
      await server.get("/socket.io/?EIO=4&transport=polling"),
      await server.get("/socket.io/socket.io.js"),
      await server.get("/health", { headers: { Origin: "https://evil.example" } }),
      await server.get("/health", { method: "HEAD" }),
      await server.get("/health", { method: "OPTIONS" }),
      await server.post("/api/events", "{"),
    ];
    const ids = answers.map(idOf);
    expect(new Set(ids).size).toBe(answers.length);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  });

  test("is the sender's own where that is one, and made where it is not", async () => {
    const server = await startTestServer();
    const ask = async (id: string) => idOf(await server.get("/ready", { headers: { "X-Request-Id": id } }));
    for (const good of ["a", "req_1.2-3", "x".repeat(64)]) expect(await ask(good)).toBe(good);
    for (const bad of ["x".repeat(65), "a b", "a,b", "ü", "<script>"]) expect(await ask(bad)).not.toBe(bad);
  });

  test("can be read by pages that may talk to the server", async () => {
    const server = await startTestServer();
    const { headers } = await server.get("/health", { headers: { Origin: server.url } });
    expect(headers.get("access-control-expose-headers")).toContain("X-Request-Id");
  });

  test("leads from a failure to its line in the log", async () => {
    for (const format of ["text", "json"]) {
      const { server, log } = await logged({ log_format: format });
      broken(server);
      const { status, headers, body } = await server.get("/stats?token=nobody-may-see");
      expect(status).toBe(500);
      expect(body.error).toMatchObject({ code: "internal", request_id: headers.get("x-request-id") });
      expect(body.error.hint).toContain("request_id");
      const line = log()
        .split("\n")
        .find((one) => one.includes("request failed"));
      if (format === "json") {
        expect(JSON.parse(line ?? "")).toEqual({
          time: expect.any(String),
          level: "ERROR",
          tag: "http",
          message: "request failed",
          request_id: body.error.request_id,
          method: "GET",
          path: "/stats",
          error: "Error: made for a test",
        });
      } else {
        expect(line).toContain(`request_id=${body.error.request_id}`);
        expect(line).not.toContain("nobody-may-see");
      }
    }
  });
});

test("a refusal of note is said with the request's id, its path and where it comes from", async () => {
  const { server, log } = await logged({ log_format: "json" });
  const evil = { headers: { Origin: "https://evil.example", "X-Request-Id": "mine" } };
  expect((await server.get("/stats?q=nobody-may-see", evil)).status).toBe(403);
  const lines = log()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.find(({ message }) => message === "refused")).toMatchObject({
    level: "WARNING",
    code: "origin_refused",
    request_id: "mine",
    method: "GET",
    path: "/stats",
    from: expect.stringContaining("127.0.0.1"),
  });
});

test("what an admin does is said, with who it was", async () => {
  const { server, log } = await logged({ log_format: "json", auth: "on", token: SECRETS.good });
  const headers = { Authorization: `Bearer ${SECRETS.good}`, "X-Request-Id": "mine" };
  await server.post("/api/clients/nobody/disconnect", "", { headers: { "X-Request-Id": "refused" } });
  await server.post("/api/clients/nobody/disconnect", "", { headers });
  await server.get("/api/clients", { headers });
  const lines = log()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const [line, ...more] = lines.filter(({ message }) => message === "admin request");
  expect(more).toEqual([]);
  expect(line).toMatchObject({
    level: "INFO",
    request_id: "mine",
    method: "POST",
    path: "/api/clients/nobody/disconnect",
    by: expect.any(String),
    from: expect.stringContaining("127.0.0.1"),
  });
});

/** A part of the server fails in a way that nobody foresaw. */
function broken(server: TestServer): void {
  const rss = process.memoryUsage.rss;
  process.memoryUsage.rss = () => {
    process.memoryUsage.rss = rss;
    throw new Error("made for a test");
  };
  expect(server.url).toBeString();
}

/** Nothing that looks like one to a program: what never gets there need not be known. */
const SECRETS = {
  good: "tok-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  header: "planted in a header",
  query: "planted-in-a-query",
  handshake: "planted in a handshake",
  event: "planted in an event",
  malformed: "planted_in_a_body",
  field: "planted in a name",
};
/** Known by its form, and in places where something of a request may be named. */
const KEY = `sk-ant-api03-${"Ab3".repeat(31)}AA`;

describe("the log", () => {
  for (const level of ["INFO", "DEBUG"]) {
    test(`holds no token, no query and no payload at ${level}`, async () => {
      const { server, log } = await logged({ log_level: level, auth: "on", token: SECRETS.good });
      const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });
      const good = bearer(SECRETS.good);
      await server.get("/stats", bearer(SECRETS.header.replaceAll(" ", "-")));
      await server.get("/stats", { headers: { Authorization: SECRETS.header } });
      for (const path of ["/api/events", "/api/events/stream", "/", "/nothing", "/socket.io/"]) {
        await server.get(`${path}?token=${SECRETS.query}&q=${SECRETS.query}`);
        await server.get(`${path}?limit=${SECRETS.query}&after=x${SECRETS.query}`, good);
      }
      await server.get(`/api/sessions/${KEY}`, good);
      await server.get(`/${KEY}`, {
        ...good,
        headers: { ...good.headers, Origin: `https://${SECRETS.query}.example` },
      });
      await server.post("/api/events", { type: "a", text: SECRETS.event, [SECRETS.field]: KEY }, good);
      await server.post("/api/events", { type: 5, text: SECRETS.event }, good);
      await server.post("/api/events", `{"text": ${SECRETS.malformed}}`, good);
      await server.post("/api/hooks/claude", `[${SECRETS.malformed}]`, good);
      await server.post("/compatibility", `{"client_version": ${SECRETS.malformed}}`, good);

      const refused = connectLater(
        server.url,
        { token: SECRETS.handshake },
        { query: { token: SECRETS.query } },
      );
      await new Promise((resolve) => refused.socket.on("connect_error", resolve));
      const { socket } = connectLater(server.url, {
        token: SECRETS.good,
        resume: SECRETS.handshake,
        subscribe: KEY,
      });
      await eventually(() => socket.connected);
      await socket.emitWithAck("claude_event", { text: SECRETS.event });
      await socket.emitWithAck("claude_event", { type: 5, text: SECRETS.event });
      await socket.emitWithAck("get_history", { limit: SECRETS.event });
      await socket.emitWithAck(KEY, SECRETS.event);
      socket.io.engine.write(`2["claude_event",{"text":${SECRETS.malformed}}]`);
      socket.io.engine.write(`9${SECRETS.malformed}`);
      await eventually(() => !socket.connected);

      const text = log();
      expect(text).toContain("listening");
      if (level === "DEBUG") expect(text).toContain("client disconnected");
      const found = [...Object.values(SECRETS), KEY].filter((secret) => {
        return [secret, secret.replaceAll(" ", "-")].some((form) => text.includes(form));
      });
      expect([found, text.match(/.*\?.*=.*/g)]).toEqual([[], null]);
    });
  }

  test("masks our own tokens in a path, in either format", async () => {
    for (const log_format of ["text", "json"]) {
      const { server, log } = await logged({ log_level: "DEBUG", log_format });
      for (const token of [makeToken(), makeToken().replace("cms", "cml")]) {
        await server.get(`/x/${token}`);
        server.logger.debug("went away", { path: `/x/${token}`, url: `http://x/?token=${token}` });
        expect(log()).not.toContain(token.slice(0, 20));
      }
      expect(log()).toContain("/x/[redacted:server-token]");
    }
  });

  test("limits what it repeats", async () => {
    const { server, log } = await logged({ log_level: "DEBUG" });
    server.logger.info("a".repeat(100_000), { name: "b".repeat(100_000) });
    expect(log()).toContain("… (96000 characters more)");
    expect(log().length).toBeLessThan(10_000);
  });
});
