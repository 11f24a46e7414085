/** The client manager with real servers that come and go, and what it says of it. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Scope } from "../../src/auth/scopes.ts";
import { addToken, readTokens, removeTokens } from "../../src/auth/token-file.ts";
import { ClientManager } from "../../src/client/manager.ts";
import type { ClientEvents, ClientManagerOptions } from "../../src/client/manager-options.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import type { EventRefused } from "../../src/client/outbox.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { fakeServer, fakeSocketServer, stranger } from "../support/fake-server.ts";
import { freePort } from "../support/ports.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { startServerProcess } from "../support/server-process.ts";
import { runScript } from "../support/script.ts";
import { SOAK } from "../support/soak.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const hosts = ["127.0.0.1"];
const QUICK = { reconnectionDelayMs: 5, reconnectionDelayMaxMs: 20, pauseMs: 20 };
const NAMES = [
  "connected",
  "disconnected",
  "retrying",
  "event",
  "gap",
  "incompatible",
  "refused",
  "buffer_dropped",
  "event_refused",
] as const satisfies (keyof ClientEvents)[];

interface Watched {
  manager: ClientManager;
  told: { name: keyof ClientEvents; payload: any }[];
  payloads<Name extends keyof ClientEvents>(name: Name): ClientEvents[Name][];
  next<Name extends keyof ClientEvents>(name: Name, count?: number): Promise<ClientEvents[Name]>;
  /** What was told, without the events and the attempts in between. */
  story(): string[];
  seqs(): unknown[];
}

function watch(options: ClientManagerOptions): Watched {
  const manager = new ClientManager({ ...QUICK, ...options });
  onEnd(() => manager.stop());
  const told: Watched["told"] = [];
  for (const name of NAMES) manager.on(name, (payload) => told.push({ name, payload }));
  const payloads = (wanted: string) =>
    told.filter(({ name }) => name === wanted).map(({ payload }) => payload);
  return {
    manager,
    told,
    payloads,
    next: (name, count = 1) => eventually(() => payloads(name)[count - 1], { what: `"${name}" ${count}` }),
    story: () => told.map(({ name }) => name).filter((name) => name !== "event" && name !== "retrying"),
    seqs: () => payloads("event").map(({ seq }) => seq),
  };
}

async function started(options: ClientManagerOptions): Promise<Watched> {
  const watched = watch(options);
  watched.manager.start();
  await watched.next("connected");
  return watched;
}

const post = (server: TestServer, type: string) => server.post("/api/events", { type });
const typesIn = async (server: TestServer) => {
  return (await server.get("/api/events?limit=1000")).body.events.map(({ type }: any) => type);
};

