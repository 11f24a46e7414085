import { beforeAll, describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../support/clients.ts";
import { curl, curlResponse, curlTest } from "../support/curl.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const RECORD_SEPARATOR = "\x1e";

let server: TestServer;
let directory: string;
beforeAll(async () => {
  directory = temporaryDirectory();
});

function url(path: string): string {
  return new URL(path, server.url).href;
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function ndjson(events: readonly unknown[], end = "\n"): string {
  return events.map((event) => JSON.stringify(event) + end).join("");
}

/** A refusal as every client can read it. */
function coded(code: string): object {
  return { error: { code, message: expect.stringMatching(/./), hint: expect.stringMatching(/./) } };
}

/** All of them, page by page: an answer holds only so much. */
async function storedEvents(): Promise<any[]> {
  const stored: any[] = [];
  for (let after: number | null = 0; after !== null;) {
    const { body } = await server.get(`/api/events?limit=1000&after=${after}`);
    stored.push(...body.events);
    after = body.next;
  }
  return stored;
}

describe("curl posts events", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });

  curlTest("one with plain -d, which says it is a form", async () => {
    const javascript = await connect(server.url);
    const event = { type: "one", session_id: "s-1", data: { text: "Grüße 世界", list: [1, null, ""] } };
    const { status, headers, body } = await curlResponse(["-d", JSON.stringify(event), url("/api/events")]);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toStartWith("application/json");
    expect(body).toEqual({ accepted: 1, duplicates: 0, first_seq: 1, last_seq: 1 });
    await eventually(() => javascript.events().length === 1);
    expect(javascript.events()).toEqual([
      {
        ...event,
        seq: 1,
        id: expect.any(String),
        server_id: server.serverId,
        received_at: expect.any(String),
      },
    ]);
  });

  curlTest("an array, in its order, as one batch", async () => {
    const before = (await storedEvents()).length;
    const events = [{ type: "a" }, { type: "b", id: "b-1" }, { type: "c" }, { type: "b", id: "b-1" }];
    const json = ["-H", "Content-Type: application/json"];
    const { body } = await curlResponse([...json, "-d", JSON.stringify(events), url("/api/events")]);
    expect(body).toEqual({ accepted: 3, duplicates: 1, first_seq: before + 1, last_seq: before + 3 });
    expect((await storedEvents()).slice(before)).toMatchObject([
      { type: "a", seq: before + 1 },
      { type: "b", id: "b-1", seq: before + 2 },
      { type: "c", seq: before + 3 },
    ]);
  });

  const lines = [
    { type: "line", n: 1 },
    { type: "line", n: 2, text: "ünïcode\n\\n \u2028" },
    { type: "line", n: 3 },
  ];
  const NDJSON_FORMS: { name: string; type: string[]; text: string }[] = [
    { name: "without a content type", type: [], text: ndjson(lines) },
    {
      name: "as application/x-ndjson",
      type: ["-H", "Content-Type: application/x-ndjson"],
      text: ndjson(lines),
    },
    { name: "as application/jsonl", type: ["-H", "Content-Type: application/jsonl"], text: ndjson(lines) },
    { name: "with CRLF line ends and an empty last line", type: [], text: `${ndjson(lines, "\r\n")}\r\n` },
    { name: "without a line end after the last line", type: [], text: ndjson(lines).trimEnd() },
  ];
  for (const { name, type, text } of NDJSON_FORMS) {
    curlTest(`an NDJSON file ${name}`, async () => {
      const before = (await storedEvents()).length;
      const path = file("events.ndjson", text);
      const { status, body } = await curlResponse([...type, "--data-binary", `@${path}`, url("/api/events")]);
      expect({ status, body }).toEqual({
        status: 200,
        body: { accepted: 3, duplicates: 0, first_seq: before + 1, last_seq: before + 3 },
      });
      expect((await storedEvents()).slice(before)).toMatchObject(lines);
    });
  }

  curlTest("NDJSON from a pipe, in chunks of unknown length", async () => {
    const before = (await storedEvents()).length;
    const args = ["-X", "POST", "-H", "Content-Type: application/x-ndjson", "-T", "-", url("/api/events")];
    const { body } = await curlResponse(args, ndjson(lines));
    expect(body).toEqual({ accepted: 3, duplicates: 0, first_seq: before + 1, last_seq: before + 3 });
  });

  curlTest("a file of two megabytes, for which it asks leave with Expect: 100-continue", async () => {
    const before = (await storedEvents()).length;
    const events = Array.from({ length: 500 }, (_, n) => ({ type: "large", n, text: "x".repeat(4000) }));
    const path = file("large.ndjson", ndjson(events));
    const { status, body } = await curlResponse(["--data-binary", `@${path}`, url("/api/events")]);
    expect({ status, body }).toEqual({
      status: 200,
      body: { accepted: 500, duplicates: 0, first_seq: before + 1, last_seq: before + 500 },
    });
  });

  curlTest("claude-mpm's envelope", async () => {
    const before = (await storedEvents()).length;
    const data = {
      subtype: "pre_tool",
      data: { sessionId: "s-envelope", data: { working_directory: "/srv/app" } },
    };
    const envelope = { namespace: "/hook", event: "claude_event", data };
    const { status } = await curlResponse(["-d", JSON.stringify(envelope), url("/api/events")]);
    expect(status).toBe(200);
    expect((await storedEvents()).slice(before)).toEqual([
      {
        ...data,
        type: "claude_event",
        session_id: "s-envelope",
        cwd: "/srv/app",
        seq: before + 1,
        id: expect.any(String),
        server_id: server.serverId,
        received_at: expect.any(String),
      },
    ]);
  });

  const good = '{"type":"good"}';
  const REFUSED: { name: string; body: string; status: number; code: string; indexes?: number[] }[] = [
    { name: "nothing", body: "", status: 400, code: "invalid_json" },
    { name: "what is no JSON", body: "{type: hook}", status: 400, code: "invalid_json" },
    {
      name: "NDJSON sent with -d, which joins the lines",
      body: good + good,
      status: 400,
      code: "invalid_json",
    },
    { name: "a number", body: "5", status: 400, code: "invalid_event" },
    {
      name: "an event with a type that is no string",
      body: '{"type":7}',
      status: 400,
      code: "invalid_event",
    },
    {
      name: "an array with bad items",
      body: `[${good},5,${good},{"id":""}]`,
      status: 400,
      code: "invalid_events",
      indexes: [1, 3],
    },
    {
      name: "lines with bad ones among them",
      body: `${good}\nnot json\n${good}\n[]\n`,
      status: 400,
      code: "invalid_events",
      indexes: [1, 3],
    },
    {
      name: "an array of 1001 events",
      body: `[${`${good},`.repeat(1000)}${good}]`,
      status: 400,
      code: "batch_too_large",
    },
    {
      name: "an event over the limit of one message",
      body: JSON.stringify({ type: "large", text: "x".repeat(1_000_000) }),
      status: 413,
      code: "event_too_large",
    },
    {
      name: "a body over eight megabytes",
      body: `${good}\n`.repeat(530_000),
      status: 413,
      code: "body_too_large",
    },
  ];
  for (const { name, body: text, status: expected, code, indexes } of REFUSED) {
    curlTest(`but not ${name}`, async () => {
      const before = (await storedEvents()).length;
      const path = file("refused", text);
      const { status, headers, body } = await curlResponse(["--data-binary", `@${path}`, url("/api/events")]);
      expect(status).toBe(expected);
      expect(headers.get("x-server-version")).toBe("1.0.0");
      expect(body).toMatchObject(coded(code));
      expect(body.error.items?.map(({ index }: any) => index)).toEqual(indexes);
      expect(await storedEvents()).toHaveLength(before);
    });
  }
});

