import { describe, expect, test } from "bun:test";
import type * as wire from "../../src/protocol/messages.ts";
import { createStory, type Entry, type Lane, type Span, type Story } from "../../src/sessions/story.ts";
import { explore, HOUR, launched, LS, notification, RECORDED, RM, STORIES } from "./stories.ts";
import { hook, inside, seen, SESSION, START, stepOf, tell, type Told } from "./tell.ts";

const { agentStart, agentStop, ask, batch, end, fail, notify, post, pre, prompt, stop } = tell;

const ALL = [
  ...Object.entries(STORIES).map(([name, steps]) => [name, steps.map(([told]) => told)] as const),
  ...Object.entries(RECORDED),
];

const at = (seconds: number) => START + seconds * 1000;
const lastOf = (told: readonly Told[]) => Math.max(...told.map((one) => one.at));

function entriesOf(told: readonly Told[]): Entry[] {
  return told.map((one, index) => {
    return { step: stepOf(one), seq: index + 1, text: `${one.name} ${index + 1}` };
  });
}

/** As it is read at so many seconds after the start; by default when the last hook comes. */
function storyOf(told: readonly Told[], seconds = lastOf(told)): Story {
  return read(entriesOf(told), seconds);
}

function read(entries: readonly Entry[], seconds: number): Story {
  const story = createStory(SESSION);
  for (const entry of entries) story.add(entry);
  return story.read(at(seconds));
}

const spansOf = (story: Story): Span[] => story.lanes.flatMap(({ spans }) => spans);

function spanOf(story: Story, toolUseId: string): Span {
  const span = spansOf(story).find((one) => one.toolUseId === toolUseId);
  if (!span) throw new Error(`no call ${toolUseId}`);
  return span;
}

function laneOf(story: Story, agentId: string | null): Lane {
  const lane = story.lanes.find((one) => one.agentId === agentId);
  if (!lane) throw new Error(`no agent ${agentId}`);
  return lane;
}

/** In seconds, and in short: "a 4–4.01 success". */
function brief({ toolUseId, startedAt, endedAt, outcome }: Span): string {
  const seconds = (time: number) => (time - START) / 1000;
  return `${toolUseId} ${seconds(startedAt)}–${endedAt === null ? "" : seconds(endedAt)} ${outcome ?? "open"}`;
}

/** The same order each time, of the same seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state ^ (state >>> 15), state | 1);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function withoutSeq(story: Story): unknown {
  return JSON.parse(JSON.stringify(story, (key, value) => (/^(seq|endSeq|text)$/.test(key) ? 0 : value)));
}

/** What both tell, in the same words. */
function shared({ tools, agents, open_tools: open }: wire.Session): unknown {
  return {
    tools: tools.map(({ tool, calls, failures, denied, unfinished, total_ms, p95_ms }) => {
      return { tool, calls, failures, denied, unfinished, total_ms, p95_ms };
    }),
    agents: agents.map(({ agent_id: id, state, ended_at: ended }) => `${id} ${state} ${ended}`).toSorted(),
    open: open.map(({ tool_use_id: id }) => id).toSorted(),
  };
}

function sharedOf(story: Story): unknown {
  const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString());
  return {
    tools: story.tools.map(({ tool, calls, failures, denied, unfinished, totalMs, p95Ms }) => {
      return { tool, calls, failures, denied, unfinished, total_ms: totalMs, p95_ms: p95Ms };
    }),
    agents: story.lanes
      .map(({ agentId, state, endedAt }) => `${agentId} ${state} ${iso(endedAt)}`)
      .toSorted(),
    open: spansOf(story)
      .filter(({ endedAt }) => endedAt === null)
      .map(({ toolUseId }) => toolUseId)
      .toSorted(),
  };
}

test("a call that begins after its session's end is drawn, counted, and not waited for", () => {
  const agent = inside("qa");
  const told = [
    agentStart(0, "qa"),
    end(10, "logout"),
    pre(70, "Bash", "toolu_agent", {}, agent),
    pre(71, "Bash", "", {}, agent),
    pre(110, "Read", "toolu_main"),
  ];
  const story = storyOf(told);
  expect(brief(spanOf(story, "toolu_agent"))).toBe("toolu_agent 70–70 unfinished");
  expect(laneOf(story, "qa").spans).toHaveLength(2);
  expect(sharedOf(story)).toEqual(shared(seen(told)));
  expect(seen(told).tools).toMatchObject([
    { tool: "Bash", calls: 2 },
    { tool: "Read", calls: 1 },
  ]);
  // Its end tells what became of it.
  const done = [...told.slice(0, 3), post(80, "Bash", "toolu_agent", {}, agent)];
  expect(brief(spanOf(storyOf(done), "toolu_agent"))).toBe("toolu_agent 70–80 success");
  expect(sharedOf(storyOf(done))).toEqual(shared(seen(done)));
});

