import { describe, expect, test } from "bun:test";
import { readStep } from "../../src/sessions/step.ts";
import { createTimeline } from "../../src/sessions/timeline.ts";
import { viewSession } from "../../src/sessions/view.ts";
import { explore, launched, LS, notification, RM, STORIES } from "./stories.ts";
import { brief, hook, inside, seen, SESSION, START, stepOf, tell, type Told } from "./tell.ts";

const { agentStart, agentStop, ask, batch, end, fail, notify, post, pre, prompt, stop } = tell;

for (const [name, steps] of Object.entries(STORIES)) {
  test(name, () => {
    const told: Told[] = [];
    for (const [step, after] of steps) {
      told.push(step);
      expect(`${step.at} ${step.name}: ${brief(seen(told))}`).toBe(`${step.at} ${step.name}: ${after}`);
    }
  });
}

describe("whatever the order of arrival", () => {
  for (const [name, steps] of Object.entries(STORIES)) {
    test(`${name}: late events count where they belong`, () => {
      // Ties keep the order of arrival: only what has a time of its own may come late.
      const told = steps.map(([step], index) => ({ ...step, at: step.at + index / 1000 }));
      const whole = seen(told);
      for (let late = 0; late < told.length; late += 1) {
        const shuffled = [...told.slice(0, late), ...told.slice(late + 1), ...told.slice(late, late + 1)];
        expect(seen(shuffled)).toEqual(whole);
      }
      expect(seen(told.toReversed())).toEqual(whole);
    });
  }
});

describe("silence", () => {
  const killed = [
    prompt(0, "go"),
    agentStart(1, "x"),
    pre(1, "Bash", "a", LS, inside("x")),
    ask(2, "Bash", LS, inside("x")),
  ];

  test("within an hour nothing is presumed", () => {
    expect(brief(seen(killed, 3602))).toBe("waiting (permission Bash) open a agents x=waiting");
  });

  test("after an hour the session is over, and what was open is unfinished", () => {
    const session = seen(killed, 3603);
    expect(brief(session)).toBe("ended agents x=ended");
    expect(session).toMatchObject({ ended_reason: "silence", state_since: "2026-01-31T13:00:02.000Z" });
    expect(session.tools).toMatchObject([{ tool: "Bash", calls: 1, unfinished: 1 }]);
  });

  test("a call that takes longer brings the session back", () => {
    const session = seen([...killed, post(9000, "Bash", "a", {}, inside("x"))]);
    expect(brief(session)).toBe("working agents x=working");
    expect(session.tools).toMatchObject([{ tool: "Bash", calls: 1, unfinished: 0, total_ms: 8_999_000 }]);
  });

  test("a report after it ends nobody who works on", () => {
    const told = [...killed, prompt(9000, notification("shell", "s"))];
    expect(brief(seen(told))).toBe("waiting (permission Bash) open a agents x=waiting");
  });

  test("a prompt after it begins anew", () => {
    const session = seen([...killed, prompt(9000, "hello?")]);
    expect(brief(session)).toBe("working agents x=ended");
  });
});

