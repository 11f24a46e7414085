/** Lines for people, out of events in the shapes in which they really come. */
import { describe, expect, test } from "bun:test";
import { createLineFormatter, type LineOptions } from "../../src/cli/event-line.ts";
import { harmlessJson } from "../../src/cli/terminal-text.ts";

const RECEIVED = "2026-03-10T12:00:07.500Z";
const SESSION = "d512f5a9-2d6f-487b-a808-94a7dd1fcb86";

const lineOf = (event: Record<string, unknown>, options: Partial<LineOptions> = {}) => {
  return createLineFormatter({
    paint: (text) => text,
    columns: () => Number.POSITIVE_INFINITY,
    now: () => Date.parse(RECEIVED),
    ...options,
  })({ received_at: RECEIVED, ...event });
};

/** A hook's event as it is stored. */
const hook = (name: string, fields: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  type: `hook.${name.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase()}`,
  id: "h1",
  session_id: SESSION,
  cwd: "/home/dev/app",
  source: "claude-code",
  ...more,
  data: {
    session_id: SESSION,
    transcript_path: "/home/dev/.claude/projects/x.jsonl",
    cwd: "/home/dev/app",
    prompt_id: "p1",
    permission_mode: "default",
    hook_event_name: name,
    ...fields,
  },
});

/** What an agent gives back, as Claude Code hands it on. */
const taskNotification = (status: string, summary: string) => {
  const fields = `<task-id>a793beae9fa532d0f</task-id>\n<status>${status}</status>\n<summary>${summary}</summary>`;
  return `<task-notification>\n${fields}\n<result>It says <summary>alpha</summary>.</result>\n</task-notification>`;
};

/** What a line says beyond its head. */
const summaryOf = (event: Record<string, unknown>) => {
  const head = lineOf({ ...event, data: undefined, tool_name: undefined });
  const line = lineOf(event);
  const type = /^\S+ \S+ +\S+ +(\S+) */.exec(line)?.[0] ?? head;
  return line.slice(type.length);
};