describe("a story and its session tell the same", () => {
  for (const [name, told] of ALL) {
    test(`${name}: hook by hook, and hours later`, () => {
      const story = createStory(SESSION);
      for (const [index, entry] of entriesOf(told).entries()) {
        const soFar = told.slice(0, index + 1);
        const now = lastOf(soFar);
        story.add(entry);
        const session = seen(soFar, now);
        const grown = story.read(at(now));
        expect(sharedOf(grown)).toEqual(shared(session));
        expect(grown.waits.some(({ to }) => to === null)).toBe(session.state === "waiting");
        expect(grown).toEqual(storyOf(soFar));
      }
      const later = lastOf(told) + 3 * HOUR;
      expect(sharedOf(story.read(at(later)))).toEqual(shared(seen(told, later)));
    });

    test(`${name}: at each of its moments, forward and back`, () => {
      const story = createStory(SESSION);
      for (const entry of entriesOf(told)) story.add(entry);
      const moments = [...new Set(told.map((one) => one.at))];
      for (const moment of [...moments, ...moments.toReversed()]) {
        const soFar = told.filter((one) => one.at <= moment);
        expect(story.sessionAt(at(moment))).toEqual(seen(soFar, moment));
      }
    });
  }
});

describe("whatever the order of arrival", () => {
  for (const [name, told] of ALL) {
    test(`${name}: the same story`, () => {
      const entries = entriesOf(told);
      const whole = read(entries, lastOf(told));
      for (let seed = 1; seed <= 8; seed += 1) {
        expect(read(shuffled(entries, seed), lastOf(told))).toEqual(whole);
      }
    });

    test(`${name}: the same but for the numbers, where those are given on arrival`, () => {
      // Of what happened in the same moment, nothing but the numbers tells the order.
      const apart = told.map((one, index) => ({ ...one, at: one.at + index / 1000 }));
      const whole = withoutSeq(storyOf(apart));
      for (let seed = 1; seed <= 8; seed += 1) {
        expect(withoutSeq(storyOf(shuffled(apart, seed)))).toEqual(whole);
      }
    });
  }

  test("what comes late changes what has been read, and what is played again", () => {
    const told = RECORDED["three sub-agents"] as Told[];
    const entries = entriesOf(told);
    const moment = at(20);
    const story = createStory(SESSION);
    for (const [index, entry] of shuffled(entries, 7).entries()) {
      story.add(entry);
      if (index % 5 === 0) {
        story.read(at(50));
        story.sessionAt(moment);
      }
    }
    expect(story.read(at(50))).toEqual(read(entries, 50));
    const soFar = told.filter((one) => at(one.at) <= moment);
    expect(story.sessionAt(moment)).toEqual(seen(soFar, 20));
  });

  test("what has been read stays as it was", () => {
    const entries = entriesOf(RECORDED["three sub-agents"] as Told[]);
    const story = createStory(SESSION);
    for (const entry of entries.slice(0, 15)) story.add(entry);
    const before = story.read(at(50));
    const copy = structuredClone(before);
    for (const entry of entries.slice(15)) story.add(entry);
    story.read(at(50));
    expect(before).toEqual(copy);
  });

  test("an event that arrives twice counts once", () => {
    const entries = entriesOf(RECORDED["five at once"] as Told[]);
    expect(read([...entries, ...shuffled(entries, 3)], 13)).toEqual(read(entries, 13));
  });
});

