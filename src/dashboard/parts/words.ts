/** Numbers, times and states as people read them. */
import { duration } from "../../sessions/names.ts";
import type { HistoryGap, SessionState } from "../../protocol/messages.ts";
import { oneLine } from "./text.ts";

export const STATE_WORDS: Record<SessionState, string> = {
  waiting: "waiting for you",
  working: "working",
  idle: "idle",
  failed: "failed",
  ended: "ended",
};

/** How a session ended: "ended: logout". */
export function endedWords(reason: string): string {
  return reason === "silence"
    ? "nothing was heard of it for an hour"
    : `ended: ${oneLine(reason).replaceAll("_", " ")}`;
}

const WHY: Record<HistoryGap["reason"], string> = {
  trimmed: "the log no longer holds them",
  unknown_epoch: "",
  beyond_end: "they were lost on the server's side",
};

export function gapWords({ from_seq: from, to_seq: to, reason }: HistoryGap): string {
  if (reason === "unknown_epoch") return "the server has another log now; what was shown before is not in it";
  return `${from === to ? `event ${from} is` : `events ${from} to ${to} are`} missing: ${WHY[reason]}`;
}

/** Grouped by hand: whatever a page asks of `Intl` first takes 20 ms, and this would be asked before anything is seen. */
export function count(value: number, one?: string, many = `${one}s`): string {
  const [whole = "", ...rest] = `${Math.round(value * 1000) / 1000}`.split(".");
  const number = [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...rest].join(".");
  return one === undefined ? number : `${number} ${value === 1 ? one : many}`;
}

/** "340 ms", "1.2 s", "3 min 5 s", "2 h 4 min". */
export function span(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return age(milliseconds);
}

/** In whole seconds and the two largest units. */
export function age(milliseconds: number): string {
  return duration(Math.max(0, milliseconds / 1000));
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let amount = value;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

/** Local time of day; with milliseconds where they matter. */
export function clock(time: number, withMilliseconds = false): string {
  const at = new Date(time);
  const parts = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => `${part}`.padStart(2, "0"));
  return parts.join(":") + (withMilliseconds ? fraction(time) : "");
}

/** As they stand behind a time of day: ".042". */
export function fraction(time: number): string {
  return `.${`${Math.floor(time) % 1000}`.padStart(3, "0")}`;
}

/** By the local calendar, for times of another day. */
export function dayAndClock(time: number, now: number): string {
  const at = new Date(time);
  if (at.toDateString() === new Date(now).toDateString()) return clock(time);
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()]
    .map((part) => `${part}`.padStart(2, "0"))
    .join("-");
  return `${day} ${clock(time)}`;
}
