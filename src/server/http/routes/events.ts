import type { AppendedEvent } from "../../../log/log.ts";
import { CodedError } from "../../../protocol/errors.ts";
import { isObject, openEnvelope } from "../../../protocol/event.ts";
import { parseExactJson } from "../../../protocol/json.ts";
import type { IngestResult } from "../../../protocol/messages.ts";
import { parseHistoryQuery } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import { takeEvents } from "../taking.ts";
import { invalidJson, isUnreadable, parseJson } from "../body.ts";
import { HISTORY_PARAMETERS } from "../api/parameters.ts";
import { jsonAnswer, type Route, type RouteDoc } from "../route.ts";

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_ARRAY_ITEMS = 1000;
/** A body of 8 MiB could hold millions of lines, and would keep everybody else waiting for seconds. */
const MAX_LINES = 10_000;
const NDJSON_TYPES = /^application\/(x-ndjson|ndjson|jsonl|x-jsonlines)/i;

const STORE: RouteDoc = {
  group: "Events",
  summary: "Store events, and send them to all who listen",
  description: `One event, an array of up to ${MAX_ARRAY_ITEMS}, or one on each line (NDJSON, up to ${MAX_LINES}). It is answered when they are stored. One that is malformed refuses all of them; \`items\` says which.

An event whose \`id\` is in the log already is not stored again and not sent on: whoever is not sure whether it arrived sends it again.`,
  body: {
    description: "JSON whatever the content type says, as `curl -d` has it.",
    maxBytes: MAX_BODY_BYTES,
    content: {
      "application/json": {
        schema: {
          anyOf: [
            { $ref: "#/components/schemas/Envelope" },
            { $ref: "#/components/schemas/NewEvent" },
            {
              type: "array",
              maxItems: MAX_ARRAY_ITEMS,
              items: {
                anyOf: [{ $ref: "#/components/schemas/Envelope" }, { $ref: "#/components/schemas/NewEvent" }],
              },
            },
          ],
        },
        example: { type: "build.done", session_id: "8d7c2f6e", cwd: "/home/me/app", data: { ok: true } },
      },
      "application/x-ndjson": {
        schema: { type: "string", description: "One event on each line" },
        example: '{"type":"build.started"}\n{"type":"build.done"}\n',
      },
    },
  },
  answers: {
    200: jsonAnswer("They are stored.", "IngestResult", {
      accepted: 1,
      duplicates: 0,
      first_seq: 4711,
      last_seq: 4711,
    }),
  },
  errors: [
    "invalid_json",
    "invalid_event",
    "invalid_events",
    "batch_too_large",

    "body_too_large",
    "event_too_large",
    "encoding_unsupported",
    "rate_limited",
    "not_ready",
    "overloaded",
    "log_unavailable",
  ],
};

const READ: RouteDoc = {
  group: "Events",
  summary: "Read the history",
  description:
    "Without `after` the newest events, with it those that follow: `next` of one answer is the `after` of the next.",
  parameters: HISTORY_PARAMETERS,
  answers: { 200: jsonAnswer("A page of it.", "EventPage") },
  errors: ["invalid_query"],
};

export function eventRoutes(context: ServerContext): Route[] {
  const { hub } = context;
  return [
    {
      method: "POST",
      path: "/api/events",
      access: "publish",
      doc: STORE,
      handle: (c, grant) =>
        takeEvents(c, { grant, maxBytes: MAX_BODY_BYTES }, context, async ({ text, limit }) => {
          // Of who may send nothing now nothing is parsed either.
          limit(0);
          const body = parseBody(text, c.req.header("content-type") ?? "");
          limit(Array.isArray(body) ? body.length : 1);
          const appended = Array.isArray(body) ? await hub.publishBatch(body) : [await hub.publish(body)];
          return Response.json(summary(appended));
        }),
    },
    {
      method: "GET",
      path: "/api/events",
      access: "subscribe",
      doc: READ,
      async handle(c) {
        const { events, epoch, first_seq, last_seq, total_available } = await hub.history(
          parseHistoryQuery({ ...c.req.query(), type: c.req.queries("type") }),
        );
        const rest = JSON.stringify({
          epoch,
          first_seq,
          last_seq,
          total_available,
          returned: events.length,
          next: events.at(-1)?.seq ?? null,
        });
        // The stored texts go out as they are; parsing them to serialise them again would be the costly part.
        const body = `{"events":[${events.map(({ json }) => json).join(",")}],${rest.slice(1)}`;
        return c.body(body, 200, { "Content-Type": "application/json" });
      },
    },
  ];
}

/** One event or envelope, an array of them, or one JSON document per line (NDJSON). */
function parseBody(text: string, contentType: string): unknown {
  if (NDJSON_TYPES.test(contentType)) return parseLines(text);
  try {
    const body: unknown = parseExactJson(text);
    if (Array.isArray(body) && body.length > MAX_ARRAY_ITEMS) throw tooMany(body.length, MAX_ARRAY_ITEMS);
    return Array.isArray(body) ? body.map((item) => orError(() => openEnvelope(item))) : openEnvelope(body);
  } catch (error) {
    // `curl --data-binary @events.ndjson` announces no such type, but its first line alone is an object.
    const firstLine = text.trimStart().split("\n", 1)[0] ?? "";
    if (
      error instanceof SyntaxError &&
      firstLine !== text.trim() &&
      isObject(orNull(() => JSON.parse(firstLine)))
    ) {
      return parseLines(text);
    }
    throw isUnreadable(error) ? invalidJson(error) : error;
  }
}

function parseLines(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > MAX_LINES) throw tooMany(lines.length, MAX_LINES);
  return lines.map((line) => orError(() => openEnvelope(parseJson(line))));
}

function tooMany(count: number, most: number): CodedError {
  return new CodedError("batch_too_large", `The batch holds ${count} events; ${most} is the most`);
}

function orNull(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return null;
  }
}

/** What cannot be read stands for itself in its batch, which is then refused with the item's index. */
function orError(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

function summary(appended: readonly AppendedEvent[]): IngestResult {
  let accepted = 0;
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { seq, stored } of appended) {
    if (stored !== null) accepted += 1;
    first = Math.min(first, seq);
    last = Math.max(last, seq);
  }
  const empty = appended.length === 0;
  return {
    accepted,
    duplicates: appended.length - accepted,
    first_seq: empty ? null : first,
    last_seq: empty ? null : last,
  };
}