describe("calls", () => {
  test("have a beginning, an end and an outcome", () => {
    const story = storyOf(RECORDED["one after the other"] as Told[]);
    expect(laneOf(story, null).spans.map(brief)).toEqual(["a 4–4.01 success", "b 7–8.6 success"]);
    expect(spanOf(story, "b")).toEqual({
      toolUseId: "b",
      tool: "Bash",
      argument: "ls",
      agentId: null,
      startedAt: at(7),
      endedAt: at(8.6),
      durationMs: 1600,
      outcome: "success",
      seq: 5,
      endSeq: 6,
      message: null,
      path: null,
      row: 0,
    });
  });

  test("side by side lie in rows of their own, and those after them in the first that is free", () => {
    const lane = laneOf(storyOf(RECORDED["five at once"] as Told[]), null);
    expect(lane.spans.map(({ toolUseId, row }) => `${toolUseId}${row}`)).toEqual(
      "a0 b1 c2 d3 e4 f0".split(" "),
    );
    expect(lane.rows).toBe(5);
  });

  test("one after the other lie in one row", () => {
    const told = [pre(0, "Bash", "a"), post(1, "Bash", "a"), pre(1, "Bash", "b"), post(2, "Bash", "b")];
    expect(laneOf(storyOf(told), null)).toMatchObject({ rows: 1, spans: [{ row: 0 }, { row: 0 }] });
  });

  test("that are open, or took no time, keep their row", () => {
    const lane = laneOf(
      storyOf([pre(0, "Bash", "a"), pre(1, "Bash", "b"), post(1, "Bash", "b"), pre(1, "Bash", "c")]),
      null,
    );
    expect(lane.spans.map(({ toolUseId, row }) => `${toolUseId}${row}`)).toEqual("a0 b1 c2".split(" "));
  });

  test("last from one end to the other where the hook does not say how long", () => {
    const story = storyOf([pre(0, "Bash", "a"), post(2.5, "Bash", "a")]);
    expect(spanOf(story, "a").durationMs).toBe(2500);
  });

  test("that nobody saw begin began as long ago as they took, or when they are first heard of", () => {
    const story = storyOf([
      prompt(0, "go"),
      pre(8, "Bash", "open"),
      post(10, "Bash", "a", { duration_ms: 4000, tool_input: LS }),
      batch(11, ["b"]),
      fail(12, "Bash", "c"),
    ]);
    expect(laneOf(story, null).spans.map(brief)).toEqual([
      "a 6–10 success",
      "open 8– open",
      "b 11–11 unfinished",
      "c 12–12 failure",
    ]);
    expect(laneOf(story, null).spans.map(({ durationMs }) => durationMs)).toEqual([4000, null, null, null]);
    expect(spanOf(story, "a").argument).toBe("ls");
  });

  test("before all else a session begins with what it can know of them", () => {
    const story = storyOf([post(10, "Bash", "a", { duration_ms: 4000 }, inside("x"))]);
    expect(story.from).toBe(at(6));
    expect(laneOf(story, "x").startedAt).toBe(at(6));
  });

  test("whose end is told first, in the same moment, have the number of their beginning", () => {
    const story = storyOf([post(1, "Read", "a"), pre(1, "Read", "a", { file_path: "/w/a" })]);
    expect(spanOf(story, "a")).toMatchObject({ seq: 2, endSeq: 1, argument: "/w/a", path: "/w/a" });
  });

  test("say why they failed, or were denied", () => {
    const story = storyOf([
      pre(0, "Read", "a"),
      fail(1, "Read", "a", { error: "File does not exist." }),
      pre(2, "Bash", "b"),
      hook(3, "PermissionDenied", { tool_name: "Bash", tool_use_id: "b", reason: "too dangerous" }),
      pre(4, "Bash", "c"),
      hook(5, "StopFailure", { error: "rate_limit" }),
    ]);
    expect(spansOf(story).map(({ message }) => message)).toEqual([
      "File does not exist.",
      "too dangerous",
      null,
    ]);
  });

  test("without ids are moments whose outcome nobody knows", () => {
    const story = storyOf(RECORDED["calls without ids"] as Told[]);
    expect(laneOf(story, null).spans.map(brief)).toEqual(["null 1–1 open", "a 3–4 success"]);
    expect(spanOf(story, "a").durationMs).toBe(700);
  });

  test("of a session that is over belong to an agent, also to one nobody has heard of", () => {
    const story = storyOf([prompt(0, "go"), end(1), post(2, "Bash", "a", {}, inside("late"))]);
    expect(laneOf(story, "late")).toMatchObject({
      state: "ended",
      startedAt: at(2),
      endedAt: at(2),
      depth: 1,
    });
    expect(laneOf(story, "late").spans.map(brief)).toEqual(["a 2–2 success"]);
  });
});

