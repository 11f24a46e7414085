/** The file of the event log on disk: SQLite in WAL mode, each batch one transaction. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { CodedError } from "../protocol/errors.ts";
import { type PendingEvent, type StoredEvent, withSeq } from "../protocol/event.ts";
import type { HealthCheck, LogPosition } from "../protocol/messages.ts";
import type { EventFilter, HistoryQuery } from "../protocol/query.ts";
import {
  closeQuietly,
  isDamage,
  isFull,
  refuseDamaged,
  type Remains,
  rescueEvents,
  takeOver,
} from "./damage.ts";
import { openEpoch, writeEpochs } from "./epochs.ts";
import type { PageRequest, Range } from "./filtered.ts";
import { createFilterIndex } from "./filter-index.ts";
import { createIdIndex } from "./id-index.ts";
import { createIndexWork } from "./index-work.ts";
import { type AppendedEvent, type Epoch, type EventLog, locateIn, type LogPage, withinChars } from "./log.ts";
import { planRestore, type RestorePlan } from "./restore.ts";
import { createRetention, type RetentionOptions } from "./retention.ts";
import { releaseReserve } from "./reserve.ts";
import { migrate } from "./migrations.ts";
import { allRows, firstWhere, type Noted, readRange } from "./rows.ts";

export interface SqliteLogOptions {
  path: string;
  /** Oldest events beyond this many are forgotten. */
  maxEvents?: number;
  /** Seconds; 0 keeps events whatever their age. */
  maxAge?: number;
  /** `normal` survives the death of the process, `full` the loss of power; `none` need not survive anything. */
  durability?: "none" | "normal" | "full";
  now?: () => number;
  /** How often what is too old is looked for, and whether a full disk has room again. */
  lookMs?: number;
  /** Called when `check` has something else to say than before. */
  onHealthChange?: () => void;
  /** Told of what people should know: that a new epoch begins. */
  warn?: (message: string, fields: Record<string, string | number>) => void;
}

export interface SqliteFileOptions extends SqliteLogOptions {
  /** Called when damage is met in the background, where nobody would catch the error. */
  onDamage?: (error: unknown) => void;
  /** Called when fewer events are held, as the disk is full. */
  onTightened?: RetentionOptions["onTightened"];
}

/** https://www.sqlite.org/pragma.html#pragma_synchronous */
const SYNCHRONOUS = { none: "OFF", normal: "NORMAL", full: "FULL" };
const LOOK_MS = 1000;
/** A log that refuses to write is tried again at most this often when only health asks. */
const PROBE_MS = 1000;
const MAX_PROBE_CHARS = 1024 * 1024;
const READ_BATCH = 1000;
/** What the index may want at once to join its parts. */
const INDEX_CHARS = 256 * 1024;
/** How often a batch is tried on a full disk, each time with fewer old events, while nobody else is served. */
const MAX_TRIES = 8;

/** A log's file while it is sound: where it is damaged, its methods throw SQLite's own error. */
export interface SqliteFile extends Omit<EventLog, "forget"> {
  /**
   * Stores events as they are, which have their seqs from elsewhere: one after the other, and behind all there are.
   * What lies before them is forgotten where they do not follow it.
   */
  take(events: readonly StoredEvent[]): void;
  /** As `close`, before it returns. */
  closeNow(): void;
  /** Ends it without another word to the file; what can be read of it is brought out. */
  abandon(): Remains;
}

/**
 * Opens the file, or makes it, with what remains of another one in it. One of a newer release throws a
 * `NewerLogError` and stays as it is.
 */
export function openSqliteFile(options: SqliteFileOptions, remains: Remains | null = null): SqliteFile {
  try {
    return open(options, remains, false);
  } catch (error) {
    // On a full disk the file can be opened with what is kept for that.
    if (!isFull(error) || !releaseReserve(options.path)) throw error;
    return open(options, remains, true);
  }
}

function open(options: SqliteFileOptions, remains: Remains | null, startsTight: boolean): SqliteFile {
  const database = new Database(options.path, { create: true });
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run(`PRAGMA synchronous = ${SYNCHRONOUS[options.durability ?? "normal"]}`);
    migrate(database);
    if (remains) takeOver(database, remains);
    return createLog(database, options, startsTight);
  } catch (error) {
    closeQuietly(database);
    throw error;
  }
}

