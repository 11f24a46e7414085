import { expect, test } from "bun:test";
import { gapRow, type Row, rowOf } from "../../src/dashboard/state/row.ts";
import { eventRate } from "../../src/dashboard/state/server-figures.ts";

const NOW = Date.UTC(2026, 0, 31, 12);
const MINUTE = 60_000;

/** Events that reached the server so many seconds ago. */
function rows(...secondsAgo: number[]): Row[] {
  return secondsAgo.map((seconds, index) =>
    rowOf({ type: "x", seq: index + 1, received_at: new Date(NOW - seconds * 1000).toISOString() }),
  );
}

test("events are counted by when they reached the server, over ten minutes", () => {
  const { times, perSecond } = eventRate(rows(700, 62, 61, 60.5, 3), NOW, true);
  expect(times[0]).toBe(NOW - 10 * MINUTE + 5000);
  expect(times.at(-1)).toBe(NOW);
  expect(times).toHaveLength(120);
  expect(perSecond.filter((rate) => rate !== 0)).toEqual([0.6, 0.2]);
  expect(perSecond.at(-1)).toBe(0.2);
});

test("a span that is not over yet is left out", () => {
  const { times, perSecond } = eventRate(rows(7, 1), NOW + 2000, true);
  expect(times.at(-1)).toBe(NOW);
  expect(perSecond.slice(-2)).toEqual([0.2, 0.2]);
  expect(eventRate(rows(0), NOW + 2000, true).perSecond.at(-1)).toBe(0);
});

test("before the first event that is loaded nothing is known, unless it is the first there is", () => {
  const loaded = rows(61, 30);
  expect(eventRate(loaded, NOW, false).perSecond.filter((rate) => rate === null)).toHaveLength(108);
  expect(eventRate(loaded, NOW, true).perSecond).not.toContain(null);
  expect(eventRate([], NOW, true).perSecond.every((rate) => rate === 0)).toBe(true);
});

test("a gap is no event", () => {
  const gap = gapRow({ from_seq: 1, to_seq: 9, reason: "trimmed" });
  expect(eventRate([gap, ...rows(3)], NOW, true).perSecond.at(-1)).toBe(0.2);
});