describe("calls whose turn is over", () => {
  test("were denied where somebody was asked, when the next prompt comes", () => {
    const story = storyOf(RECORDED["refused, then granted"] as Told[]);
    expect(spansOf(story).map(brief)).toEqual(["a 2–57 denied", "b 59–67 success"]);
    expect(spanOf(story, "a")).toMatchObject({ endSeq: 5, durationMs: 55_000 });
  });

  test("are unfinished, when the session ends, is taken up by another process, or its turn stops", () => {
    for (const over of [end(9), hook(9, "SessionStart", { source: "resume" }), stop(9), prompt(9, "next")]) {
      const story = storyOf([prompt(0, "go"), pre(1, "Bash", "a"), over]);
      expect(spansOf(story).map(brief)).toEqual(["a 1–9 unfinished"]);
    }
  });

  test("go on where they are a sub-agent's, until it stops", () => {
    const told = [
      agentStart(0, "x"),
      pre(1, "Bash", "a", LS, inside("x")),
      stop(2, ["x"]),
      prompt(3, "and now?"),
      agentStop(9, "x"),
    ];
    expect(spansOf(storyOf(told.slice(0, -1))).map(brief)).toEqual(["a 1– open"]);
    expect(spansOf(storyOf(told)).map(brief)).toEqual(["a 1–9 unfinished"]);
  });

  test("are unfinished after an hour of silence, and nothing lasts longer", () => {
    const told = RECORDED["killed in a call"] as Told[];
    expect(brief(spanOf(storyOf(told, 9 + HOUR), "b"))).toBe("b 9– open");
    const story = storyOf(told, 9 * HOUR);
    expect(spanOf(story, "b")).toMatchObject({
      endedAt: at(9 + HOUR),
      outcome: "unfinished",
      endSeq: null,
      durationMs: HOUR * 1000,
    });
    expect(story.to).toBe(at(9 + HOUR));
    expect(laneOf(story, null)).toMatchObject({ state: "ended", endedAt: at(9 + HOUR) });
  });

  test("ended in that silence, too, when somebody comes back after it", () => {
    const story = storyOf(RECORDED["taken up again after a silence"] as Told[]);
    expect(spansOf(story).map(brief)).toEqual([`b ${3 * HOUR + 1}– open`, `a 1–${2 + HOUR} unfinished`]);
    expect(spanOf(story, "a").endSeq).toBeNull();
    expect(story.waits).toMatchObject([{ agentId: "x", from: at(2), to: at(2 + HOUR) }]);
    expect(laneOf(story, "x").endedAt).toBe(at(2 + HOUR));
  });

  test("were what they later turn out to have been", () => {
    const story = storyOf([
      pre(0, "Bash", "a"),
      stop(1),
      fail(5, "Bash", "a", { error: "no", duration_ms: 9 }),
    ]);
    expect(spanOf(story, "a")).toMatchObject({
      outcome: "failure",
      endedAt: at(5),
      endSeq: 3,
      durationMs: 9,
      message: "no",
    });
  });

  test("did not take as long as what ended them", () => {
    const story = storyOf([pre(0, "Bash", "a"), hook(5, "SessionEnd", { reason: "other", duration_ms: 9 })]);
    expect(spanOf(story, "a").durationMs).toBe(5000);
  });

  test("stay what they were, whatever is told of them when the session has forgotten them", () => {
    const calls = Array.from({ length: 250 }, (_, index) => post(index, "Read", `t${index}`));
    const story = storyOf([...calls, batch(300, ["t0"], "Read")]);
    expect(brief(spanOf(story, "t0"))).toBe("t0 0–0 success");
  });

  test("are given up where more are open than anybody looks at", () => {
    const told = Array.from({ length: 250 }, (_, index) => pre(index, "Read", `t${index}`));
    const story = storyOf([...told, post(250, "Read", "t0")]);
    expect(brief(spanOf(story, "t0"))).toBe("t0 0–250 success");
    expect(brief(spanOf(story, "t1"))).toBe("t1 1–201 unfinished");
    expect(laneOf(story, null).rows).toBeLessThan(210);
  });
});

