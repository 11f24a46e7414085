import { beforeAll, describe, expect } from "bun:test";
import { join } from "node:path";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { pythonTest, runPython } from "../support/python.ts";
import type { Script } from "../support/script.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createSharedLog } from "../support/shared-log.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const CLIENT_VERSION = "4.0.20.dev3";

const STAMPS = { seq: expect.any(Number), id: UUID, server_id: expect.any(String), received_at: ISO_TIME };

/** Everything JSON can hold that an implementation may trip over. */
const AWKWARD_EVENT = {
  type: "note.unicode",
  timestamp: "2026-08-01T10:00:00.123456+00:00Z",
  client_version: CLIENT_VERSION,
  data: {
    text: 'Grüße, 世界 👩‍💻 \u0000 \u001e \u2028 \\ " </script>',
    empty: "",
    nothing: null,
    yes: true,
    no: false,
    numbers: [0, -1, 0.1, 1e-7, 1e21, 9007199254740991],
    nested: { list: [1, [2, [], {}], { deeper: [{ deepest: [null, ""] }] }] },
    ключ: "значение",
    "": "an empty name",
    type: "Buffer",
    _placeholder: true,
    num: 0,
  },
};

const ASYNC_WEBSOCKET = {
  name: "AsyncClient over WebSocket",
  script: "async_client.py",
  transports: ["websocket"],
};
const SYNC_POLLING = { name: "Client over polling", script: "sync_client.py", transports: ["polling"] };

const CLIENTS = [
  ASYNC_WEBSOCKET,
  { name: "AsyncClient over polling", script: "async_client.py", transports: ["polling"] },
  { name: "AsyncClient upgraded from polling", script: "async_client.py", transports: null },
  { name: "Client over WebSocket", script: "sync_client.py", transports: ["websocket"] },
  SYNC_POLLING,
  { name: "Client upgraded from polling", script: "sync_client.py", transports: null },
];

interface Message {
  name: string;
  args: any[];
}

interface PythonClient {
  sid: string;
  script: Script;
  emit(name: string, data?: unknown): Promise<void>;
  /** Emits and returns what the acknowledgement carries. */
  call(name: string, data?: unknown): Promise<any>;
  state(): Promise<{ connected: boolean; transport: string; sid: string }>;
  /** The server's messages in the order they came over the wire. */
  messages(): Message[];
  /** The arguments of each acknowledgement that came over the wire. */
  acknowledgements(): any[][];
  /** What handlers of exactly one parameter were given, by the event's name. */
  handled(name: string): any[];
  /** The payload of this name that a handler of one parameter is given, so far or later. */
  next(name: string, index?: number): Promise<any>;
  /** Resolves once it waits for the server: over polling, once a request is under way. */
  idle(): Promise<void>;
  /** Disconnects; a handler that could not be called shows in the error output. */
  finish(): Promise<void>;
}

function scriptPath(name: string): string {
  return join(import.meta.dir, name);
}

