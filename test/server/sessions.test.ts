/** `GET /api/sessions`: what the server makes of the events it has stored. */
import { beforeAll, describe, expect, test } from "bun:test";
import { hookEvent } from "../../src/protocol/hook-event.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

let clock = Date.now() - 60_000;
const id = (n: number) => `5e550000-0000-4000-8000-00000000000${n}`;
const hook = (session: string, name: string, fields: object = {}, cwd = "/w/app") =>
  hookEvent({ session_id: session, cwd, hook_event_name: name, ...fields }, (clock += 10));
const sessionsOf = async (server: TestServer, query = "") =>
  (await server.get(`/api/sessions${query}`)).body.sessions as any[];

describe("sessions", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
    await server.post("/api/events", [
      hook(id(1), "UserPromptSubmit", { prompt: "one" }),
      hook(id(2), "UserPromptSubmit", { prompt: "two" }, "/w/other"),
      hook(id(1), "PreToolUse", { tool_name: "Bash", tool_use_id: "a", tool_input: { command: "ls -l" } }),
      hook(id(3), "UserPromptSubmit", { prompt: "three" }),
      hook(id(3), "PermissionRequest", { tool_name: "Write", tool_input: { file_path: "/x" } }),
      hook(id(2), "Stop"),
      hook(id(1), "SubagentStart", { agent_id: "x", agent_type: "Explore" }),
      { type: "hello" },
    ]);
  });

  test("are listed with the newest activity first", async () => {
    const sessions = await sessionsOf(server);
    expect(sessions.map(({ session_id, state }) => [session_id, state])).toEqual([
      [id(1), "working"],
      [id(2), "idle"],
      [id(3), "waiting"],
    ]);
  });

  test("one session comes whole", async () => {
    const { status, body } = await server.get(`/api/sessions/${id(1)}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      session_id: id(1),
      project: "/w/app",
      source: "claude-code",
      state: "working",
      state_since: expect.stringMatching(/^\d{4}-.*Z$/),
      waiting_for: null,
      ended_reason: null,
      failure: null,
      started_at: expect.any(String),
      last_event_at: expect.any(String),
      event_count: 3,
      prompt: "one",
      agents: [
        expect.objectContaining({ agent_id: null, state: "working" }),
        expect.objectContaining({ agent_id: "x", agent_type: "Explore", state: "working" }),
      ],
      open_tools: [
        { tool_use_id: "a", tool: "Bash", agent_id: null, started_at: expect.any(String), argument: "ls -l" },
      ],
      tools: [expect.objectContaining({ tool: "Bash", calls: 1 })],
      files: [],
    });
  });

  test("what a session waits for", async () => {
    const { body } = await server.get(`/api/sessions/${id(3)}`);
    expect(body.waiting_for).toEqual({ kind: "permission", tool: "Write", message: "/x" });
  });

  const FILTERS: [query: string, ids: number[]][] = [
    ["?state=waiting", [3]],
    ["?state=ended", []],
    ["?project=other", [2]],
    ["?project=/w/app", [1, 3]],
    ["?project=/w/app&state=working", [1]],
    ["?limit=2", [1, 2]],
    ["?limit=0", []],
  ];
  for (const [query, ids] of FILTERS) {
    test(`${query} narrows`, async () => {
      expect((await sessionsOf(server, query)).map(({ session_id }) => session_id)).toEqual(ids.map(id));
    });
  }

  test("what cannot be asked is refused, with what can", async () => {
    const state = await server.get("/api/sessions?state=busy");
    expect([state.status, state.body.error.code]).toEqual([400, "invalid_query"]);
    expect(state.body.error.message).toContain("working, waiting, idle, ended, failed");
    const limit = await server.get("/api/sessions?limit=many");
    expect([limit.status, limit.body.error.code]).toEqual([400, "invalid_query"]);
    const unknown = await server.get("/api/sessions/nobody");
    expect([unknown.status, unknown.body.error.code]).toEqual([404, "session_not_found"]);
  });

  test("the server's own reader is no client", async () => {
    const { body } = await server.get("/stats");
    expect(body.delivery).toEqual({ lagging_clients: 0, catch_ups: 0, dropped: 0 });
    expect(body.connections.current_clients).toBe(0);
  });
});

test("whoever asks is told of everything acknowledged before", async () => {
  const server = await startTestServer();
  for (let round = 0; round < 20; round += 1) {
    const events = Array.from({ length: 200 }, (_, index) => {
      return hook(id(4), "SomethingNew", { round, index });
    });
    await server.post("/api/events", events);
    const { body } = await server.get(`/api/sessions/${id(4)}`);
    expect(body.event_count).toBe((round + 1) * 200);
  }
});

test("a restart loses nothing of what the log holds", async () => {
  const state_dir = temporaryDirectory();
  const first = await startTestServer({ state_dir, server_id: "same" });
  const port = `${first.port}`;
  const many = Array.from({ length: 900 }, (_, index) => {
    return hook(id((index % 3) + 5), "PreToolUse", { tool_name: "Bash", tool_use_id: `t${index}` });
  });
  await first.post("/api/events", many);
  await first.post("/api/events", [hook(id(6), "Stop"), hook(id(7), "SessionEnd", { reason: "other" })]);
  const before = await sessionsOf(first);
  expect(before.map(({ state, event_count }) => [state, event_count])).toEqual([
    ["ended", 301],
    ["idle", 301],
    ["working", 300],
  ]);
  await first.stop();

  const second = await startTestServer({ state_dir, port, server_id: "same" });
  expect(await sessionsOf(second)).toEqual(before);
  await second.post("/api/events", hook(id(5), "Stop"));
  expect((await second.get(`/api/sessions/${id(5)}`)).body.state).toBe("idle");
});

test("a log that is trimmed takes no session away that is known", async () => {
  const server = await startTestServer({ max_history_size: "10" });
  await server.post("/api/events", hook(id(8), "UserPromptSubmit", { prompt: "before" }));
  await server.post(
    "/api/events",
    Array.from({ length: 500 }, () => ({ type: "filler" })),
  );
  expect((await server.get(`/api/sessions/${id(8)}`)).body).toMatchObject({
    state: "working",
    prompt: "before",
  });
});

test("at most a thousand sessions are kept, those that were active last", async () => {
  const server = await startTestServer();
  const events = Array.from({ length: 1100 }, (_, index) => hook(`s${index}`, "Stop"));
  await server.post("/api/events", [...events.slice(0, 600), hook("s0", "Stop")]);
  await server.post("/api/events", events.slice(600));
  expect(await sessionsOf(server, "?limit=1000")).toHaveLength(1000);
  expect((await server.get("/api/sessions/s0")).status).toBe(200);
  expect((await server.get("/api/sessions/s50")).status).toBe(404);
});

test("a command that is run: what it is, and how it ended", async () => {
  const server = await startTestServer();
  const tell = async (type: string, data: object) => {
    await server.post("/api/events", { type, session_id: "run-1", source: "run", data });
    return (await server.get("/api/sessions/run-1")).body;
  };
  await tell("session.start", { launch_method: "run", command: ["make", "test all"] });
  expect(await tell("claude.status", { status: "running" })).toMatchObject({
    state: "working",
    prompt: 'make "test all"',
  });
  expect(await tell("session.end", { exit_code: 2, signal: null })).toMatchObject({
    state: "ended",
    ended_reason: "exit code 2",
    failure: "exit code 2",
  });
});

describe("claude-mpm's events", () => {
  const envelope = (subtype: string, data: object) => ({
    namespace: "/hook",
    event: "claude_event",
    data: {
      type: "hook",
      subtype,
      source: "mpm_hook",
      timestamp: new Date((clock += 10)).toISOString(),
      data: { sessionId: "mpm-1", working_directory: "/w/mpm", ...data },
    },
  });

  test("tell the same story in their own words", async () => {
    const server = await startTestServer();
    const states: string[] = [];
    for (const event of [
      envelope("user_prompt", { prompt_text: "mend it" }),
      envelope("pre_tool", { tool_name: "Bash", tool_call_id: "c1", tool_parameters: { command: "ls" } }),
      envelope("post_tool", { tool_name: "Bash", tool_call_id: "c1", success: true, duration_ms: 4 }),
      envelope("pre_tool", { tool_name: "Bash", tool_call_id: "c2" }),
      envelope("post_tool", { tool_name: "Bash", tool_call_id: "c2", status: "error" }),
      envelope("subagent_start", { agent_id: "a1", agent_type: "research" }),
      envelope("stop", { reason: "done" }),
      envelope("subagent_stop", { agent_id: "a1", agent_type: "research" }),
    ]) {
      expect((await server.post("/api/events", event)).status).toBe(200);
      const { body } = await server.get("/api/sessions/mpm-1");
      states.push([body.state, ...body.open_tools.map((call: any) => call.tool_use_id)].join(" "));
    }
    expect(states).toEqual([
      "working",
      "working c1",
      "working",
      "working c2",
      "working",
      "working",
      "working",
      "idle",
    ]);
    const { body } = await server.get("/api/sessions/mpm-1");
    expect(body).toMatchObject({ project: "/w/mpm", source: "mpm_hook", prompt: "mend it" });
    expect(body.tools).toMatchObject([{ tool: "Bash", calls: 2, failures: 1 }]);
  });

  test("the client's named events begin and end a session", async () => {
    const server = await startTestServer();
    const stateAfter = async (type: string, data: object) => {
      await server.post("/api/events", { type, session_id: "named-1", data });
      return (await server.get("/api/sessions/named-1")).body.state;
    };
    expect(await stateAfter("session.start", { session_id: "named-1", launch_method: "exec" })).toBe("idle");
    expect(await stateAfter("claude.status", { status: "running", pid: 1 })).toBe("working");
    expect(await stateAfter("agent.delegation", { agent: "engineer", status: "started" })).toBe("working");
    expect(await stateAfter("claude.status", { status: "stopped" })).toBe("working");
    expect(await stateAfter("agent.delegation", { agent: "engineer", status: "completed" })).toBe("idle");
    expect(await stateAfter("claude.status", { status: "error", message: "it broke" })).toBe("failed");
    expect(await stateAfter("session.end", {})).toBe("ended");
    expect(await stateAfter("claude.status", { status: "stopped" })).toBe("ended");
    expect(await stateAfter("claude.status", { status: "running" })).toBe("working");
  });
});