describe("agents", () => {
  test("have a lane each, with their calls, their task and their time", () => {
    const story = storyOf(RECORDED["three sub-agents"] as Told[]);
    expect(story.lanes.map(({ agentId, spans }) => [agentId, spans.length])).toEqual([
      [null, 3],
      ["x", 2],
      ["y", 1],
      ["z", 1],
    ]);
    expect(laneOf(story, "y")).toMatchObject({
      agentType: "Explore",
      task: "Explore: task of y",
      parentAgentId: null,
      parentToolUseId: "call y",
      depth: 1,
      startedAt: at(6.01),
      endedAt: at(24),
      state: "ended",
    });
    expect(laneOf(story, null)).toMatchObject({ task: "", depth: 0, startedAt: at(0), endedAt: at(42.1) });
  });

  test("stand behind whoever started them, by their starts", () => {
    const launch = (second: number, id: string, by: string | null) => {
      const agent = by === null ? {} : inside(by);
      return [
        pre(second, "Agent", `call ${id}`, explore, agent),
        agentStart(second, id),
        post(second, "Agent", `call ${id}`, launched(id), agent),
      ];
    };
    const story = storyOf([
      ...launch(0, "a", null),
      ...launch(1, "b", null),
      ...launch(3, "a2", "a"),
      ...launch(2, "a1", "a"),
      ...launch(4, "a11", "a1"),
      ...launch(5, "b1", "b"),
    ]);
    expect(story.lanes.map(({ agentId, depth }) => `${depth} ${agentId}`)).toEqual([
      "0 null",
      "1 a",
      "2 a1",
      "3 a11",
      "2 a2",
      "1 b",
      "2 b1",
    ]);
    expect(laneOf(story, "a11").parentAgentId).toBe("a1");
  });

  test("begin when they are first heard of", () => {
    const story = storyOf([
      pre(0, "Agent", "p", explore),
      post(1, "Agent", "p", launched("x")),
      stop(2, ["x", "y"]),
      stop(3, ["x", "y"]),
      agentStart(4, "x"),
      agentStop(5, "y"),
    ]);
    expect(story.lanes.map(({ agentId, startedAt }) => [agentId, startedAt])).toEqual([
      [null, at(0)],
      ["x", at(1)],
      ["y", at(2)],
    ]);
  });

  test("that are told to have started each other are shown all the same", () => {
    const story = storyOf([
      pre(0, "Agent", "p", explore, inside("x")),
      post(1, "Agent", "p", launched("y"), inside("x")),
      pre(2, "Agent", "q", explore, inside("y")),
      post(3, "Agent", "q", launched("x"), inside("y")),
    ]);
    expect(story.lanes.map(({ agentId, depth }) => `${depth} ${agentId}`)).toEqual(["0 null", "1 x", "2 y"]);
  });

  test("are remembered when the session has forgotten them", () => {
    const told = Array.from({ length: 600 }, (_, index) => [
      agentStart(index, `x${index}`),
      agentStop(index + 0.5, `x${index}`),
    ]).flat();
    const story = storyOf(told);
    expect(story.lanes).toHaveLength(601);
    expect(laneOf(story, "x0")).toMatchObject({ startedAt: at(0), endedAt: at(0.5), state: "ended" });
  });

  test("that claude-mpm names go by their types", () => {
    const story = createStory(SESSION);
    const step = { ...stepOf(hook(0, "x")), name: "agent.delegation", agentType: "engineer" };
    story.add({ step, seq: 1, text: "" });
    expect(laneOf(story.read(at(1)), "engineer")).toMatchObject({ agentType: "engineer", state: "working" });
  });
});