function createLog(
  database: Database,
  {
    path,
    maxEvents = 10_000,
    maxAge = 0,
    durability = "normal",
    now = Date.now,
    lookMs = LOOK_MS,
    onHealthChange = () => {},
    warn = () => {},
    onDamage = () => {},
    onTightened = () => {},
  }: SqliteFileOptions,
  startsTight: boolean,
): SqliteFile {
  const begin = database.query("BEGIN IMMEDIATE");
  const commit = database.query("COMMIT");
  const rollback = database.query("ROLLBACK");
  const insert = database.query("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)");
  const idAt = database.query<{ id: string }, [number]>("SELECT id FROM events WHERE seq = ?");
  const after = database.query<StoredEvent, [number, number]>(
    "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
  );
  const between = database.query<StoredEvent, [number, number, number]>(
    "SELECT * FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?",
  );
  const onwards = database.query<StoredEvent, [number, number, number]>(
    "SELECT * FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
  );
  const arrival = database.query<{ received_at: number }, [number]>(
    "SELECT received_at FROM events WHERE seq = ?",
  );
  const arrivalOf = (seq: number) => arrival.get(seq)?.received_at ?? 0;
  const setMeta = database.query("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2");
  const dropMeta = database.query("DELETE FROM meta WHERE key = ?");
  const pages = database.query<{ bytes: number }, []>(
    "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
  );

  const { first, last } = readRange(database);
  let lastSeq = last;
  let firstSeq = first;
  let epochs: readonly Epoch[] = openEpoch(database, lastSeq, { durability, warn, now });
  // The mark of an open log has to outlive a loss of power that takes the WAL with it: that is what it tells of.
  unlessFull(() => database.run("PRAGMA wal_checkpoint(TRUNCATE)"));
  const currentEpoch = () => (epochs.at(-1) as Epoch).epoch;
  const ids = createIdIndex(() => firstSeq);
  const index = createFilterIndex(database);
  const limits = createRetention({
    database,
    path,
    maxEvents,
    startsTight,
    held: () => lastSeq - firstSeq + 1,
    trim,
    remove: () => index.remove(Math.min(firstSeq, lastSeq)),
    emptySearch: () => index.emptySearch(firstSeq),
    onTightened,
    onEased: onHealthChange,
  });
  /** Clocks are set back now and then: the last event that arrived before the one ahead of it. */
  const clock = { latest: 0, disorderedAt: 0 };
  let expected = firstSeq;
  for (const row of allRows(database, firstSeq)) {
    // Events before a hole were trimmed already, and only wait for the index to remove them.
    if (row.seq > expected) firstSeq = row.seq;
    expected = row.seq + 1;
    note(row);
  }
  trim();

  /** Why events are refused. */
  let problem: string | null = null;
  /** Why the index and retention stand still; questions are answered all the same. */
  let indexProblem: string | null = null;
  let probedAt = 0;
  let refusedChars = 0;
  let closed = false;
  const work = createIndexWork({
    advance(sliceMs) {
      limits.prepare(0);
      return index.advance(firstSeq, lastSeq, sliceMs);
    },
    onDone: () => (indexProblem = null),
    onError: standStill,
  });
  let isThere = true;
  const retention = setInterval(() => {
    trimQuietly();
    limits.look();
    if (existsSync(path) === isThere) return;
    isThere = !isThere;
    onHealthChange();
  }, lookMs);
  work.schedule();

  function stopWork(): void {
    closed = true;
    clearInterval(retention);
    work.stop();
  }

  function position(): LogPosition {
    return { epoch: currentEpoch(), first_seq: firstSeq, last_seq: lastSeq };
  }

  function isInOrderOfTime(): boolean {
    return clock.disorderedAt <= firstSeq;
  }

  /** Takes a stored event into what is known of all of them. */
  function note(event: Noted): void {
    ids.add(event.id, event.seq);
    if (event.received_at < clock.latest) clock.disorderedAt = event.seq;
    clock.latest = event.received_at;
  }

  /** Moves the start of what is held; the rows themselves go in the pauses. */
  function trim(): void {
    firstSeq = Math.max(firstSeq, lastSeq - limits.limit() + 1);
    if (maxAge <= 0) return;
    const oldestAllowed = now() - maxAge * 1000;
    const isKept = (seq: number) => arrivalOf(seq) >= oldestAllowed;
    if (firstSeq > lastSeq || isKept(firstSeq)) return;
    if (isInOrderOfTime()) firstSeq = firstWhere({ low: firstSeq, high: lastSeq }, isKept);
    else while (firstSeq <= lastSeq && !isKept(firstSeq)) firstSeq += 1;
  }

  /** Retention that fails is tried again with the next batch, and a second later at the latest. */
  function trimQuietly(): void {
    const before = firstSeq;
    try {
      trim();
      if (firstSeq > before || indexProblem !== null) work.schedule();
    } catch (error) {
      standStill(error);
    }
  }

  function standStill(error: unknown): void {
    indexProblem = (error as Error).message;
    if (isFull(error)) limits.makeRoom(INDEX_CHARS);
    // Not at once: whoever has just stored something is told of that first.
    if (isDamage(error)) setTimeout(() => closed || onDamage(error), 0);
  }

  /** Row by row: 1,000 large events are never in memory at once. */
  function readPage({ low, high, limit, newest }: PageRequest): StoredEvent[] {
    return withinChars((newest ? between : onwards).iterate(low, high, limit));
  }

  /** The seqs of a filter's span of time, where times of arrival have their order, and what is left of the filter. */
  function withinTime(filter: EventFilter): { range: Range; rest: EventFilter } {
    const all = { low: firstSeq, high: lastSeq };
    const { since, until, ...rest } = filter;
    if ((since === undefined && until === undefined) || !isInOrderOfTime()) {
      return { range: all, rest: filter };
    }
    const low = since === undefined ? firstSeq : firstWhere(all, (seq) => arrivalOf(seq) >= since);
    const end = until === undefined ? lastSeq + 1 : firstWhere(all, (seq) => arrivalOf(seq) > until);
    return { range: { low, high: Math.max(end, low) - 1 }, rest };
  }

  function known(id: string): number | null {
    return ids.candidates(id, firstSeq).find((seq) => idAt.get(seq)?.id === id) ?? null;
  }

  function insertRow({ seq, received_at, id, type, session_id, project, json }: StoredEvent): void {
    insert.run(seq, received_at, id, type, session_id, project, json);
  }

  /** Everything in one transaction, or, when the disk refuses, nothing. */
  function inOneGo(write: () => void): void {
    begin.run();
    try {
      write();
      index.skipTrimmed(Math.min(firstSeq, lastSeq));
      commit.run();
    } catch (error) {
      try {
        if (database.inTransaction) rollback.run();
        index.rolledBack();
      } catch {
        // The first error tells more.
      }
      throw error;
    }
  }

  function append(batch: readonly PendingEvent[]): AppendedEvent[] {
    let reached = lastSeq;
    const fresh = new Map<string, number>();
    const appended: AppendedEvent[] = [];
    inOneGo(() => {
      for (const { body, ...event } of batch) {
        const before = fresh.get(event.id) ?? known(event.id);
        if (before !== null) {
          appended.push({ id: event.id, seq: before, stored: null });
          continue;
        }
        reached += 1;
        fresh.set(event.id, reached);
        const stored = { seq: reached, ...event, json: withSeq(body, reached) };
        insertRow(stored);
        appended.push({ id: event.id, seq: reached, stored });
      }
    });
    lastSeq = reached;
    return appended;
  }

  function take(events: readonly StoredEvent[]): void {
    const seq = events[0]?.seq ?? lastSeq + 1;
    if (seq <= lastSeq) throw new Error(`the log is at ${lastSeq} already, and not before ${seq}`);
    inOneGo(() => {
      for (const event of events) insertRow(event);
    });
    // What stands before a hole counts as trimmed.
    if (seq > lastSeq + 1) firstSeq = seq;
    lastSeq = events.at(-1)?.seq ?? lastSeq;
  }

  /** As `planRestore` says; `epochs` and events in one transaction. */
  function restore(plan: RestorePlan): void {
    const [oldest] = plan.events;
    inOneGo(() => {
      for (const event of plan.events) insertRow(event);
      if (!oldest) setMeta.run("given_seq", `${plan.last_seq}`);
      writeEpochs(database, plan.epochs);
    });
    if (firstSeq > lastSeq) firstSeq = oldest?.seq ?? plan.last_seq + 1;
    lastSeq = plan.last_seq;
    ({ epochs } = plan);
  }

  /** On a full disk old events make room for new ones. */
  function withRoom<T>(chars: number, write: () => T): T {
    limits.prepare(chars);
    for (let tries = 1; ; tries += 1) {
      try {
        return write();
      } catch (error) {
        if (!isFull(error) || !limits.makeRoom(chars) || tries === MAX_TRIES) throw error;
      }
    }
  }

  /** Writes, and knows from then on whether events can be stored. */
  function attempt<T>(chars: number, write: () => T): T {
    let written: T;
    try {
      written = withRoom(chars, write);
    } catch (error) {
      if (isDamage(error)) throw error;
      const isNew = problem === null;
      problem = (error as Error).message;
      if (isNew) onHealthChange();
      refusedChars = Math.min(MAX_PROBE_CHARS, chars);
      throw new CodedError("log_unavailable", `The log cannot be written: ${problem}`);
    }
    // They are stored: what fails from here on is no reason to tell their senders otherwise.
    if (problem !== null) {
      problem = null;
      onHealthChange();
    }
    return written;
  }

  /** What follows when events have been stored. */
  function noteAll(events: Iterable<StoredEvent>): void {
    for (const event of events) {
      note(event);
      work.stored(event.json.length);
    }
    trimQuietly();
    work.schedule();
  }

  /** Whether as much as was refused can be written again, found out without an event. */
  function probe(): void {
    if (problem === null || now() - probedAt < PROBE_MS) return;
    probedAt = now();
    try {
      setMeta.run("probe", "0".repeat(refusedChars));
      dropMeta.run("probe");
      problem = null;
      work.schedule();
    } catch (error) {
      if (isDamage(error)) throw error;
      problem = (error as Error).message;
    }
  }

  function closeNow(): void {
    stopWork();
    try {
      // Else the next start goes on with what is written ahead, and with the mark, which tells nothing then.
      unlessFull(() => dropMeta.run("open_boot"));
      unlessFull(() => database.run("PRAGMA wal_checkpoint(TRUNCATE)"));
    } finally {
      database.close();
    }
  }

  return {
    position,
    epochs: () => epochs,
    locate: (resume) => locateIn(epochs, lastSeq, resume),

    async append(batch) {
      const appended = attempt(charsOf(batch), () => append(batch));
      noteAll(appended.flatMap(({ stored }) => stored ?? []));
      return appended;
    },

    take(events) {
      attempt(jsonChars(events), () => take(events));
      noteAll(events);
    },

    async restore(part) {
      const held = {
        epochs,
        first_seq: firstSeq,
        last_seq: lastSeq,
        idAt: (seq: number) => idAt.get(seq)?.id,
      };
      const plan = planRestore(part, held, now());
      if (plan.epochs !== epochs) {
        attempt(jsonChars(plan.events), () => restore(plan));
        noteAll(plan.events);
      }
      return { ...position(), stored: plan.events };
    },

    async readAfter(seq, maxChars) {
      // Row by row: what does not fit into the answer is never brought into memory.
      const events = withinChars(after.iterate(Math.max(seq, firstSeq - 1), READ_BATCH), maxChars);
      refuseDamaged(events);
      return { first_seq: firstSeq, events };
    },

    async query({ filter, after: from, before, limit }: HistoryQuery): Promise<LogPage> {
      const newest = from === undefined;
      const low = Math.max(firstSeq, (from ?? 0) + 1);
      const high = Math.min(lastSeq, (before ?? lastSeq + 1) - 1);
      const { range, rest } = withinTime(filter);
      const last_seq = lastSeq;
      const page = { low: Math.max(low, range.low), high: Math.min(high, range.high), limit, newest };
      const { events, total } =
        Object.keys(rest).length === 0
          ? { events: readPage(page), total: range.high - range.low + 1 }
          : await index.read(rest, range, page);
      refuseDamaged(events);
      // What came meanwhile has not been looked at, and of what was trimmed meanwhile some may be missing.
      const held = events.filter(({ seq }) => seq >= firstSeq);
      return {
        epoch: currentEpoch(),
        first_seq: firstSeq,
        last_seq,
        events: newest ? held.toReversed() : held,
        total_available: total,
      };
    },

    size: () => ({
      events: lastSeq - firstSeq + 1,
      bytes: pages.get()?.bytes ?? 0,
      index_backlog: index.backlog(firstSeq, lastSeq),
    }),

    check(): HealthCheck {
      probe();
      if (problem !== null) {
        const message = `events are refused, as the log cannot be written: ${problem}`;
        return { name: "log", status: "degraded", message };
      }
      if (limits.isTight()) {
        const message = `the disk is full: until there is room again only the newest ${limits.limit()} events are kept`;
        return { name: "log", status: "degraded", message };
      }
      if (!existsSync(path)) {
        const message = `${path} has been removed: what is stored now is lost when the server stops; restart it`;
        return { name: "log", status: "degraded", message };
      }
      if (indexProblem !== null) {
        const message = `filters, search and retention fall behind: ${indexProblem}`;
        return { name: "log", status: "degraded", message };
      }
      return { name: "log", status: "healthy", message: `${lastSeq - firstSeq + 1} events on disk` };
    },

    abandon() {
      stopWork();
      const events = rescueEvents(database, lastSeq).filter(({ seq }) => seq >= firstSeq);
      closeQuietly(database);
      return { epochs, lastSeq, events };
    },

    closeNow,
    close: async () => closeNow(),
  };
}

function unlessFull(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

function jsonChars(events: readonly StoredEvent[]): number {
  return events.reduce((sum, { json }) => sum + json.length, 0);
}

function charsOf(batch: readonly PendingEvent[]): number {
  return batch.reduce((sum, { body }) => sum + body.length, 0);
}