describe("a client", () => {
  test("finds a server, says who it is, gets others' events, and sends its own in order", async () => {
    const server = await startTestServer();
    const other = await connect(server.url);
    const client = await started({ hosts, ports: [await freePort(), server.port], clientVersion: "5.0.0" });
    expect(client.payloads("connected")).toEqual([
      { server: expect.objectContaining({ port: server.port }), again: false },
    ]);
    expect(client.manager.state).toBe("connected");
    expect(Object.values((await server.get("/health")).body.client_versions)).toContain("5.0.0");

    const sent = await Promise.all(
      ["a", "b", "c"].map((type) => client.manager.emitEvent(type, { of: type })),
    );
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    await eventually(() => other.events().length === 3);
    expect(other.events()).toEqual(
      ["a", "b", "c"].map((type, index) => ({
        seq: index + 1,
        id: sent[index]?.id,
        type,
        data: { of: type },
        client_version: "5.0.0",
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        server_id: server.serverId,
        received_at: expect.any(String),
      })),
    );

    await post(server, "from.elsewhere");
    expect(await client.next("event")).toMatchObject({ type: "from.elsewhere", seq: 4 });
    expect(client.seqs()).toEqual([4]);
    expect(client.manager.position?.seq).toBe(4);
    client.manager.stop();
    expect(client.manager.state).toBe("stopped");
  });

  test("reports claude-mpm's events in its words, with the session they belong to", async () => {
    const server = await startTestServer();
    const { manager } = await started({ url: server.url });
    await Promise.all([
      manager.sessionStarted("s-1", "exec", "/home/dev/app"),
      manager.claudeStatusChanged("running", 42, "here"),
      manager.agentDelegated("engineer", "build it"),
      manager.todoUpdated([{ content: "écrire", status: "pending" }]),
      manager.sessionEnded(),
      manager.emitEvent("after", null),
    ]);
    const { events } = (await server.get("/api/events?session_id=s-1&project=app")).body;
    expect(events.map(({ type, data }: any) => [type, data])).toEqual([
      [
        "session.start",
        {
          session_id: "s-1",
          start_time: expect.any(String),
          launch_method: "exec",
          working_directory: "/home/dev/app",
        },
      ],
      ["claude.status", { status: "running", pid: 42, message: "here" }],
      ["agent.delegation", { agent: "engineer", task: "build it", status: "started" }],
      ["todo.update", { todos: [{ content: "écrire", status: "pending" }] }],
      [
        "session.end",
        { session_id: "s-1", end_time: expect.any(String), duration_seconds: expect.any(Number) },
      ],
    ]);
    expect(await typesIn(server)).toHaveLength(6);
  });

  test("gets only what it subscribed to, also after it was away", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const first = await startTestServer({ port: `${port}`, state_dir });
    const client = await started({ url: first.url, subscribe: { types: ["wanted.*"] } });
    for (const type of ["wanted.1", "other", "wanted.2"]) await post(first, type);
    await client.next("event", 2);
    await first.stop();
    const second = await startTestServer({ port: `${port}`, state_dir });
    for (const type of ["other", "wanted.3"]) await post(second, type);
    await client.next("event", 3);
    expect(client.seqs()).toEqual([1, 3, 5]);
  });
});