describe("waits", () => {
  test("last from the question to its answer, or to the end of the turn", () => {
    const story = storyOf(RECORDED["refused, then granted"] as Told[]);
    expect(story.waits).toEqual([
      {
        kind: "permission",
        agentId: null,
        tool: "Bash",
        toolUseId: "a",
        message: "rm -r build",
        from: at(2.1),
        to: at(57),
        seq: 3,
      },
      {
        kind: "permission",
        agentId: null,
        tool: "Bash",
        toolUseId: "b",
        message: "ls",
        from: at(59.1),
        to: at(67),
        seq: 7,
      },
    ]);
  });

  test("for an answer are one, though two hooks tell of the question", () => {
    const questions = { questions: [{ question: "Which one?" }] };
    const story = storyOf([
      pre(0, "AskUserQuestion", "a", questions),
      ask(1, "AskUserQuestion", questions),
      post(9, "AskUserQuestion", "a"),
    ]);
    expect(story.waits).toMatchObject([{ kind: "input", toolUseId: "a", from: at(0), to: at(9), seq: 1 }]);
  });

  test("say what was asked last", () => {
    const again = hook(2, "PermissionRequest", { tool_name: "Bash", tool_use_id: "a", tool_input: LS });
    const told = [pre(0, "Bash", "a", RM), ask(1, "Bash", RM), again, { ...again, at: 3 }];
    expect(storyOf(told).waits).toMatchObject([{ from: at(1), to: null, message: "ls" }]);
  });

  test("about no call that is known are answered when the agent asks again", () => {
    expect(storyOf([ask(0, "Bash", RM), ask(5, "Bash", LS)]).waits).toMatchObject([
      { from: at(0), to: at(5) },
      { from: at(5), to: null },
    ]);
  });

  test("of several agents overlap", () => {
    const told = [
      pre(0, "Bash", "a", RM, inside("x")),
      ask(1, "Bash", RM, inside("x")),
      pre(2, "Bash", "b", LS, inside("y")),
      ask(3, "Bash", LS, inside("y")),
      post(5, "Bash", "a", {}, inside("x")),
    ];
    expect(storyOf(told).waits.map(({ agentId, from, to }) => [agentId, from, to])).toEqual([
      ["x", at(1), at(5)],
      ["y", at(3), null],
    ]);
  });

  test("end with the session that nobody comes back to", () => {
    const story = storyOf([ask(1, "Bash", RM)], 2 * HOUR);
    expect(story).toMatchObject({ to: at(1 + HOUR), waits: [{ from: at(1), to: at(1 + HOUR) }] });
  });
});

describe("marks", () => {
  const kinds = (told: Told[]) => storyOf(told).marks.map(({ kind, text }) => `${kind}: ${text}`);

  test("are prompts of humans, stops, failures, starts, ends, notifications and compactions", () => {
    expect(
      kinds([
        hook(0, "SessionStart", { source: "startup" }),
        prompt(1, "go"),
        notify(2, "permission_prompt"),
        hook(3, "PreCompact", { trigger: "auto" }),
        hook(4, "SessionStart", { source: "compact" }),
        hook(5, "PostCompact", { trigger: "auto" }),
        stop(6),
        prompt(7, notification("x", "a")),
        hook(8, "StopFailure", { error: "rate_limit" }),
        end(9),
      ]),
    ).toEqual([
      "start: SessionStart 1",
      "prompt: UserPromptSubmit 2",
      "notification: Notification 3",
      "compact: PreCompact 4",
      "stop: Stop 7",
      "failure: StopFailure 9",
      "end: SessionEnd 10",
    ]);
  });

  test("of a sub-agent are its failures, and neither its prompt nor its stop", () => {
    const told = [
      agentStart(0, "x"),
      hook(1, "UserPromptSubmit", { prompt: "go", ...inside("x") }),
      hook(2, "Stop", inside("x")),
      hook(3, "StopFailure", { error: "overloaded", ...inside("y") }),
    ];
    expect(storyOf(told).marks).toMatchObject([{ kind: "failure", agentId: "y", seq: 4, time: at(3) }]);
  });

  test("tell of a failure whoever reports it", () => {
    const story = createStory(SESSION);
    const step = { ...stepOf(hook(0, "x")), name: "claude.status", detail: "error", message: "gone" };
    story.add({ step, seq: 1, text: "gone" });
    story.add({ step: stepOf(hook(1, "SomethingElse")), seq: 2, text: "else" });
    expect(story.read(at(1)).marks).toMatchObject([{ kind: "failure", text: "gone" }]);
  });
});

describe("from and to", () => {
  test("reach to now while the session goes on, and to its end when it has one", () => {
    const told = RECORDED["one after the other"] as Told[];
    expect(storyOf(told.slice(0, -1), 60)).toMatchObject({ from: at(0), to: at(60) });
    expect(storyOf(told, 60)).toMatchObject({ from: at(0), to: at(10.01) });
  });

  test("end with the last event of a session that fell silent with nothing open", () => {
    expect(storyOf([prompt(0, "go"), stop(5)], 9 * HOUR).to).toBe(at(5));
    expect(storyOf([agentStart(0, "x"), stop(5, ["x"])], 9 * HOUR).to).toBe(at(5 + HOUR));
  });

  test("are the same moment before there is anything", () => {
    const story = createStory(SESSION);
    expect(story.read(at(3))).toMatchObject({ from: at(3), to: at(3), marks: [], tools: [] });
    expect(story.sessionAt(at(3))).toBeNull();
    story.add(...(entriesOf([prompt(9, "go")]) as [Entry]));
    expect(story.read(at(10))).toMatchObject({ from: at(9), to: at(10) });
    expect(story.sessionAt(at(8.999))).toBeNull();
  });
});

