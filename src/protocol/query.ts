/** The questions a client can ask of the history, parsed alike from a URL and from a Socket.IO payload. */
import { CodedError } from "./errors.ts";
import {
  type EventIndex,
  isObject,
  MAX_TYPE_LENGTH,
  type JsonObject,
  matchesProject,
  matchesType,
} from "./event.ts";
import { SESSION_STATES, type SessionState } from "./messages.ts";

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;
/** As long as a path may be. */
export const MAX_TEXT = 4096;
export const MAX_TYPES = 100;

/** Which events; an absent field does not narrow. */
export interface EventFilter {
  session_id?: string;
  project?: string;
  /** Exact types, or prefixes as `hook.*`; one of them has to match. */
  types?: string[];
  /** Milliseconds since the epoch, compared with the time of arrival; `until` is inclusive. */
  since?: number;
  until?: number;
  /** Text that has to occur in the event's JSON, upper and lower case alike. */
  q?: string;
}

/** A page of the history: without `after` the newest `limit` events, with it the ones that follow. */
export interface HistoryQuery {
  filter: EventFilter;
  /** Exclusive. */
  after?: number;
  /** Exclusive. */
  before?: number;
  limit: number;
}

/** Reads `GET /api/events` parameters or a `get_history` payload, `type` one or a list; throws `invalid_query`. */
export function parseHistoryQuery(input: unknown): HistoryQuery {
  const fields = objectOrNothing(input);
  const query: HistoryQuery = {
    filter: parseFilter(fields),
    limit: integer(fields, "limit", 0, MAX_LIMIT) ?? DEFAULT_LIMIT,
  };
  const after = integer(fields, "after", 0);
  const before = integer(fields, "before", 0);
  if (after !== undefined) query.after = after;
  if (before !== undefined) query.before = before;
  return query;
}

/** Reads a `subscribe` payload `{session_id?, project?, types?}`; throws `invalid_query`. */
export function parseSubscription(input: unknown): EventFilter {
  const fields = objectOrNothing(input);
  const filter = parseFilter({
    session_id: fields.session_id,
    project: fields.project,
    type: fields.type,
  });
  const { types } = fields;
  if (types === undefined || types === null) return filter;
  const list = Array.isArray(types) ? types : [types];
  if (!list.every((type) => typeof type === "string")) {
    throw new CodedError("invalid_query", '`types` is a list of event types, such as ["hook.*"]');
  }
  checkTypes(list);
  return { ...filter, types: list };
}

/** Which sessions; an absent field does not narrow. */
export interface SessionQuery {
  state?: SessionState;
  project?: string;
  limit: number;
}

/** Reads `GET /api/sessions` parameters; throws `invalid_query`. */
export function parseSessionQuery(fields: JsonObject): SessionQuery {
  const query: SessionQuery = { limit: integer(fields, "limit", 0, MAX_LIMIT) ?? DEFAULT_LIMIT };
  const project = text(fields, "project");
  const wanted = text(fields, "state");
  const state = SESSION_STATES.find((known) => known === wanted);
  if (wanted !== undefined && state === undefined) {
    throw new CodedError("invalid_query", `\`state\` must be one of ${SESSION_STATES.join(", ")}`);
  }
  if (project !== undefined) query.project = project;
  if (state !== undefined) query.state = state;
  return query;
}

/** Whom an answer is about: all servers that share the log, or the one that is asked. */
export const SCOPES_OF_ANSWERS = ["cluster", "node"] as const;
export type Scope = (typeof SCOPES_OF_ANSWERS)[number];

/** Reads `scope`; throws `invalid_query`. */
export function parseScope(fields: JsonObject): Scope {
  const wanted = text(fields, "scope") ?? "cluster";
  const scope = SCOPES_OF_ANSWERS.find((known) => known === wanted);
  if (scope !== undefined) return scope;
  throw new CodedError("invalid_query", `\`scope\` must be one of ${SCOPES_OF_ANSWERS.join(", ")}`);
}

/** Where a client was when it left: the handshake's `resume`. */
export interface ResumePosition {
  epoch: string;
  seq: number;
}

/** Reads the handshake's `resume`; nothing is no position, and what cannot be read throws `invalid_query`. */
export function parseResume(input: unknown): ResumePosition | null {
  if (input === undefined || input === null) return null;
  const { epoch, seq } = isObject(input) ? input : {};
  const fits = typeof epoch === "string" && typeof seq === "number" && Number.isSafeInteger(seq) && seq >= 0;
  if (fits) return { epoch, seq };
  throw new CodedError(
    "invalid_query",
    "`resume` is {epoch, seq} as `connection_ack` and the last event gave them",
  );
}