describe("a line", () => {
  test("has time, session, project, type, and what matters", () => {
    expect(lineOf(hook("PreToolUse", { tool_name: "Bash", tool_input: { command: "ls -la" } }))).toBe(
      "12:00:07 d512f5a9 app        hook.pre_tool_use       Bash ls -la",
    );
  });

  test("has the time at which it happened, where that is told and can be", () => {
    const clockOf = (timestamp: unknown) => lineOf({ timestamp }).slice(0, 19).trim();
    expect(clockOf("2026-03-10T11:59:00.000Z")).toStartWith("11:59:00");
    expect(clockOf("2026-03-10T14:59:00+03:00")).toStartWith("11:59:00");
    expect(clockOf("2026-03-08T11:59:00Z")).toBe("2026-03-08 11:59:00");
    for (const unknown of ["2026-03-10T11:59:00", "2027-01-01T00:00:00Z", "soon", 5, null, undefined]) {
      expect(clockOf(unknown)).toStartWith("12:00:07");
    }
  });

  test("of a command that is run names it, and how it ended", () => {
    const start = { launch_method: "run", command: ["sh", "-c", "exit 7"], pid: 4 };
    expect(summaryOf({ type: "session.start", data: start })).toBe('sh -c "exit 7"');
    const end = { exit_code: 7, signal: null, duration_seconds: 0.5 };
    expect(summaryOf({ type: "session.end", data: end })).toBe("exit code 7 (500 ms)");
    expect(summaryOf({ type: "session.end", data: { ...end, exit_code: 0 } })).toBe("exit code 0 (500 ms)");
    expect(summaryOf({ type: "session.end", data: { ...end, exit_code: null, signal: "SIGKILL" } })).toBe(
      "ended by SIGKILL (500 ms)",
    );
  });

  test("of an event with nothing in it", () => {
    expect(lineOf({})).toBe("12:00:07 -        -          -");
    expect(lineOf({ received_at: 5, type: 7, session_id: {}, cwd: [] })).toStartWith("--:--:-- -        -");
  });

  test("has its date on another day, or where all have", () => {
    const later = () => Date.parse("2026-03-11T12:00:00Z");
    expect(lineOf({ type: "a" }, { now: later })).toStartWith("2026-03-10 12:00:07 ");
    expect(lineOf({ type: "a" }, { dated: true })).toStartWith("2026-03-10 12:00:07 ");
  });

  test("shows ids that are no UUIDs in full, and claude-mpm's subtypes", () => {
    expect(
      lineOf({
        type: "hook",
        subtype: "pre_tool",
        data: { sessionId: "session-7", data: { cwd: "C:\\dev\\my app\\" } },
      }),
    ).toBe("12:00:07 session-7 my app     hook/pre_tool");
  });

  test("keeps to the terminal, with the duration in sight, and counts wide characters as two", () => {
    const event = hook("PostToolUse", {
      tool_name: "Bash",
      tool_input: { command: "日本語".repeat(200) },
      duration_ms: 5520,
    });
    for (const columns of [80, 81, 120]) {
      const line = lineOf(event, { columns: () => columns });
      expect(line).toMatch(/… \(5\.5 s\)$/);
      expect(columns - Bun.stringWidth(line)).toBeLessThanOrEqual(1);
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
    }
    expect(lineOf(event)).toEndWith(`${"日本語".repeat(200)} (5.5 s)`);
  });

  test("leaves long names room for the summary on a terminal, and whole elsewhere", () => {
    const long = "n".repeat(200);
    const event = { type: long, session_id: long, cwd: `/w/${long}`, data: "what matters" };
    expect(lineOf(event, { columns: () => 130 })).toEndWith("… what matters");
    expect(lineOf(event)).toEndWith(`${long} ${long} ${long} what matters`);
  });

  test("colours a session alike in every line, failures red", () => {
    const paint: LineOptions["paint"] = (text, style) => `<${style}>${text}</>`;
    const styleOf = (session: string) =>
      /<(\w+)>s-\d+ *<\/>/.exec(lineOf({ session_id: session }, { paint }))?.[1];
    const styles = Array.from({ length: 40 }, (_, n) => styleOf(`s-${n}`));
    expect(styles).toEqual(Array.from({ length: 40 }, (_, n) => styleOf(`s-${n}`)));
    expect(new Set(styles).size).toBeGreaterThan(5);
    expect(styles).not.toContain("red");
    const failure = hook("PostToolUseFailure", { tool_name: "Read", error: "gone" });
    expect(lineOf(failure, { paint })).toContain("<red>Read failed: gone</>");
    for (const [status, colour] of [
      ["failed", "<red>"],
      ["completed", ""],
    ] as const) {
      const report = hook("UserPromptSubmit", { prompt: taskNotification(status, "It is over") });
      expect(lineOf(report, { paint })).toContain(` ${colour}a793bea: It is over`);
    }
  });
});

