/** What one client, and all together, may ask of the server; who is beyond it is told when to come again. */
import { type Bucket, createRateLimit } from "../auth/rate-limit.ts";
import { CodedError } from "../protocol/errors.ts";

/** 0 is no limit. */
export interface LimitSettings {
  max_connections: number;
  max_events_per_second: number;
  max_handshakes_per_second: number;
}

export interface Limits {
  /** A client's connection wants to be opened: throws `too_many_handshakes` or `too_many_connections`. */
  admit(): void;
  /** One has been opened, or is no more. */
  opened(): void;
  closed(): void;
  /**
   * A connection sends something; throws `rate_limited`.
   *
   * @param owner keeps the bucket: one that never sends has none
   */
  message(owner: { bucket?: Bucket }): void;
  /**
   * Requests bring so many events; throws `rate_limited`.
   *
   * @param from whom they are from, asked only where there is a limit
   * @param count 0 looks whether any would be taken
   */
  events(from: () => string, count: number): void;
}

/** Who waits for others to leave knows no better. */
const CONNECTIONS_RETRY_SECONDS = 5;
/** Senders kept at a time; the oldest are forgotten first, which gives them a full bucket. */
const MAX_SENDERS = 10_000;

export function createLimits(
  { max_connections, max_events_per_second, max_handshakes_per_second }: LimitSettings,
  now?: () => number,
): Limits {
  const limitOf = (rate: number) => (rate === 0 ? null : createRateLimit({ rate, ...(now ? { now } : {}) }));
  const events = limitOf(max_events_per_second);
  const handshakes = limitOf(max_handshakes_per_second);
  const shaken = handshakes?.bucket();
  const senders = new Map<string, Bucket>();
  let connections = 0;

  function bucketOf(sender: string): Bucket | undefined {
    const known = senders.get(sender);
    if (known || !events) return known;
    if (senders.size >= MAX_SENDERS) forgetFull();
    if (senders.size >= MAX_SENDERS) senders.delete(senders.keys().next().value as string);
    const bucket = events.bucket();
    senders.set(sender, bucket);
    return bucket;
  }

  function forgetFull(): void {
    for (const [sender, bucket] of senders) if (events?.isFull(bucket)) senders.delete(sender);
  }

  return {
    admit() {
      if (max_connections > 0 && connections >= max_connections) {
        throw new CodedError(
          "too_many_connections",
          `${connections} clients are connected, as many as \`max_connections\` allows`,
          { retryAfter: CONNECTIONS_RETRY_SECONDS },
        );
      }
      const retryAfter = handshakes && shaken ? handshakes.take(shaken, 1) : 0;
      if (retryAfter > 0) throw new CodedError("too_many_handshakes", undefined, { retryAfter });
    },
    opened() {
      connections += 1;
    },
    closed() {
      connections -= 1;
    },
    message(owner) {
      if (!events) return;
      owner.bucket ??= events.bucket();
      refuseUnless(events.take(owner.bucket, 1));
    },
    events(from, count) {
      const bucket = events && bucketOf(from());
      // To look takes one and gives it back.
      if (!events || !bucket) return;
      refuseUnless(events.take(bucket, Math.max(1, count)));
      if (count === 0) bucket.tokens += 1;
    },
  };

  function refuseUnless(retryAfter: number): void {
    if (retryAfter === 0) return;
    throw new CodedError(
      "rate_limited",
      `More than ${max_events_per_second} events a second (\`max_events_per_second\`)`,
      { retryAfter },
    );
  }
}