describe("tables", () => {
  test("of tools: how often, how it went, how long it took", () => {
    const calls = Array.from({ length: 20 }, (_, index) => [
      pre(index, "Bash", `t${index}`),
      post(index, "Bash", `t${index}`, { duration_ms: (20 - index) * 10 }),
    ]).flat();
    const story = storyOf([...calls, pre(30, "Read", "r"), stop(31)]);
    expect(story.tools).toMatchObject([
      { tool: "Bash", calls: 20, medianMs: 100, p95Ms: 190, totalMs: 2100, slowest: { toolUseId: "t0" } },
      { tool: "Read", calls: 1, unfinished: 1, medianMs: null, p95Ms: null, totalMs: 0, slowest: null },
    ]);
  });

  test("of files: who read and edited them, the one touched last at the end", () => {
    const file = (path: string) => ({ tool_input: { file_path: path } });
    const story = storyOf([
      pre(0, "Read", "a", { file_path: "/w/a" }),
      post(1, "Read", "a", file("/w/a")),
      pre(2, "Read", "b", { file_path: "/w/b" }, inside("x")),
      post(3, "Read", "b", file("/w/b"), inside("x")),
      pre(4, "Edit", "c", { file_path: "/w/a" }, inside("x")),
      post(5, "Edit", "c", file("/w/a"), inside("x")),
      pre(6, "Edit", "d", { file_path: "/w/b" }),
      fail(7, "Edit", "d"),
      pre(8, "Grep", "e", { file_path: "/w/c" }),
      post(9, "Grep", "e", file("/w/c")),
    ]);
    expect(story.files).toEqual([
      {
        path: "/w/b",
        reads: 1,
        edits: 0,
        by: [{ agentId: "x", agentType: "Explore", reads: 1, edits: 0 }],
        lastAt: at(3),
      },
      {
        path: "/w/a",
        reads: 1,
        edits: 1,
        by: [
          { agentId: null, agentType: null, reads: 1, edits: 0 },
          { agentId: "x", agentType: "Explore", reads: 0, edits: 1 },
        ],
        lastAt: at(5),
      },
    ]);
  });

  test("hold the path a call was made with in the end", () => {
    const story = storyOf([
      pre(0, "Write", "a", { file_path: "/w/asked" }),
      post(1, "Write", "a", { tool_input: { file_path: "/w/written" } }),
    ]);
    expect(story.files).toMatchObject([{ path: "/w/written", edits: 1 }]);
  });
});

test("a long session is played forward, back, and with what comes late", () => {
  const told: Told[] = [prompt(0, "go")];
  for (let index = 1; told.length < 3500; index += 1) {
    told.push(pre(index, "Read", `t${index}`), post(index + 0.5, "Read", `t${index}`));
  }
  const story = createStory(SESSION);
  const [late, ...entries] = [...entriesOf([prompt(1200.2, "in between")]), ...entriesOf(told)];
  for (const entry of entries) story.add(entry);
  const openAt = (second: number) => {
    const session = story.sessionAt(at(second));
    return [session?.event_count, session?.prompt, session?.open_tools.map(({ tool_use_id: id }) => id)];
  };
  const moments = [1, 1749.6, 600, 600.5, 1500, 1499, 1500, 3];
  expect(moments.map(openAt)).toEqual([
    [2, "go", ["t1"]],
    [3499, "go", []],
    [1200, "go", ["t600"]],
    [1201, "go", []],
    [3000, "go", ["t1500"]],
    [2998, "go", ["t1499"]],
    [3000, "go", ["t1500"]],
    [6, "go", ["t3"]],
  ]);
  story.add(late as Entry);
  expect([1500, 1000, 1200.2].map(openAt)).toEqual([
    [3001, "in between", ["t1500"]],
    [2000, "go", ["t1000"]],
    [2401, "in between", []],
  ]);
});
