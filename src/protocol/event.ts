/** Events as they come in, as they are stored, and the checks between the two. */
import { CodedError } from "./errors.ts";
import { isRawJson } from "./json.ts";

export type JsonObject = Record<string, unknown>;

/** The fields the log can filter by, taken from an event wherever its sender put them. */
export interface EventIndex {
  type: string | null;
  session_id: string | null;
  /** The working directory the session runs in. */
  project: string | null;
}

/** A checked event on its way into the log; it has no `seq` yet. */
export interface PendingEvent extends EventIndex {
  id: string;
  /** Milliseconds since the epoch. */
  received_at: number;
  /** The event's JSON text, without `seq`. */
  body: string;
}

/** An event the log holds. `json` is the one text that is stored, sent and replayed. */
export interface StoredEvent extends EventIndex {
  seq: number;
  id: string;
  received_at: number;
  json: string;
}

export const MAX_ID_LENGTH = 256;
export const MAX_TYPE_LENGTH = 256;

/** How deep claude-mpm nests an event's payload under `data`. */
const MAX_DATA_DEPTH = 3;

/** Senders' names for the fields that identify an event's session, newest spelling first. */
const ALIASES = {
  session_id: ["session_id", "sessionId"],
  cwd: ["cwd", "working_directory"],
  correlation_id: ["correlation_id"],
  timestamp: ["timestamp"],
} as const;

/** A number kept exact (`parseExactJson`) is an object to `typeof`, and none here. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawJson(value);
}

/**
 * Deeper than any agent's event, and well within what stock clients can read: Python's stop at a thousand frames,
 * of which one level takes several.
 */
const MAX_DEPTH = 200;

/** Checks one incoming event; throws `invalid_event` naming what is wrong, or `binary_event`. */
export function checkEvent(input: unknown): JsonObject {
  checkValue(input, 0);
  if (!isObject(input))
    throw new CodedError("invalid_event", `An event is a JSON object, not ${nameOf(input)}`);
  const { type, id } = input;
  if (type !== undefined && type !== null && (typeof type !== "string" || type.length > MAX_TYPE_LENGTH)) {
    throw new CodedError(
      "invalid_event",
      `\`type\` must be a string of at most ${MAX_TYPE_LENGTH} characters`,
    );
  }
  if (id !== undefined && id !== null && (typeof id !== "string" || !isId(id))) {
    throw new CodedError(
      "invalid_event",
      `\`id\` must be well-formed text of 1 to ${MAX_ID_LENGTH} characters`,
    );
  }
  return input;
}

/**
 * Opens claude-mpm's envelope `{namespace, event, data}`: `data` is the event, kept whole; what identifies
 * its session is lifted to its top from up to three levels of `data`, or taken from beside it. Anything else is
 * returned as it is.
 */
export function openEnvelope(input: unknown): unknown {
  if (!isObject(input)) return input;
  const { namespace, event: name, data } = input;
  if (typeof namespace !== "string" || typeof name !== "string" || data === undefined) return input;
  if (!isObject(data))
    throw new CodedError("invalid_event", `\`data\` of an envelope is a JSON object, not ${nameOf(data)}`);
  const event: JsonObject = { ...data };
  event.type ??= name;
  for (const [field, aliases] of Object.entries(ALIASES)) {
    const fits = field === "timestamp" ? isTime : isText;
    const value =
      event[field] ??
      findField<unknown>(data, aliases, fits) ??
      aliases.map((alias) => input[alias]).find(fits);
    if (value !== undefined) event[field] = value;
  }
  if (input.id !== undefined) event.id ??= input.id;
  return event;
}

/** The log's filter fields of an event, looked up at its top and in its nested `data`. */
export function indexEvent(event: JsonObject): EventIndex {
  return {
    type: typeof event.type === "string" ? event.type : null,
    session_id: findField(event, ALIASES.session_id, isText) ?? null,
    project: findField(event, ALIASES.cwd, isText) ?? null,
  };
}

/** Puts a `seq` in front of an event's JSON text, so that the rest is serialised only once. */
export function withSeq(body: string, seq: number): string {
  return `{"seq":${seq},${body.slice(1)}`;
}

/** True when `type` is the given one, or begins with it where the pattern ends in `*` (`hook.*`). */
export function matchesType(type: string | null, pattern: string): boolean {
  return pattern.endsWith("*") ? (type ?? "").startsWith(pattern.slice(0, -1)) : type === pattern;
}

/** True when `project` is the given directory, or its last path segment is the given name. */
export function matchesProject(project: string | null, wanted: string): boolean {
  if (project === null) return false;
  const [have, want] = [project, wanted].map((path) => path.replace(/(.)[/\\]+$/, "$1"));
  return have === want || have?.split(/[/\\]/).at(-1) === want;
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
/** Senders write times as text or as a number. */
const isTime = (value: unknown): value is string | number =>
  isText(value) || typeof value === "number" || isRawJson(value);

/** A lone surrogate would come back from the log as another character. */
export function isId(id: string): boolean {
  return id !== "" && id.length <= MAX_ID_LENGTH && id.isWellFormed();
}

function findField<T>(
  event: JsonObject,
  names: readonly string[],
  fits: (value: unknown) => value is T,
): T | undefined {
  let level: unknown = event;
  for (let depth = 0; depth <= MAX_DATA_DEPTH && isObject(level); depth += 1) {
    for (const name of names) {
      const value = level[name];
      if (fits(value)) return value;
    }
    level = level.data;
  }
  return undefined;
}

/** Bytes have no form in JSON; a Buffer would be stored as a list of numbers, a changed event. */
function checkValue(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) throw new CodedError("binary_event");
  if (depth > MAX_DEPTH) {
    throw new CodedError("invalid_event", `The event is nested more than ${MAX_DEPTH} levels deep`);
  }
  for (const key in value) checkValue((value as JsonObject)[key], depth + 1);
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (isRawJson(value)) return "a number";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