describe("what is sent", () => {
  test("before there is a server waits, and then comes in order and once", async () => {
    const port = await freePort();
    const client = watch({ hosts, ports: [port] });
    const sent = Array.from({ length: 250 }, (_, index) => client.manager.emitEvent(`early.${index}`, index));
    client.manager.start();
    await client.next("retrying", 2);
    expect(client.manager.buffered).toBe(250);
    const server = await startTestServer({ port: `${port}` });
    expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual(sent.map((_, index) => index + 1));
    expect(await typesIn(server)).toEqual(sent.map((_, index) => `early.${index}`));
    expect(client.manager.buffered).toBe(0);
    expect(await client.manager.flush(1000)).toBe(true);
  });

  test("beyond what is kept drops the oldest, counted and told", async () => {
    const port = await freePort();
    const client = watch({ hosts, ports: [port], maxBufferedEvents: 3 });
    const sent = ["a", "b", "c", "d", "e"].map((type) => client.manager.emitEvent(type, null));
    const outcomes = Promise.allSettled(sent);
    expect(client.payloads("buffer_dropped")).toEqual([
      { event: expect.objectContaining({ type: "a" }), dropped: 1 },
      { event: expect.objectContaining({ type: "b" }), dropped: 2 },
    ]);
    expect([client.manager.dropped, client.manager.buffered]).toEqual([2, 3]);
    const server = await startTestServer({ port: `${port}` });
    client.manager.start();
    expect((await outcomes).map(({ status }) => status)).toEqual([
      "rejected",
      "rejected",
      ...Array.from({ length: 3 }, () => "fulfilled" as const),
    ]);
    expect(await typesIn(server)).toEqual(["c", "d", "e"]);
  });

  test("is bounded in bytes as well", () => {
    const { manager } = watch({ url: "http://127.0.0.1:1", maxBufferedBytes: 10_000 });
    for (let index = 0; index < 5; index += 1) void manager.emitEvent("large", "x".repeat(4000));
    expect([manager.buffered, manager.dropped]).toEqual([2, 3]);
  });

  test("and is by itself more than is kept is refused at once, and costs no other its place", async () => {
    const server = await startTestServer();
    const client = watch({ url: server.url, maxBufferedBytes: 10_000 });
    const small = ["a", "b"].map((type) => client.manager.emitEvent(type, null));
    await expect(client.manager.emitEvent("large", "x".repeat(10_000))).rejects.toMatchObject({
      code: "event_too_large",
      message: expect.stringContaining("maxBufferedBytes"),
      hint: expect.stringContaining("maxBufferedBytes"),
    });
    expect([client.manager.buffered, client.manager.dropped]).toEqual([2, 0]);
    expect(client.payloads("event_refused")).toMatchObject([
      { event: { type: "large" }, error: { code: "event_too_large" } },
    ]);
    client.manager.start();
    await Promise.all(small);
    expect(await typesIn(server)).toEqual(["a", "b"]);
  });

  test("is taken as it is at that moment", async () => {
    const server = await startTestServer();
    const client = watch({ url: server.url });
    const data = { step: 1 };
    const sent = client.manager.emitEvent("snapshot", data);
    data.step = 2;
    client.manager.start();
    await sent;
    expect((await server.get("/api/events")).body.events[0].data).toEqual({ step: 1 });
  });

  test("and can never be stored is refused, and keeps neither the others nor the connection", async () => {
    const server = await startTestServer({ max_http_buffer_size: "5000" });
    const client = await started({ url: server.url });
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const outcomes = await Promise.allSettled([
      client.manager.emitEvent("too.large", "x".repeat(5000)),
      client.manager.emitEvent("t".repeat(300), null),
      client.manager.emitEvent("no.json", loop),
      client.manager.emitEvent("fine", null),
    ]);
    const codes = outcomes.map((outcome) => {
      return outcome.status === "rejected" ? (outcome.reason as EventRefused).code : "stored";
    });
    expect(codes).toEqual(["event_too_large", "invalid_event", "invalid_event", "stored"]);
    expect(client.payloads("event_refused").map(({ event }) => String(event.type).slice(0, 9))).toEqual([
      "too.large",
      "ttttttttt",
    ]);
    expect(client.story()).toEqual(["connected", "event_refused", "event_refused"]);
  });

  test("is sent in order, also when a listener that hears of a refusal sends as well", async () => {
    const server = await startTestServer({ max_http_buffer_size: "5000" });
    const client = watch({ url: server.url });
    let last: Promise<unknown> | undefined;
    client.manager.on("event_refused", () => (last = client.manager.emitEvent("given.last", null)));
    void client.manager.emitEvent("too.large", "x".repeat(5000));
    const sent = ["a", "b"].map((type) => client.manager.emitEvent(type, null));
    client.manager.start();
    await Promise.all(sent);
    await last;
    expect(await typesIn(server)).toEqual(["a", "b", "given.last"]);
  });

  test("goes on behind any number that are too large for the server", async () => {
    const server = await startTestServer({ max_http_buffer_size: "5000" });
    const client = watch({ url: server.url });
    for (let index = 0; index < 150; index += 1) void client.manager.emitEvent("large", "x".repeat(5000));
    const fine = client.manager.emitEvent("fine", null);
    client.manager.start();
    expect(await fine).toMatchObject({ seq: 1 });
  });

  describe("and refused for the moment", () => {
    const error = { code: "overloaded", message: "full", hint: "wait" };

    test("is sent again before anything that was not under way with it", async () => {
      let answers = 0;
      const stored: string[] = [];
      const { port, events } = await fakeSocketServer({
        answer: ({ type }) => {
          if ((answers += 1) === 1) return { ok: false, error };
          return { ok: true, seq: stored.push(type), id: "any" };
        },
      });
      const client = await started({ hosts, ports: [port] });
      const sent = ["a", "b", "c"].map((type) => client.manager.emitEvent(type, null));
      await eventually(() => client.manager.buffered === 1);
      sent.push(...["d", "e"].map((type) => client.manager.emitEvent(type, null)));
      await Promise.all(sent);
      // Those behind it were on their way when it was refused: nobody could hold them back.
      expect(stored).toEqual(["b", "c", "a", "d", "e"]);
      expect(new Set(events.map(({ id }) => id)).size).toBe(5);
      expect(client.story()).toEqual(["connected"]);
    });

    test("is sent again alone, so that a second refusal changes no order", async () => {
      let refusals = 0;
      const stored: string[] = [];
      const { port } = await fakeSocketServer({
        answer: ({ type }) => {
          // All of the first window, and then again the first, and later one more.
          if (refusals < 5 || (type === "c" && refusals === 5)) {
            refusals += 1;
            return { ok: false, error };
          }
          return { ok: true, seq: stored.push(type), id: "any" };
        },
      });
      const client = await started({ hosts, ports: [port] });
      await Promise.all(["a", "b", "c", "d"].map((type) => client.manager.emitEvent(type, null)));
      expect(refusals).toBe(6);
      expect(stored).toEqual(["a", "b", "c", "d"]);
    });

    const answered = async (code: string) => {
      let answers = 0;
      const { port } = await fakeSocketServer({
        answer: () => {
          if ((answers += 1) === 1) return { ok: false, error: { code, message: "no", hint: "none" } };
          return { ok: true, seq: answers, id: "any" };
        },
      });
      const client = await started({ hosts, ports: [port] });
      const outcome = client.manager.emitEvent("asked", null).then(
        () => "stored",
        (refused: EventRefused) => refused.code,
      );
      return { outcome: await outcome, told: client.story() };
    };

    test("is what the server could not do, whatever the reason", async () => {
      const codes = ["internal", "not_ready", "overloaded", "log_unavailable"];
      for (const { outcome, told } of await Promise.all(codes.map(answered)))
        expect([outcome, ...told]).toEqual(["stored", "connected"]);
    });

    test("is nothing that is wrong with the event, or that this client does not know", async () => {
      for (const code of ["invalid_event", "binary_event", "event_too_large", "of.a.later.day", "toString"])
        expect(await answered(code)).toEqual({ outcome: code, told: ["connected", "event_refused"] });
    });
  });

  test("and whose answer is lost with the connection is sent again under the same id", async () => {
    const { port, events } = await fakeSocketServer({
      answer: (_event, socket) => {
        if (events.length > 1) return { ok: true, seq: 1, id: "any" };
        socket.conn.close();
        return null;
      },
    });
    const client = await started({ hosts, ports: [port] });
    await client.manager.emitEvent("once", null);
    expect(events).toHaveLength(2);
    expect(events[0]).toEqual(events[1]);
    expect(client.story()).toEqual(["connected", "disconnected", "connected"]);
  });

  test("and not waited for is no unhandled rejection when it is lost", async () => {
    const { manager } = watch({ url: "http://127.0.0.1:1" });
    void manager.emitEvent("lost", null);
    const waited = manager.emitEvent("lost", null);
    manager.stop();
    expect(await waited.catch(({ code }) => code)).toBe("stopped");
  });
});