describe("curl asks for events", () => {
  let times: string[];
  beforeAll(async () => {
    server = await startTestServer();
    const events = [
      { type: "hook.pre_tool_use", session_id: "s-1", cwd: "/home/dev/app", data: { text: "Grüße & Küsse" } },
      { type: "hook.post_tool_use", session_id: "s-1", cwd: "/home/dev/app" },
      { type: "hook.pre_tool_use", session_id: "s-2", cwd: "/home/dev/other" },
      { type: "session.start", session_id: "s-2", data: { working_directory: "/home/dev/other" } },
      { type: "hookless", session_id: "s 3/?#", cwd: "/home/dev/my app" },
    ];
    for (const event of events) {
      await server.post("/api/events", event);
      // So that a time tells one from the next.
      const { received_at } = (await storedEvents()).at(-1);
      await eventually(() => Date.now() > Date.parse(received_at));
    }
    times = (await storedEvents()).map(({ received_at }) => received_at);
  });

  const FILTERS: { query: string[] | (() => string[]); seqs: number[] }[] = [
    { query: [], seqs: [1, 2, 3, 4, 5] },
    { query: ["session_id=s-1"], seqs: [1, 2] },
    { query: ["session_id=s 3/?#"], seqs: [5] },
    { query: ["session_id=unknown"], seqs: [] },
    { query: ["type=hook.pre_tool_use"], seqs: [1, 3] },
    { query: ["type=hook.*"], seqs: [1, 2, 3] },
    { query: ["type=hook"], seqs: [] },
    { query: ["type=session.*", "type=", "type=hookless"], seqs: [4, 5] },
    { query: ["project=/home/dev/other"], seqs: [3, 4] },
    { query: ["project=app"], seqs: [1, 2] },
    { query: ["project=my app"], seqs: [5] },
    { query: ["q=grüße & k"], seqs: [1] },
    { query: ["session_id=s-2", "type=hook.*"], seqs: [3] },
    { query: ["after=2"], seqs: [3, 4, 5] },
    { query: ["before=3"], seqs: [1, 2] },
    { query: ["after=1", "before=4"], seqs: [2, 3] },
    { query: ["after=1", "limit=2"], seqs: [2, 3] },
    { query: ["limit=2"], seqs: [4, 5] },
    { query: ["session_id=s-1", "limit=1"], seqs: [2] },
    { query: () => [`since=${times[2]}`], seqs: [3, 4, 5] },
    { query: () => [`until=${times[1]}`], seqs: [1, 2] },
    { query: () => [`since=${times[1]}`, `until=${times[3]}`, "session_id=s-2"], seqs: [3, 4] },
  ];
  for (const { query, seqs } of FILTERS) {
    const name = (typeof query === "function" ? ["since and until"] : query).join(" and ") || "no filter";
    curlTest(`with ${name}, and gets ${seqs.join(", ") || "none"}`, async () => {
      const fields = (typeof query === "function" ? query() : query).flatMap((field) => [
        "--data-urlencode",
        field,
      ]);
      const { status, body } = await curlResponse(["-G", ...fields, url("/api/events")]);
      expect(status).toBe(200);
      expect(body.events.map(({ seq }: any) => seq)).toEqual(seqs);
      expect(body).toMatchObject({
        epoch: expect.any(String),
        first_seq: 1,
        last_seq: 5,
        returned: seqs.length,
        next: seqs.at(-1) ?? null,
      });
    });
  }

  curlTest("page by page, following `next`, until there are no more", async () => {
    const seen: number[] = [];
    for (let after: number | null = 0; after !== null;) {
      const { body } = await curlResponse([url(`/api/events?type=hook.*&limit=2&after=${after}`)]);
      seen.push(...body.events.map(({ seq }: any) => seq));
      after = body.next;
    }
    expect(seen).toEqual([1, 2, 3]);
  });

  curlTest("and is told how many there are beyond the page", async () => {
    const { body } = await curlResponse([url("/api/events?session_id=s-1&limit=1")]);
    expect(body).toMatchObject({ total_available: 2, returned: 1 });
  });

  for (const query of ["limit=1001", "limit=abc", "after=-1", "since=yesterday"]) {
    curlTest(`and is refused ${query}, which cannot be meant`, async () => {
      const { status, body } = await curlResponse([url(`/api/events?${query}`)]);
      expect(status).toBe(400);
      expect(body).toEqual(coded("invalid_query"));
      expect(body.error.message).toContain(query.split("=")[0] as string);
    });
  }
});