describe("what a session adds up to", () => {
  const session = seen([
    hook(0, "SessionStart", { source: "startup", model: "a-model" }),
    prompt(1, "mend it"),
    pre(2, "Read", "a", { file_path: "/w/app/x.ts" }),
    post(3, "Read", "a", { duration_ms: 12, tool_input: { file_path: "/w/app/x.ts" } }),
    pre(4, "Edit", "b", { file_path: "/w/app/x.ts" }),
    post(5, "Edit", "b", { duration_ms: 30, tool_input: { file_path: "/w/app/x.ts" } }),
    pre(6, "Bash", "c", LS),
    fail(7, "Bash", "c", { duration_ms: 100 }),
    pre(8, "Bash", "d", RM),
    ask(8, "Bash", RM),
    prompt(20, "not that"),
    pre(21, "Agent", "e", explore),
    agentStart(21, "x"),
    post(21, "Agent", "e", { ...launched("x"), duration_ms: 5 }),
    pre(22, "Agent", "f", { ...explore, subagent_type: "Plan" }, inside("x")),
    agentStart(22, "y", "Plan"),
    post(22, "Agent", "f", launched("y"), inside("x")),
    prompt(30, notification("x", "e")),
  ]);

  test("prompt, project, source, times", () => {
    expect(session).toMatchObject({
      prompt: "not that",
      project: "/w/app",
      source: "claude-code",
      started_at: "2026-01-31T12:00:00.000Z",
      last_event_at: "2026-01-31T12:00:30.000Z",
      state_since: "2026-01-31T12:00:20.000Z",
      event_count: 18,
    });
  });

  test("tools, with failures and refusals", () => {
    expect(session.tools).toMatchObject([
      { tool: "Read", calls: 1, failures: 0, denied: 0, total_ms: 12, p95_ms: 12 },
      { tool: "Edit", calls: 1, failures: 0, denied: 0, total_ms: 30, p95_ms: 30 },
      { tool: "Bash", calls: 2, failures: 1, denied: 1, total_ms: 100, p95_ms: 100 },
      { tool: "Agent", calls: 2, failures: 0, denied: 0 },
    ]);
  });

  test("files", () => {
    expect(session.files).toEqual([{ path: "/w/app/x.ts", reads: 1, edits: 1 }]);
  });

  test("the tree of agents", () => {
    expect(session.agents.map(({ agent_id: id, ...agent }) => [id, agent])).toMatchObject([
      [null, { agent_type: null, state: "working", parent_tool_use_id: null }],
      ["x", { agent_type: "Explore", parent_tool_use_id: "e", parent_agent_id: null }],
      ["y", { agent_type: "Plan", parent_tool_use_id: "f", parent_agent_id: "x" }],
    ]);
  });

  test("what a call itself tells of its end stands, told twice or guessed at before", () => {
    const told = [
      pre(0, "Bash", "a"),
      batch(1, ["a"]),
      post(2, "Bash", "a", { duration_ms: 7 }),
      post(3, "Bash", "a", { duration_ms: 7 }),
      pre(4, "Bash", "b"),
      stop(5),
      fail(6, "Bash", "b", { duration_ms: 3 }),
    ];
    expect(seen(told).tools).toEqual([
      { tool: "Bash", calls: 2, failures: 1, denied: 0, unfinished: 0, total_ms: 10, p95_ms: 7 },
    ]);
  });

  test("a refusal counts as such inside a sub-agent too", () => {
    const told = [
      agentStart(0, "x"),
      pre(1, "Bash", "a", RM, inside("x")),
      ask(1, "Bash", RM, inside("x")),
      agentStop(9, "x"),
    ];
    expect(seen(told).tools).toMatchObject([{ tool: "Bash", calls: 1, denied: 1, unfinished: 0 }]);
  });

  test("a file counts once for a call that is told twice", () => {
    const read = post(0, "Read", "a", { tool_input: { file_path: "/x" } });
    expect(seen([read, { ...read, at: 3 }]).files).toEqual([{ path: "/x", reads: 1, edits: 0 }]);
  });

  test("what is asked is told, and not that something is", () => {
    const told = [
      pre(0, "Bash", "a", RM),
      ask(0, "Bash", RM),
      notify(6, "permission_prompt", "Claude needs your permission"),
    ];
    expect(seen(told).waiting_for).toEqual({ kind: "permission", tool: "Bash", message: "rm -r build" });
    const [, , reminder] = told;
    expect(seen([reminder as Told]).waiting_for?.message).toBe("Claude needs your permission");
  });

  test("p95 by nearest rank", () => {
    const calls = Array.from({ length: 20 }, (_, index) => {
      return post(index, "Bash", `t${index}`, { duration_ms: (index + 1) * 10 });
    });
    expect(seen(calls).tools).toMatchObject([{ calls: 20, total_ms: 2100, p95_ms: 190 }]);
  });
});

