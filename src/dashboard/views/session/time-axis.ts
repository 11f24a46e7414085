/**
 * Where moments lie on a timeline. Positions are milliseconds too, but a fold, a time in which nothing was done, takes
 * less room than it lasted; its ends and all between them still have a place, so every position has its moment.
 */
import type { Story } from "../../../sessions/story.ts";

export interface Interval {
  from: number;
  to: number;
}

/** A stretch of the axis; within it time runs evenly. */
export interface Segment extends Interval {
  at: number;
  length: number;
  isFold: boolean;
}

export interface TimeAxis extends Interval {
  length: number;
  segments: readonly Segment[];
  folds: readonly Segment[];
  /** The position of a moment; of one before or after the axis, that of its end. */
  at(time: number): number;
  timeAt(position: number): number;
}

/** Shorter ones are not worth an interruption. */
export const MIN_IDLE_MS = 120_000;
/** So much of an idle time is left at both of its ends. */
const FRINGE_MS = 4000;
/** Of what is not folded, that is the room of one fold, and of all of them. */
const FOLD_SHARE = 0.018;
const FOLDS_SHARE = 0.3;
const MIN_FOLD_MS = 500;
/** Of the whole, so that nothing sticks to an end. */
const MARGIN_SHARE = 0.012;
const MIN_MARGIN_MS = 200;

/** What is done in a session, as merged intervals in order; moments are intervals without a length. */
export function busyIn({ lanes, marks, waits }: Story): Interval[] {
  const all: Interval[] = [];
  const moment = (time: number | null) => time !== null && all.push({ from: time, to: time });
  for (const { spans, startedAt, endedAt, agentId } of lanes) {
    for (const { startedAt: from, endedAt: end, outcome } of spans) {
      // Nobody knows for how long it went on.
      all.push({ from, to: outcome === "unfinished" ? from : (end ?? Infinity) });
    }
    moment(startedAt);
    if (agentId !== null) moment(endedAt);
  }
  for (const { time } of marks) moment(time);
  for (const { from, to } of waits) for (const end of [from, to]) moment(end);
  return merge(all);
}

function merge(intervals: Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const { from, to } of intervals.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** The times between, as far as they are worth folding. */
export function idleBetween(busy: readonly Interval[], to: number): Interval[] {
  const idle: Interval[] = [];
  for (let index = 0; index < busy.length; index += 1) {
    const from = (busy[index] as Interval).to;
    const next = Math.min(to, busy[index + 1]?.from ?? to);
    if (next - from > MIN_IDLE_MS) idle.push({ from: from + FRINGE_MS, to: next - FRINGE_MS });
  }
  return idle;
}

/** Whether more than half of the time is idle. */
export function isMostlyIdle(idle: readonly Interval[], { from, to }: Interval): boolean {
  return idle.reduce((sum, gap) => sum + gap.to - gap.from, 0) > (to - from) / 2;
}

/** @param folded in order, within the interval */
export function createAxis({ from: first, to: last }: Interval, folded: readonly Interval[]): TimeAxis {
  const open = last - first - folded.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const margin = Math.max(MIN_MARGIN_MS, open * MARGIN_SHARE);
  const [from, to] = [first - margin, last + margin];
  const foldLength = Math.max(MIN_FOLD_MS, Math.min(open * FOLD_SHARE, (open * FOLDS_SHARE) / folded.length));
  const segments: Segment[] = [];
  let [time, at] = [from, 0];

  function add(end: number, length: number, isFold: boolean): void {
    if (end <= time) return;
    segments.push({ from: time, to: end, at, length, isFold });
    time = end;
    at += length;
  }
  for (const gap of folded) {
    add(gap.from, gap.from - time, false);
    add(gap.to, Math.min(foldLength, gap.to - gap.from), true);
  }
  add(to, to - time, false);

  return {
    from,
    to,
    length: at,
    segments,
    folds: segments.filter(({ isFold }) => isFold),
    at(moment) {
      const segment = lastOf(segments, ({ from: begin }) => begin <= moment);
      const share = (Math.min(moment, segment.to) - segment.from) / (segment.to - segment.from);
      return segment.at + Math.max(0, share) * segment.length;
    },
    timeAt(position) {
      const segment = lastOf(segments, ({ at: begin }) => begin <= position);
      const share = Math.min(1, (position - segment.at) / segment.length);
      return segment.from + Math.max(0, share) * (segment.to - segment.from);
    },
  };
}

/** The last segment that fits, where those that do come first; else the first. */
function lastOf(segments: readonly Segment[], fits: (segment: Segment) => boolean): Segment {
  let [low, high] = [0, segments.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(segments[middle] as Segment)) low = middle;
    else high = middle - 1;
  }
  return segments[low] as Segment;
}