describe("curl asks for compatibility", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });

  curlTest("with plain -d, which says it is a form", async () => {
    const { status, body } = await curlResponse([url("/compatibility"), "-d", '{"client_version": "0.7.0"}']);
    expect(status).toBe(200);
    expect(body).toEqual({
      compatible: true,
      server_version: "1.0.0",
      client_version: "0.7.0",
      warnings: [],
      supported_features: expect.arrayContaining(["persistent_server", "version_compatibility"]),
      requirements: { min_python: "3.8", socketio_min: "5.11.0" },
    });
  });

  for (const version of ["0.6.9", "unknown", "banana"]) {
    curlTest(`for ${version}, and is told once why not`, async () => {
      const request = ["-d", JSON.stringify({ client_version: version }), url("/compatibility")];
      const { status, body } = await curlResponse(request);
      expect(status).toBe(200);
      expect(body).toMatchObject({ compatible: false, client_version: version });
      expect(body.warnings).toEqual([expect.stringContaining(version)]);
    });
  }

  const REFUSED = [
    { body: "{}", code: "client_version_missing" },
    { body: '{"client_version":7}', code: "client_version_missing" },
    { body: '"0.7.0"', code: "client_version_missing" },
    { body: "client_version=0.7.0", code: "invalid_json" },
  ];
  for (const { body: text, code } of REFUSED) {
    curlTest(`but not with ${text}`, async () => {
      const { status, body } = await curlResponse(["-d", text, url("/compatibility")]);
      expect({ status, body }).toEqual({ status: 400, body: coded(code) });
    });
  }
});