describe("what matters in", () => {
  const tool = (tool_name: string, tool_input: unknown, more = {}) => ({
    tool_name,
    tool_input,
    tool_use_id: "t1",
    ...more,
  });
  const cases: [what: string, event: Record<string, unknown>, summary: string][] = [
    [
      "an edit, its file, from the project's directory",
      hook("PreToolUse", tool("Edit", { file_path: "/home/dev/app/src/x.ts", old_string: "a" })),
      "Edit src/x.ts",
    ],
    ["a file elsewhere", hook("PreToolUse", tool("Read", { file_path: "/etc/hosts" })), "Read /etc/hosts"],
    ["a search", hook("PreToolUse", tool("Grep", { pattern: "TODO", path: "src" })), "Grep TODO"],
    [
      "a tool nobody knows",
      hook("PreToolUse", tool("mcp__x__y", { a: 1, b: [2] })),
      'mcp__x__y {"a":1,"b":[2]}',
    ],
    ["a tool whose input is text", hook("PreToolUse", tool("X", "as it is")), "X as it is"],
    [
      "a call that is over, how long it took",
      hook("PostToolUse", tool("Bash", { command: "make" }, { duration_ms: 5520 })),
      "Bash make (5.5 s)",
    ],
    [
      "a long one",
      hook("PostToolUse", tool("Bash", { command: "make" }, { duration_ms: 125_000 })),
      "Bash make (2 min 5 s)",
    ],
    [
      "a failure",
      hook(
        "PostToolUseFailure",
        tool(
          "Read",
          { file_path: "/home/dev/app/no.txt" },
          { error: "File does not exist.", is_interrupt: false, duration_ms: 4 },
        ),
      ),
      "Read failed: File does not exist. [no.txt] (4 ms)",
    ],
    [
      "an interruption",
      hook(
        "PostToolUseFailure",
        tool("Bash", { command: "sleep 9" }, { error: "stopped", is_interrupt: true }),
      ),
      "Bash interrupted: stopped [sleep 9]",
    ],
    [
      "a refusal",
      hook("PermissionDenied", tool("Bash", { command: "rm x" }, { reason: "no" })),
      "Bash denied: no [rm x]",
    ],
    [
      "a question for permission",
      hook("PermissionRequest", { ...tool("Bash", { command: "rm x" }), tool_use_id: undefined }),
      "asks for permission: Bash rm x",
    ],
    [
      "a command that was stopped",
      hook("PostToolUse", tool("Bash", { command: "sleep 9" }, { tool_response: { interrupted: true } })),
      "Bash interrupted [sleep 9]",
    ],
    [
      "a call that starts an agent",
      hook(
        "PreToolUse",
        tool("Agent", { subagent_type: "Explore", description: "Read alpha", prompt: "Read it" }),
      ),
      "Agent Explore: Read alpha",
    ],
    [
      "an agent's call, the agent",
      hook("PreToolUse", tool("Bash", { command: "ls" }, { agent_id: "a1", agent_type: "Explore" })),
      "[Explore a1] Bash ls",
    ],
    [
      "a batch",
      hook("PostToolBatch", { tool_calls: [{ tool_name: "Read" }, { tool_name: "Bash" }, 7] }),
      "3 calls: Read, Bash, ?",
    ],
    [
      "an agent's batch, how many of each",
      hook("PostToolBatch", {
        agent_id: "a793beae9fa532d0f",
        agent_type: "Explore",
        tool_calls: ["Read", "Bash", "Read", "Read"].map((tool_name) => ({ tool_name, tool_response: "…" })),
      }),
      "[Explore a793bea] 4 calls: Read ×3, Bash",
    ],
    [
      "a call whose agent goes on when it has returned",
      hook("PostToolUse", {
        ...tool("Agent", { subagent_type: "Explore", description: "Read alpha" }),
        tool_response: { isAsync: true, status: "async_launched", agentId: "a793beae9fa532d0f" },
        duration_ms: 5,
      }),
      "Agent Explore: Read alpha (goes on as a793bea)",
    ],
    [
      "an agent's report, which comes as a prompt",
      hook("UserPromptSubmit", {
        prompt: taskNotification("completed", 'Agent "Read alpha" finished'),
      }),
      'a793bea: Agent "Read alpha" finished',
    ],
    [
      "a prompt that is about such a report",
      hook("UserPromptSubmit", { prompt: "What is a <task-notification>?" }),
      "What is a <task-notification>?",
    ],
    [
      "such a report without what is in one",
      hook("UserPromptSubmit", { prompt: "<task-notification>done</task-notification>" }),
      "<task-notification>done</task-notification>",
    ],
    [
      "a prompt that is a command",
      hook("UserPromptExpansion", { command_name: "review", command_args: "src", prompt: "/review src" }),
      "/review src",
    ],
    [
      "what was shortened on its way, its mark",
      hook("UserPromptSubmit", { prompt: "Look at this: aaa… [11,999,000 characters left out]" }),
      "Look at this: aaa… [11,999,000 characters left out]",
    ],
    [
      "a turn that failed",
      hook("StopFailure", { error: "rate_limit", last_assistant_message: "API Error: Rate limit reached" }),
      "failed: rate_limit: API Error: Rate limit reached",
    ],
    [
      "instructions, their file",
      hook("InstructionsLoaded", { file_path: "/home/dev/app/CLAUDE.md", load_reason: "session_start" }),
      "CLAUDE.md (session_start)",
    ],
    [
      "changed settings, their file",
      hook("ConfigChange", { source: "user_settings", file_path: "/home/dev/.claude/settings.json" }),
      "/home/dev/.claude/settings.json (user_settings)",
    ],
    ["another directory", hook("CwdChanged", { old_cwd: "/a", new_cwd: "/b" }), "/b"],
    ["a worktree that is gone", hook("WorktreeRemove", { worktree_path: "/w/x" }), "/w/x"],
    [
      "a shorter context, and why",
      hook("PreCompact", { trigger: "manual", custom_instructions: "keep the plan" }),
      "keep the plan (manual)",
    ],
    [
      "a server's question",
      hook("Elicitation", { mcp_server_name: "github", message: "Which repository?" }),
      "github: Which repository?",
    ],
    [
      "and its answer",
      hook("ElicitationResult", { mcp_server_name: "github", action: "accept" }),
      "github: accept",
    ],
    [
      "a task of a team",
      hook("TaskCompleted", { task_id: "1", task_subject: "Write tests", teammate_name: "dev" }),
      "dev: Write tests",
    ],
    ["a teammate without work", hook("TeammateIdle", { teammate_name: "dev", team_name: "app" }), "dev"],
    ["a hook without a name", { ...hook("Unknown"), data: { session_id: "s" } }, "a hook without a name"],
    [
      "a hook that was no JSON",
      { type: "hook.unknown", data: { _raw: "not json {" } },
      '{"_raw":"not json {"}',
    ],
    [
      "a prompt, on one line",
      hook("UserPromptSubmit", { prompt: "Mend it.\r\n\n  Then\ttest." }),
      "Mend it. Then test.",
    ],
    [
      "a notification",
      hook("Notification", { message: "Claude needs you", notification_type: "permission_prompt" }),
      "Claude needs you",
    ],
    [
      "a stop, what was said",
      hook("Stop", { stop_hook_active: false, last_assistant_message: "Done." }),
      "Done.",
    ],
    [
      "an agent's start",
      hook("SubagentStart", { agent_id: "a793beae9fa532d0f", agent_type: "Explore" }),
      "Explore a793bea",
    ],
    [
      "an agent's end",
      hook("SubagentStop", { agent_id: "a1", agent_type: "", last_assistant_message: "found" }),
      "a1: found",
    ],
    [
      "a session's start",
      hook("SessionStart", { source: "startup", model: "claude-opus" }),
      "startup claude-opus",
    ],
    ["a session's end", hook("SessionEnd", { reason: "prompt_input_exit" }), "prompt_input_exit"],
    [
      "a hook nobody knows, its own fields",
      hook("SomeFutureEvent", { detail: "new", level: 3 }),
      '{"detail":"new","level":3}',
    ],
    [
      "progress of a tool",
      hook("ToolProgress", { tool_name: "Bash", tool_use_id: "t1", percent: 42 }),
      'Bash {"percent":42}',
    ],
    [
      "a raw payload",
      {
        hook_event_name: "PreToolUse",
        session_id: SESSION,
        cwd: "/a",
        tool_name: "Read",
        tool_input: { file_path: "/a/b" },
      },
      "Read b",
    ],
    [
      "claude-mpm's hooks, nested",
      {
        type: "hook",
        subtype: "pre_tool",
        session_id: "s",
        data: { data: { data: { tool_name: "Bash", tool_parameters: { command: "ls" } } } },
      },
      "Bash ls",
    ],
    [
      "claude-mpm's sessions",
      { type: "session.start", data: { launch_method: "exec", working_directory: "/w" } },
      "exec",
    ],
    [
      "its delegations",
      { type: "agent.delegation", data: { agent: "engineer", task: "fix it", status: "started" } },
      "engineer: fix it (started)",
    ],
    ["its status", { type: "claude.status", data: { status: "running", pid: 7 } }, "running"],
    [
      "its todos",
      {
        type: "todo.update",
        data: {
          todos: [{ content: "a", status: "completed" }, { content: "write", status: "in_progress" }, {}],
        },
      },
      "1 of 3 done: write",
    ],
    [
      "an event of any other type, its data",
      { type: "build.done", id: "1", seq: 4, data: { ok: true, message: "x" } },
      '{"ok":true,"message":"x"}',
    ],
    [
      "one with fields of its own",
      { type: "metric", value: 3, data: { unit: "s" } },
      '{"value":3,"data":{"unit":"s"}}',
    ],
    ["one whose data is no object", { type: "note", data: "hello there" }, "hello there"],
    ["one with nothing", { type: "hello", session_id: "s" }, ""],
    [
      "fields of any type",
      hook("PreToolUse", {
        tool_name: { a: 1 },
        tool_calls: 3,
        todos: null,
        prompt: [],
        error: 5,
        duration_ms: "x",
      }),
      '{"tool_calls":3,"todos":null,"prompt":[],"error":5,"duration_ms":"x"}',
    ],
  ];
  for (const [what, event, summary] of cases) {
    test(what, () => expect(summaryOf(event)).toBe(summary));
  }
});

