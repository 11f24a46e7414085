/** A history that is cleared: what is asked of the server afterwards, and what those notice who are connected. */
import { describe, expect, test } from "bun:test";
import type { Key } from "../../src/config/schema.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { testWith } from "../support/tools.ts";

const event = (n: number, session = "s1") => ({
  id: `e${n}`,
  type: "hook.user_prompt_submit",
  session_id: session,
  data: { hook_event_name: "UserPromptSubmit", prompt: `secret ${n}` },
});
const events = (from: number, to: number, session?: string) =>
  Array.from({ length: to - from + 1 }, (_, index) => event(from + index, session));
const clear = (server: TestServer, what: unknown) => server.post("/api/history/clear", what);
const sessions = async (server: TestServer) =>
  (await server.get("/api/sessions")).body.sessions.map(({ session_id: id }: any) => id);

const KINDS: [string, readonly string[], () => Promise<Partial<Record<Key, string>>>][] = [
  ["on disk", [], async () => ({})],
  ["in memory", [], async () => ({ persistent: "false" })],
  ["on Redis", REDIS, async () => ({ redis_url: (await startRedis()).url })],
];

for (const [kind, needs, settings] of KINDS) {
  describe(`a history ${kind}`, () => {
    testWith(
      needs,
      "is gone, with its sessions; who is connected is told nothing, who resumes is",
      async () => {
        const server = await startTestServer(await settings());
        await server.post("/api/events", events(1, 20));
        await server.post("/api/events", events(21, 30, "s2"));
        const client = await connect(server.url);
        const { epoch } = await client.next("connection_ack");
        expect(await sessions(server)).toEqual(["s2", "s1"]);

        const { status, body } = await clear(server, { before_seq: 26 });
        expect([status, body]).toEqual([200, { epoch, first_seq: 26, last_seq: 30, forgotten: 25 }]);
        await eventually(async () => (await sessions(server)).join() === "s2");
        expect((await server.get("/api/sessions/s1")).status).toBe(404);
        expect((await server.get("/api/sessions/s2")).status).toBe(200);

        expect((await clear(server, { all: true })).body).toMatchObject({
          first_seq: 31,
          last_seq: 30,
          forgotten: 5,
        });
        await eventually(async () => (await sessions(server)).length === 0);
        const page = (await server.get("/api/events?after=10")).body;
        expect(page).toMatchObject({ events: [], first_seq: 31, last_seq: 30, total_available: 0 });
        expect((await server.get("/stats")).body.events.history_size).toBe(0);

        const before = client.received.length;
        const { body: stored } = await server.post("/api/events", [event(1), event(30)]);
        expect(stored).toEqual({ accepted: 2, duplicates: 0, first_seq: 31, last_seq: 32 });
        await eventually(() => client.events().length === 2);
        expect(client.received.slice(before).map(({ name }) => name)).toEqual([
          "claude_event",
          "claude_event",
        ]);
        const late = await connect(server.url, { resume: { epoch, seq: 10 } });
        expect(await late.next("history_gap")).toEqual({ from_seq: 11, to_seq: 30, reason: "trimmed" });
        await eventually(() => late.events().length === 2);
        expect(late.events().map(({ seq }) => seq)).toEqual([31, 32]);
        const good = await connect(server.url, { resume: { epoch, seq: 30 } });
        await eventually(() => good.events().length === 2);
        expect(good.received.some(({ name }) => name === "history_gap")).toBe(false);
      },
    );
  });
}

test("what came before a time is forgotten", async () => {
  const server = await startTestServer();
  await server.post("/api/events", events(1, 3));
  await Bun.sleep(5); // the times of arrival have to differ
  await server.post("/api/events", events(4, 5));
  const [{ received_at: time }] = (await server.get("/api/events?after=3&limit=1")).body.events;
  expect((await clear(server, { before: time })).body).toMatchObject({ first_seq: 4, forgotten: 3 });
  expect((await clear(server, { before: time })).body).toMatchObject({ first_seq: 4, forgotten: 0 });
  expect((await clear(server, { before: "2999-01-01T00:00:00Z" })).body).toMatchObject({
    first_seq: 6,
    forgotten: 2,
  });
});

test("nothing is forgotten by what is left out, misspelt or wanted of one session", async () => {
  const server = await startTestServer();
  await server.post("/api/events", events(1, 3));
  const refused = async (what: unknown) => {
    const { status, body } = await clear(server, what);
    expect(status).toBe(400);
    return body.error.code;
  };
  for (const what of [
    {},
    { befor: "2026-01-31" },
    { all: false },
    { all: true, before_seq: 2 },
    { before: "yesterday" },
    { before: "" },
    { before_seq: -1 },
    [],
    "all",
  ]) {
    expect(await refused(JSON.stringify(what))).toBe("invalid_query");
  }
  expect(await refused("")).toBe("invalid_json");
  expect(await refused({ session_id: "s1" })).toBe("session_not_cleared");
  expect((await server.get("/api/events")).body.total_available).toBe(3);
});

testWith(REDIS, "every server that shares the log forgets its sessions and events", async () => {
  const { url } = await startRedis();
  const [one, two] = [await startTestServer({ redis_url: url }), await startTestServer({ redis_url: url })];
  await one.post("/api/events", events(1, 20));
  await eventually(async () => (await sessions(two)).length === 1);
  const client = await connect(two.url);
  expect((await clear(one, { all: true })).body.forgotten).toBe(20);
  await eventually(async () => (await two.get("/api/events")).body.total_available === 0, { limitMs: 2000 });
  await eventually(async () => (await sessions(two)).length === 0);
  await one.post("/api/events", event(1));
  await eventually(() => client.events().length === 1);
  expect(client.received.some(({ name }) => name === "history_gap")).toBe(false);
  expect(await sessions(two)).toEqual(["s1"]);
});
