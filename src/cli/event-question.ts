/** Which events a command is asked for: its flags, made into a question for the server. */
import { resolve } from "node:path";
import type { Endpoint } from "../client/http.ts";
import { readPage } from "../client/history.ts";
import { indexEvent } from "../protocol/event.ts";
import { listOf } from "./flags.ts";
import { type Moment, parseMoment } from "./moment.ts";
import { CommandError, EXIT } from "./output.ts";
import { oneLine } from "./terminal-text.ts";
import type { Args as Definitions } from "./tree.ts";

export const EVENT_ARGS = {
  session: {
    type: "string",
    description: "Only this session: its id, or as much of it as the lines show",
    valueHint: "ID",
  },
  type: {
    type: "string",
    description: "Only this type, or all that begin with a prefix as hook.*; may be repeated, or a list a,b",
    valueHint: "TYPE",
    repeatable: true,
  },
  project: {
    type: "string",
    description: "Only this project: its directory, the last part of it, or . for where you stand",
    valueHint: "DIR",
  },
  since: {
    type: "string",
    description:
      "From then on: so long ago (10m, 1h30m), a time (2026-01-31T12:00, 14:02), or what follows the event of a seq",
    valueHint: "WHEN",
  },
} as const satisfies Definitions;

/** From eight characters on, but not a whole one. */
const UUID_START = /^[0-9a-f]{8}(-[0-9a-f-]{0,26})?$/i;

type Args = Record<string, string | boolean | undefined>;

/** What the flags say; throws usage errors before anything is asked or started. */
export interface EventFlags {
  session: string | undefined;
  types: string[];
  project: string | undefined;
  since: Moment | undefined;
}

/** The server's parameter for a time. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Reads the values of `EVENT_ARGS`. */
export function readEventFlags(args: Args, rawArgs: readonly string[], now = Date.now()): EventFlags {
  const types = listOf(rawArgs, "type");
  if (args.type !== undefined && types.length === 0) throw needsValue("type");
  const project = textOf(args, "project");
  const since = textOf(args, "since");
  return {
    session: textOf(args, "session"),
    types,
    project: project !== undefined && /^\.{1,2}([/\\]|$)/.test(project) ? resolve(project) : project,
    since: since === undefined ? undefined : parseMoment(since, "--since", now),
  };
}

/** The value of a text flag, undefined when it is not given; an empty one is a usage error. */
export function textOf(args: Args, name: string): string | undefined {
  const value = args[name];
  if (value === "") throw needsValue(name);
  return typeof value === "string" ? value : undefined;
}

/** Session, types and project as the server's parameters. */
export async function filterOf(
  server: Endpoint,
  { session, types, project }: EventFlags,
): Promise<URLSearchParams> {
  const filter = new URLSearchParams(types.map((type) => ["type", type]));
  if (project !== undefined) filter.set("project", project);
  if (session !== undefined) filter.set("session_id", await fullSession(server, session));
  return filter;
}

/**
 * The session whose id begins as given, which is how lines show it: looked for among the newest events that hold this
 * text. Other ids than UUIDs are shown, and asked for, in full.
 */
export async function fullSession(server: Endpoint, given: string): Promise<string> {
  if (!UUID_START.test(given)) return given;
  const { events } = await readPage(server, { filter: new URLSearchParams({ q: given }), limit: Infinity });
  const ids = new Set(events.map((event) => indexEvent(event).session_id ?? ""));
  const start = given.toLowerCase();
  const [found = given, ...others] = [...ids].filter((id) => id.toLowerCase().startsWith(start));
  if (others.length === 0) return found;
  throw new CommandError(
    `--session ${given} is the beginning of ${others.length + 1} sessions`,
    `Write more of it: ${[found, ...others].slice(0, 5).map(oneLine).join(", ")}`,
    EXIT.usage,
  );
}

function needsValue(name: string): CommandError {
  return new CommandError(`--${name} needs a value`, `Write --${name} VALUE`, EXIT.usage);
}
