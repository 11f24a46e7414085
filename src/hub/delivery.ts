/** Fans stored events out: live ones as they are stored, missed ones from the log, in `seq` order and once. */
import type { AppendedEvent, EventLog } from "../log/log.ts";
import type { StoredEvent } from "../protocol/event.ts";
import type { HistoryGap } from "../protocol/messages.ts";
import { type EventFilter, matchesFilter, type ResumePosition } from "../protocol/query.ts";

/** One receiver of the live feed: a socket, a stream. */
export interface Subscriber {
  id: string;
  onEvent(event: StoredEvent): void;
  onGap(gap: HistoryGap): void;
}

export interface Subscription {
  /** Narrows what arrives from now on; null is everything. */
  setFilter(filter: EventFilter | null): void;
  close(): void;
}

export interface Delivery {
  /** Joins the live feed; with `resume` after everything the log holds beyond that position. */
  subscribe(
    subscriber: Subscriber,
    options?: { filter?: EventFilter | null; resume?: ResumePosition | null },
  ): Subscription;
  deliver(appended: readonly AppendedEvent[], origins: readonly (string | undefined)[]): void;
  /** The last `seq` given to the live feed. */
  deliveredSeq(): number;
  stats(): { lagging_clients: number; catch_ups: number; dropped: number };
}

interface Feed {
  subscriber: Subscriber;
  filter: EventFilter | null;
  /** The last event given out, while the feed reads from the log; null once it is live. */
  catchingUpFrom: number | null;
  /** What this connection itself sent while it was catching up: nobody gets their own events back. */
  ownSeqs: Set<number>;
  closed: boolean;
}

const CATCH_UP_PAGE = 500;

export function createDelivery(log: EventLog, onError: (error: unknown) => void): Delivery {
  const feeds = new Set<Feed>();
  let catchUps = 0;
  // How far the live feed has come. The log may be a batch ahead: what lies between is still to be delivered,
  // so a feed that catches up stops here, and neither misses nor repeats it.
  let delivered = log.position().last_seq;

  /** Says what can no longer be had, and returns the position the log can go on from. */
  function startOf(resume: ResumePosition, subscriber: Subscriber): number {
    const { epoch, first_seq } = log.position();
    const last_seq = delivered;
    if (resume.epoch !== epoch) {
      // Positions of two epochs cannot be compared: all this one holds is new to the client.
      subscriber.onGap({
        from_seq: resume.seq + 1,
        to_seq: Math.max(resume.seq + 1, last_seq),
        reason: "unknown_epoch",
      });
      return first_seq - 1;
    }
    if (resume.seq > last_seq) {
      subscriber.onGap({ from_seq: last_seq + 1, to_seq: resume.seq, reason: "beyond_end" });
      return last_seq;
    }
    return resume.seq;
  }

  async function catchUp(feed: Feed): Promise<void> {
    catchUps += 1;
    while (!feed.closed && feed.catchingUpFrom !== null) {
      const after = feed.catchingUpFrom;
      if (after >= delivered) {
        feed.catchingUpFrom = null;
        feed.ownSeqs.clear();
        return;
      }
      const page = await log.read({ filter: {}, after, limit: CATCH_UP_PAGE });
      if (feed.closed) return;
      if (page.first_seq > after + 1) {
        feed.subscriber.onGap({
          from_seq: after + 1,
          to_seq: page.first_seq - 1,
          reason: "trimmed",
        });
        feed.catchingUpFrom = page.first_seq - 1;
      }
      for (const event of page.events) {
        if (event.seq > delivered) break;
        if (!feed.ownSeqs.has(event.seq)) give(feed, event);
        feed.catchingUpFrom = event.seq;
      }
    }
  }

  /** One receiver that fails must not cost the others their event. */
  function give(feed: Feed, event: StoredEvent): void {
    if (feed.filter !== null && !matchesFilter(event, feed.filter)) return;
    try {
      feed.subscriber.onEvent(event);
    } catch (error) {
      onError(error);
    }
  }

  return {
    subscribe(subscriber, { filter = null, resume = null } = {}) {
      const feed: Feed = {
        subscriber,
        filter,
        catchingUpFrom: null,
        ownSeqs: new Set(),
        closed: false,
      };
      if (resume !== null) feed.catchingUpFrom = startOf(resume, subscriber);
      feeds.add(feed);
      if (feed.catchingUpFrom !== null) {
        catchUp(feed).catch((error: unknown) => {
          feed.closed = true;
          feeds.delete(feed);
          onError(error);
        });
      }
      return {
        setFilter(next) {
          feed.filter = next;
        },
        close() {
          feed.closed = true;
          feeds.delete(feed);
        },
      };
    },

    deliver(appended, origins) {
      for (const [index, { seq, stored }] of appended.entries()) {
        if (stored === null) continue;
        for (const feed of feeds) {
          const own = feed.subscriber.id === origins[index];
          if (feed.catchingUpFrom === null) {
            if (!own) give(feed, stored);
          } else if (own) {
            feed.ownSeqs.add(seq);
          }
        }
        delivered = seq;
      }
    },

    deliveredSeq: () => delivered,

    stats: () => ({
      lagging_clients: [...feeds].filter((feed) => feed.catchingUpFrom !== null).length,
      catch_ups: catchUps,
      dropped: 0,
    }),
  };
}