test("a client that is stopped by a listener keeps no program waiting", async () => {
  const script = [
    'import { ClientManager } from "./src/client/index.ts";',
    "const delays = { reconnectionDelayMs: 60_000, reconnectionDelayMaxMs: 60_000 };",
    'const client = new ClientManager({ url: "http://127.0.0.1:1", ...delays });',
    'client.on("retrying", () => client.stop());',
    "client.start();",
  ].join("\n");
  const child = Bun.spawn([process.execPath, "-e", script], { cwd: join(import.meta.dir, "../..") });
  onEnd(() => child.kill("SIGKILL"));
  expect(await Promise.race([child.exited, Bun.sleep(10_000)])).toBe(0);
});

describe("a restart of the server", () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`by ${signal} is survived without gap or duplicate, in both directions`, async () => {
      const [port, stateDir] = [await freePort(), temporaryDirectory()];
      const first = await startServerProcess(stateDir, port);
      const client = await started({ hosts, ports: [port] });
      const feeder = await started({ hosts, ports: [port] });
      const sent = [];
      let number = 0;
      for (; number < 50; number += 1) sent.push(feeder.manager.emitEvent(`n.${number}`, number));
      await client.next("event", 10);
      first.signal(signal);
      for (; number < 100; number += 1) sent.push(feeder.manager.emitEvent(`n.${number}`, number));
      await first.exited;
      await client.next("disconnected");
      for (; number < 150; number += 1) sent.push(feeder.manager.emitEvent(`n.${number}`, number));
      await startServerProcess(stateDir, port);
      const seqs = (await Promise.all(sent)).map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
      await client.next("event", 150);
      expect(client.seqs()).toEqual(seqs);
      expect(client.payloads("event").map(({ data }) => data)).toEqual(seqs.map((_, index) => index));
      expect(client.story()).toEqual(["connected", "disconnected", "connected"]);
      expect(client.payloads("connected")[1]).toMatchObject({ again: true });
      expect(feeder.seqs()).toEqual([]);
    });
  }

  test("with an empty log is told as a gap, and all of the new log comes", async () => {
    const port = await freePort();
    const first = await startTestServer({ port: `${port}` });
    const client = await started({ url: first.url });
    await post(first, "old");
    await client.next("event");
    await first.stop();
    const second = await startTestServer({ port: `${port}` });
    for (const type of ["new.1", "new.2"]) await post(second, type);
    await client.next("event", 3);
    expect(client.story()).toEqual(["connected", "disconnected", "connected", "gap"]);
    expect(client.payloads("gap")).toMatchObject([{ reason: "unknown_epoch" }]);
    expect(client.payloads("event").map(({ type }) => type)).toEqual(["old", "new.1", "new.2"]);
    await post(second, "new.3");
    expect(await client.next("event", 4)).toMatchObject({ type: "new.3", seq: 3 });
  });

  test("after which the log holds less is told as a gap, once", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const settings = { port: `${port}`, state_dir, max_history_size: "10" };
    const first = await startTestServer(settings);
    const client = await started({ url: first.url });
    await post(first, "seen");
    await client.next("event");
    const { manager } = client;
    await first.stop();
    await client.next("disconnected");
    manager.stop();
    const second = await startTestServer(settings);
    for (let index = 0; index < 30; index += 1) await post(second, `n.${index}`);
    await eventually(async () => (await second.get("/api/events")).body.first_seq > 2);
    const { first_seq } = (await second.get("/api/events")).body;
    manager.start();
    await eventually(() => client.seqs().at(-1) === 31);
    expect(client.payloads("gap")).toEqual([{ from_seq: 2, to_seq: first_seq - 1, reason: "trimmed" }]);
    const held = Array.from({ length: 31 - first_seq + 1 }, (_, index) => first_seq + index);
    expect(client.seqs()).toEqual([1, ...held]);
  });

  test("elsewhere, as the same server, is found again", async () => {
    const one = { server_id: "moving", state_dir: temporaryDirectory() };
    const ports = [await freePort(), await freePort()];
    const first = await startTestServer({ ...one, port: `${ports[0]}` });
    const client = await started({ hosts, ports });
    await first.stop();
    const second = await startTestServer({ ...one, port: `${ports[1]}` });
    const again = await client.next("connected", 2);
    expect(again.server.port).toBe(second.port);
    await client.manager.emitEvent("here", null);
    expect(await typesIn(second)).toEqual(["here"]);
  });

  test("is waited for before another server is taken", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const mine = await startTestServer({ port: `${port}`, state_dir });
    const client = await started({ hosts, ports: [port], maxConnectionAttempts: 50 });
    const ports = [port, (await startTestServer()).port];
    const both = await started({ hosts, ports, maxConnectionAttempts: 50 });
    expect(both.manager.server?.version.server_id).toBe(mine.serverId);
    await mine.stop();
    await both.next("retrying", 3);
    await startTestServer({ port: `${port}`, state_dir });
    expect((await both.next("connected", 2)).server.version.server_id).toBe(mine.serverId);
    expect((await client.next("connected", 2)).again).toBe(true);
  });

  test("that does not come leads to another server, with a gap", async () => {
    const servers = [await startTestServer(), await startTestServer()];
    const ports = servers.map(({ port }) => port);
    const client = await started({ hosts, ports, maxConnectionAttempts: 2 });
    await servers[0]?.stop();
    const { server } = await client.next("connected", 2);
    expect(server.version.server_id).toBe(servers[1]?.serverId as string);
    await client.next("gap");
  });
});

