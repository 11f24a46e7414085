/** Fans stored events out: live ones as they are stored, missed ones from the log, in `seq` order and once. */
import type { AppendedEvent, Epoch, EventLog } from "../log/log.ts";
import type { CodedError } from "../protocol/errors.ts";
import type { StoredEvent } from "../protocol/event.ts";
import type { HistoryGap } from "../protocol/messages.ts";
import { type EventFilter, matchesFilter, type ResumePosition } from "../protocol/query.ts";
import type { ClientIdentity } from "./clients.ts";
import { createMeasures, type Measures } from "./measures.ts";
import type { Channel, Receiver, Subscriber, Subscription } from "./subscriber.ts";

export interface Delivery {
  /** Joins the live feed; with `resume` after everything the log holds beyond that position. */
  subscribe(
    subscriber: Subscriber,
    options?: { filter?: EventFilter | null; resume?: ResumePosition | null },
  ): Subscription;
  /** Gives a stored batch to the live feeds; `origins` names the subscriber each event came from. */
  deliver(appended: readonly AppendedEvent[], origins: readonly (string | undefined)[]): void;
  /** Goes on behind a seq without the events up to it, which cannot be had any more. */
  skipTo(seq: number): void;
  /**
   * A later epoch has begun. Where it goes on from before what was delivered, every client has to come again.
   *
   * @returns whether that is so
   */
  beginEpoch(epoch: Epoch): boolean;
  /** Sends a client away; false when there is none of this id. */
  dismiss(id: string, reason: CodedError): boolean;
  /** Tells all receivers that the server stops. */
  end(): void;
  /** The last `seq` given to the live feed. */
  deliveredSeq(): number;
  /** The epoch it belongs to. */
  epoch(): string;
  /** All clients, in no order. */
  receivers(): Receiver[];
  /** How many clients there are by transport, and by how many events the one farthest behind is. */
  census(): { transports: Record<ClientIdentity["transport"], number>; maxLag: number };
  stats(): { lagging_clients: number; catch_ups: number; dropped: number };
}

/** One subscriber's place in the feed. There is one for every connection: what it rarely needs is made when needed. */
class Feed implements Subscription {
  readonly subscriber: Subscriber;
  filter: EventFilter | null;
  catchingUpFrom: number | null = null;
  /** What this connection itself sent while it was catching up: nobody gets their own events back. */
  ownSeqs: Set<number> | null = null;
  closed = false;
  readonly #place: (feed: Feed) => void;

  constructor(subscriber: Subscriber, filter: EventFilter | null, place: (feed: Feed) => void) {
    this.subscriber = subscriber;
    this.filter = filter;
    this.#place = place;
  }

  setFilter(filter: EventFilter | null): void {
    this.filter = filter;
    this.#place(this);
  }

  close(): void {
    this.closed = true;
    this.#place(this);
  }
}

/** Characters of JSON a feed reads from the log at a time. */
const PAGE_CHARS = 256 * 1024;

/**
 * A receiver with more than this waiting leaves the live feed and is fed from the log instead, a page at a time each
 * time it has come below the lower mark. So it costs no more memory than these bytes and a page, however slow it is.
 */
const HIGH_WATER = 512 * 1024;
const LOW_WATER = 128 * 1024;

/**
 * Gives every stored event to every feed that wants it.
 *
 * @param onError told of failures that must not reach the sender of an event
 */
