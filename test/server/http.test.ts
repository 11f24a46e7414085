import { beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { ERRORS } from "../../src/protocol/errors.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ max_http_buffer_size: "10000" });
});

/** Sends bytes as they are and returns what comes back until the server closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk));
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

function expectError(
  answer: { status: number; headers: Headers; body: any },
  status: number,
  code: string,
): void {
  expect({ status: answer.status, code: answer.body?.error?.code }).toEqual({ status, code });
  expect(Object.keys(answer.body.error).slice(0, 3)).toEqual(["code", "message", "hint"]);
  expect(answer.headers.get("x-server-version")).toBe("1.0.0");
}

describe("reports", () => {
  for (const path of ["/health", "/status"]) {
    test(`${path} says how the server is`, async () => {
      const { status, body, headers } = await server.get(path);
      expect(status).toBe(200);
      expect(headers.get("x-server-version")).toBe("1.0.0");
      expect(body).toMatchObject({
        status: "healthy",
        server_version: "1.0.0",
        pid: process.pid,
        clients_connected: 0,
        client_versions: {},
        port: server.port,
        host: "localhost",
      });
      expect(body.server_id).toMatch(/^socketio-[0-9a-f]{8}$/);
      for (const time of [body.start_time, body.timestamp]) expect(new Date(time).toISOString()).toBe(time);
      expect(Object.keys(body.health_stats).toSorted()).toEqual([
        "clients_served",
        "errors",
        "events_processed",
        "last_activity",
      ]);
      expect(Object.keys(body.dependencies).toSorted()).toEqual(["bun_version", "socketio_version"]);
      expect(body.checks.every((check: object) => Object.keys(check).join() === "name,status,message")).toBe(
        true,
      );
    });
  }

  test("/ready answers 200 while the server takes traffic", async () => {
    expect((await server.get("/ready")).status).toBe(200);
  });

  test("/version holds what claude-mpm's clients read", async () => {
    const { body } = await server.get("/version");
    expect(body.server_version.split(".").map(Number)).toEqual([1, 0, 0]);
    expect(body.supported_client_versions).toEqual([">=0.7.0"]);
    expect(body.compatibility_matrix["1.0.0"]).toMatchObject({ min_python: "3.8", socketio_min: "5.11.0" });
    expect(body.features).toContain("persistent_server");
  });

  test("/stats counts events and places the log", async () => {
    const before = (await server.get("/stats")).body;
    await server.post("/api/events", { type: "counted" });
    const { body } = await server.get("/stats");
    expect(body.events.total_processed).toBe(before.events.total_processed + 1);
    expect(body.log.last_seq).toBe(before.log.last_seq + 1);
    expect(body.log.bytes).toBeGreaterThanOrEqual(before.log.bytes);
    expect(body.log.index_backlog).toBeGreaterThanOrEqual(0);
    expect(body.delivery).toEqual({ lagging_clients: 0, catch_ups: 0, dropped: 0 });
    expect(body.memory.rss).toBeGreaterThan(1_000_000);
    expect(new Date(body.events.last_activity).toISOString()).toBe(body.events.last_activity);
  });

  test("HEAD is answered as GET, without a body", async () => {
    const { status, body } = await server.get("/health", { method: "HEAD" });
    expect({ status, body }).toEqual({ status: 200, body: "" });
  });
});

describe("POST /compatibility", () => {
  test("judges a version, whatever the content type", async () => {
    const { status, body } = await server.post(
      "/compatibility",
      { client_version: "0.7.0" },
      { headers: { "Content-Type": "text/plain" } },
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      compatible: true,
      client_version: "0.7.0",
      warnings: [],
      requirements: { min_python: "3.8" },
    });
  });

  test("a string that is no version is incompatible, with one warning", async () => {
    const { status, body } = await server.post("/compatibility", { client_version: "banana" });
    expect(status).toBe(200);
    expect(body).toMatchObject({ compatible: false, warnings: [expect.any(String)] });
  });

  for (const bad of [{}, { client_version: 7 }, [], "null"]) {
    test(`${JSON.stringify(bad)} is refused`, async () => {
      expectError(await server.post("/compatibility", bad), 400, "client_version_missing");
    });
  }

  test("what is no JSON is refused", async () => {
    expectError(await server.post("/compatibility", "{"), 400, "invalid_json");
  });
});

describe("POST /api/events", () => {
  test("one event is stored and numbered before the answer", async () => {
    const { body } = await server.post("/api/events", { type: "one", id: "one-1" });
    expect(body).toEqual({
      accepted: 1,
      duplicates: 0,
      first_seq: body.last_seq,
      last_seq: expect.any(Number),
    });
    const { body: page } = await server.get(`/api/events?after=${body.last_seq - 1}`);
    expect(page.events[0]).toMatchObject({
      id: "one-1",
      seq: body.last_seq,
      type: "one",
      server_id: server.serverId,
    });
  });

  test("the same id again is a duplicate with the first seq", async () => {
    const first = (await server.post("/api/events", { id: "again" })).body;
    expect((await server.post("/api/events", [{ id: "again" }, { id: "again-2" }])).body).toEqual({
      accepted: 1,
      duplicates: 1,
      first_seq: first.first_seq,
      last_seq: first.first_seq + 1,
    });
  });

  test("an array is stored in its order; an empty one is no error", async () => {
    const batch = Array.from({ length: 1000 }, (_, n) => ({ n }));
    const { body } = await server.post("/api/events", batch);
    expect(body).toMatchObject({ accepted: 1000 });
    expect(body.last_seq - body.first_seq).toBe(999);
    expect((await server.post("/api/events", [])).body).toEqual({
      accepted: 0,
      duplicates: 0,
      first_seq: null,
      last_seq: null,
    });
  });

  test("more than 1000 events in an array are refused", async () => {
    expectError(
      await server.post(
        "/api/events",
        Array.from({ length: 1001 }, () => ({})),
      ),
      400,
      "batch_too_large",
    );
  });

  test("more than 10000 lines are refused, and of many bad items the first hundred are listed", async () => {
    const headers = { "Content-Type": "application/x-ndjson" };
    expectError(await server.post("/api/events", "{}\n".repeat(10_001), { headers }), 400, "batch_too_large");
    const { body } = await server.post("/api/events", "5\n".repeat(10_000), { headers });
    expect(body.error.message).toStartWith("10000 of 10000 events are malformed");
    expect(body.error.items).toHaveLength(100);
  });

  for (const contentType of ["application/x-ndjson", "application/x-www-form-urlencoded"]) {
    test(`lines of JSON sent as ${contentType} are a batch`, async () => {
      const text = '{"type":"l1"}\n\n{"type":"l2"}\r\n{"type":"l3"}\n';
      const { body } = await server.post("/api/events", text, { headers: { "Content-Type": contentType } });
      expect(body).toMatchObject({ accepted: 3 });
    });

    test(`a broken line sent as ${contentType} refuses the batch with its index`, async () => {
      const text = '{"type":"l1"}\n{"type":\n[1]\n';
      const answer = await server.post("/api/events", text, { headers: { "Content-Type": contentType } });
      expectError(answer, 400, "invalid_events");
      expect(answer.body.error.items.map(({ index, code }: any) => [index, code])).toEqual([
        [1, "invalid_json"],
        [2, "invalid_event"],
      ]);
    });
  }

  test("a pretty-printed object is one event", async () => {
    expect(
      (await server.post("/api/events", JSON.stringify({ type: "p", data: { a: 1 } }, null, 2))).body,
    ).toMatchObject({ accepted: 1 });
  });

  test("claude-mpm's envelope is opened, alone and in a batch", async () => {
    const envelope = { namespace: "/hook", event: "claude_event", data: { data: { sessionId: "env-1" } } };
    expect((await server.post("/api/events", envelope)).body.accepted).toBe(1);
    expect((await server.post("/api/events", [envelope, envelope])).body.accepted).toBe(2);
    const { body } = await server.get("/api/events?session_id=env-1");
    expect(body.total_available).toBe(3);
    expect(body.events[0]).toMatchObject({
      type: "claude_event",
      session_id: "env-1",
      data: { sessionId: "env-1" },
    });
  });

  const wrong: [string, string, number, string][] = [
    ["no body", "", 400, "invalid_json"],
    ["no JSON", "hello", 400, "invalid_json"],
    ["half an object", '{"type":', 400, "invalid_json"],
    ["a number", "5", 400, "invalid_event"],
    ["null", "null", 400, "invalid_event"],
    ["a type that is no string", '{"type":5}', 400, "invalid_event"],
    ["an event beyond the limit", JSON.stringify({ x: "y".repeat(20_000) }), 413, "event_too_large"],
    ["a number no double holds", "1754550000123456789", 400, "invalid_event"],
    ["an id with half a character", '{"id":"\\ud800"}', 400, "invalid_event"],
    ["a printed object with a typo", '{\n  "type": "a",\n  "n": 5,,\n  "m": 1\n}', 400, "invalid_json"],
    ["an envelope without an object", '{"namespace":"/","event":"e","data":5}', 400, "invalid_event"],
    ["a body beyond 8 MiB", `"${"x".repeat(8 * 1024 * 1024)}"`, 413, "body_too_large"],
  ];
  for (const [what, body, status, code] of wrong) {
    test(`${what} is refused with ${code}`, async () => {
      const before = (await server.get("/stats")).body;
      expectError(await server.post("/api/events", body), status, code);
      const after = (await server.get("/stats")).body;
      expect(after.log.last_seq).toBe(before.log.last_seq);
      expect(after.errors).toBe(before.errors + 1);
    });
  }

  test("deep nesting is refused, however deep, and never fatal", async () => {
    for (const depth of [300, 4000, 100_000]) {
      const answer = await server.post("/api/events", `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`);
      expectError(answer, 400, "invalid_event");
    }
  });

  test("deep nesting is refused with numbers in it that no double holds", async () => {
    const answer = await server.post(
      "/api/events",
      `{"a":${"[".repeat(100_000)}1754550000123456789${"]".repeat(100_000)}}`,
    );
    expect([answer.status, answer.body.error.code]).toEqual([400, expect.stringMatching(/^invalid_/)]);
  });

  test("what is no UTF-8 is refused, not changed", async () => {
    const answer = await server.get("/api/events", {
      method: "POST",
      body: new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
    });
    expectError(answer, 400, "invalid_json");
  });

  test("a compressed body is refused with what to do", async () => {
    const body = Bun.gzipSync(Buffer.from('{"type":"zipped"}'));
    const headers = { "Content-Encoding": "gzip" };
    const answer = await server.get("/api/events", { method: "POST", body, headers });
    expectError(answer, 415, "encoding_unsupported");
    // Whoever sends it plain all the same says what is not so.
    for (const encoding of ["gzip", "br", "zstd"]) {
      const plain = { headers: { "Content-Encoding": encoding } };
      expectError(await server.post("/api/events", '{"type":"plain"}', plain), 415, "encoding_unsupported");
    }
    const identity = { headers: { "Content-Encoding": "identity" } };
    expect((await server.post("/api/events", '{"type":"plain"}', identity)).status).toBe(200);
  });

  test("__proto__ is a name like any other", async () => {
    const { body } = await server.post("/api/events", '{"type":"proto","__proto__":{"polluted":true}}');
    const page = await server.get(`/api/events?after=${body.last_seq - 1}`);
    expect(JSON.stringify(page.body.events[0])).toContain('"__proto__":{"polluted":true}');
    expect(({} as any).polluted).toBeUndefined();
  });
});

describe("GET /api/events", () => {
  test("pages forward by next until there is nothing more", async () => {
    const { body: put } = await server.post(
      "/api/events",
      Array.from({ length: 25 }, (_, n) => ({ type: "paged", n })),
    );
    const seen: number[] = [];
    let after = put.first_seq - 1;
    for (;;) {
      const { body } = await server.get(`/api/events?after=${after}&limit=10&type=paged`);
      expect(body.total_available).toBe(25);
      expect(body.returned).toBe(body.events.length);
      if (body.next === null) break;
      seen.push(...body.events.map(({ n }: { n: number }) => n));
      after = body.next;
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => n));
  });

  for (const query of [
    "limit=x",
    "limit=1001",
    "limit=-1",
    "after=1.5",
    "before=abc",
    "since=yesterday",
    "q=a%00b",
  ]) {
    test(`${query} is refused`, async () => {
      expectError(await server.get(`/api/events?${query}`), 400, "invalid_query");
    });
  }
});

describe("what is not there", () => {
  test("an unknown path is a coded 404", async () =>
    expectError(await server.get("/nope"), 404, "not_found"));
  test("a known path with another method is a coded 405 that says which are allowed", async () => {
    const answer = await server.get("/health", { method: "DELETE" });
    expectError(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toContain("GET");
  });
  test("an unknown path below /socket.io is a coded 404", async () => {
    expectError(await server.get("/socket.io/nope.js"), 404, "not_found");
  });
});

describe("the Socket.IO client bundle", () => {
  for (const file of ["socket.io.js", "socket.io.min.js"]) {
    test(`${file} is served with an ETag, and not again to who has it`, async () => {
      const first = await server.get(`/socket.io/${file}`);
      expect(first.status).toBe(200);
      expect(first.headers.get("content-type")).toContain("text/javascript");
      expect(first.body).toContain("Socket.IO v4");
      const etag = first.headers.get("etag") ?? "";
      for (const known of [etag, `W/${etag}`, `"x", ${etag}`]) {
        expect((await server.get(`/socket.io/${file}`, { headers: { "If-None-Match": known } })).status).toBe(
          304,
        );
      }
    });
  }
});

describe("HTTP", () => {
  test("Connection: close is answered with the same, and the connection ends", async () => {
    const answer = await raw(
      server.port,
      "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toStartWith("HTTP/1.1 200");
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
  });

  test("a connection without it is kept, for pages and for polling alike", async () => {
    const ask = (path: string, last = false) => {
      return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${last ? "Connection: close\r\n" : ""}\r\n`;
    };
    const answer = await raw(
      server.port,
      ask("/health") + ask("/socket.io/?EIO=4&transport=polling") + ask("/version", true),
    );
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
  });

  test("HTTP/1.0 without a Host is answered", async () => {
    expect(await raw(server.port, "GET /health?x=1 HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 200");
    expect(await raw(server.port, "GET /nope HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 404");
    expect(await raw(server.port, "GET /socket.io/?EIO=4&transport=polling HTTP/1.0\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 4/,
    );
  });

  test("an upgrade that is none is refused with 400", async () => {
    const ask = (headers: string) => {
      return raw(
        server.port,
        `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close, Upgrade\r\n\r\n`,
      );
    };
    for (const headers of ["Upgrade: websocket\r\n", "Upgrade: h2c\r\n"])
      expect(await ask(headers)).toStartWith("HTTP/1.1 400");
  });

  test("what is no HTTP is refused, and the server goes on", async () => {
    await raw(server.port, "\x16\x03\x01 hello\r\n\r\n").catch(() => "");
    expect((await server.get("/health")).status).toBe(200);
  });
});

test("every error of the table has a status, a message and a next step", () => {
  for (const [status, message, hint] of Object.values(ERRORS)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(message.length).toBeGreaterThan(0);
    expect(hint.length).toBeGreaterThan(0);
  }
});
