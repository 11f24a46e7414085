/**
 * A log in memory that several hubs write to and follow, as servers do with one on another machine: each node sees it
 * through a tail of its own, which can be held back, be too late, or find that another epoch has begun.
 */
import type { AppendedEvent, Epoch, EventLog, LogFollower } from "../../src/log/log.ts";
import { locateIn, withinChars } from "../../src/log/log.ts";
import { CodedError } from "../../src/protocol/errors.ts";
import { type PendingEvent, type StoredEvent, withSeq } from "../../src/protocol/event.ts";
import { matchesFilter } from "../../src/protocol/query.ts";
import { eventually } from "./eventually.ts";

export interface SharedLog {
  /** One more node's log. */
  node(): NodeLog;
  /** Everything is good, and only the name is another. */
  beginEpoch(): void;
  /** What comes after this seq is lost. */
  rewindTo(seq: number): void;
  /** Nodes that have not read up to this seq never will. */
  trimTo(seq: number): void;
}

export interface NodeLog extends EventLog {
  /** The tail stands still. */
  hold(): void;
  /** It goes on. */
  release(): void;
  /** Nothing can be written from here. */
  refuse(refuses: boolean): void;
  /** How often it was waited for. */
  settled(): number;
}

type Entry =
  | { kind: "event"; event: StoredEvent; node: number; origin: string | undefined; lost: boolean }
  | { kind: "epoch"; epoch: Epoch };

const SETTLE_MS = 500;

export function createSharedLog(): SharedLog {
  const entries: Entry[] = [];
  const seqs = new Map<string, number>();
  const onChange = new Set<() => void>();
  let lastSeq = 0;
  let trimmed = 0;
  let epochs: Epoch[] = [{ epoch: "1-first", start_seq: 0 }];
  let nodes = 0;

  function begin(start_seq: number): void {
    const epoch = { epoch: `${epochs.length + 1}-later`, start_seq };
    epochs = [...epochs, epoch];
    entries.push({ kind: "epoch", epoch });
    changed();
  }

  function changed(): void {
    for (const tell of onChange) tell();
  }

  function store({ id, body, ...index }: PendingEvent, node: number, origin: string | undefined) {
    const known = seqs.get(id);
    if (known !== undefined) return { id, seq: known, stored: null };
    lastSeq += 1;
    seqs.set(id, lastSeq);
    const event: StoredEvent = { seq: lastSeq, id, ...index, json: withSeq(body, lastSeq) };
    entries.push({ kind: "event", event, node, origin, lost: false });
    return { id, seq: lastSeq, stored: event };
  }

  function createNode(): NodeLog {
    const node = (nodes += 1);
    let follower: LogFollower | null = null;
    let held = false;
    let refuses = false;
    let cursor = 0;
    let scheduled = false;
    let settled = 0;
    // What this node knows: it may be behind.
    let own: StoredEvent[] = [];
    let last = 0;
    let ownEpochs = epochs.slice(0, 1);

    const first = () => own[0]?.seq ?? last + 1;
    const position = () => ({
      epoch: ownEpochs.at(-1)?.epoch ?? "",
      first_seq: first(),
      last_seq: last,
    });

    function schedule(): void {
      if (scheduled || held) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        if (!held) read();
      });
    }

    /** Tells of what follows, as far as it is of one kind at a time. */
    function read(): void {
      while (cursor < entries.length) {
        if (entries[cursor]?.kind === "epoch") readEpoch();
        else readEvents();
      }
    }

    function readEpoch(): void {
      const { epoch } = entries[cursor] as Extract<Entry, { kind: "epoch" }>;
      cursor += 1;
      own = own.filter(({ seq }) => seq <= epoch.start_seq);
      last = Math.min(last, epoch.start_seq);
      ownEpochs = [...ownEpochs, epoch];
      follower?.onEpoch(epoch);
    }

    function readEvents(): void {
      const events: StoredEvent[] = [];
      const origins: (string | undefined)[] = [];
      let skipped = 0;
      for (; cursor < entries.length && entries[cursor]?.kind === "event"; cursor += 1) {
        const entry = entries[cursor] as Extract<Entry, { kind: "event" }>;
        if (entry.lost || entry.event.seq <= last) continue;
        if (entry.event.seq <= trimmed) skipped = entry.event.seq;
        else {
          events.push(entry.event);
          origins.push(entry.node === node ? entry.origin : undefined);
        }
      }
      if (skipped > 0) {
        own = [];
        last = skipped;
        follower?.onSkipped(skipped);
      }
      if (events.length === 0) return;
      own.push(...events);
      last = own.at(-1)?.seq ?? last;
      follower?.onStored(events, origins);
    }

    onChange.add(schedule);
    schedule();
    return {
      hold: () => void (held = true),
      release() {
        held = false;
        schedule();
      },
      refuse: (next) => void (refuses = next),
      settled: () => settled,

      position,
      locate: (resume) => locateIn(ownEpochs, last, resume),
      epochs: () => ownEpochs,
      restore: () => Promise.reject(new CodedError("log_unavailable")),
      forget: () => Promise.reject(new CodedError("log_unavailable")),
      follow: (next) => void (follower = next),

      async append(batch, origins = []) {
        if (refuses) throw new CodedError("log_unavailable");
        const appended: AppendedEvent[] = batch.map((event, index) => store(event, node, origins[index]));
        const end = entries.length;
        changed();
        await eventually(() => cursor >= end);
        return appended;
      },

      async settle() {
        settled += 1;
        const end = entries.length;
        await eventually(() => cursor >= end, { limitMs: SETTLE_MS }).catch(() => {});
      },

      async readAfter(seq, maxChars) {
        await new Promise((resolve) => setImmediate(resolve));
        const following = own.filter((event) => event.seq > seq).slice(0, 1000);
        return { first_seq: first(), events: withinChars(following, maxChars) };
      },

      async query({ filter, after, before, limit }) {
        const matching = own.filter((event) => matchesFilter(event, filter));
        const wanted = matching.filter(
          ({ seq }) => (after === undefined || seq > after) && (before === undefined || seq < before),
        );
        const events = after === undefined ? wanted.slice(-limit) : wanted.slice(0, limit);
        return { ...position(), events: limit === 0 ? [] : events, total_available: matching.length };
      },

      size: () => ({ events: own.length, bytes: 0, index_backlog: 0 }),
      check: () => ({ name: "log", status: "healthy", message: "shared" }),
      async close() {
        onChange.delete(schedule);
      },
    };
  }

  return {
    node: createNode,
    beginEpoch: () => begin(lastSeq),

    rewindTo(seq) {
      for (const entry of entries) {
        if (entry.kind !== "event" || entry.event.seq <= seq || entry.lost) continue;
        entry.lost = true;
        seqs.delete(entry.event.id);
      }
      lastSeq = seq;
      begin(seq);
    },

    trimTo: (seq) => void (trimmed = seq),
  };
}