async function connectPython(
  { script, transports }: { script: string; transports: string[] | null },
  url: string,
  auth: unknown = { claude_mpm_version: CLIENT_VERSION, client_id: "claude-mpm-1754000000.5" },
): Promise<PythonClient> {
  const child = runPython(scriptPath(script), [JSON.stringify({ url, auth, transports })]);
  const { sid } = await child.next(({ at }) => at === "ready", "a connected Python client");
  let commands = 0;

  async function command(fields: object): Promise<any> {
    const n = (commands += 1);
    child.send({ n, ...fields });
    const { error, value } = await child.next(({ reply }) => reply === n, `the reply to command ${n}`);
    if (error !== undefined) throw new Error(error);
    return value;
  }
  const handled = (name: string) => child.lines.filter(({ event }) => event === name).map(({ data }) => data);
  const packets = (type: RegExp) =>
    child.lines.filter(({ packet, data }) => packet === "MESSAGE" && type.test(data));

  return {
    sid,
    script: child,
    emit: (name, data) => command({ do: "emit", name, data }),
    call: (name, data) => command({ do: "call", name, data }),
    state: () => command({ do: "state" }),
    messages: () =>
      packets(/^2\[/).map(({ data }) => {
        const [name, ...args] = JSON.parse(data.slice(1));
        return { name, args };
      }),
    acknowledgements: () => packets(/^3\d+\[/).map(({ data }) => JSON.parse(data.replace(/^3\d+/, ""))),
    handled,
    async next(name, index = 0) {
      await child.next(() => handled(name).length > index, `"${name}" number ${index + 1} in Python`);
      return handled(name)[index];
    },
    async idle() {
      if ((await command({ do: "state" })).transport === "websocket") return;
      const last = () => child.lines.findLast(({ at, packet }) => at === "poll" || packet !== undefined);
      await eventually(() => last()?.at === "poll", { what: "a waiting poll" });
      // The line is written just before the request: two round trips later it has arrived.
      await command({ do: "state" });
      await fetch(new URL("/ready", url));
    },
    async finish() {
      expect(await child.finish()).toEqual({ exitCode: 0, stderr: "" });
    },
  };
}

for (const kind of CLIENTS) {
  describe(`a stock python-socketio ${kind.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startTestServer();
    });

    pythonTest("is greeted with connection_ack, then server_status", async () => {
      const python = await connectPython(kind, server.url);
      await python.next("server_status");
      const { transport } = await python.state();
      expect(transport).toBe(kind.transports?.[0] ?? "websocket");

      const compatibility = {
        compatible: true,
        server_version: "1.0.0",
        client_version: CLIENT_VERSION,
        warnings: [],
        supported_features: (await server.get("/version")).body.features,
        requirements: { min_python: "3.8", socketio_min: "5.11.0" },
      };
      expect(python.messages()).toEqual([
        {
          name: "connection_ack",
          args: [
            {
              server_version: "1.0.0",
              server_id: server.serverId,
              compatibility,
              timestamp: ISO_TIME,
              epoch: expect.stringMatching(/./),
              first_seq: 1,
              last_seq: 0,
            },
          ],
        },
        {
          name: "server_status",
          args: [
            {
              server_version: "1.0.0",
              server_id: server.serverId,
              uptime: expect.any(Number),
              clients_connected: 1,
              events_processed: 0,
              timestamp: ISO_TIME,
            },
          ],
        },
      ]);
      expect((await server.get("/health")).body.client_versions).toEqual({ [python.sid]: CLIENT_VERSION });
      await python.finish();
      await eventually(async () => (await server.get("/health")).body.clients_connected === 0);
    });

    pythonTest("is warned when its version is too old, and stays connected", async () => {
      const beating = await startTestServer({ ping_interval: "0.1" });
      const python = await connectPython(kind, beating.url, {
        claude_mpm_version: "0.6.0",
        client_id: "old",
      });
      const warning = await python.next("compatibility_warning");
      expect(warning).toEqual({
        compatible: false,
        server_version: "1.0.0",
        client_version: "0.6.0",
        warnings: [expect.stringContaining("0.6.0")],
        supported_features: expect.any(Array),
        requirements: { min_python: "3.8", socketio_min: "5.11.0" },
      });
      expect(python.messages().map(({ name }) => name)).toEqual([
        "connection_ack",
        "server_status",
        "compatibility_warning",
      ]);
      expect(python.messages()[0]?.args[0].compatibility).toEqual(warning);

      expect(await python.call("claude_event", { type: "still.here" })).toEqual({
        ok: true,
        seq: expect.any(Number),
        id: UUID,
      });
      const beats = () => python.script.lines.filter(({ packet }) => packet === "PING").length;
      await eventually(() => beats() >= 3, { what: "three heartbeats" });
      expect(await python.state()).toMatchObject({ connected: true, sid: python.sid });
      await python.finish();
    });

    pythonTest("sends events that reach a JavaScript client unchanged, and not itself", async () => {
      const javascript = await connect(server.url);
      const python = await connectPython(kind, server.url);

      await python.emit("claude_event", AWKWARD_EVENT);
      const sent = { type: "second", id: "chosen-by-the-sender", data: { list: ["é"] } };
      const acknowledged = await python.call("claude_event", sent);
      await eventually(() => javascript.events().length === 2);
      const [first, second] = javascript.events();
      expect(first).toEqual({ ...AWKWARD_EVENT, ...STAMPS, server_id: server.serverId });
      expect(second).toEqual({ ...sent, ...STAMPS, id: sent.id, seq: first.seq + 1 });
      expect(acknowledged).toEqual({ ok: true, seq: second.seq, id: sent.id });

      // Its own events would have come before this one.
      javascript.socket.emit("claude_event", { type: "marker" });
      await python.next("claude_event");
      expect(python.handled("claude_event")).toEqual([{ type: "marker", ...STAMPS, seq: second.seq + 1 }]);
      expect(python.acknowledgements()).toEqual([[acknowledged]]);
      await python.finish();
    });

    pythonTest("sends a burst of events that arrive whole, once and in order", async () => {
      const javascript = await connect(server.url);
      const python = await connectPython(kind, server.url);
      const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
      await Promise.all(numbers.map((n) => python.emit("claude_event", { type: "numbered", n })));

      await eventually(() => javascript.events().length >= numbers.length);
      const firstSeq = javascript.events()[0].seq;
      expect(javascript.events()).toEqual(
        numbers.map((n) => ({ type: "numbered", n, ...STAMPS, seq: firstSeq + n - 1 })),
      );
      await python.finish();
    });

    pythonTest("is given a JavaScript client's events unchanged, as one argument each", async () => {
      const javascript = await connect(server.url);
      const python = await connectPython(kind, server.url);

      const { seq } = await javascript.socket.emitWithAck("claude_event", AWKWARD_EVENT);
      javascript.socket.emit("claude_event", { type: "bare" });
      await python.next("claude_event", 1);

      const expected = [
        { ...AWKWARD_EVENT, ...STAMPS, seq, server_id: server.serverId },
        { type: "bare", ...STAMPS, seq: seq + 1 },
      ];
      const messages = python.messages().filter(({ name }) => name === "claude_event");
      expect(messages.map(({ args }) => args)).toEqual(expected.map((event) => [event]));
      expect(python.handled("claude_event").toSorted((a, b) => a.seq - b.seq)).toEqual(expected);
      await python.finish();
    });

    pythonTest("is given a burst of events whole, once and in order", async () => {
      const javascript = await connect(server.url);
      const python = await connectPython(kind, server.url);
      const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
      for (const n of numbers) javascript.socket.emit("claude_event", { type: "numbered", n });

      await python.next("claude_event", numbers.length - 1);
      const messages = python.messages().filter(({ name }) => name === "claude_event");
      expect(messages.map(({ args }) => args[0].n)).toEqual(numbers);
      const firstSeq = messages[0]?.args[0].seq;
      expect(messages.map(({ args }) => args[0].seq)).toEqual(numbers.map((n) => firstSeq + n - 1));
      expect(await python.state()).toMatchObject({ connected: true, sid: python.sid });
      await python.finish();
    });

    pythonTest("gets answers as events and through acknowledgements", async () => {
      const python = await connectPython(kind, server.url);
      const session_id = `history-${kind.name}`;
      for (const n of [1, 2, 3]) await python.call("claude_event", { type: "stored", session_id, n });
      const { epoch, last_seq } = (await server.get("/api/events?limit=1")).body;
      await python.next("server_status");

      const pong = { timestamp: ISO_TIME, server_id: server.serverId };
      const version = (await server.get("/version")).body;
      const status = {
        server_version: "1.0.0",
        server_id: server.serverId,
        uptime: expect.any(Number),
        clients_connected: (await server.get("/health")).body.clients_connected,
        events_processed: last_seq,
        timestamp: ISO_TIME,
      };
      const history = {
        events: [2, 3].map((n) => ({ type: "stored", session_id, n, ...STAMPS })),
        total_available: 3,
        returned: 2,
        count: 2,
        epoch,
        first_seq: 1,
        last_seq,
        gap: null,
      };
      const requests = [
        { ask: "ping", answer: "pong", before: 0, payload: undefined, expected: pong },
        { ask: "get_version", answer: "version_info", before: 0, payload: undefined, expected: version },
        // One came when it connected.
        { ask: "get_status", answer: "server_status", before: 1, payload: undefined, expected: status },
        {
          ask: "get_history",
          answer: "event_history",
          before: 0,
          payload: { session_id, limit: 2 },
          expected: history,
        },
      ];
      for (const { ask, answer, before, payload, expected } of requests) {
        await python.emit(ask, payload);
        expect(await python.next(answer, before)).toEqual(expected);
        expect(await python.call(ask, payload)).toEqual(expected);
        expect(await python.next(answer, before + 1)).toEqual(expected);
        expect(python.handled(answer)).toHaveLength(before + 2);
      }
      expect(python.acknowledgements().map((args) => args.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
      await python.finish();
    });

    pythonTest("is told what is wrong with a malformed event, and goes on", async () => {
      const javascript = await connect(server.url);
      const python = await connectPython(kind, server.url);
      const before = (await server.get("/stats")).body;
      const malformed = [
        { payload: ["a", "list"], code: "invalid_event" },
        { payload: "a string", code: "invalid_event" },
        { payload: undefined, code: "invalid_event" },
        { payload: { type: 7 }, code: "invalid_event" },
        { payload: { type: "binary", data: { $bytes: "AAEC/w==" } }, code: "binary_event" },
      ];
      for (const [index, { payload, code }] of malformed.entries()) {
        const error = { code, message: expect.any(String), hint: expect.any(String) };
        await python.emit("claude_event", payload);
        expect(await python.next("event_error", index)).toEqual(error);
        expect(await python.call("claude_event", payload)).toEqual({ ok: false, error });
      }
      expect(python.handled("event_error")).toHaveLength(malformed.length);

      const { seq } = await python.call("claude_event", { type: "well.formed" });
      expect(seq).toBe(before.log.last_seq + 1);
      await eventually(() => javascript.events().length > 0);
      expect(javascript.events()).toEqual([{ type: "well.formed", ...STAMPS, seq }]);
      expect((await server.get("/stats")).body.errors).toBe(before.errors + 2 * malformed.length);
      expect(await python.state()).toMatchObject({ connected: true, sid: python.sid });
      await python.finish();
    });

    pythonTest("is told of another epoch, and comes again when what it was given is lost", async () => {
      const shared = createSharedLog();
      const own = await startTestServer({}, { log: shared.node() });
      const python = await connectPython(kind, own.url);
      await python.idle();
      shared.beginEpoch();
      const [first, second] = [await python.next("connection_ack"), await python.next("connection_ack", 1)];
      expect(second.epoch).not.toBe(first.epoch);
      await own.post("/api/events", [{}, {}]);
      await python.next("claude_event", 1);
      await python.idle();
      shared.rewindTo(1);
      await python.next("server_status", 1);
      await own.post("/api/events", { type: "later" });
      expect(await python.next("claude_event", 2)).toMatchObject({ type: "later", seq: 2 });
      await python.finish();
    });

    pythonTest("comes again by itself when the server was restarted", async () => {
      const port = String(await freePort());
      const first = await startTestServer({ port });
      const python = await connectPython(kind, first.url);
      await python.next("server_status");
      await python.idle();
      await first.stop();
      await python.script.next(({ at }) => at === "disconnect", "the loss of the connection");

      const second = await startTestServer({ port });
      const greeting = await python.next("connection_ack", 1);
      expect(greeting.server_id).toBe(second.serverId);
      expect(second.serverId).not.toBe(first.serverId);
      const { seq } = await python.call("claude_event", { type: "after.restart" });
      expect((await second.get("/api/events")).body.events).toEqual([
        { type: "after.restart", ...STAMPS, seq },
      ]);
      await python.finish();
    });
  });
}

// Python's own JSON encoder writes it, though JSON has no such thing.
describe("a stock python-socketio client that sends NaN", () => {
  for (const kind of [ASYNC_WEBSOCKET, SYNC_POLLING]) {
    pythonTest(`is told so over ${kind.transports[0]}, and goes on`, async () => {
      const server = await startTestServer();
      const python = await connectPython(kind, server.url);
      const notJson = { type: "not.json", data: { ratio: { $float: "nan" } } };
      const error = { code: expect.any(String), message: expect.any(String), hint: expect.any(String) };

      await python.emit("claude_event", notJson);
      const answer = await python.script.next(
        ({ event, at }) => event === "event_error" || at === "disconnect",
        "an answer",
      );
      expect(answer).toEqual({ event: "event_error", data: error });
      expect(await python.call("claude_event", notJson)).toEqual({ ok: false, error });

      expect(await python.call("claude_event", { type: "after" })).toEqual({ ok: true, seq: 1, id: UUID });
      expect(await python.state()).toMatchObject({ connected: true, sid: python.sid });
      expect((await server.get("/stats")).body.errors).toBe(2);
      await python.finish();
    });
  }
});

describe("claude-mpm's client manager", () => {
  for (const clientVersion of ["0.7.0-dev", "4.1.0rc1", "5.0.0.post1"]) {
    pythonTest(`of version ${clientVersion} finds the server, connects, emits and pings`, async () => {
      const server = await startTestServer();
      const javascript = await connect(server.url);
      const emits = [
        ["session.start", { session_id: "s-1", launch_method: "exec", working_directory: "/home/dev/app" }],
        ["claude.status", { status: "running", pid: null, message: "" }],
        ["todo.update", { todos: [{ content: "écrire", status: "pending" }] }],
        ["session.end", {}],
      ];
      const manager = runPython(scriptPath("client_manager.py"), [
        JSON.stringify({
          ports: [await freePort(), server.port],
          client_version: clientVersion,
          emits,
          ping_every: 0.05,
        }),
      ]);

      const { found } = await manager.next((line) => line.found, "the servers it found");
      const version = (await server.get("/version")).body;
      expect(found).toEqual([
        [`http://localhost:${server.port}`, version],
        [`http://127.0.0.1:${server.port}`, version],
      ]);
      expect(version.server_version.split(".").map(Number)).toEqual([1, 0, 0]);
      expect(version.features).toContain("version_compatibility");

      const answer = await manager.next(({ compatibility }) => compatibility, "the compatibility answer");
      expect(answer).toMatchObject({
        status: 200,
        compatibility: { compatible: true, client_version: clientVersion, warnings: [] },
      });

      expect(await manager.next(({ at }) => at === "ready", "the connection")).toMatchObject({
        transport: "websocket",
      });
      const greeting = await manager.next(({ event }) => event === "connection_ack", "connection_ack");
      expect(greeting.data.compatibility).toEqual(answer.compatibility);
      const { data: pong } = await manager.next(({ event }) => event === "pong", "pong");
      expect(pong).toEqual({ timestamp: ISO_TIME, server_id: server.serverId });
      await eventually(() => manager.lines.filter((line) => line.event === "pong").length >= 3);

      const emitted = manager.lines.flatMap(({ emitting }) => emitting ?? []);
      expect(emitted.map(({ type, data }) => [type, data])).toEqual(emits);
      await eventually(() => javascript.events().length === emits.length);
      expect(javascript.events()).toEqual(
        emitted.map((event, index) => ({ ...event, ...STAMPS, seq: index + 1 })),
      );
      const { events } = (await server.get("/api/events?session_id=s-1&project=app")).body;
      expect(events.map(({ type }: any) => type)).toEqual(["session.start"]);

      expect(await manager.finish()).toEqual({ exitCode: 0, stderr: "" });
    });
  }

  pythonTest("comes back by itself after a restart of the server, and is heard again", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const first = await startTestServer({ port: `${port}`, state_dir });
    const manager = runPython(scriptPath("client_manager.py"), [
      JSON.stringify({ ports: [port], client_version: "4.1.0rc1", emits: [], ping_every: 0.05 }),
    ]);
    const count = (name: string) => manager.lines.filter(({ event }) => event === name).length;
    await manager.next(({ event }) => event === "pong", "pong");
    await first.stop();
    const pongs = count("pong");
    const second = await startTestServer({ port: `${port}`, state_dir });
    await eventually(() => count("connection_ack") === 2 && count("pong") > pongs);
    await second.post("/api/events", { type: "after.restart" });
    const { data } = await manager.next(({ event }) => event === "claude_event", "an event");
    expect(data).toMatchObject({ type: "after.restart", seq: 1 });
    expect((await manager.finish()).exitCode).toBe(0);
  });
});

