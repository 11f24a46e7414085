/** What of a story is drawn where: bars for calls, and one for all that are too small to be told apart. */
import type { Lane, Mark, MarkKind, Span, Story, WaitSpan } from "../../../sessions/story.ts";
import type { Scale } from "./time-axis.ts";

export interface Box {
  /** More than one: a cluster. */
  spans: readonly Span[];
  left: number;
  width: number;
  row: number;
}

/** Narrower ones are drawn as wide as this, or merged with their neighbours. */
const NARROW = 4;
/** Narrow ones nearer than this lie together. */
const MIN_DISTANCE = 3;
/** Bars are cut off so far beyond what is seen: browsers draw nothing that is millions of pixels long. */
const OUTSIDE = 40;

/**
 * The bars of a lane that are in view.
 *
 * @param spans in the order of their beginnings
 * @param now where bars of open calls end
 * @param isFlat whether all calls lie in one row
 */
export function layBoxes(spans: readonly Span[], scale: Scale, now: number, isFlat = false): Box[] {
  const boxes: Box[] = [];
  /** Of each row, and of failures and all others: a failure is not lost among many that went well. */
  const last = new Map<string, Box & { spans: Span[] }>();
  for (const span of spans) {
    if (span.startedAt > scale.to) break;
    const end = Math.max(span.startedAt, span.endedAt ?? now);
    if (end < scale.from) continue;
    const left = Math.max(-OUTSIDE, scale.x(span.startedAt));
    const width = Math.min(scale.width + OUTSIDE, scale.x(end)) - left;
    const row = isFlat ? 0 : span.row;
    const kind = `${row} ${span.outcome === "failure"}`;
    const before = last.get(kind);
    if (before && isNarrow(before) && width < NARROW && left - before.left - before.width < MIN_DISTANCE) {
      before.spans.push(span);
      before.width = Math.max(before.width, left + NARROW - before.left);
      continue;
    }
    const box = { spans: [span], left, width: Math.max(NARROW, width), row };
    last.set(kind, box);
    boxes.push(box);
  }
  return boxes;
}

/** What others may be merged into. */
function isNarrow({ spans, width }: Box): boolean {
  return spans.length > 1 || width <= NARROW;
}

export interface MarkGroup {
  /** That of the most telling. */
  kind: MarkKind;
  marks: readonly Mark[];
  x: number;
}

const MARK_WIDTH = 15;
/** The most telling first. */
const ORDER: readonly MarkKind[] = ["failure", "prompt", "end", "start", "compact", "stop", "notification"];

/** @param marks in the order of their times */
export function layMarks(marks: readonly Mark[], scale: Scale): MarkGroup[] {
  const groups: (MarkGroup & { marks: Mark[] })[] = [];
  for (const mark of marks) {
    if (mark.time < scale.from || mark.time > scale.to) continue;
    const x = scale.x(mark.time);
    const last = groups.at(-1);
    if (!last || x - last.x >= MARK_WIDTH) groups.push({ kind: mark.kind, marks: [mark], x });
    else {
      last.marks.push(mark);
      if (ORDER.indexOf(mark.kind) < ORDER.indexOf(last.kind)) last.kind = mark.kind;
    }
  }
  return groups;
}

/** Something in a lane that can be opened, by a key that tells it from others of the same event. */
export interface Item {
  key: string;
  startedAt: number;
  endedAt: number | null;
}

export const callKey = ({ seq }: Span) => `${seq}`;
export const markKey = ({ seq }: Mark) => `m${seq}`;
export const waitKey = ({ seq }: WaitSpan) => `w${seq}`;

/** Those of a lane: all of them lie in that of the main agent. That somebody waits is seen already. */
export function marksIn({ agentId }: Lane, { marks, waits }: Story, now: number): Mark[] {
  if (agentId !== null) return [];
  const own = waits.filter((wait) => wait.agentId === null);
  return marks.filter(
    ({ kind, time }) =>
      kind !== "notification" || !own.some(({ from, to }) => from <= time && time <= (to ?? now)),
  );
}

/** In the order of their times. */
export function itemsIn(lane: Lane, story: Story, now: number): Item[] {
  const waits = story.waits.filter(({ agentId }) => agentId === lane.agentId);
  const items = [
    ...lane.spans.map((span) => ({ key: callKey(span), ...timesOf(span) })),
    ...marksIn(lane, story, now).map((mark) => {
      return { key: markKey(mark), startedAt: mark.time, endedAt: mark.time };
    }),
    ...waits.map((wait) => ({ key: waitKey(wait), startedAt: wait.from, endedAt: wait.to })),
  ];
  return items.toSorted((a, b) => a.startedAt - b.startedAt);
}

const timesOf = ({ startedAt, endedAt }: Span) => ({ startedAt, endedAt });
