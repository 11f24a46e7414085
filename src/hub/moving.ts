/** Brings the history out, as it is at one moment, and that of another log in. */
import type { Epoch, EventLog, HistoryPart, Restored } from "../log/log.ts";
import type { StoredEvent } from "../protocol/event.ts";
import type { Delivery } from "./delivery.ts";

/** The log at one moment, read while it goes on. */
export interface Snapshot {
  epochs: readonly Epoch[];
  first_seq: number;
  last_seq: number;
  /** All events of it, a few at a time; throws when the log forgets them before they are read. */
  pages(): AsyncGenerator<readonly StoredEvent[]>;
}

/** Characters of JSON read at a time. */
const PAGE_CHARS = 256 * 1024;

/** Takes what the log holds up to a seq. It begins where the log does when this resolves. */
export async function takeSnapshot(log: EventLog, last_seq: number): Promise<Snapshot> {
  const epochs = log.epochs();
  // Read before it is told of: what is trimmed in this very moment was never promised.
  const first = await log.readAfter(0, PAGE_CHARS);
  const first_seq = Math.min(first.events[0]?.seq ?? Infinity, last_seq + 1);
  return {
    epochs,
    first_seq,
    last_seq,
    async *pages() {
      let page = first;
      for (let after = first_seq - 1; after < last_seq;) {
        const events = page.events.filter(({ seq }) => seq > after && seq <= last_seq);
        if (events[0]?.seq !== after + 1) throw new Error(`the event ${after + 1} is no longer held`);
        yield events;
        after += events.length;
        if (after < last_seq) page = await log.readAfter(after, PAGE_CHARS);
      }
    },
  };
}

/**
 * Stores a part of another log's history. Who is live is given the events: it is at the beginning of this log, and by
 * its position it would get them all the same when it came again.
 */
export async function restorePart(
  log: EventLog,
  delivery: Pick<Delivery, "deliver" | "skipTo" | "beginEpoch" | "deliveredSeq">,
  part: HistoryPart,
): Promise<Restored> {
  const before = log.position().epoch;
  const restored = await log.restore(part);
  // A log that is followed tells of them itself.
  if (log.follow) return restored;
  const { stored, epoch, last_seq } = restored;
  delivery.skipTo((stored[0]?.seq ?? last_seq + 1) - 1);
  delivery.deliver(
    stored.map((event) => ({ id: event.id, seq: event.seq, stored: event })),
    [],
  );
  if (epoch !== before) delivery.beginEpoch({ epoch, start_seq: delivery.deliveredSeq() });
  return restored;
}