describe("curl -i", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });

  const ANSWERS: { args: string[]; path: string; status: number }[] = [
    { args: [], path: "/", status: 200 },
    { args: [], path: "/health", status: 200 },
    { args: [], path: "/status", status: 200 },
    { args: [], path: "/ready", status: 200 },
    { args: [], path: "/version", status: 200 },
    { args: [], path: "/stats", status: 200 },
    { args: [], path: "/api/events", status: 200 },
    { args: ["-d", "{}"], path: "/api/events", status: 200 },
    { args: [], path: "/socket.io/socket.io.js", status: 200 },
    { args: [], path: "/socket.io/?EIO=4&transport=polling", status: 200 },
    { args: [], path: "/nothing-here", status: 404 },
    { args: [], path: "/socket.io/nothing-here", status: 404 },
    { args: ["-X", "DELETE"], path: "/api/events", status: 405 },
    { args: ["-d", "{}"], path: "/health", status: 405 },
    { args: ["-H", "Host: rebound.example"], path: "/health", status: 403 },
    { args: ["-H", "Origin: https://page.example"], path: "/health", status: 403 },
    {
      args: ["-H", "Origin: https://page.example"],
      path: "/socket.io/?EIO=4&transport=polling",
      status: 403,
    },
    { args: [], path: "/socket.io/?EIO=4&transport=carrier-pigeon", status: 400 },
  ];
  for (const { args, path, status: expected } of ANSWERS) {
    curlTest(`${[...args, path].join(" ")} answers ${expected} with X-Server-Version`, async () => {
      const { status, headers, body } = await curlResponse([...args, url(path)]);
      expect(status).toBe(expected);
      expect(headers.get("x-server-version")).toBe("1.0.0");
      if (expected >= 400) expect(body).toMatchObject(coded(body.error.code));
    });

    curlTest(`${[...args, path].join(" ")} with Connection: close is answered with it`, async () => {
      const closing = ["-H", "Connection: close", ...args, url(path)];
      expect((await curlResponse(closing)).headers.get("connection")).toBe("close");
    });
  }

  curlTest("asked for the method that is not there, names those that are", async () => {
    const { status, headers, body } = await curlResponse(["-X", "PUT", url("/api/events")]);
    expect(status).toBe(405);
    expect(headers.get("allow")?.split(", ").toSorted()).toEqual(["GET", "HEAD", "POST"]);
    expect(body).toEqual(coded("method_not_allowed"));
  });

  for (const path of ["/ready", "/version", "/socket.io/socket.io.js"]) {
    curlTest(`--head ${path} has the headers of GET and no body`, async () => {
      const get = await curlResponse([url(path)]);
      const head = await curlResponse(["--head", url(path)]);
      expect(head).toMatchObject({ status: 200, body: "" });
      for (const name of ["content-type", "x-server-version", "etag", "cache-control"]) {
        expect([name, head.headers.get(name)]).toEqual([name, get.headers.get(name)]);
      }
      // The length may be left out, but not differ (RFC 9110, section 8.6).
      const length = get.headers.get("content-length");
      expect([null, length]).toContain(head.headers.get("content-length"));
    });
  }

  curlTest("reuses one connection for several URLs, refused ones too", async () => {
    const paths = [
      "/version",
      "/health",
      "/nothing-here",
      "/api/events?limit=abc",
      "/socket.io/?EIO=4&transport=polling",
      "/socket.io/?EIO=4&transport=carrier-pigeon",
      "/socket.io/socket.io.min.js",
      "/version",
    ];
    const targets = paths.flatMap((path) => ["-o", "/dev/null", url(path)]);
    const { exitCode, stdout, stderr } = await curl(["-w", "%{num_connects} %{http_code}\n", ...targets]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toEqual([
      "1 200",
      "0 200",
      "0 404",
      "0 400",
      "0 200",
      "0 400",
      "0 200",
      "0 200",
    ]);
  });

  curlTest("opens a new connection for each URL when it asks for Connection: close", async () => {
    const targets = ["/version", "/ready"].flatMap((path) => ["-o", "/dev/null", url(path)]);
    const { exitCode, stdout } = await curl([
      "-H",
      "Connection: close",
      "-w",
      "%{num_connects} %{http_code}\n",
      ...targets,
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "1 200\n1 200\n" });
  });

  curlTest("goes on with its connection after posts that were refused", async () => {
    const format = ["-w", "%{num_connects} %{http_code}\n"];
    const post = (body: string) => ["-d", body, "-o", "/dev/null", url("/api/events")];
    // --next forgets what was asked before it.
    const again = ["--next", "-sS", "--noproxy", "*", ...format, ...post('{"type":"good"}')];
    const { exitCode, stdout } = await curl([...format, ...post("not json"), ...again]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "1 400\n0 200\n" });
  });
});

