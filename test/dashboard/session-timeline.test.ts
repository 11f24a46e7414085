/** Where things lie on a timeline: its axis, its folds, its bars. */
import { describe, expect, test } from "bun:test";
import {
  busyIn,
  createAxis,
  createScale,
  idleBetween,
  isMostlyIdle,
  panned,
  ticksOf,
  wholeOf,
  zoomed,
} from "../../src/dashboard/views/session/time-axis.ts";
import { layBoxes, layMarks } from "../../src/dashboard/views/session/layout.ts";
import { advance, storyAt } from "../../src/dashboard/views/session/moment.ts";
import type { Lane, Mark, Span, Story } from "../../src/sessions/story.ts";

const START = new Date(2026, 0, 31, 12).getTime();
const MINUTE = 60_000;
const at = (seconds: number) => START + seconds * 1000;

function span(from: number, to: number | null, more: Partial<Span> = {}): Span {
  return {
    toolUseId: `toolu_${from}`,
    tool: "Bash",
    argument: "",
    agentId: null,
    startedAt: at(from),
    endedAt: to === null ? null : at(to),
    durationMs: to === null ? null : (to - from) * 1000,
    outcome: to === null ? null : "success",
    seq: Math.round(from * 1000) + 1,
    endSeq: to === null ? null : Math.round(to * 1000) + 2,
    message: null,
    path: null,
    row: 0,
    ...more,
  };
}

function story(spans: Span[], marks: Mark[] = [], to = 3600): Story {
  const lane: Lane = {
    agentId: null,
    agentType: null,
    task: "",
    parentAgentId: null,
    parentToolUseId: null,
    depth: 0,
    startedAt: START,
    endedAt: null,
    state: "idle",
    rows: 1,
    spans,
  };
  return { from: START, to: at(to), lanes: [lane], waits: [], marks, tools: [], files: [] };
}

const mark = (time: number, kind: Mark["kind"] = "prompt"): Mark => {
  return { kind, time: at(time), seq: time + 500_000, text: kind, agentId: null };
};

describe("idle time", () => {
  test("is where no call is open and nothing is told for more than two minutes", () => {
    const busy = busyIn(story([span(0, 10), span(5, 300), span(500, 510)], [mark(2000)]));
    const idle = idleBetween(busy, at(3600));
    expect(idle.map(({ from, to }) => [(from - START) / 1000, (to - START) / 1000])).toEqual([
      [304, 496],
      [514, 1996],
      [2004, 3596],
    ]);
    expect(isMostlyIdle(idle, { from: START, to: at(3600) })).toBe(true);
  });

  test("is not while a call is open, however long that is", () => {
    const busy = busyIn(story([span(0, null)]));
    expect(idleBetween(busy, at(3600))).toEqual([]);
  });

  test("is what follows a call of which nothing more was heard", () => {
    const busy = busyIn(story([span(0, 3600, { outcome: "unfinished" })]));
    expect(idleBetween(busy, at(3600))).toHaveLength(1);
  });

  test("little of it folds nothing by itself", () => {
    const idle = idleBetween(busyIn(story([span(0, 1000)], [], 1200)), at(1200));
    expect(idle).toHaveLength(1);
    expect(isMostlyIdle(idle, { from: START, to: at(1200) })).toBe(false);
  });
});

describe("the axis", () => {
  const folded = createAxis({ from: START, to: at(3600) }, [{ from: at(300), to: at(3300) }]);

  test("gives every position its moment and every moment its position", () => {
    for (const seconds of [0, 1, 299, 300, 1000, 3299, 3300, 3600]) {
      expect(folded.timeAt(folded.at(at(seconds)))).toBeCloseTo(at(seconds), -1);
    }
    expect(folded.at(START - MINUTE)).toBe(0);
    expect(folded.at(at(9999))).toBeCloseTo(folded.length, 5);
  });

  test("a fold takes little room, and the time around it runs as before", () => {
    const [fold] = folded.folds;
    expect(fold?.length).toBeLessThan(600_000 * 0.05);
    expect(folded.at(at(200)) - folded.at(at(100))).toBeCloseTo(100_000, 3);
    expect(folded.at(at(3500)) - folded.at(at(3400))).toBeCloseTo(100_000, 3);
  });

  test("many folds leave most of the room to what was done", () => {
    const gaps = Array.from({ length: 50 }, (_, n) => ({ from: at(n * 200 + 10), to: at(n * 200 + 190) }));
    const axis = createAxis({ from: START, to: at(10_000) }, gaps);
    const room = axis.folds.reduce((sum, { length }) => sum + length, 0);
    expect(axis.folds).toHaveLength(50);
    expect(room / axis.length).toBeLessThan(0.3);
  });

  test("zooming keeps the place that is pointed at, and never leaves the axis", () => {
    const axis = createAxis({ from: START, to: at(600) }, []);
    const anchor = axis.length * 0.7;
    const near = zoomed(wholeOf(axis), 4, anchor, axis);
    expect(near.end - near.start).toBeCloseTo(axis.length / 4, 3);
    expect((anchor - near.start) / (near.end - near.start)).toBeCloseTo(0.7, 5);
    expect(zoomed(near, 1 / 100, anchor, axis)).toEqual(wholeOf(axis));
    expect(panned(near, axis.length, axis).end).toBeCloseTo(axis.length, 5);
    expect(zoomed(near, 1e9, anchor, axis).end).toBeGreaterThan(zoomed(near, 1e9, anchor, axis).start);
  });

  test("ticks are round times of the local clock, not crowded, and none lies in a fold", () => {
    const ticks = ticksOf(folded, wholeOf(folded), 1000);
    expect(ticks.map(({ label }) => label)).toContain("12:02");
    expect(ticks.every(({ label }) => /^\d\d:\d\d(:\d\d)?$/.test(label))).toBe(true);
    for (const { time } of ticks) expect(time > at(300) && time < at(3300)).toBe(false);
    for (const [index, { x }] of ticks.entries()) {
      if (index > 0) expect(x - (ticks[index - 1]?.x ?? 0)).toBeGreaterThan(50);
    }
  });

  test("ticks of a short time have milliseconds, and another day is named", () => {
    const second = createAxis({ from: START, to: START + 400 }, []);
    expect(ticksOf(second, wholeOf(second), 1000)[0]?.label).toMatch(/^\d\d:\d\d:\d\d\.\d{3}$/);
    const days = createAxis({ from: START, to: START + 40 * 3_600_000 }, []);
    expect(ticksOf(days, wholeOf(days), 1000).map(({ label }) => label)).toContain("2026-02-01");
  });
});

