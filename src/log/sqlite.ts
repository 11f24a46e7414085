/** The event log on disk: SQLite in WAL mode, each batch one transaction. */
import { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { existsSync, renameSync, statSync } from "node:fs";
import { CodedError } from "../protocol/errors.ts";
import { type PendingEvent, type StoredEvent, withSeq } from "../protocol/event.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import type { HistoryQuery } from "../protocol/query.ts";
import { bootId } from "./boot.ts";
import { createFilterIndex, type FilterIndex } from "./filter-index.ts";
import { createIdIndex, type IdIndex } from "./id-index.ts";
import { type AppendedEvent, type Epoch, type EventLog, locateIn, type LogPage, withinChars } from "./log.ts";
import { migrate, NewerLogError } from "./migrations.ts";

export interface SqliteLogOptions {
  path: string;
  /** Oldest events beyond this many are forgotten. */
  maxEvents?: number;
  /** Seconds; 0 keeps events whatever their age. */
  maxAge?: number;
  /** `normal` survives the death of the process, `full` the loss of power. */
  durability?: "normal" | "full";
  now?: () => number;
  /** Told of what people should know: a log set aside, a new epoch. */
  warn?: (message: string, fields: Record<string, string | number>) => void;
}

/**
 * How long the index may keep others waiting at a time, and the share of the time it takes. A slice ends with a
 * commit, which can take much longer than the slice was given.
 */
const INDEX_PACE = {
  quiet: { sliceMs: 4, share: 0.7 },
  busy: { sliceMs: 1, share: 0.3 },
  flood: { sliceMs: 1, share: 0.01 },
};
/** Characters that take the index about a twentieth of the time; with more it falls behind, and catches up later. */
const FLOOD_CHARS_PER_SECOND = 300_000;
/** Before the first slice: what came in since the last one tells how busy it is. */
const INDEX_PAUSE_MS = 5;
const RETENTION_CHECK_MS = 1000;
/** A log that refuses to write is tried again at most this often when only health asks. */
const PROBE_MS = 1000;
const MAX_PROBE_CHARS = 1024 * 1024;
const READ_BATCH = 1000;

/**
 * Opens the log, or makes it. A file that is no database or damaged is set aside under another name and a new log
 * with a new epoch begun; one of a newer release throws a `NewerLogError` and stays as it is.
 */
export function openSqliteLog(options: SqliteLogOptions): EventLog {
  try {
    return openLog(options);
  } catch (error) {
    if (error instanceof NewerLogError || !isDamage(error)) throw error;
    const aside = setAside(options.path, options.now?.() ?? Date.now());
    options.warn?.("the log was damaged and has been set aside; a new one begins", {
      aside,
      error: (error as Error).message,
    });
    return openLog(options);
  }
}

function openLog(options: SqliteLogOptions): EventLog {
  const database = new Database(options.path, { create: true });
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run(`PRAGMA synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
    migrate(database);
    return createLog(database, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

function createLog(
  database: Database,
  {
    maxEvents = 10_000,
    maxAge = 0,
    durability = "normal",
    now = Date.now,
    warn = () => {},
  }: SqliteLogOptions,
): EventLog {
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
  const oldest = database.query<{ received_at: number }, [number]>(
    "SELECT received_at FROM events WHERE seq = ?",
  );
  const setMeta = database.query("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2");
  const dropMeta = database.query("DELETE FROM meta WHERE key = ?");
  const pages = database.query<{ bytes: number }, []>(
    "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
  );

  const { first, last } = readRange(database);
  let lastSeq = last;
  let firstSeq = first;
  const epochs = openEpoch(database, lastSeq, { durability, warn, now });
  const { epoch } = epochs.at(-1) as Epoch;
  const ids = createIdIndex(() => firstSeq);
  const index = createFilterIndex(database);
  trim();
  rebuild(database, firstSeq, ids, index);

  /** Why events are refused. */
  let problem: string | null = null;
  /** Why the index and retention stand still; questions are answered all the same. */
  let indexProblem: string | null = null;
  let probedAt = 0;
  let refusedChars = 0;
  let closed = false;
  let indexTimer: Timer | null = null;
  let lastSliceAt = performance.now();
  /** Stored since then. */
  let newChars = 0;
  const retention = setInterval(trimQuietly, RETENTION_CHECK_MS);
  scheduleIndex();

  /** Moves the start of what is held; the rows themselves go in the pauses. */
  function trim(): void {
    firstSeq = Math.max(firstSeq, lastSeq - maxEvents + 1);
    if (maxAge <= 0) return;
    const oldestAllowed = now() - maxAge * 1000;
    while (firstSeq <= lastSeq && (oldest.get(firstSeq)?.received_at ?? 0) < oldestAllowed) firstSeq += 1;
  }

  /** Retention that fails is tried again with the next batch, and a second later at the latest. */
  function trimQuietly(): void {
    try {
      trim();
      if (indexProblem !== null) scheduleIndex();
    } catch (error) {
      indexProblem = (error as Error).message;
    }
  }

  /** Goes on with the index after a while. */
  function scheduleIndex(pauseMs = INDEX_PAUSE_MS): void {
    if (closed || indexTimer !== null) return;
    indexTimer = setTimeout(() => {
      indexTimer = null;
      try {
        runIndex();
        indexProblem = null;
      } catch (error) {
        indexProblem = (error as Error).message;
      }
    }, pauseMs);
  }

  /** One slice of the index, and a pause that makes up for it. */
  function runIndex(): void {
    const start = performance.now();
    const perSecond = (newChars / (start - lastSliceAt)) * 1000;
    const { sliceMs, share } =
      INDEX_PACE[perSecond === 0 ? "quiet" : perSecond < FLOOD_CHARS_PER_SECOND ? "busy" : "flood"];
    const more = index.advance(firstSeq, lastSeq, sliceMs);
    lastSliceAt = performance.now();
    newChars = 0;
    if (more) scheduleIndex((lastSliceAt - start) * (1 / share - 1));
  }

  function known(id: string): number | null {
    return ids.candidates(id, firstSeq).find((seq) => idAt.get(seq)?.id === id) ?? null;
  }

  function store(
    { id, received_at, type, session_id, project, body }: PendingEvent,
    seq: number,
  ): StoredEvent {
    const json = withSeq(body, seq);
    insert.run(seq, received_at, id, type, session_id, project, json);
    return { seq, id, received_at, type, session_id, project, json };
  }

  /** All of a batch in one transaction, or, when the disk refuses, none of it. */
  function append(batch: readonly PendingEvent[]): AppendedEvent[] {
    let reached = lastSeq;
    const fresh = new Map<string, number>();
    const appended: AppendedEvent[] = [];
    begin.run();
    try {
      for (const event of batch) {
        const before = fresh.get(event.id) ?? known(event.id);
        if (before !== null) {
          appended.push({ id: event.id, seq: before, stored: null });
          continue;
        }
        reached += 1;
        fresh.set(event.id, reached);
        appended.push({ id: event.id, seq: reached, stored: store(event, reached) });
      }
      index.skipTrimmed(Math.min(firstSeq, lastSeq));
      commit.run();
    } catch (error) {
      if (database.inTransaction) rollback.run();
      index.rolledBack();
      throw error;
    }
    lastSeq = reached;
    for (const [id, seq] of fresh) ids.add(id, seq);
    return appended;
  }

  /** Whether as much as was refused can be written again, found out without an event. */
  function probe(): void {
    if (problem === null || now() - probedAt < PROBE_MS) return;
    probedAt = now();
    try {
      setMeta.run("probe", "0".repeat(refusedChars));
      dropMeta.run("probe");
      problem = null;
      scheduleIndex();
    } catch (error) {
      problem = (error as Error).message;
    }
  }

  return {
    position: () => ({ epoch, first_seq: firstSeq, last_seq: lastSeq }),
    locate: (resume) => locateIn(epochs, lastSeq, resume),

    async append(batch) {
      let appended: AppendedEvent[];
      try {
        appended = append(batch);
      } catch (error) {
        problem = (error as Error).message;
        refusedChars = Math.min(
          MAX_PROBE_CHARS,
          batch.reduce((sum, { body }) => sum + body.length, 0),
        );
        throw new CodedError("log_unavailable", `The log cannot be written: ${problem}`);
      }
      // They are stored: what fails from here on is no reason to tell their senders otherwise.
      problem = null;
      for (const { stored } of appended) {
        if (!stored) continue;
        index.note(stored);
        newChars += stored.json.length;
      }
      trimQuietly();
      scheduleIndex();
      return appended;
    },

    async readAfter(seq, maxChars) {
      // Row by row: what does not fit into the answer is never brought into memory.
      const rows = after.iterate(Math.max(seq, firstSeq - 1), READ_BATCH);
      return { first_seq: firstSeq, events: withinChars(rows, maxChars) };
    },

    async query({ filter, after: from, before, limit }: HistoryQuery): Promise<LogPage> {
      const newest = from === undefined;
      const low = Math.max(firstSeq, (from ?? 0) + 1);
      const high = Math.min(lastSeq, (before ?? lastSeq + 1) - 1);
      const all = Object.keys(filter).length === 0;
      const found = !all
        ? index.find(filter, { from: low, to: high, limit, newest })
        : newest
          ? between.iterate(low, high, limit)
          : onwards.iterate(low, high, limit);
      // Row by row, as above: 1,000 large events are never in memory at once.
      const page = withinChars(found);
      return {
        epoch,
        first_seq: firstSeq,
        last_seq: lastSeq,
        events: newest ? page.toReversed() : page,
        total_available: all ? lastSeq - firstSeq + 1 : index.count(filter, firstSeq, lastSeq),
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
      if (indexProblem !== null) {
        const message = `filters, search and retention fall behind: ${indexProblem}`;
        return { name: "log", status: "degraded", message };
      }
      return { name: "log", status: "healthy", message: `${lastSeq - firstSeq + 1} events on disk` };
    },

    async close() {
      closed = true;
      clearInterval(retention);
      if (indexTimer !== null) clearTimeout(indexTimer);
      try {
        dropMeta.run("open_boot");
        database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      } finally {
        database.close();
      }
    },
  };
}

/** The oldest and newest seq that are stored; the newest row is never removed, so that no seq comes again. */
function readRange(database: Database): { first: number; last: number } {
  // Each in a query of its own: only then SQLite takes them from the ends, and does not read every row.
  const range = "SELECT (SELECT min(seq) FROM events) AS first, (SELECT max(seq) FROM events) AS last";
  const row = database.query<{ first: number | null; last: number | null }, []>(range).get();
  return { first: row?.first ?? 1, last: row?.last ?? 0 };
}

/**
 * The epochs of the log, oldest first, with a new one at the end where its tail may have been lost: the machine went
 * down while the log was open, and commits were not forced to the disk. A position up to what is still there stays
 * good.
 */
function openEpoch(
  database: Database,
  lastSeq: number,
  {
    durability,
    warn,
    now,
  }: { durability: string; warn: NonNullable<SqliteLogOptions["warn"]>; now: () => number },
): Epoch[] {
  const boot = bootId();
  const before = database
    .query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'open_boot'")
    .get();
  const list = () => database.query<Epoch, []>("SELECT epoch, start_seq FROM epochs ORDER BY number").all();
  const lost = before !== null && before.value !== boot;
  database.transaction(() => {
    const known = list();
    if (known.length === 0 || lost) {
      // Clocks may stand still or go back; an epoch never comes again.
      const epoch = `${now()}-${randomBytes(3).toString("hex")}`;
      database.query("INSERT INTO epochs (epoch, start_seq) VALUES (?, ?)").run(epoch, lastSeq);
      if (lost)
        warn("the machine went down while the log was open; a new epoch begins", {
          epoch,
          start_seq: lastSeq,
        });
    }
    const mark = durability === "full" ? null : (boot ?? "unknown");
    if (mark === null) database.query("DELETE FROM meta WHERE key = 'open_boot'").run();
    else
      database
        .query("INSERT INTO meta VALUES ('open_boot', ?1) ON CONFLICT DO UPDATE SET value = ?1")
        .run(mark);
  })();
  return list();
}

/** Reads every event's id and names once, which also finds damage before anybody depends on it. */
function rebuild(database: Database, firstSeq: number, ids: IdIndex, index: FilterIndex): void {
  const rows = database.query<Pick<StoredEvent, "seq" | "id" | "type" | "project">, [number, number]>(
    "SELECT seq, id, type, project FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
  );
  for (let from = firstSeq - 1; ;) {
    const batch = rows.all(from, READ_BATCH);
    for (const row of batch) {
      ids.add(row.id, row.seq);
      index.note(row);
      from = row.seq;
    }
    if (batch.length < READ_BATCH) return;
  }
}

function isDamage(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB";
}

/** Moves a database and what belongs to it out of the way; returns its new path. */
function setAside(path: string, now: number): string {
  const aside = `${path}.damaged-${new Date(now).toISOString().replaceAll(":", "-")}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  return statSync(aside).isFile() ? aside : path;
}