describe("claude-mpm's connection pool", () => {
  function runPool(port: number) {
    const script = runPython(scriptPath("connection_pool.py"), [
      JSON.stringify({ port, recovery_timeout: 0.2 }),
    ]);
    let commands = 0;
    return {
      script,
      async command(order: object): Promise<{ outcome: string; breaker: string; connections: number }> {
        const n = (commands += 1);
        script.send({ n, ...order });
        return script.next(({ reply }) => reply === n, `the reply to command ${n}`);
      },
    };
  }
  const event = (type: string) => ({ type, timestamp: "2026-08-01T10:00:00+00:00Z", data: {} });
  const typesIn = async (server: TestServer) => {
    return (await server.get("/api/events?limit=1000")).body.events.map(({ type }: any) => type);
  };

  pythonTest("keeps three clients, uses them again, and takes them away", async () => {
    const server = await startTestServer();
    const { script, command } = runPool(server.port);
    for (let index = 0; index < 9; index += 1) {
      const { outcome, connections } = await command({
        do: "pooled",
        event: event(`pooled.${index}`),
        index,
      });
      expect([outcome, connections]).toEqual(["sent", Math.min(index + 1, 3)]);
      await eventually(async () => (await typesIn(server)).length === index + 1);
    }
    expect(await typesIn(server)).toEqual(Array.from({ length: 9 }, (_, index) => `pooled.${index}`));
    expect((await server.get("/health")).body.clients_connected).toBe(3);
    await command({ do: "close" });
    await eventually(async () => (await server.get("/health")).body.clients_connected === 0);
    expect(await script.finish()).toMatchObject({ exitCode: 0 });
  });

  pythonTest(
    "loses nothing with clients that leave as soon as they have sent, or with its posts",
    async () => {
      const server = await startTestServer();
      const { script, command } = runPool(server.port);
      const types: string[] = [];
      for (let index = 0; index < 10; index += 1) {
        for (const way of ["direct", "post"]) {
          types.push(`${way}.${index}`);
          expect(await command({ do: way, event: event(`${way}.${index}`) })).toMatchObject({
            outcome: "sent",
          });
        }
      }
      await eventually(async () => (await typesIn(server)).length === types.length);
      expect((await typesIn(server)).toSorted()).toEqual(types.toSorted());
      expect((await server.get("/stats")).body.errors).toBe(0);
      expect(await script.finish()).toMatchObject({ exitCode: 0 });
    },
  );

  pythonTest("closes its circuit breaker again after the server was away", async () => {
    const port = await freePort();
    const first = await startTestServer({ port: `${port}` });
    const { script, command } = runPool(port);
    const send = (type: string) => command({ do: "pooled", event: event(type) });
    expect(await send("before")).toMatchObject({ outcome: "sent", breaker: "closed" });
    await eventually(async () => (await typesIn(first)).length === 1);
    await first.stop();
    await eventually(async () => (await send("lost")).breaker === "open");
    expect(await send("lost")).toMatchObject({ outcome: "dropped" });
    const second = await startTestServer({ port: `${port}` });
    await eventually(async () => (await send("after")).outcome === "sent");
    expect(await send("closed again")).toMatchObject({ outcome: "sent", breaker: "closed" });
    await eventually(async () => (await typesIn(second)).at(-1) === "closed again");
    expect(await typesIn(second)).toEqual(["after", "closed again"]);
    expect(await script.finish()).toMatchObject({ exitCode: 0 });
  });
});

