import type { Context } from "hono";
import { EVERYTHING, type Grant } from "../../../auth/access.ts";
import type { Subscriber } from "../../../hub/subscriber.ts";
import { CodedError } from "../../../protocol/errors.ts";
import { parseHistoryQuery, type ResumePosition } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import { AFTER, FILTER_PARAMETERS } from "../api/parameters.ts";
import type { Route, RouteDoc } from "../route.ts";

const KEEP_ALIVE_MS = 15_000;
/** Bytes the stream takes before it counts as slow; the feed from the log begins above that. */
const QUEUE_BYTES = 64 * 1024;

const FOLLOW: RouteDoc = {
  group: "Events",
  summary: "Follow the events as they come (Server-Sent Events)",
  description: `Unnamed messages, each with one event's JSON; the id is \`epoch:seq\`. A reader that comes again with it in \`Last-Event-ID\`, as browsers do, misses nothing. What the log no longer holds is said in a message named \`history_gap\`, and that the token is good no longer in a last one named \`error\`. A comment comes every ${KEEP_ALIVE_MS / 1000} seconds.`,
  parameters: [
    ...FILTER_PARAMETERS,
    AFTER,
    {
      name: "Last-Event-ID",
      in: "header",
      description: "Where to go on: `epoch:seq`, as the stream gave it. It goes before `after`.",
      schema: { type: "string" },
    },
  ],
  answers: {
    200: {
      description: "The stream. It ends when the server stops, or the token does.",
      content: {
        "text/event-stream": {
          schema: { type: "string", description: "Messages whose data is an `Event`, or a `HistoryGap`" },
          example: ': connected\n\nid: 5f0c:4711\ndata: {"type":"hello","seq":4711}\n\n',
        },
      },
    },
  },
  errors: ["invalid_query", "too_many_connections", "too_many_handshakes"],
};

/**
 * `GET /api/events/stream`: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * Each event is an unnamed message whose id is `epoch:seq`; with it in `Last-Event-ID` the stream goes on from there.
 */
export function streamRoutes({ hub, access, limits }: ServerContext): Route[] {
  async function stream(c: Context, grant: Grant): Promise<Response> {
    const { filter, after } = parseHistoryQuery({ ...c.req.query(), type: c.req.queries("type") });
    const resume =
      parseLastEventId(c.req.header("last-event-id")) ??
      (after === undefined ? null : { epoch: hub.position().epoch, seq: after });
    limits.admit();
    const reached = resume && hub.reach?.(resume);
    if (reached) await reached;
    let { epoch } = hub.position();
    const connectedAt = Date.now();
    const encoder = new TextEncoder();
    let end = () => {};
    let onPull = () => {};

    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const write = (text: string) => controller.enqueue(encoder.encode(text));
          const subscriber: Subscriber = {
            id: crypto.randomUUID(),
            identify: () => ({ version: undefined, clientId: undefined, transport: "stream", connectedAt }),
            transport: () => "stream",
            onEvent: ({ seq, json }) => write(`id: ${epoch}:${seq}\ndata: ${json}\n\n`),
            onEpoch: (begun) => void (epoch = begun),
            onGap: (gap) => write(`event: history_gap\ndata: ${JSON.stringify(gap)}\n\n`),
            onFailure: () => end(),
            dismiss: () => end(),
            onEnd: () => end(),
            buffered: () => QUEUE_BYTES - (controller.desiredSize ?? 0),
            drained: () => new Promise((resolve) => (onPull = resolve)),
          };
          // The first bytes say at once that the stream is open.
          write(": connected\n\n");
          const subscription = hub.subscribe(subscriber, { filter, resume });
          limits.opened();
          const keepAlive = setInterval(() => {
            // An id on its own is no message, but the reader remembers it: of events it did not ask for it misses none.
            const seq = subscription.catchingUpFrom ?? hub.position().last_seq;
            write(`: keep-alive\nid: ${epoch}:${seq}\n\n`);
          }, KEEP_ALIVE_MS);
          const unwatch = access.watch(grant, (reason) => {
            write(`event: error\ndata: ${JSON.stringify(reason.toBody())}\n\n`);
            end();
          });
          end = () => {
            end = () => {};
            unwatch();
            limits.closed();
            clearInterval(keepAlive);
            subscription.close();
            onPull();
            try {
              controller.close();
            } catch {
              // The reader has cancelled it.
            }
          };
        },
        pull: () => onPull(),
        cancel: () => end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: QUEUE_BYTES }),
    );
    const { signal } = c.req.raw;
    signal.addEventListener("abort", () => end());
    if (signal.aborted) end();
    return c.body(body, 200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      // Reverse proxies would hold events back to fill their buffers.
      "X-Accel-Buffering": "no",
    });
  }

  return [
    {
      method: "GET",
      path: "/api/events/stream",
      access: "subscribe",
      tokenInQuery: true,
      doc: FOLLOW,
      handle: (c, grant) => stream(c, grant ?? EVERYTHING),
    },
  ];
}

/** Nothing, as browsers send it at first, is no position. */
function parseLastEventId(text: string | undefined): ResumePosition | null {
  if (text === undefined || text === "") return null;
  const [, epoch, seq] = /^(.+):(\d{1,16})$/.exec(text) ?? [];
  if (epoch !== undefined) return { epoch, seq: Number(seq) };
  throw new CodedError(
    "invalid_query",
    "`Last-Event-ID` is `epoch:seq` as the stream gave it; `?after=SEQ` takes a bare seq",
  );
}