/** Whether an event is one of those a filter asks for. */
export function matchesFilter(
  event: EventIndex & { received_at: number; json: string },
  filter: EventFilter,
): boolean {
  if (filter.session_id !== undefined && event.session_id !== filter.session_id) return false;
  if (filter.project !== undefined && !matchesProject(event.project, filter.project)) return false;
  if (filter.types && !filter.types.some((pattern) => matchesType(event.type, pattern))) return false;
  if (filter.since !== undefined && event.received_at < filter.since) return false;
  if (filter.until !== undefined && event.received_at > filter.until) return false;
  return filter.q === undefined || event.json.toLowerCase().includes(filter.q.toLowerCase());
}

/** Up to where events are to be forgotten: an event that stays, a time (milliseconds since the epoch), or all there are. */
export type ForgetBefore = { seq: number } | { time: number } | "all";

const FORGETTING = ["all", "before", "before_seq"];

/**
 * Reads `{"all": true}`, `{"before": TIME}` or `{"before_seq": N}`: nothing is forgotten because something was left out
 * or misspelt. Throws `invalid_query` or `session_not_cleared`.
 */
export function parseForgetting(input: unknown): ForgetBefore {
  const fields = objectOrNothing(input);
  if (present(fields, "session_id") !== undefined) throw new CodedError("session_not_cleared");
  const given = Object.keys(fields);
  const [name = ""] = given;
  if (given.length !== 1 || !FORGETTING.includes(name)) {
    throw new CodedError(
      "invalid_query",
      'Say what is to be forgotten, and nothing else: {"all": true}, {"before": TIME} or {"before_seq": N}',
    );
  }
  const [at, seq] = [time(fields, "before"), integer(fields, "before_seq", 0)];
  if (at !== undefined) return { time: at };
  if (seq !== undefined) return { seq };
  if (fields.all === true) return "all";
  throw new CodedError("invalid_query", `\`${name}\` has no value`);
}

function parseFilter(fields: JsonObject): EventFilter {
  const filter: EventFilter = {};
  const session = text(fields, "session_id", MAX_TEXT);
  const project = text(fields, "project", MAX_TEXT);
  const types = texts(fields, "type");
  const q = text(fields, "q", MAX_TEXT);
  const since = time(fields, "since");
  const until = time(fields, "until");
  if (session !== undefined) filter.session_id = session;
  if (project !== undefined) filter.project = project;
  checkTypes(types);
  if (types.length > 0) filter.types = types;
  if (q?.includes("\0")) {
    throw new CodedError("invalid_query", "`q` holds a NUL character, which no JSON text does");
  }
  if (q !== undefined) filter.q = q;
  if (since !== undefined) filter.since = since;
  if (until !== undefined) filter.until = until;
  return filter;
}

function objectOrNothing(input: unknown): JsonObject {
  if (input === undefined || input === null) return {};
  if (!isObject(input)) throw new CodedError("invalid_query", "The payload must be a JSON object");
  return input;
}

/** Absent and empty are the same: a URL cannot say null. */
function present(fields: JsonObject, name: string): unknown {
  const value = fields[name];
  return value === undefined || value === null || value === "" ? undefined : value;
}

function text(fields: JsonObject, name: string, maxLength = Number.POSITIVE_INFINITY): string | undefined {
  const value = present(fields, name);
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw new CodedError("invalid_query", `\`${name}\` must be a string`);
  if (value.length > maxLength) {
    throw new CodedError("invalid_query", `\`${name}\` has more than ${maxLength} characters`);
  }
  return value;
}

/** Every event is held against each of them. */
function checkTypes(types: readonly string[]): void {
  if (types.length > MAX_TYPES) {
    throw new CodedError("invalid_query", `More than ${MAX_TYPES} types; \`hook.*\` stands for many`);
  }
  if (types.some((type) => type.length > MAX_TYPE_LENGTH)) {
    throw new CodedError("invalid_query", `A type has more than ${MAX_TYPE_LENGTH} characters`);
  }
}

/** One text, or a list of them as a parameter that is repeated. */
function texts(fields: JsonObject, name: string): string[] {
  const value = fields[name];
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => text({ [name]: item }, name) ?? []);
}

function integer(
  fields: JsonObject,
  name: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = present(fields, name);
  if (value === undefined) return undefined;
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < min || number > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new CodedError("invalid_query", `\`${name}\` must be a whole number ${range}`);
  }
  return number;
}

function time(fields: JsonObject, name: string): number | undefined {
  const value = text(fields, name);
  if (value === undefined) return undefined;
  const milliseconds = /^\d{4}-\d{2}/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw new CodedError(
      "invalid_query",
      `\`${name}\` must be an ISO 8601 time, such as 2026-01-31T12:00:00Z`,
    );
  }
  return milliseconds;
}
