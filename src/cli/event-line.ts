/** An event as one line for people: time, session, project, type, and what matters in it. */
import { indexEvent, type JsonObject } from "../protocol/event.ts";
import { lastSegment, shortSession } from "../sessions/names.ts";
import { summarise } from "../sessions/summary.ts";
import type { Style } from "./output.ts";
import { fit, oneLine } from "./terminal-text.ts";

export interface LineOptions {
  /** Colours a text, or gives it back as it is. */
  paint: (text: string, style: Style) => string;
  /** Columns of the terminal at this moment; Infinity where nothing has to be cut. */
  columns: () => number;
  /** Milliseconds since the epoch: on another day than this the time has its date. */
  now: () => number;
  /** Gives every line its date. */
  dated?: boolean;
}

/** Told apart by eye; red is for failures. */
const SESSION_STYLES = [
  "cyan",
  "green",
  "yellow",
  "blue",
  "magenta",
  "brightCyan",
  "brightGreen",
  "brightYellow",
  "brightBlue",
  "brightMagenta",
] as const satisfies Style[];

const SHORT = 8;
const WIDTHS = { project: 10, type: 23 };
/** Columns that a name takes at most of a terminal. */
const MOST = 30;
/** A terminal too narrow for this much of the summary wraps its lines. */
const LEAST_SUMMARY = 24;

/** Makes lines out of events; whatever is in them, a line is one line and does nothing to a terminal. */
export function createLineFormatter(options: LineOptions): (event: JsonObject) => string {
  const { paint, columns } = options;
  return (event) => {
    const { session_id: session, project } = indexEvent(event);
    const width = columns();
    const most = width === Infinity ? Infinity : MOST;
    const head = [
      [timeText(timeOf(event), options), "dim"],
      [column(shortSession(session), SHORT, most), sessionStyle(session)],
      [column(lastSegment(project), WIDTHS.project, most), "dim"],
      [column(typeText(event), WIDTHS.type, most), "bold"],
    ] as const;
    const room = width - head.reduce((sum, [text]) => sum + Bun.stringWidth(text) + 1, 0);
    const summary = summaryText(event, Math.max(room, LEAST_SUMMARY));
    const texts = [
      ...head.map(([text, style]) => paint(text, style)),
      summary.failed ? paint(summary.text, "red") : summary.text,
    ];
    return texts.join(" ").trimEnd();
  };
}

function summaryText(event: JsonObject, room: number): { text: string; failed: boolean } {
  const { text, suffix, failed } = summarise(event);
  const end = suffix === "" ? "" : ` (${suffix})`;
  return { text: shown(text, room - end.length) + end, failed };
}

function column(text: string, least: number, most: number): string {
  const cell = shown(text, most);
  return cell + " ".repeat(Math.max(0, least - Bun.stringWidth(cell)));
}

/** An event may be of a megabyte: what is far beyond the columns is not looked at. */
function shown(text: string, columns: number): string {
  return fit(oneLine(text.slice(0, columns * 8)), columns);
}

/** The type as `--type` takes it, with claude-mpm's `subtype` behind it. */
function typeText({ type, subtype, hook_event_name: hook }: JsonObject): string {
  const name = [type, hook].find((value) => typeof value === "string" && value !== "") ?? "-";
  return typeof subtype === "string" && subtype !== "" ? `${name}/${subtype}` : `${name}`;
}

function sessionStyle(session: string | null): Style {
  return SESSION_STYLES[Bun.hash.crc32(session ?? "") % SESSION_STYLES.length] ?? "cyan";
}

/**
 * When it happened, which for what has waited in a spool is long before it arrived. Senders' clocks and forms of time may
 * be anything: one that is no time with a zone, or is ahead of the arrival, is not shown.
 */
function timeOf({ timestamp, received_at: receivedAt }: JsonObject): Date {
  const received = new Date(typeof receivedAt === "string" ? receivedAt : Number.NaN);
  const own = new Date(
    typeof timestamp === "string" && /(Z|[+-]\d\d:?\d\d)$/i.test(timestamp) ? timestamp : Number.NaN,
  );
  return own.getTime() <= received.getTime() ? own : received;
}

function timeText(time: Date, { now, dated = false }: LineOptions): string {
  if (Number.isNaN(time.getTime())) return "--:--:--";
  const day = dayOf(time);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(":");
  return dated || day !== dayOf(new Date(now())) ? `${day} ${clock}` : clock;
}

/** By the local calendar. */
export function dayOf(time: Date): string {
  return [time.getFullYear(), twoDigits(time.getMonth() + 1), twoDigits(time.getDate())].join("-");
}

function twoDigits(number: number): string {
  return `${number}`.padStart(2, "0");
}
