import type { Snapshot } from "../../../hub/moving.ts";
import { CodedError } from "../../../protocol/errors.ts";
import {
  HISTORY_SCHEMA,
  type HistoryHeader,
  readHistoryEvent,
  readHistoryHeader,
} from "../../../protocol/history-file.ts";
import type { ClearResult, ImportResult } from "../../../protocol/messages.ts";
import { parseForgetting } from "../../../protocol/query.ts";
import type { HistoryPart } from "../../../log/log.ts";
import { isoTime, type ServerContext } from "../../context.ts";
import { parseJson, readText } from "../body.ts";
import { jsonAnswer, type Route, type RouteDoc } from "../route.ts";

/** One event of the largest size, with what is put in the place of secrets; parts are usually much smaller. */
const MAX_PART_BYTES = 32 * 1024 * 1024;
const MAX_CLEAR_BYTES = 64 * 1024;
const TYPE = "application/x-ndjson";

const LINES =
  "The first line says what it is: `epochs`, `first_seq` and `last_seq`. Each of the others is an event as it is stored, without a hole.";
const EXAMPLE = `{"claude_mpm_socketio":"history","schema":1,"epochs":[{"epoch":"1767225600000-5f0c11","start_seq":0}],"first_seq":1,"last_seq":1}
{"seq":1,"type":"hello","id":"one","server_id":"box","received_at":"2026-01-01T00:00:00.000Z"}
`;

const EXPORT: RouteDoc = {
  group: "Events",
  summary: "Take the whole history out, to bring it into another server",
  description: `All that is held at this moment, whatever comes meanwhile. ${LINES} An answer that ends before \`last_seq\` has failed: the log has forgotten events before they were read.`,
  answers: {
    200: {
      description: "The history.",
      content: { [TYPE]: { schema: { type: "string", description: LINES }, example: EXAMPLE } },
    },
  },
};

const IMPORT: RouteDoc = {
  group: "Events",
  summary: "Bring in the history of another server",
  description: `What \`GET /api/history/export\` gives, whole or in parts that follow each other. Every event keeps its seq, its id and its text, and who resumes with a position of the other server goes on here. A server that has stored nothing takes any history, one that holds the beginning of the same history takes the rest; what is there already is passed over.

A part that others follow has \`"more": true\` in its first line, with its own \`first_seq\` and \`last_seq\`; after it no other events are taken, for 30 seconds or until one comes without. Such a part without an event asks whether they would be taken.`,
  body: {
    description: `${LINES} The first line may have \`"more": true\`.`,
    maxBytes: MAX_PART_BYTES,
    content: { [TYPE]: { schema: { type: "string", description: LINES }, example: EXAMPLE } },
  },
  answers: {
    200: jsonAnswer("It is stored.", "ImportResult", {
      epoch: "1767312000000-0c9a3e",
      first_seq: 1,
      last_seq: 4711,
      stored: 4711,
      max_history_size: 10_000,
    }),
  },
  errors: [
    "invalid_json",
    "invalid_history",
    "history_refused",
    "body_too_large",
    "encoding_unsupported",
    "not_ready",
    "log_unavailable",
  ],
};

const CLEAR: RouteDoc = {
  group: "Events",
  summary: "Forget the history, or its beginning, for good",
  description: `When it is answered nothing of it is left, in the files neither. Seqs go on where they were, every position stays good, and who resumes from behind what was forgotten is told so (\`history_gap\`, \`trimmed\`). Their \`id\`s are unknown, and sessions are what the rest tells of them. Whoever is connected is told nothing.

Events go in their order, up to the first that came at that time or later. Of several servers that share a log the one that is asked has forgotten, and Redis; the others have two seconds later.`,
  body: {
    description: "One of `all`, `before` and `before_seq`; JSON whatever the content type says.",
    maxBytes: MAX_CLEAR_BYTES,
    content: {
      "application/json": {
        schema: {
          type: "object",
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
          properties: {
            all: { const: true },
            before: { type: "string", format: "date-time" },
            before_seq: { type: "integer", minimum: 0, description: "The first event that stays" },
          },
        },
        example: { before: "2026-01-31T12:00:00Z" },
      },
    },
  },
  answers: {
    200: jsonAnswer("It is forgotten.", "ClearResult", {
      epoch: "1767312000000-0c9a3e",
      first_seq: 4712,
      last_seq: 4711,
      forgotten: 4711,
    }),
  },
  errors: [
    "invalid_json",
    "invalid_query",
    "session_not_cleared",
    "body_too_large",
    "encoding_unsupported",
    "not_ready",
    "log_unavailable",
  ],
};

export function historyRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/history/export",
      access: "subscribe",
      doc: EXPORT,
      async handle(c) {
        const snapshot = await context.hub.snapshot();
        return c.body(bodyOf(headerOf(snapshot, context), snapshot), 200, {
          "Content-Type": TYPE,
          "Content-Disposition": 'attachment; filename="history.ndjson"',
          "Cache-Control": "no-store",
        });
      },
    },
    {
      method: "POST",
      path: "/api/history/import",
      access: "admin",
      doc: IMPORT,
      async handle(c) {
        if (!context.isReady()) throw new CodedError("not_ready");
        const part = parsePart(await readText(c.req.raw, MAX_PART_BYTES));
        const { stored, ...position } = await context.hub.restore(part);
        const result: ImportResult = {
          ...position,
          stored: stored.length,
          max_history_size: context.maxHistorySize,
        };
        return c.json(result);
      },
    },
    {
      method: "POST",
      path: "/api/history/clear",
      access: "admin",
      doc: CLEAR,
      async handle(c) {
        if (!context.isReady()) throw new CodedError("not_ready");
        const before = parseForgetting(parseJson(await readText(c.req.raw, MAX_CLEAR_BYTES)));
        const { epoch, first_seq, last_seq, forgotten } = await context.hub.forget(before);
        const result: ClearResult = { epoch, first_seq, last_seq, forgotten };
        return c.json(result);
      },
    },
  ];
}

function headerOf({ epochs, first_seq, last_seq }: Snapshot, { serverId }: ServerContext): HistoryHeader {
  return {
    claude_mpm_socketio: "history",
    schema: HISTORY_SCHEMA,
    server_id: serverId,
    exported_at: isoTime(Date.now()),
    epochs: [...epochs],
    first_seq,
    last_seq,
  };
}

/** A page is read when the last one is on its way. An error ends the answer before its end, by which it is known. */
function bodyOf(header: HistoryHeader, snapshot: Snapshot): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const pages = snapshot.pages();
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(`${JSON.stringify(header)}\n`)),
      async pull(controller) {
        const { value, done } = await pages.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${value.map(({ json }) => json).join("\n")}\n`));
      },
      cancel: () => void pages.return(undefined),
    },
    { highWaterMark: 1 },
  );
}

/** Reads a body; throws `invalid_history` with the number of the line. */
function parsePart(text: string): HistoryPart {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const header = onLine(1, () => readHistoryHeader(lines[0] ?? ""));
  const { epochs, first_seq, last_seq, more = false } = header;
  const events = lines
    .slice(1)
    .map((line, index) => onLine(index + 2, () => readHistoryEvent(line, first_seq + index)));
  const isWhole = first_seq + events.length - 1 === last_seq;
  if (!isWhole && !(more && events.length === 0)) {
    throw new CodedError(
      "invalid_history",
      `It has ${events.length} events, and not those from ${first_seq} to ${last_seq}`,
    );
  }
  return { epochs, first_seq, last_seq, events, more };
}

function onLine<T>(number: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError(error.code, `Line ${number}: ${error.message}`);
  }
}