test("a server of claude-mpm's own, which numbers nothing, is used as far as it goes", async () => {
  const { port, events, io } = await fakeSocketServer({});
  const client = await started({ hosts, ports: [port] });
  expect(await client.manager.emitEvent("sent", { of: "mine" })).toEqual({
    seq: null,
    id: expect.any(String),
  });
  expect(events).toMatchObject([{ type: "sent", data: { of: "mine" } }]);
  io.emit("claude_event", { type: "received" });
  io.emit("claude_event", { type: "received" });
  await client.next("event", 2);
  expect(client.payloads("event")).toEqual([{ type: "received" }, { type: "received" }]);
  expect(client.manager.position).toBeNull();
});

test("a server in between that numbers nothing, or greets with nothing, costs no event", async () => {
  const greetings: unknown[] = [{ epoch: "e", first_seq: 1, last_seq: 3 }, { epoch: "e" }, "hello", {}];
  const resumes: unknown[] = [];
  const { port, io } = await fakeSocketServer({ greeting: null });
  io.on("connection", (socket) => {
    resumes.push(socket.handshake.auth.resume);
    socket.emit("connection_ack", greetings.shift());
    socket.emit("claude_event", { seq: resumes.length === 1 ? 4 : 1 });
    if (greetings.length > 0) setTimeout(() => socket.conn.close(), 50);
  });
  const client = await started({ hosts, ports: [port] });
  await client.next("event", 4);
  // What a server that numbers nothing has for `seq` is no number of ours.
  expect(client.seqs()).toEqual([4, 1, 1, 1]);
  expect(resumes).toEqual([undefined, ...Array.from({ length: 3 }, () => ({ epoch: "e", seq: 4 }))]);
  expect(client.manager.position).toEqual({ epoch: "e", seq: 4 });
});

