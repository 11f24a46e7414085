import { describe, expect, test } from "bun:test";
import { MAX_ROWS } from "../../src/dashboard/state/event-list.ts";
import { gapRow, type Row, rowOf } from "../../src/dashboard/state/row.ts";
import { createToolCounter, type Narrowing, type ToolReport } from "../../src/dashboard/state/tool-report.ts";
import type { JsonObject } from "../../src/protocol/event.ts";
import { hookEvent } from "../../src/protocol/hook-event.ts";
import { explore, HOUR, LS, notification, RECORDED, RM, STORIES } from "../sessions/stories.ts";
import { hook, inside, seen, SESSION, START, tell, type Told } from "../sessions/tell.ts";

const { agentStart, agentStop, ask, batch, end, fail, notify, post, pre, prompt, stop } = tell;
const ALL: Narrowing = { project: "", session: "", agent: "" };

describe("tools", () => {
  test("calls are counted by how they ended", () => {
    const report = reportAfter(
      prompt(0, "go"),
      pre(1, "Bash", "a"),
      post(2, "Bash", "a"),
      pre(3, "Bash", "b"),
      fail(4, "Bash", "b"),
      pre(5, "Read", "c"),
    );
    expect(toolsOf(report)).toEqual({
      Bash: { calls: 2, failures: 1 },
      Read: { calls: 1, running: 1 },
    });
    expect(report.calls).toBe(3);
    expect(report.tools.map(({ tool, share }) => [tool, share])).toEqual([
      ["Bash", 2 / 3],
      ["Read", 1 / 3],
    ]);
  });

  test("a call takes what its hook says, else the time between its two ends", () => {
    const report = reportAfter(
      pre(1, "Bash", "a"),
      post(3, "Bash", "a", { duration_ms: 1500 }),
      pre(4, "Bash", "b"),
      post(4.5, "Bash", "b"),
      post(9, "Bash", "unseen"),
    );
    const [bash] = report.tools;
    expect(bash).toMatchObject({ calls: 3, medianMs: 500, p95Ms: 1500, totalMs: 2000 });
    expect(bash?.slowest).toEqual({ durationMs: 1500, seq: 2 });
  });

  test("median and 95th percentile are by nearest rank", () => {
    const story = Array.from({ length: 20 }, (_, index) => [
      pre(index, "Read", `r${index}`),
      post(index, "Read", `r${index}`, { duration_ms: (index + 1) * 10 }),
    ]);
    expect(reportAfter(...story.flat()).tools[0]).toMatchObject({ medianMs: 100, p95Ms: 190, totalMs: 2100 });
  });

  test("what a person refused is denied, what was never heard of again unfinished", () => {
    const report = reportAfter(
      pre(1, "Bash", "asked"),
      pre(1, "Read", "lost"),
      ask(1, "Bash"),
      prompt(20, "do not"),
      pre(21, "Write", "ruled-out"),
      batch(22, ["ruled-out"], "Write"),
      stop(23),
    );
    expect(toolsOf(report)).toEqual({
      Bash: { calls: 1, denied: 1 },
      Read: { calls: 1, unfinished: 1 },
      Write: { calls: 1, denied: 1 },
    });
  });

  test("the end of one agent's turn ends no other agent's calls", () => {
    const explorer = inside("x1");
    const running = [pre(1, "Bash", "m"), pre(1, "Grep", "x", {}, explorer)];
    expect(toolsOf(reportAfter(...running, stop(2)))).toEqual({
      Bash: { calls: 1, unfinished: 1 },
      Grep: { calls: 1, running: 1 },
    });
    expect(toolsOf(reportAfter(...running, agentStop(2, "x1")))).toEqual({
      Bash: { calls: 1, running: 1 },
      Grep: { calls: 1, unfinished: 1 },
    });
    expect(toolsOf(reportAfter(...running, end(2)))).toEqual({
      Bash: { calls: 1, unfinished: 1 },
      Grep: { calls: 1, unfinished: 1 },
    });
  });

  test("after an hour of silence nothing runs any more", () => {
    const rows = rowsOf([pre(0, "Bash", "a")]);
    expect(toolsOf(reportOf(rows, ALL, START + 3_599_000))).toEqual({ Bash: { calls: 1, running: 1 } });
    expect(toolsOf(reportOf(rows, ALL, START + 3_601_000))).toEqual({ Bash: { calls: 1, unfinished: 1 } });
  });

  test("events that come late count where they belong", () => {
    const report = reportAfter(
      post(3, "Bash", "a"),
      stop(4),
      pre(1, "Bash", "a"),
      pre(10, "Read", "next"),
      stop(5),
      pre(2, "Grep", "g"),
      stop(2.5),
      post(2.4, "Grep", "g"),
    );
    expect(toolsOf(report)).toEqual({
      Bash: { calls: 1 },
      Read: { calls: 1, running: 1 },
      Grep: { calls: 1 },
    });
    expect(report.tools[0]?.totalMs).toBe(2000);
  });

  test("calls without an id are counted; nothing tells how they ended", () => {
    const fields = { tool_name: "Bash", tool_input: {} };
    const report = reportAfter(
      hook(1, "PreToolUse", fields),
      hook(2, "PostToolUse", fields),
      hook(3, "PreToolUse", fields),
    );
    expect(toolsOf(report)).toEqual({ Bash: { calls: 2 } });
    expect(report.tools[0]).toMatchObject({ medianMs: null, totalMs: 0 });
  });

  test("the same call in two sessions is two calls", () => {
    const rows = rowsOf([pre(1, "Bash", "a"), post(2, "Bash", "a")]);
    const others = rowsOf([pre(1, "Bash", "a")], { session_id: "other" });
    expect(toolsOf(reportOf([...rows, ...others], ALL, START))).toEqual({ Bash: { calls: 2, running: 1 } });
  });

  test("names and numbers that nobody foresaw are counted like others", () => {
    const report = reportAfter(
      pre(1, "__proto__", "constructor"),
      post(2, "__proto__", "constructor", { duration_ms: "long" }),
      { at: 3, name: "PreToolUse", fields: {} },
    );
    expect(report.tools).toMatchObject([{ tool: "__proto__", calls: 1, totalMs: 1000 }]);
  });
});