describe("curl speaks Engine.IO over polling", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });

  const ENGINE = "/socket.io/?EIO=4&transport=polling";

  /** Opens a session by hand, and reads packets from it. */
  async function openSession() {
    const { status, headers, body } = await curlResponse([url(ENGINE)]);
    const handshake = JSON.parse(body.slice(1));
    const session = url(`${ENGINE}&sid=${handshake.sid}`);
    const packets: string[] = [];
    return {
      opening: { status, headers, packet: body.slice(0, 1), handshake },
      post: async (...sent: string[]) =>
        curlResponse(["--data-binary", `@${file("packets", sent.join(RECORD_SEPARATOR))}`, session]),
      /** Polls until a packet of this kind has come. */
      async poll(prefix: string): Promise<string[]> {
        while (!packets.some((packet) => packet.startsWith(prefix))) {
          packets.push(...(await curlResponse([session])).body.split(RECORD_SEPARATOR));
        }
        return packets.splice(0);
      },
    };
  }

  curlTest("from the handshake to an acknowledged event", async () => {
    const javascript = await connect(server.url);
    const { opening, post, poll } = await openSession();
    expect(opening).toMatchObject({
      status: 200,
      packet: "0",
      handshake: { upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 60000, maxPayload: 1000000 },
    });
    expect(opening.headers.get("content-type")).toBe("text/plain; charset=UTF-8");

    expect(await post('40{"claude_mpm_version":"0.7.0-dev"}')).toMatchObject({ status: 200, body: "ok" });
    const greeting = await poll('42["server_status"');
    expect(greeting.map((packet) => /^\d+(\["\w+"|\{"\w+")/.exec(packet)?.[0])).toEqual([
      '40{"sid"',
      '42["connection_ack"',
      '42["server_status"',
    ]);

    await post('42["claude_event",{"type":"first"}]', '427["claude_event",{"type":"second","id":"e-2"}]');
    expect(await poll("43")).toEqual(['437[{"ok":true,"seq":2,"id":"e-2"}]']);
    await eventually(() => javascript.events().length === 2);
    expect(javascript.events().map(({ type, seq }) => [type, seq])).toEqual([
      ["first", 1],
      ["second", 2],
    ]);

    javascript.socket.emit("claude_event", { type: "third", id: "e-3" });
    const [third = ""] = await poll('42["claude_event"');
    expect(JSON.parse(third.slice(2))).toEqual([
      "claude_event",
      {
        type: "third",
        id: "e-3",
        seq: 3,
        server_id: server.serverId,
        received_at: expect.any(String),
      },
    ]);
  });

  curlTest("and says goodbye, after which the session is unknown", async () => {
    const { opening, post, poll } = await openSession();
    await post("40");
    await poll('42["server_status"');
    const connected = (await server.get("/health")).body.clients_connected;
    expect(await post("41", "1")).toMatchObject({ status: 200 });
    await eventually(async () => (await server.get("/health")).body.clients_connected === connected - 1);
    const { status, body } = await curlResponse([url(`${ENGINE}&sid=${opening.handshake.sid}`)]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 1, ...coded("session_unknown") });
  });

  const REFUSED: { name: string; args: string[]; path: string; number: number; code: string }[] = [
    {
      name: "a transport there is not",
      args: [],
      path: "/socket.io/?EIO=4&transport=carrier-pigeon",
      number: 0,
      code: "transport_unknown",
    },
    { name: "no transport", args: [], path: "/socket.io/?EIO=4", number: 0, code: "transport_unknown" },
    {
      name: "an unknown session",
      args: [],
      path: `${ENGINE}&sid=unknown`,
      number: 1,
      code: "session_unknown",
    },
    {
      name: "a post to an unknown session",
      args: ["-d", "2"],
      path: `${ENGINE}&sid=unknown`,
      number: 1,
      code: "session_unknown",
    },
    {
      name: "a handshake by POST",
      args: ["-d", ""],
      path: ENGINE,
      number: 2,
      code: "bad_handshake_method",
    },
    {
      name: "a WebSocket handshake without the request to upgrade",
      args: [],
      path: "/socket.io/?EIO=4&transport=websocket",
      number: 3,
      code: "bad_request",
    },
    {
      name: "the protocol of Socket.IO 2",
      args: [],
      path: "/socket.io/?EIO=3&transport=polling",
      number: 5,
      code: "protocol_unsupported",
    },
  ];
  for (const { name, args, path, number, code } of REFUSED) {
    curlTest(`but is refused ${name}`, async () => {
      const { status, headers, body } = await curlResponse([...args, url(path)]);
      expect(status).toBe(400);
      expect(headers.get("content-type")).toStartWith("application/json");
      // Engine.IO's own clients read its number and message beside our error.
      expect(body).toEqual({ code: number, message: expect.any(String), ...coded(code) });
    });
  }

  curlTest("but is refused a body over the limit of one message", async () => {
    const { post } = await openSession();
    const { status, body } = await post(`4${"x".repeat(1_000_001)}`);
    expect(status).toBe(413);
    expect(body).toMatchObject(coded("body_too_large"));
  });
});