describe("bars", () => {
  const axis = createAxis({ from: START, to: at(1000) }, []);
  const scale = createScale(axis, wholeOf(axis), 1000);

  test("a call has a bar as long as it took, one that is open to the present", () => {
    const boxes = layBoxes([span(100, 200), span(300, null)], scale, at(500));
    expect(boxes).toHaveLength(2);
    expect(boxes[0]?.width).toBeCloseTo(98, -1);
    expect(boxes[1]?.width).toBeCloseTo(196, -1);
  });

  test("those too small to be told apart are one", () => {
    const many = Array.from({ length: 500 }, (_, n) => span(100 + n / 10, 100 + n / 10 + 0.05));
    const boxes = layBoxes(many, scale, at(1000));
    expect(boxes).toHaveLength(1);
    expect(boxes[0]?.spans).toHaveLength(500);
  });

  test("a failure keeps a place of its own among many", () => {
    const many = Array.from({ length: 100 }, (_, n) => span(100 + n, 100.5 + n));
    many[50] = span(150, 150.5, { outcome: "failure" });
    const boxes = layBoxes(many, scale, at(1000));
    expect(boxes.map(({ spans }) => spans.length)).toEqual([99, 1]);
  });

  test("however many there are, no more are drawn than there is room for", () => {
    const many = Array.from({ length: 20_000 }, (_, n) => {
      return span(n / 20, n / 20 + 0.01, { outcome: n % 2 === 0 ? "success" : "failure" });
    });
    expect(layBoxes(many, scale, at(1000)).length).toBeLessThan(300);
  });

  test("what is out of view is not drawn, and what begins there is cut", () => {
    const near = createScale(axis, { start: axis.at(at(400)), end: axis.at(at(401)) }, 1000);
    const boxes = layBoxes([span(0, 1000, { row: 1 }), span(10, 20), span(900, 950)], near, at(1000));
    expect(boxes).toHaveLength(1);
    expect(boxes[0]?.left).toBeGreaterThan(-100);
    expect(boxes[0]?.width).toBeLessThan(1200);
  });

  test("marks that lie together are one, of the most telling kind", () => {
    const groups = layMarks([mark(10, "stop"), mark(11, "prompt"), mark(500, "stop")], scale);
    expect(groups.map(({ kind, marks }) => [kind, marks.length])).toEqual([
      ["prompt", 2],
      ["stop", 1],
    ]);
  });
});

describe("a replay", () => {
  test("shows nothing of what comes later, and what had not ended as open", () => {
    const told = story(
      [span(0, 10), span(20, 100, { outcome: "failure" }), span(200, 210)],
      [mark(0), mark(150)],
    );
    const { lanes, marks, tools, to } = storyAt(told, at(50), null);
    expect(lanes[0]?.spans.map(({ endedAt, outcome }) => [endedAt, outcome])).toEqual([
      [at(10), "success"],
      [null, null],
    ]);
    expect(marks).toHaveLength(1);
    expect(tools[0]).toMatchObject({ calls: 2, failures: 0 });
    expect(to).toBe(at(50));
  });

  test("goes at its speed, jumps over idle times and stops at the end", () => {
    const idle = [{ from: at(100), to: at(900) }];
    expect(advance(at(0), 5000, idle, at(1000))).toBe(at(5));
    expect(advance(at(98), 5000, idle, at(1000))).toBe(at(903));
    expect(advance(at(500), 1000, idle, at(1000))).toBe(at(901));
    expect(advance(at(98), 5000, [], at(1000))).toBe(at(103));
    expect(advance(at(999), 60_000, idle, at(1000))).toBe(at(1000));
  });
});