describe("calls end as the state machine of their session says", () => {
  const interrupted = [
    prompt(0, "go"),
    pre(1, "Agent", "p", explore),
    agentStart(1, "x"),
    pre(2, "Bash", "a", LS, inside("x")),
    prompt(9, "not so"),
  ];
  const started = [prompt(0, "go"), pre(1, "Read", "a"), pre(1, "Bash", "b")];

  test("a sub-agent that was waited for ends with the turn that is interrupted", () => {
    expect(toolsOf(reportAfter(...interrupted)).Bash).toEqual({ calls: 1, unfinished: 1 });
  });

  test("whoever has the prompt back has interrupted what ran", () => {
    const unfinished = { Bash: { calls: 1, unfinished: 1 }, Read: { calls: 1, unfinished: 1 } };
    expect(toolsOf(reportAfter(...started, notify(60, "idle_prompt")))).toEqual(unfinished);
    const old = hook(60, "Notification", { message: "Claude is waiting for your input" });
    expect(toolsOf(reportAfter(...started, old))).toEqual(unfinished);
    expect(toolsOf(reportAfter(...started, hook(60, "SessionStart", { source: "resume" })))).toEqual(
      unfinished,
    );
    expect(toolsOf(reportAfter(...started, fail(5, "Read", "a", { is_interrupt: true })))).toEqual({
      Bash: { calls: 1, unfinished: 1 },
      Read: { calls: 1, failures: 1 },
    });
  });

  test("a sub-agent's report ends no call", () => {
    const report = prompt(9, notification("x", "p"));
    expect(toolsOf(reportAfter(...started, report)).Bash).toEqual({ calls: 1, running: 1 });
  });

  test("a call that was denied took no time, whenever its beginning comes", () => {
    const denied = hook(4, "PermissionDenied", { tool_name: "Bash", tool_input: RM, tool_use_id: "a" });
    const [bash] = reportAfter(denied, pre(1, "Bash", "a", RM)).tools;
    expect(bash).toMatchObject({ calls: 1, denied: 1, medianMs: null, totalMs: 0, slowest: null });
  });

  test("of two calls the one is denied that was asked about", () => {
    const report = reportAfter(
      prompt(0, "go"),
      pre(1, "Bash", "older", RM),
      pre(1, "Bash", "newer", LS),
      ask(2, "Bash", RM),
      post(3, "Bash", "newer"),
      prompt(9, "not so"),
    );
    expect(toolsOf(report)).toEqual({ Bash: { calls: 2, denied: 1 } });
  });

  const stories = [
    ...Object.entries(STORIES).map(([name, steps]) => [name, steps.map(([told]) => told)] as const),
    ...Object.entries(RECORDED),
  ];
  test.each(stories)("%s: after each of its hooks", (_, told) => {
    const rows = rowsOf(told);
    const counter = createToolCounter(ALL);
    for (let length = 1; length <= told.length; length += 1) {
      const soFar = told.slice(0, length);
      const last = Math.max(...soFar.map(({ at }) => at));
      const grown = rows.slice(0, length);
      for (const at of [last, last + 3 * HOUR]) {
        const now = START + at * 1000;
        expect(toolsOf(reportOf(grown, ALL, now))).toEqual(sessionTools(soFar, at));
        expect(toolsOf(finish(counter.count(grown, 0, now)))).toEqual(sessionTools(soFar, at));
      }
    }
  });
});