test("a session of thousands of steps keeps its sums, and bounds what it keeps", () => {
  const story: Told[] = [prompt(0, "go")];
  for (let index = 0; index < 3000; index += 1) {
    story.push(pre(index + 1, "Read", `t${index}`, { file_path: `/w/${index}` }));
    story.push(post(index + 1.5, "Read", `t${index}`, { tool_input: { file_path: `/w/${index}` } }));
  }
  const late = story.splice(5900, 1);
  const session = seen([...story, ...late]);
  expect(session.tools).toMatchObject([{ tool: "Read", calls: 3000, unfinished: 0 }]);
  expect(session).toMatchObject({ event_count: 6001, open_tools: [], state: "working" });
  expect(session.files).toHaveLength(500);
  expect(session.files.at(-1)?.path).toBe("/w/2999");
});

test("calls that are never closed are not kept for ever", () => {
  const story = Array.from({ length: 1200 }, (_, index) => pre(index, "Read", `t${index}`));
  expect(seen(story).open_tools).toHaveLength(200);
});

test("what belongs before all that is kept is counted, and changes nothing else", () => {
  const story = [prompt(10, "now")];
  for (let index = 0; index < 500; index += 1) story.push(pre(index + 11, "Read", `t${index}`));
  const late = [prompt(1, "long ago"), end(2)];
  const [before, after] = [seen(story), seen([...story, ...late])];
  expect(after).toEqual({
    ...before,
    event_count: before.event_count + 2,
    started_at: "2026-01-31T12:00:01.000Z",
  });
});

test("a session that has settled goes on, and takes late events for what they are", () => {
  const timeline = createTimeline(SESSION, stepOf(prompt(0, "go")));
  for (const told of [prompt(0, "go"), pre(1, "Bash", "a")]) timeline.add(stepOf(told));
  timeline.settle();
  timeline.settle();
  const now = () => brief(viewSession(timeline.session(), START));
  expect(now()).toBe("working open a");
  timeline.add(stepOf(post(5000, "Bash", "a")));
  timeline.add(stepOf(pre(5001, "Bash", "c")));
  timeline.add(stepOf(pre(5000.5, "Bash", "b")));
  timeline.add(stepOf(end(0.5)));
  expect(now()).toBe("working open b,c");
  expect(timeline.session().eventCount).toBe(6);
});

describe("what is kept of a step", () => {
  const step = (fields: object, event: object = {}) =>
    readStep({ type: "hook.user_prompt_submit", data: fields, ...event }, null, START);

  test("is a copy, so that a megabyte is not kept for a part of it", () => {
    const before = process.memoryUsage.rss();
    const steps = Array.from({ length: 100 }, (_, index) => {
      const text = `${index} ${"x".repeat(1_000_000)}`;
      return step({ prompt: JSON.parse(JSON.stringify(text)), tool_input: { command: text } });
    });
    Bun.gc(true);
    expect(steps.every(({ prompt: kept }) => kept.length === 4000)).toBe(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60e6);
  });

  test("has a bound, whatever it is", () => {
    const long = "x".repeat(100_000);
    const all = step(
      { agent_id: long, tool_name: long, tool_use_id: long, tool_input: { file_path: long }, reason: long },
      { type: `hook.${long}`, source: long },
    );
    const { name: _type, ...kept } = all;
    expect(JSON.stringify(kept).length).toBeLessThan(10_000);
  });

  test("a time without a zone is that of the arrival", () => {
    expect(step({}, { timestamp: "2020-01-01T00:00:00" }).time).toBe(START);
    expect(step({}, { timestamp: "2020-01-01T00:00:00+02:00" }).time).toBe(Date.UTC(2019, 11, 31, 22));
    expect(step({}, { timestamp: 1_577_836_800 }).time).toBe(Date.UTC(2020, 0, 1));
    for (const wrong of ["soon", -5, Number.NaN, [], "2999-01-01T00:00:00Z"]) {
      expect(step({}, { timestamp: wrong }).time).toBe(START);
    }
  });

  test("names that every object has are names like others", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(readStep({ type: name }, null, START).name).toBe(name);
      expect(brief(seen([hook(0, name)]))).toBe("idle");
    }
    const fields = JSON.parse('{"__proto__": {"agent_id": "ghost"}, "prompt": "x"}');
    expect(step(fields)).toMatchObject({ agentId: null, prompt: "x" });
  });
});
