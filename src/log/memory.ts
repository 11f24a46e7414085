/** The event log kept in memory: everything a log promises, but for the end of the process. */
import { type PendingEvent, type StoredEvent, withSeq } from "../protocol/event.ts";
import { type HistoryQuery, matchesFilter } from "../protocol/query.ts";
import { newEpoch } from "./epochs.ts";
import {
  type AppendedEvent,
  type Epoch,
  type EventLog,
  locateIn,
  type LogPage,
  MAX_PAGE_CHARS,
  withinChars,
} from "./log.ts";
import { createImportGate, planRestore } from "./restore.ts";

export interface MemoryLogOptions {
  /** Oldest events beyond this many are forgotten. */
  maxEvents?: number;
  /** Seconds; 0 keeps events whatever their age. */
  maxAge?: number;
  /** Characters of JSON held at most; the newest event is always kept. */
  maxTotalChars?: number;
  /** Characters of JSON in one answer at most. */
  maxPageChars?: number;
  now?: () => number;
}

/** Events looked at for one reading at most. */
const READ_BATCH = 1000;

/** Makes an empty log with an epoch of its own. */
export function createMemoryLog({
  maxEvents = 10_000,
  maxAge = 0,
  maxTotalChars = 256 * 1024 * 1024,
  maxPageChars = MAX_PAGE_CHARS,
  now = Date.now,
}: MemoryLogOptions = {}): EventLog {
  // As on disk, an epoch never comes again.
  let epochs: readonly Epoch[] = [{ epoch: newEpoch(now()), start_seq: 0 }];
  const gate = createImportGate(now);
  const seqById = new Map<string, number>();
  // A queue: `events[start]` is the oldest; the dead front is cut off once it outweighs the rest.
  let events: StoredEvent[] = [];
  let start = 0;
  let lastSeq = 0;
  let bytes = 0;

  const firstSeq = () => lastSeq - (events.length - start) + 1;
  const position = () => ({
    epoch: (epochs.at(-1) as Epoch).epoch,
    first_seq: firstSeq(),
    last_seq: lastSeq,
  });
  /** Where the event with this seq, or the first one after it, stands in `events`. */
  const indexOf = (seq: number) => Math.max(start, start + seq - firstSeq());

  function hold(event: StoredEvent): void {
    events.push(event);
    seqById.set(event.id, event.seq);
    bytes += event.json.length;
  }

  function store(pending: PendingEvent): AppendedEvent {
    const { id, body, ...index } = pending;
    const known = seqById.get(id);
    if (known !== undefined) return { id, seq: known, stored: null };
    lastSeq += 1;
    const stored: StoredEvent = { seq: lastSeq, id, ...index, json: withSeq(body, lastSeq) };
    hold(stored);
    return { id, seq: lastSeq, stored };
  }

  function trim(): void {
    const oldestAllowed = maxAge > 0 ? now() - maxAge * 1000 : Number.NEGATIVE_INFINITY;
    while (start < events.length) {
      const oldest = events[start] as StoredEvent;
      const overweight = bytes > maxTotalChars && events.length - start > 1;
      if (events.length - start <= maxEvents && oldest.received_at >= oldestAllowed && !overweight) break;
      seqById.delete(oldest.id);
      bytes -= oldest.json.length;
      start += 1;
    }
    if (start > 1000 && start * 2 > events.length) {
      events = events.slice(start);
      start = 0;
    }
  }

  return {
    position() {
      trim();
      return position();
    },

    epochs: () => epochs,
    locate: (resume) => locateIn(epochs, lastSeq, resume),

    async append(batch) {
      gate.pass();
      const appended = batch.map(store);
      trim();
      return appended;
    },

    async restore(part) {
      const idAt = (seq: number) => events[indexOf(seq)]?.id;
      const plan = planRestore(part, { epochs, first_seq: firstSeq(), last_seq: lastSeq, idAt }, now());
      for (const event of plan.events) hold(event);
      lastSeq = plan.last_seq;
      ({ epochs } = plan);
      gate.taken(part);
      trim();
      return { ...position(), stored: plan.events };
    },

    async forget(beforeSeq) {
      trim();
      const from = Math.min(indexOf(beforeSeq), events.length);
      const forgotten = from - start;
      for (const { id, json } of events.slice(start, from)) {
        seqById.delete(id);
        bytes -= json.length;
      }
      events = events.slice(from);
      start = 0;
      return { ...position(), forgotten };
    },

    async readAfter(seq, maxChars) {
      trim();
      const from = indexOf(seq + 1);
      return { first_seq: firstSeq(), events: withinChars(events.slice(from, from + READ_BATCH), maxChars) };
    },

    async query({ filter, after, before, limit }: HistoryQuery): Promise<LogPage> {
      trim();
      const matching = events.slice(start).filter((event) => matchesFilter(event, filter));
      const wanted = matching.filter(
        (event) => (after === undefined || event.seq > after) && (before === undefined || event.seq < before),
      );
      const page =
        after === undefined
          ? withinChars(
              wanted.slice(Math.max(0, wanted.length - limit)).toReversed(),
              maxPageChars,
            ).toReversed()
          : withinChars(wanted.slice(0, limit), maxPageChars);
      return { ...position(), events: page, total_available: matching.length };
    },

    size: () => ({ events: events.length - start, bytes, index_backlog: 0 }),

    check: () => ({
      name: "log",
      status: "healthy",
      message: `${events.length - start} events in memory; they end with the process`,
    }),

    async close() {},
  };
}