describe("files", () => {
  test("reads and edits that were successful, by whom, in how many sessions", () => {
    const input = { file_path: "/w/app/src/a.ts" };
    const rows = [
      ...rowsOf([
        ...done(1, "Read", "a", input),
        ...done(2, "Edit", "b", input),
        ...done(3, "Read", "c", input, inside("x1", "Explore")),
        pre(4, "Edit", "d", input),
        fail(5, "Edit", "d"),
        ...done(6, "Bash", "e", input),
      ]),
      ...rowsOf(done(9, "Read", "f", input), { session_id: "other" }),
    ];
    expect(reportOf(rows, ALL, START).files).toEqual([
      {
        path: "/w/app/src/a.ts",
        shownPath: "src/a.ts",
        project: "/w/app",
        reads: 3,
        edits: 1,
        by: [
          { agent: "main", touches: 3 },
          { agent: "Explore", touches: 1 },
        ],
        sessions: 2,
        lastAt: START + 9000,
      },
    ]);
  });

  test("a path is shown from its project's directory, one outside as it is", () => {
    const report = reportAfter(
      ...done(1, "Read", "a", { file_path: "/w/application/a" }),
      ...done(2, "Read", "b", { file_path: "/etc/hosts" }),
      ...done(3, "Write", "c", { file_path: "notes.md" }),
    );
    expect(report.files.map(({ shownPath }) => shownPath)).toEqual([
      "/w/application/a",
      "/etc/hosts",
      "notes.md",
    ]);
  });

  test("a relative path is another file in another project, a whole one belongs to the project around it", () => {
    const rows = [
      ...rowsOf(done(1, "Read", "a", { file_path: "README.md" })),
      ...rowsOf(done(1, "Read", "a", { file_path: "README.md" }), { cwd: "/w/lib", session_id: "other" }),
      ...rowsOf(done(2, "Read", "b", { file_path: "/w/lib/x" })),
      ...rowsOf(done(2, "Read", "b", { file_path: "/w/lib/x" }), { cwd: "/w/lib", session_id: "other" }),
    ];
    expect(reportOf(rows, ALL, START).files).toMatchObject([
      { shownPath: "README.md", project: "/w/app" },
      { shownPath: "x", project: "/w/lib", reads: 2 },
      { shownPath: "README.md", project: "/w/lib" },
    ]);
  });
});

describe("what is counted", () => {
  const explorer = inside("x1", "Explore");
  const rows = [
    ...rowsOf([...done(1, "Read", "a"), ...done(600, "Bash", "b"), ...done(700, "Grep", "c", {}, explorer)]),
    ...rowsOf(done(800, "Edit", "d"), { session_id: "other", cwd: "/w/lib" }),
  ];
  const toolsWith = ({ since = 0, ...narrowing }: Partial<Narrowing> & { since?: number }) =>
    reportOf(rows, { ...ALL, ...narrowing }, START, since).tools.map(({ tool }) => tool);

  test("can be narrowed by session, project, agent and time", () => {
    expect(toolsWith({ session: "other" })).toEqual(["Edit"]);
    expect(toolsWith({ project: "/w/app" })).toEqual(["Read", "Bash", "Grep"]);
    expect(toolsWith({ project: "lib" })).toEqual(["Edit"]);
    expect(toolsWith({ agent: "main" })).toEqual(["Read", "Bash", "Edit"]);
    expect(toolsWith({ agent: "Explore" })).toEqual(["Grep"]);
    expect(toolsWith({ agent: "x1" })).toEqual(["Grep"]);
    expect(toolsWith({ since: START + 600_000 })).toEqual(["Bash", "Grep", "Edit"]);
    expect(toolsWith({ agent: "main", project: "/w/app", since: START + 600_000 })).toEqual(["Bash"]);
  });

  test("a call that still runs counts, whenever it began", () => {
    const running = rowsOf([pre(1, "Bash", "a")]);
    expect(reportOf(running, ALL, START + 90_000, START + 60_000).calls).toBe(1);
  });

  test("the report says what it rests on; a gap is no event", () => {
    const gap = gapRow({ from_seq: 1, to_seq: 3, reason: "trimmed" });
    const report = reportOf([gap, ...rows], { ...ALL, session: "other" }, START);
    expect(report).toMatchObject({ events: 8, from: START + 1000, calls: 1 });
    expect(reportOf([], ALL, START)).toEqual({ tools: [], files: [], calls: 0, events: 0, from: null });
  });
});