/** A part of an axis, in its positions. */
export interface Range {
  start: number;
  end: number;
}

/** The axis as far as it is seen, in pixels. */
export interface Scale {
  width: number;
  /** Both ends as moments. */
  from: number;
  to: number;
  x(time: number): number;
}

export function createScale(axis: TimeAxis, { start, end }: Range, width: number): Scale {
  const factor = width / (end - start);
  return {
    width,
    from: axis.timeAt(start),
    to: axis.timeAt(end),
    x: (time) => (axis.at(time) - start) * factor,
  };
}

/** Nearer nothing is told apart. */
const MIN_RANGE_MS = 40;

export const wholeOf = ({ length }: TimeAxis): Range => ({ start: 0, end: length });

/** @param anchor the position that stays where it is */
export function zoomed({ start, end }: Range, factor: number, anchor: number, axis: TimeAxis): Range {
  const length = Math.min(axis.length, Math.max(MIN_RANGE_MS, (end - start) / factor));
  const share = (anchor - start) / (end - start);
  return within({ start: anchor - share * length, end: anchor + (1 - share) * length }, axis);
}

export function panned({ start, end }: Range, by: number, axis: TimeAxis): Range {
  return within({ start: start + by, end: end + by }, axis);
}

/** The same length, moved to where the axis is. */
export function within({ start, end }: Range, { length: whole }: TimeAxis): Range {
  const length = Math.min(whole, Math.max(MIN_RANGE_MS, end - start));
  const begin = Math.max(0, Math.min(whole - length, start));
  return { start: begin, end: begin + length };
}

export interface Tick {
  time: number;
  x: number;
  label: string;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1,
  2,
  5,
  ...[1, 2, 5, 10, 20, 50].map((hundredths) => hundredths * 10),
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((days) => days * DAY),
];
const TICK_WIDTH = 88;
const MIN_TICK_DISTANCE = 58;

/** Round times of the local clock. */
export function ticksOf(axis: TimeAxis, range: Range, width: number): Tick[] {
  const { x } = createScale(axis, range, width);
  const perTick = ((range.end - range.start) / width) * TICK_WIDTH;
  const step = STEPS.find((size) => size >= perTick) ?? 365 * DAY;
  const ticks: Tick[] = [];
  let day = "";
  for (const { from, to, at, length, isFold } of axis.segments) {
    if (isFold || at > range.end || at + length < range.start) continue;
    const first = Math.max(from, axis.timeAt(range.start));
    const last = Math.min(to, axis.timeAt(range.end));
    const offset = new Date(first).getTimezoneOffset() * MINUTE;
    for (let time = Math.ceil((first - offset) / step) * step + offset; time <= last; time += step) {
      const place = x(time);
      if (place - (ticks.at(-1)?.x ?? -Infinity) < MIN_TICK_DISTANCE) continue;
      const date = dateOf(time);
      const isNewDay = day !== "" && day !== date;
      day = date;
      ticks.push({ time, x: place, label: isNewDay || step >= DAY ? date : clockOf(time, step) });
    }
  }
  return ticks;
}

function dateOf(time: number): string {
  const at = new Date(time);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function clockOf(time: number, step: number): string {
  const at = new Date(time);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (step >= MINUTE) return minutes;
  const seconds = `${minutes}:${two(at.getSeconds())}`;
  return step >= SECOND ? seconds : `${seconds}.${`${at.getMilliseconds()}`.padStart(3, "0")}`;
}

const two = (part: number) => `${part}`.padStart(2, "0");
