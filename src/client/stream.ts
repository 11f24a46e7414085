/**
 * Follows a server's live events over `GET /api/events/stream`, across lost connections and restarts of the server:
 * each new connection goes on after the last event, by `Last-Event-ID`
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header).
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { type HistoryGap, isHistoryGap } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";
import { authorization, begin, type Endpoint, refusalIn, ServerRefusal } from "./http.ts";
import { createSseParser, type SseMessage } from "./sse.ts";
import { pause } from "./timing.ts";
import { whyUntrusted } from "./trust.ts";

export type StreamUpdate =
  /** The stream is open; `again` after it had been lost. */
  | { kind: "connected"; again: boolean }
  /** One event: its JSON as the server holds it, on one line. */
  | { kind: "event"; json: string }
  /** Events that will not come, because the log no longer holds them. */
  | { kind: "gap"; gap: HistoryGap }
  /** The connection is lost, or cannot be made; said once, however often it is then tried. */
  | { kind: "lost"; reason: string };

export interface FollowOptions {
  /** Asked before each connection: who is there by then may be somebody else. */
  server: () => Endpoint;
  /** `session_id`, `project`, `type`, as `GET /api/events` takes them. */
  filter: URLSearchParams;
  /** What comes is everything after it. */
  from: ResumePosition;
  /** Ends it, at once. */
  signal: AbortSignal;
  /** Milliseconds without a byte after which the connection counts as lost; the server sends a comment every 15 s. */
  silenceMs?: number;
  /** Milliseconds before it connects again, doubled with each attempt that fails. */
  retry?: { firstMs: number; maxMs: number };
}

const SILENCE_MS = 45_000;
const RETRY = { firstMs: 100, maxMs: 2000 };

/**
 * Yields what comes until the signal is given, and does not give up before. It reads only when it is asked, so that a
 * slow consumer slows the server's feed down instead of filling memory. Throws a `ServerRefusal` when the server does
 * not take the question, which no further attempt would change.
 */
export async function* followEvents(options: FollowOptions): AsyncGenerator<StreamUpdate> {
  const { from, signal, retry = RETRY } = options;
  let lastEventId = `${from.epoch}:${from.seq}`;
  let lost = false;
  let toldGap = "";
  let pauseMs = retry.firstMs;

  while (!signal.aborted) {
    try {
      for await (const item of readOnce(options, lastEventId)) {
        if (item === "open") {
          pauseMs = retry.firstMs;
          yield { kind: "connected", again: lost };
          lost = false;
        } else if ("position" in item) {
          if (item.position !== "") lastEventId = item.position;
        } else if (item.event === "message") {
          lastEventId = item.lastEventId;
          yield { kind: "event", json: item.data };
        } else if (item.event === "history_gap" && item.data !== toldGap) {
          // A gap has no id of its own: after a connection that is lost before the next event it comes again.
          toldGap = item.data;
          const gap: unknown = JSON.parse(item.data);
          if (isHistoryGap(gap)) yield { kind: "gap", gap };
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ServerRefusal && error.status < 500) throw error;
      if (!lost) yield { kind: "lost", reason: reasonOf(error) };
      lost = true;
    }
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, retry.maxMs);
  }
}

/** One connection, from "open" to its end, which is always an error. */
async function* readOnce(
  { server, filter, signal, silenceMs = SILENCE_MS }: FollowOptions,
  lastEventId: string,
): AsyncGenerator<"open" | SseMessage | { position: string }> {
  const { url, token, certificates } = server();
  const headers = { Accept: "text/event-stream", "Last-Event-ID": lastEventId, ...authorization(token) };
  const outgoing = begin(`${url}/api/events/stream?${filter}`, certificates, { headers });
  const abort = () => outgoing.destroy(new Error("ended"));
  signal.addEventListener("abort", abort);
  try {
    const incoming = await within(silenceMs, answerTo(outgoing));
    const { statusCode = 0, headers: received } = incoming;
    const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    if (statusCode !== 200 || received["content-type"] !== "text/event-stream") {
      const { value } = await within(silenceMs, chunks.next());
      throw refusalIn(statusCode, String(value)) ?? new Error(`it answers HTTP ${statusCode} and no events`);
    }
    yield "open";
    const parser = createSseParser();
    for (;;) {
      const { value, done } = await within(silenceMs, chunks.next());
      if (done) throw new Error("the server has closed it");
      yield* parser.push(value);
      yield { position: parser.lastEventId() };
    }
  } finally {
    signal.removeEventListener("abort", abort);
    outgoing.destroy();
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  const why = whyUntrusted(error);
  if (why !== null) return `its certificate is not believed: ${why}`;
  if (code === "ECONNRESET") return "it was cut off";
  return code === "ECONNREFUSED" ? "nothing listens there" : message;
}

function answerTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", reject);
    outgoing.end();
  });
}

/** Only the wait for the next bytes is measured, never how long the consumer takes for the last ones. */
async function within<T>(limitMs: number, awaited: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing was heard for ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([awaited, silence]);
  } finally {
    clearTimeout(timer);
  }
}