test("a full page of events is gone through in small pieces", () => {
  const [before, after] = rowsOf(done(0, "Bash", "a", { file_path: "/w/app/a" })) as [Row, Row];
  const many = Array.from({ length: MAX_ROWS / 2 }, (_, index) => [
    { ...before, toolUseId: `t${index}`, tool: `tool ${index % 20}` },
    { ...after, toolUseId: `t${index}`, tool: `tool ${index % 20}` },
  ]).flat();
  const pass = createToolCounter(ALL).count(many, 0, START);
  let pieces = 0;
  let step = pass.next();
  for (; !step.done; step = pass.next()) pieces += 1;
  expect(pieces).toBeGreaterThan(250);
  expect(step.value).toMatchObject({ calls: MAX_ROWS / 2, events: MAX_ROWS });
});

test("what was counted before is not gone through again, unless rows come before it or are cut off", () => {
  const rows = rowsOf(Array.from({ length: 10 }, (_, index) => done(index, "Bash", `t${index}`)).flat());
  const late = rowsOf([...Array.from({ length: 20 }, () => prompt(30, "")), pre(1, "Bash", "late")]).slice(
    -1,
  );
  const counter = createToolCounter(ALL);
  const counted = (of: readonly Row[]) => finish(counter.count(of, 0, START)).tools[0]?.calls;
  expect(counted(rows.slice(4, 10))).toBe(3);
  expect(counted(rows.slice(4, 16))).toBe(6);
  expect(counted(rows.slice(0, 16))).toBe(8);
  expect(counted(rows)).toBe(10);
  expect(counted([...rows, ...late])).toBe(11);
  expect(counted(rows.slice(10))).toBe(5);
  expect(counted([])).toBeUndefined();
});

test("an agent that never closes a call does not make the others wait", () => {
  const opened = rowsOf([pre(0, "Bash", "a"), ask(1, "Bash")]) as [Row, Row];
  const many = Array.from({ length: 20_000 }, (_, index) => [
    { ...opened[0], toolUseId: `t${index}` },
    opened[1],
  ]);
  const { tools } = reportOf(many.flat(), ALL, START);
  expect(tools).toMatchObject([{ calls: 20_000, running: 200 }]);
});

function done(at: number, tool: string, id: string, input: JsonObject = {}, agent: JsonObject = {}): Told[] {
  return [pre(at, tool, id, input, agent), post(at, tool, id, {}, agent)];
}

function reportOf(rows: readonly Row[], narrowing: Narrowing, now: number, since = 0): ToolReport {
  return finish(createToolCounter(narrowing).count(rows, since, now));
}

function finish<T>(pass: Generator<undefined, T>): T {
  for (;;) {
    const step = pass.next();
    if (step.done) return step.value;
  }
}

/** The same of the session's own figures. */
function sessionTools(story: readonly Told[], at: number): Record<string, Record<string, number>> {
  const { tools, open_tools: open } = seen(story, at);
  const told = tools.map(({ tool, calls, failures, denied, unfinished }) => {
    const running = open.filter((call) => call.tool === tool).length;
    return [tool, withoutZeros({ calls, running, failures, denied, unfinished })];
  });
  return Object.fromEntries(told);
}

function reportAfter(...story: Told[]): ToolReport {
  return reportOf(rowsOf(story), ALL, START + Math.max(...story.map(({ at }) => at)) * 1000);
}

/** As the page reads them: in the order in which they came. */
function rowsOf(story: readonly Told[], more: JsonObject = {}): Row[] {
  return story.map(({ at, name, fields }, index) => {
    const payload = { session_id: SESSION, cwd: "/w/app", hook_event_name: name, ...more, ...fields };
    const event = hookEvent(payload, START + at * 1000);
    return rowOf({ ...event, seq: index + 1, received_at: new Date(START + 24 * HOUR * 1000).toISOString() });
  });
}

function toolsOf({ tools }: ToolReport): Record<string, Record<string, number>> {
  const told = tools.map(({ tool, calls, running, failures, denied, unfinished }) => {
    return [tool, withoutZeros({ calls, running, failures, denied, unfinished })];
  });
  return Object.fromEntries(told);
}

function withoutZeros(amounts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount > 0));
}