describe("curl fetches the client for browsers", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });

  for (const name of ["socket.io.js", "socket.io.min.js"]) {
    curlTest(`${name}, and is told the next time that it has not changed`, async () => {
      const etag = join(directory, `${name}.etag`);
      const first = await curlResponse(["--etag-save", etag, url(`/socket.io/${name}`)]);
      expect(first.status).toBe(200);
      expect(first.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
      expect(first.body).toStartWith("/*!\n * Socket.IO v");
      expect(readFileSync(etag, "utf8").trim()).toBe(first.headers.get("etag") as string);

      const second = await curlResponse(["--etag-compare", etag, url(`/socket.io/${name}`)]);
      expect({ status: second.status, body: second.body }).toEqual({ status: 304, body: "" });
      expect(second.headers.get("etag")).toBe(first.headers.get("etag"));
      expect(second.headers.get("x-server-version")).toBe("1.0.0");

      const other = await curlResponse(["-H", 'If-None-Match: "another"', url(`/socket.io/${name}`)]);
      expect(other).toMatchObject({ status: 200, body: first.body });
    });
  }

  curlTest("and gets the two bundles, not one of them twice", async () => {
    const plain = await curlResponse([url("/socket.io/socket.io.js")]);
    const minified = await curlResponse([url("/socket.io/socket.io.min.js")]);
    expect(minified.body.length).toBeLessThan(plain.body.length / 2);
    expect(plain.body.trimEnd()).toEndWith("//# sourceMappingURL=socket.io.js.map");
    expect(minified.body.trimEnd()).toEndWith("//# sourceMappingURL=socket.io.min.js.map");
  });
});