export function createDelivery(
  log: EventLog,
  onError: (error: unknown) => void,
  measures: Measures = createMeasures(),
): Delivery {
  /** Feeds that get their events one by one: filtered, behind, or without a channel. */
  const single = new Set<Feed>();
  const channels = new Map<Channel, Set<Feed>>();
  let catchUps = 0;
  // How far the live feed has come. The log may be a batch ahead: what lies between is still to be delivered,
  // so a feed that catches up stops here, and neither misses nor repeats it.
  let delivered = log.position().last_seq;
  // A log that is followed tells of a new epoch in between its events.
  let toldEpoch = log.follow ? log.position().epoch : null;

  function tellGap(subscriber: Subscriber, gap: HistoryGap): void {
    if (!subscriber.internal) measures.gaps[gap.reason] += 1;
    subscriber.onGap(gap);
  }

  /** Says what can no longer be had, and returns the position the feed goes on from. */
  function startOf(resume: ResumePosition, subscriber: Subscriber): number {
    const { after, gap } = log.locate(resume);
    if (gap) tellGap(subscriber, gap);
    // Of an unknown epoch nothing is known to have been missed: it starts with what there is.
    return gap?.reason === "unknown_epoch"
      ? Math.min(log.position().first_seq - 1, delivered)
      : Math.min(after, delivered);
  }

  /** Puts a feed where it belongs now: on its channel, or among those served one by one. */
  function place(feed: Feed): void {
    const { channel, id } = feed.subscriber;
    const others = channel && (channels.get(channel) ?? new Set());
    const joins =
      !feed.closed && channel !== undefined && feed.filter === null && feed.catchingUpFrom === null;
    if (channel && others) {
      channels.set(channel, others);
      if (joins && !others.has(feed)) {
        channel.join(id);
        others.add(feed);
      } else if (!joins && others.delete(feed)) channel.leave(id);
    }
    if (joins || feed.closed) single.delete(feed);
    else single.add(feed);
  }

  /** Takes a feed with too much waiting off the live feed; true when it had. */
  function fallsBehind(feed: Feed, seq: number): boolean {
    if (feed.subscriber.buffered() <= HIGH_WATER) return false;
    feed.catchingUpFrom = seq;
    place(feed);
    return true;
  }

  /** Gives an event to a channel, and returns who has fallen behind on it. */
  function publish(
    channel: Channel,
    members: Set<Feed>,
    event: StoredEvent,
    origin: string | undefined,
  ): Feed[] {
    if (members.size === 0) return [];
    count(event, members.size - (origin !== undefined && channel.has(origin) ? 1 : 0));
    try {
      if (!channel.publish(event, origin)) return [];
    } catch (error) {
      onError(error);
    }
    return [...members].filter((feed) => fallsBehind(feed, event.seq));
  }

  function startCatchUp(feed: Feed): void {
    if (!feed.subscriber.internal) catchUps += 1;
    catchUp(feed).catch((error: unknown) => {
      // Whoever has gone meanwhile must not be told to come again.
      if (feed.closed) return;
      onError(error);
      fail(feed);
    });
  }

  function fail(feed: Feed): void {
    feed.close();
    feed.subscriber.onFailure();
  }

  const allFeeds = () => [single, ...channels.values()].flatMap((feeds) => [...feeds]);

  /** Tells each of them something; one that fails must not cost the others. */
  function forEach(feeds: readonly Feed[], tell: (feed: Feed) => void): void {
    for (const feed of feeds) {
      try {
        tell(feed);
      } catch (error) {
        onError(error);
      }
    }
  }

  async function catchUp(feed: Feed): Promise<void> {
    while (!feed.closed && feed.catchingUpFrom !== null) {
      const after = feed.catchingUpFrom;
      if (after >= delivered) {
        feed.catchingUpFrom = null;
        feed.ownSeqs = null;
        place(feed);
        return;
      }
      if (feed.subscriber.buffered() > LOW_WATER) {
        await feed.subscriber.drained();
        continue;
      }
      const page = await log.readAfter(after, PAGE_CHARS);
      if (feed.closed) return;
      // What is beyond `delivered` comes to the feed live, even if the log has trimmed it by then.
      const missingTo = Math.min(page.first_seq - 1, delivered);
      if (missingTo > after) {
        tellGap(feed.subscriber, { from_seq: after + 1, to_seq: missingTo, reason: "trimmed" });
        feed.catchingUpFrom = missingTo;
        for (const seq of feed.ownSeqs ?? []) if (seq <= missingTo) feed.ownSeqs?.delete(seq);
      }
      for (const event of page.events) {
        if (event.seq > delivered) break;
        if (!feed.ownSeqs?.delete(event.seq) && wants(feed, event)) give(feed, event);
        feed.catchingUpFrom = event.seq;
      }
      if (feed.catchingUpFrom === after) throw new Error(`the log gave nothing after seq ${after}`);
      // A log that answers at once would otherwise let nothing else run until the client is at the end.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  function count({ json }: StoredEvent, receivers: number): void {
    measures.delivered += receivers;
    measures.bytesDelivered += receivers * Buffer.byteLength(json);
  }

  function wants({ filter }: Feed, event: StoredEvent): boolean {
    return filter === null || matchesFilter(event, filter);
  }

  /** One receiver that fails must not cost the others their event. */
  function give(feed: Feed, event: StoredEvent): void {
    if (!feed.subscriber.internal) count(event, 1);
    try {
      feed.subscriber.onEvent(event);
    } catch (error) {
      onError(error);
    }
  }

  return {
    subscribe(subscriber, { filter = null, resume = null } = {}) {
      const feed = new Feed(subscriber, filter, place);
      if (resume !== null) feed.catchingUpFrom = startOf(resume, subscriber);
      place(feed);
      if (feed.catchingUpFrom !== null) startCatchUp(feed);
      return feed;
    },

    deliver(appended, origins) {
      const behind: Feed[] = [];
      for (const [index, { seq, stored }] of appended.entries()) {
        if (stored === null) continue;
        const origin = origins[index];
        for (const feed of single) {
          // First of all, for most want something else: who they are, and what they have not taken yet, is slow to ask.
          if (feed.catchingUpFrom === null && !wants(feed, stored)) continue;
          const own = feed.subscriber.id === origin;
          if (feed.catchingUpFrom !== null) {
            if (own) (feed.ownSeqs ??= new Set()).add(seq);
          } else if (!own) {
            give(feed, stored);
            if (fallsBehind(feed, seq)) behind.push(feed);
          }
        }
        for (const [channel, members] of channels) behind.push(...publish(channel, members, stored, origin));
        delivered = seq;
      }
      for (const feed of behind) startCatchUp(feed);
    },

    skipTo(seq) {
      if (seq <= delivered) return;
      const gap = { from_seq: delivered + 1, to_seq: seq, reason: "trimmed" } as const;
      delivered = seq;
      // Who is catching up finds it out from the log.
      const live = allFeeds().filter(({ catchingUpFrom }) => catchingUpFrom === null);
      forEach(live, ({ subscriber }) => tellGap(subscriber, gap));
    },

    beginEpoch({ epoch, start_seq }) {
      toldEpoch = epoch;
      const isRewound = start_seq < delivered;
      delivered = Math.min(start_seq, delivered);
      const clients = allFeeds().filter(({ subscriber }) => !subscriber.internal);
      if (isRewound) forEach(clients, fail);
      else
        forEach(clients, ({ subscriber, catchingUpFrom }) =>
          subscriber.onEpoch?.(epoch, catchingUpFrom ?? delivered),
        );
      return isRewound;
    },

    dismiss(id, reason) {
      for (const feeds of [single, ...channels.values()]) {
        const found = [...feeds].find(({ subscriber }) => subscriber.id === id && subscriber.dismiss);
        found?.subscriber.dismiss?.(reason);
        if (found) return true;
      }
      return false;
    },

    end() {
      for (const { subscriber } of single) subscriber.onEnd?.();
    },

    deliveredSeq: () => delivered,
    epoch: () => toldEpoch ?? log.position().epoch,

    receivers() {
      return [single, ...channels.values()].flatMap((feeds) =>
        [...feeds].flatMap(({ subscriber, filter, catchingUpFrom }) => {
          const identity = subscriber.identify?.();
          if (!identity) return [];
          const lag = catchingUpFrom === null ? 0 : delivered - catchingUpFrom;
          return [{ ...identity, id: subscriber.id, filter, lag, buffered: subscriber.buffered() }];
        }),
      );
    },

    census() {
      const transports = { websocket: 0, polling: 0, stream: 0 };
      let maxLag = 0;
      for (const feeds of [single, ...channels.values()]) {
        for (const { subscriber, catchingUpFrom } of feeds) {
          const transport = subscriber.transport?.();
          if (transport === undefined) continue;
          transports[transport] += 1;
          if (catchingUpFrom !== null) maxLag = Math.max(maxLag, delivered - catchingUpFrom);
        }
      }
      return { transports, maxLag };
    },

    stats: () => ({
      lagging_clients: [...single].filter(
        ({ catchingUpFrom, subscriber }) => catchingUpFrom !== null && !subscriber.internal,
      ).length,
      catch_ups: catchUps,
      dropped: 0,
    }),
  };
}