test("an event that comes twice is told once", async () => {
  const { port, io } = await fakeSocketServer({ greeting: { epoch: "e", first_seq: 1, last_seq: 3 } });
  const client = await started({ hosts, ports: [port] });
  for (const seq of [4, 5, 4, 5, 3, 6, 6, 7]) io.emit("claude_event", { seq });
  await eventually(() => client.seqs().includes(7));
  expect(client.seqs()).toEqual([4, 5, 6, 7]);
  expect(client.manager.position).toEqual({ epoch: "e", seq: 7 });
});

test("own events are read as soon as all before them are", async () => {
  const seqs = [5, 6, 8];
  const { port, io } = await fakeSocketServer({
    greeting: { epoch: "e", first_seq: 1, last_seq: 4 },
    answer: () => ({ ok: true, seq: seqs.shift(), id: "any" }),
  });
  const { manager, next } = await started({ hosts, ports: [port] });
  await Promise.all(["a", "b", "c"].map((type) => manager.emitEvent(type, null)));
  expect(manager.position?.seq).toBe(6);
  io.emit("claude_event", { seq: 7 });
  await next("event");
  expect(manager.position?.seq).toBe(8);
});

test("a new manager goes on where an earlier one was", async () => {
  const server = await startTestServer();
  const before = await started({ url: server.url });
  await post(server, "one");
  await before.next("event");
  const { position } = before.manager;
  before.manager.stop();
  await post(server, "two");
  const after = watch({ url: server.url, resume: position as NonNullable<typeof position> });
  after.manager.start();
  expect(await after.next("event")).toMatchObject({ type: "two", seq: 2 });
  expect(after.seqs()).toEqual([2]);
});

