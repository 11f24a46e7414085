/** Checks, stamps and serialises incoming events: once each, before they are stored. */
import { CodedError } from "../protocol/errors.ts";
import { exceedsBytes } from "../protocol/json.ts";
import { checkEvent, indexEvent, type JsonObject, type PendingEvent } from "../protocol/event.ts";
import type { Redact } from "../protocol/redact.ts";

export interface PublishOptions {
  serverId: string;
  /** Bytes of one event's JSON at most: `max_http_buffer_size`. */
  maxEventBytes: number;
  /** The id under which an event of a hook is known already, or its own. */
  sameHook?: (id: string) => string;
  /** What masks secrets at the moment, or null. */
  redact?: () => Redact | null;
  now?: () => number;
}

/** Turns one incoming event into what the log stores; throws a `CodedError` when it cannot be. */
export function createStamp({
  serverId,
  maxEventBytes,
  sameHook = (id) => id,
  redact = () => null,
  now = Date.now,
}: PublishOptions): (input: unknown) => PendingEvent {
  return (input) => {
    const given = checkEvent(input);
    const receivedAt = now();
    const received_at = new Date(receivedAt).toISOString();
    // The log gives `seq`; what is undefined is left out.
    const stamped = (event: JsonObject, id: string) =>
      JSON.stringify({ ...event, seq: undefined, id, server_id: serverId, received_at });

    let id = typeof given.id === "string" ? sameHook(given.id) : Bun.randomUUIDv7();
    let body = stamped(given, id);
    // What we stamp on it is not the sender's: only near the limit is the event measured as it came.
    if (exceedsBytes(body, maxEventBytes) && exceedsBytes(JSON.stringify(given), maxEventBytes)) {
      throw new CodedError(
        "event_too_large",
        `The event is larger than ${maxEventBytes} bytes (\`max_http_buffer_size\`)`,
      );
    }
    const event = redact()?.(given, body) ?? given;
    if (event !== given) {
      if (typeof event.id === "string" && event.id !== given.id) ({ id } = event as { id: string });
      body = stamped(event, id);
    }
    return { id, received_at: receivedAt, body, ...indexEvent(event) };
  };
}

/** Malformed items that are listed one by one; the message says how many there are. */
const MAX_LISTED = 100;

/**
 * Stamps a batch; one bad item refuses all of them, with the index of each. An item that could not even be
 * read is given as its `CodedError`.
 */
export function stampBatch(
  inputs: readonly unknown[],
  stamp: (input: unknown) => PendingEvent,
): PendingEvent[] {
  const bad: { index: number; code: CodedError["code"]; message: string }[] = [];
  const events: PendingEvent[] = [];
  let count = 0;
  for (const [index, input] of inputs.entries()) {
    try {
      if (input instanceof CodedError) throw input;
      events.push(stamp(input));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      count += 1;
      if (bad.length < MAX_LISTED) bad.push({ index, code: error.code, message: error.message });
    }
  }
  if (count > 0) {
    throw new CodedError(
      "invalid_events",
      `${count} of ${inputs.length} events are malformed; none was stored`,
      { items: bad },
    );
  }
  return events;
}