describe("hostile text does nothing to a terminal", () => {
  const HOSTILE =
    "a\u001B[2J\u001B]0;title\u0007b\u009B31m\u0000\u007F\r\nc\u202Ed\u2066\u200B\uFEFF\uD800\u{E0041}z";
  // oxlint-disable-next-line no-control-regex
  const ACTS = /[\u0000-\u001F\u007F-\u009F\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uD800]/;

  for (const event of [
    {
      type: HOSTILE,
      session_id: HOSTILE,
      cwd: `/x/${HOSTILE}`,
      subtype: HOSTILE,
      data: { [HOSTILE]: HOSTILE },
    },
    hook("UserPromptSubmit", { prompt: HOSTILE }),
    hook("PostToolUseFailure", {
      tool_name: HOSTILE,
      tool_input: { command: HOSTILE },
      error: HOSTILE,
      agent_type: HOSTILE,
    }),
    hook("PostToolBatch", { tool_calls: [{ tool_name: HOSTILE }] }),
    { type: "todo.update", data: { todos: [{ content: HOSTILE, status: "in_progress" }] } },
    { received_at: HOSTILE, hook_event_name: HOSTILE, data: HOSTILE },
  ]) {
    test(`in ${JSON.stringify(event)
      .slice(0, 60)
      .replaceAll(/[^ -~]/g, "?")}`, () => {
      for (const columns of [Number.POSITIVE_INFINITY, 200, 60]) {
        expect(lineOf(event, { columns: () => columns })).not.toMatch(ACTS);
      }
    });
  }

  test("and is shown for what it is", () => {
    expect(summaryOf({ type: "x", data: HOSTILE })).toBe(
      String.raw`a\x1b[2J\x1b]0;title\x07b\x9b31m\x00\x7f c\u202ed\u2066\u200b \ud800\u{e0041}z`,
    );
  });

  test("joined emoji stay whole, and are never cut in two", () => {
    const family = "👩‍👩‍👧‍👦";
    expect(summaryOf({ type: "x", data: family })).toBe(family);
    expect(lineOf({ type: "x", data: family.repeat(100) }, { columns: () => 90 })).toMatch(
      new RegExp(`^[ -~]+(${family})+…$`),
    );
  });

  test("as JSON it is the same value with nothing raw in it", () => {
    const value = { [HOSTILE]: [HOSTILE, 1, "日本語"] };
    const json = harmlessJson(JSON.stringify(value));
    expect(json).not.toMatch(ACTS);
    expect(JSON.parse(json)).toEqual(value);
    expect(harmlessJson(JSON.stringify(value, null, 2))).toContain('{\n  "');
  });
});