describe("a port", () => {
  test("that answers garbage is passed over until a server comes up on it", async () => {
    const strangers = await stranger((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\ngarbage"));
    const client = watch({ hosts, ports: [strangers.port] });
    client.manager.start();
    const sent = client.manager.emitEvent("patient", null);
    await client.next("retrying", 4);
    expect(client.story()).toEqual([]);
    await strangers.close();
    const server = await startTestServer({ port: `${strangers.port}` });
    expect(await sent).toMatchObject({ seq: 1 });
    expect(await typesIn(server)).toEqual(["patient"]);
  });

  test("that was the server's and answers garbage now is passed over as well", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const first = await startTestServer({ port: `${port}`, state_dir });
    const client = await started({ hosts, ports: [port] });
    await first.stop();
    const strangers = await stranger((socket) => socket.end("garbage"), port);
    await client.next("retrying", 4);
    await strangers.close();
    const second = await startTestServer({ port: `${port}`, state_dir });
    await post(second, "back");
    expect(await client.next("event")).toMatchObject({ seq: 1 });
    expect(client.story()).toEqual(["connected", "disconnected", "connected"]);
  });

  test("whose server answers questions and greets nobody is given up in time", async () => {
    const { port: silent, io } = await fakeSocketServer({ greeting: null });
    for (const port of [fakeServer({ version: "1.0.0", serverId: "no sockets" }), silent]) {
      const client = watch({ hosts, ports: [port], connectTimeoutMs: 200 });
      client.manager.start();
      await client.next("retrying", 2);
      expect(client.manager.state).toBe("searching");
      client.manager.stop();
    }
    await eventually(() => io.engine.clientsCount === 0);
  });
});

describe("a version that is not compatible", () => {
  test("is told once, and the search goes on until the server takes it", async () => {
    const [port, state_dir] = [await freePort(), temporaryDirectory()];
    const strict = await startTestServer({ port: `${port}`, state_dir, min_client_version: "5.0.0" });
    const client = watch({ hosts, ports: [port], clientVersion: "4.0.0" });
    client.manager.start();
    const sent = client.manager.emitEvent("patient", null);
    await client.next("retrying", 4);
    expect(client.payloads("incompatible")).toMatchObject([
      { server: { port }, compatibility: { compatible: false, client_version: "4.0.0" } },
    ]);
    expect((await strict.get("/health")).body.clients_connected).toBe(0);
    await strict.stop();
    const lenient = await startTestServer({ port: `${port}`, state_dir });
    await sent;
    expect(await typesIn(lenient)).toEqual(["patient"]);
    expect(client.story()).toEqual(["incompatible", "connected"]);
  });

  test("that only the greeting tells of ends the connection, and is told", async () => {
    const compatibility = { compatible: false, warnings: ["since a moment ago"] };
    const { port, io } = await fakeSocketServer({ greeting: { compatibility } });
    const client = watch({ hosts, ports: [port] });
    client.manager.start();
    await client.next("retrying", 3);
    expect(client.payloads("incompatible")).toMatchObject([{ server: { port }, compatibility }]);
    expect(client.story()).toEqual(["incompatible"]);
    client.manager.stop();
    await eventually(() => io.engine.clientsCount === 0);
  });

  test("leads to a server that takes it", async () => {
    const strict = await startTestServer({ min_client_version: "5.0.0" });
    const lenient = await startTestServer();
    const client = await started({ hosts, ports: [strict.port, lenient.port], clientVersion: "4.0.0" });
    expect(client.manager.server?.version.server_id).toBe(lenient.serverId);
    expect(client.story()).toEqual(["incompatible", "connected"]);
  });
});

describe("a machine that sleeps", () => {
  // The sleep is what is tested. Scaled down: both sides give a silent connection up after interval and timeout.
  const [ping, sleepMs] = SOAK ? [10, 60_000] : [0.2, 1500];
  const settings = [`ping_interval=${ping}`, `ping_timeout=${ping}`];
  const LIMIT_MS = 120_000;

  test(
    `for ${sleepMs / 1000} s with the server is survived without gap or duplicate`,
    async () => {
      const [port, stateDir] = [await freePort(), temporaryDirectory()];
      const server = await startServerProcess(stateDir, port, settings);
      const client = await started({ hosts, ports: [port] });
      const feeder = await started({ hosts, ports: [port] });
      await feeder.manager.emitEvent("before", null);
      server.signal("SIGSTOP");
      const sent = Array.from({ length: 20 }, (_, index) =>
        feeder.manager.emitEvent(`asleep.${index}`, index),
      );
      await Bun.sleep(sleepMs);
      await eventually(() => client.manager.state === "searching");
      server.signal("SIGCONT");
      expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual(sent.map((_, index) => index + 2));
      await client.next("event", 21);
      expect(client.seqs()).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
      expect(client.story()).toEqual(["connected", "disconnected", "connected"]);
    },
    LIMIT_MS,
  );

  test(
    `for ${sleepMs / 1000} s with the client is survived without gap or duplicate`,
    async () => {
      const [port, stateDir] = [await freePort(), temporaryDirectory()];
      const server = await startServerProcess(stateDir, port, settings);
      const feeder = await started({ hosts, ports: [port] });
      const child = runScript([process.execPath, `${import.meta.dir}/following.ts`, server.url], {
        PATH: "/usr/bin:/bin",
      });
      await child.next(({ name }) => name === "connected", "its connection");
      await feeder.manager.emitEvent("before", null);
      await child.next(({ name }) => name === "event", "the first event");
      process.kill(child.pid, "SIGSTOP");
      for (let index = 0; index < 20; index += 1) await feeder.manager.emitEvent("asleep", index);
      await Bun.sleep(sleepMs);
      await eventually(async () => {
        return (await (await fetch(`${server.url}/health`)).json()).clients_connected === 1;
      });
      process.kill(child.pid, "SIGCONT");
      // What came before the server gave it up is read first, and may be everything.
      await child.next(({ payload }) => payload?.again === true, "its new connection");
      await child.next(({ payload }) => payload?.seq === 21, "the last event");
      const seqs = child.lines.flatMap(({ name, payload }) => (name === "event" ? [payload.seq] : []));
      expect(seqs).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
      expect(child.lines.map(({ name }) => name).filter((name) => name !== "event")).toEqual([
        "connected",
        "disconnected",
        "connected",
      ]);
      expect(await child.finish()).toMatchObject({ exitCode: 0 });
    },
    LIMIT_MS,
  );
});

describe("a server that asks for tokens", () => {
  const guarded = () => startTestServer({ auth: "on" });
  const pathOf = (server: TestServer) => tokenPaths(server.config.state_dir).tokens;
  const at = (server: TestServer) => ({ url: server.url });
  const all = { name: "all", scopes: ["publish", "subscribe"] as Scope[], expiresAt: null };

  test("lets in who has one", async () => {
    const server = await guarded();
    const { token } = await addToken(pathOf(server), all);
    const { manager, payloads } = await started({ ...at(server), token });
    expect(await manager.emitEvent("a", {})).toMatchObject({ seq: 1 });
    expect(payloads("refused")).toEqual([]);
  });

  test("is told of, waited for, and gone on with when it takes the token", async () => {
    const server = await guarded();
    const path = pathOf(server);
    const { token } = await addToken(path, all);
    const [record] = readTokens(path);
    await removeTokens(path, "all");
    const { manager, payloads, next } = watch({ ...at(server), token, pauseMs: 300 });
    manager.start();
    const stored = manager.emitEvent("a", {});
    const { code, hint, server: refusing, delayMs } = await next("refused");
    expect({ code, delayMs }).toEqual({ code: "token_invalid", delayMs: 300 });
    expect(hint).toContain("token create");
    expect(refusing.url).toBe(server.url);
    // Nowhere but in the next attempt is there anything to see of it.
    expect(JSON.stringify(payloads("refused"))).not.toContain(token);
    const before = Date.now();
    await next("refused", 2);
    expect(Date.now() - before).toBeGreaterThan(250);
    writeFileSync(path, JSON.stringify({ version: 1, tokens: [record] }));
    expect(await stored).toMatchObject({ seq: 1 });
    await removeTokens(path, "all");
    await next("disconnected");
    await next("refused", payloads("refused").length + 1);
    expect(manager.state).toBe("searching");
  });

  test("whose token may only read is told so once, and events wait", async () => {
    const server = await guarded();
    const { token } = await addToken(pathOf(server), { ...all, scopes: ["subscribe"] });
    const { manager, next } = await started({ ...at(server), token: () => token });
    const stored = manager.emitEvent("a", {});
    expect(await next("refused")).toMatchObject({ code: "scope_missing" });
    expect(manager.buffered).toBe(1);
    manager.stop();
    await expect(stored).rejects.toThrow("stopped");
  });
});
