/**
 * A history on its way from one server to another: lines of JSON (NDJSON), of which the first says what it is and the
 * others are the events, as they are stored. A file of it and the body of a request have the same form.
 */
import { CodedError } from "./errors.ts";
import { indexEvent, isId, isObject, type StoredEvent } from "./event.ts";
import type { ClearResult, ImportResult } from "./messages.ts";

export const HISTORY_SCHEMA = 1;

/** The first line. */
export interface HistoryHeader {
  claude_mpm_socketio: "history";
  schema: typeof HISTORY_SCHEMA;
  /** The server it comes from, and when. */
  server_id?: string;
  exported_at?: string;
  /** All epochs of its log, oldest first. */
  epochs: { epoch: string; start_seq: number }[];
  /** Of the first event that follows. */
  first_seq: number;
  /** Of the last; `first_seq - 1` where there is none. */
  last_seq: number;
  /** On the way: it is a part, and others follow. Without an event it asks whether these would be taken. */
  more?: true;
}

/** Reads the first line; throws `invalid_history`. */
export function readHistoryHeader(line: string): HistoryHeader {
  const header = parse(line);
  if (!isObject(header) || header.claude_mpm_socketio !== "history") {
    throw invalid('it does not begin as one: {"claude_mpm_socketio": "history", …}');
  }
  const { schema, epochs, first_seq: first, last_seq: last, more } = header;
  if (schema !== HISTORY_SCHEMA) {
    throw invalid(`it has the form ${JSON.stringify(schema)}, and this release knows ${HISTORY_SCHEMA}`);
  }
  if (!isSeq(first) || first === 0 || !isSeq(last) || last < first - 1) {
    throw invalid("`first_seq` and `last_seq` are no range");
  }
  if (!Array.isArray(epochs) || epochs.length === 0 || !epochs.every(isEpoch) || !areAscending(epochs)) {
    throw invalid("`epochs` is no list of {epoch, start_seq}, oldest first");
  }
  if (more !== undefined && more !== true) throw invalid("`more` is true, or not there");
  return header as unknown as HistoryHeader;
}

/** Reads an event that has to have this seq, without changing a byte of it; throws `invalid_history`. */
export function readHistoryEvent(json: string, seq: number): StoredEvent {
  if (!isEventLine(json, seq)) throw invalid(`the event with the seq ${seq} is expected`);
  const event = parse(json);
  // Stored texts have no control characters: a log takes them for damage.
  // oxlint-disable-next-line no-control-regex
  if (!isObject(event) || /[\u0000-\u001f]/.test(json)) throw invalid("it is not as a server stores events");
  const { id, received_at: receivedAt } = event;
  const time = typeof receivedAt === "string" ? Date.parse(receivedAt) : Number.NaN;
  if (typeof id !== "string" || !isId(id) || Number.isNaN(time)) {
    throw invalid("the event has no `id` or `received_at`, which every stored one has");
  }
  return { seq, id, received_at: time, ...indexEvent(event), json };
}

/** Whether a line can be the event with this seq: a look at its beginning alone. */
export function isEventLine(line: string, seq: number): boolean {
  return line.startsWith(`{"seq":${seq},`) && line.endsWith("}");
}

/** Tells what a server answers to a part of a history from anything else. */
export function isImportResult(value: unknown): value is ImportResult {
  if (!isObject(value) || typeof value.epoch !== "string") return false;
  return [value.first_seq, value.last_seq, value.stored, value.max_history_size].every(isSeq);
}

/** The same for what it answers when it has forgotten. */
export function isClearResult(value: unknown): value is ClearResult {
  if (!isObject(value) || typeof value.epoch !== "string") return false;
  return [value.first_seq, value.last_seq, value.forgotten].every(isSeq);
}

function parse(line: string): unknown {
  try {
    // Nothing is made of it but what it is found by: numbers need not be exact.
    return JSON.parse(line);
  } catch (error) {
    throw invalid(`it is no JSON: ${(error as Error).message}`);
  }
}

function invalid(why: string): CodedError {
  return new CodedError("invalid_history", why);
}

/** When it began, and something that nobody else has. Later ones of a log on Redis are to sort behind it. */
const EPOCH = /^\d{1,15}-\w{1,32}$/;

const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isEpoch(value: unknown): value is HistoryHeader["epochs"][number] {
  return (
    isObject(value) && typeof value.epoch === "string" && EPOCH.test(value.epoch) && isSeq(value.start_seq)
  );
}

function areAscending(epochs: HistoryHeader["epochs"]): boolean {
  const names = new Set(epochs.map(({ epoch }) => epoch));
  return (
    names.size === epochs.length &&
    epochs.every(({ start_seq: start }, index) => start >= (epochs[index - 1]?.start_seq ?? 0))
  );
}
