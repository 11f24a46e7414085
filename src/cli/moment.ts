/** Points in the history as people name them: so long ago, at a time, or at an event. */
import { CommandError, EXIT } from "./output.ts";

/** A time in milliseconds since the epoch, or the seq of an event. */
export type Moment = { time: number } | { seq: number };

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60e3, h: 3600e3, d: 86_400e3, w: 604_800e3 };
const DURATION = /^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/;
const CLOCK = /^\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * Reads "10m", "1h30m", "2026-01-31T12:00:00Z", "2026-01-31", "14:02:11" (today) or "420". Times without a zone are
 * local ones. Throws a usage error that names the flag.
 *
 * @param now milliseconds since the epoch, what durations are counted back from
 */
export function parseMoment(text: string, flag: string, now: number): Moment {
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text) };
  const time = DURATION.test(text) ? now - milliseconds(text) : timeOf(text, now);
  if (Number.isNaN(new Date(time).getTime())) {
    throw new CommandError(
      `${flag} ${text} is no duration, time or seq`,
      `Write, for example, ${flag} 10m, ${flag} 2026-01-31T12:00 or ${flag} 420`,
      EXIT.usage,
    );
  }
  // Years before 0 and after 9999 have a form of their own in ISO 8601.
  return { time: Math.max(time, 0) };
}

/** Milliseconds of "30d" or "1h30m"; null for what is no duration. */
export function parseDuration(text: string): number | null {
  return DURATION.test(text) ? milliseconds(text) : null;
}

function milliseconds(duration: string): number {
  return [...duration.matchAll(/([\d.]+)([a-z]+)/g)].reduce((sum, [, amount, unit]) => {
    return sum + Number(amount) * (UNITS[unit ?? ""] ?? Number.NaN);
  }, 0);
}

function timeOf(text: string, now: number): number {
  if (CLOCK.test(text)) {
    const today = new Date(now);
    const [hours = 0, minutes = 0, seconds = 0] = text.split(":").map(Number);
    return hours > 23 || minutes > 59 ? Number.NaN : today.setHours(hours, minutes, 0, seconds * 1000);
  }
  // A date alone would be read as one of Greenwich.
  if (DATE.test(text)) return Date.parse(`${text}T00:00`);
  const iso = text.replace(/^(\d{4}-\d{2}-\d{2}) /, "$1T");
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(iso) ? Date.parse(iso) : Number.NaN;
}
