/** What can be asked for in a URL, with the ranges that are held to. */
import { MAX_TYPE_LENGTH } from "../../../protocol/event.ts";
import { SESSION_STATES } from "../../../protocol/messages.ts";
import { DEFAULT_LIMIT, MAX_LIMIT, MAX_TEXT, MAX_TYPES, SCOPES_OF_ANSWERS } from "../../../protocol/query.ts";
import type { Parameter } from "../route.ts";

const query = (name: string, description: string, schema: object, example?: string | number): Parameter => ({
  name,
  in: "query",
  description,
  schema: { ...schema },
  ...(example === undefined ? {} : { example }),
});

const TEXT = { type: "string", maxLength: MAX_TEXT };
const SEQ = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const TIME = { type: "string", format: "date-time" };
const LIMIT = { type: "integer", minimum: 0, maximum: MAX_LIMIT, default: DEFAULT_LIMIT };

/** Which events. */
export const FILTER_PARAMETERS: readonly Parameter[] = [
  query("session_id", "Only of this session", TEXT),
  query(
    "type",
    "Only of this type, or of all that begin so: `hook.*`. Given several times, one of them has to match.",
    { type: "array", maxItems: MAX_TYPES, items: { type: "string", maxLength: MAX_TYPE_LENGTH } },
  ),
  query("project", "Only of sessions in this directory: its path, or its last part", TEXT, "/home/me/app"),
  query("since", "Only those that came at this time or later", TIME, "2026-01-31T12:00:00Z"),
  query("until", "Only those that came at this time or before", TIME),
  query("q", "Only those in whose JSON this text occurs, upper and lower case alike", TEXT),
];

export const AFTER = query("after", "Only those after this seq", SEQ);

export const HISTORY_PARAMETERS: readonly Parameter[] = [
  query("after", "Those that follow this seq; without it the newest there are", SEQ),
  query("before", "Only those before this seq", SEQ),
  query(
    "limit",
    "How many at most. An answer holds about a megabyte of events, so there may be fewer: `next` goes on.",
    LIMIT,
  ),
  ...FILTER_PARAMETERS,
];

export const SESSION_PARAMETERS: readonly Parameter[] = [
  query("state", "Only those in this state", { enum: SESSION_STATES }),
  query("project", "Only those in this directory: its path, or its last part", { type: "string" }),
  query("limit", "How many at most", LIMIT),
];

export const SCOPE: Parameter = query(
  "scope",
  "Of servers that share a log: all of them, or the one that is asked",
  { enum: SCOPES_OF_ANSWERS, default: "cluster" },
);

export const inPath = (name: string, description: string): Parameter => ({
  name,
  in: "path",
  description,
  schema: { type: "string" },
});