describe("claude-mpm's hook sender", () => {
  const lifted = {
    session_id: "5f0e2a7c",
    cwd: "/home/dev/проект",
    correlation_id: "toolu_01",
    timestamp: "2026-08-01T10:00:00.123456+00:00",
  };
  const CASES = [
    {
      name: "with the fields at the top of its data",
      data: {
        type: "hook",
        subtype: "pre_tool",
        source: "claude_hooks",
        ...lifted,
        data: { tool_name: "Bash" },
      },
      type: "hook",
    },
    {
      name: "with the camel-case and long spellings one level deep, and null at the top",
      data: {
        event: "claude_event",
        type: "hook",
        subtype: "user_prompt",
        source: "hook",
        timestamp: lifted.timestamp,
        session_id: null,
        data: {
          sessionId: lifted.session_id,
          working_directory: lifted.cwd,
          correlation_id: lifted.correlation_id,
          prompt: "Räum auf",
        },
      },
      type: "hook",
    },
    {
      name: "with the fields spread over three levels, the highest one holding",
      data: {
        type: "hook",
        data: {
          sessionId: lifted.session_id,
          data: {
            session_id: "deeper and so not this one",
            working_directory: lifted.cwd,
            data: {
              correlation_id: lifted.correlation_id,
              timestamp: lifted.timestamp,
              empty: "",
              none: null,
            },
          },
        },
      },
      type: "hook",
    },
    {
      name: "without a type, for which the name of its event serves",
      data: { data: { data: { data: { ...lifted, tool_input: { command: "ls", list: [1, [2]] } } } } },
      type: "claude_event",
    },
  ];

  for (const { name, data, type } of CASES) {
    pythonTest(`posts an envelope ${name}`, async () => {
      const server = await startTestServer();
      const javascript = await connect(server.url);
      const sender = runPython(scriptPath("hook_sender.py"), [server.url]);
      sender.send({ namespace: "/", event: "claude_event", data });
      const { status, body } = await sender.next(() => true, "the answer to its POST");
      expect(status).toBe(200);
      expect(JSON.parse(body)).toEqual({ accepted: 1, duplicates: 0, first_seq: 1, last_seq: 1 });

      await eventually(() => javascript.events().length === 1);
      const [event] = javascript.events();
      expect(event).toEqual({ ...data, type, ...lifted, ...STAMPS, server_id: server.serverId, seq: 1 });

      sender.send({ namespace: "/", event: "claude_event", data: { data: { session_id: "another" } } });
      await sender.next((line) => line !== sender.lines[0], "the answer to its second POST");
      const found = await server.get(`/api/events?session_id=${lifted.session_id}`);
      expect(found.body).toMatchObject({ events: [event], total_available: 1, last_seq: 2 });
      const byProject = await server.get(`/api/events?project=${encodeURIComponent(lifted.cwd)}`);
      expect(byProject.body.events).toEqual([event]);
      expect(await sender.finish()).toEqual({ exitCode: 0, stderr: "" });
    });
  }

  pythonTest("is refused an envelope whose data is no object, and may go on", async () => {
    const server = await startTestServer();
    const sender = runPython(scriptPath("hook_sender.py"), [server.url]);
    sender.send({ namespace: "/", event: "claude_event", data: "a string" });
    const { status, body } = await sender.next(() => true, "the answer to its POST");
    expect(status).toBe(400);
    expect(JSON.parse(body).error).toMatchObject({ code: "invalid_event" });
    sender.send({ namespace: "/", event: "claude_event", data: { type: "hook" } });
    await sender.next((line) => line.status === 200, "a good event's answer");
    expect((await server.get("/api/events")).body.total_available).toBe(1);
    expect(await sender.finish()).toEqual({ exitCode: 0, stderr: "" });
  });
});
