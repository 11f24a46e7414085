/** What becomes of a log's file that is damaged: it is set aside, and what of its end can still be read goes on. */
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { StoredEvent } from "../protocol/event.ts";
import { newEpoch, writeEpochs } from "./epochs.ts";
import type { Epoch } from "./log.ts";

/** What a new file goes on with in the place of a damaged one. */
export interface Remains {
  epochs: readonly Epoch[];
  /** The last seq that was given: it never comes again, whether or not its event could be saved. */
  lastSeq: number;
  /** Saved events, oldest first, without a hole and up to `lastSeq`; none where the last of them is lost. */
  events: readonly StoredEvent[];
}

/**
 * Nobody is served while the file is read, so it ends after so long; the newest events, which are read first, are the
 * ones that somebody is most likely to ask for. Ten thousand usual events take a fifth of a second.
 */
const RESCUE_MS = 500;
const RESCUE_CHARS = 64 * 1024 * 1024;
/** Files set aside that are kept: a disk that damages one after the other must not be filled with them. */
const MAX_ASIDE = 3;

/** Endings of the files that make up a database; its own is the last to go. */
const FILES = ["-shm", "-wal", ""];

export function isDamage(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB";
}

/** The disk is; nothing of the log is amiss. */
export function isFull(error: unknown): boolean {
  return (error as { code?: string }).code === "SQLITE_FULL";
}

/**
 * Throws what SQLite throws where it notices damage: a page in the middle of a text it does not look at. What was
 * stored has no control characters; a page of zeros, or of anything but text, has them.
 */
export function refuseDamaged(events: readonly StoredEvent[]): void {
  for (const { json, seq } of events) {
    // oxlint-disable-next-line no-control-regex
    if (!/[\u0000-\u001f]/.test(json)) continue;
    throw Object.assign(new Error(`the event ${seq} is no JSON any more`), { code: "SQLITE_CORRUPT" });
  }
}

/** Reads from the end, until a row cannot be read or is not what was stored. */
export function rescueEvents(database: Database, lastSeq: number): StoredEvent[] {
  const end = performance.now() + RESCUE_MS;
  const saved: StoredEvent[] = [];
  let chars = 0;
  try {
    const rows = database.query<StoredEvent, [number]>(
      "SELECT * FROM events WHERE seq <= ? ORDER BY seq DESC",
    );
    for (const row of rows.iterate(lastSeq)) {
      chars += row.json.length;
      if (row.seq !== lastSeq - saved.length || !isSound(row)) break;
      if (chars > RESCUE_CHARS || performance.now() > end) break;
      saved.push(row);
    }
  } catch {
    // This is where the damage begins.
  }
  return saved.toReversed();
}

/** A damaged page need not be noticed by SQLite: what is no event any more tells. */
function isSound({ seq, id, json }: StoredEvent): boolean {
  try {
    const event = JSON.parse(json);
    return event.seq === seq && event.id === id;
  } catch {
    return false;
  }
}

/**
 * What can be had from a file that nobody had open. Its end may be lost, so that a new epoch begins; null where not
 * even that end can be told.
 */
export function readRemains(path: string, now: number): Remains | null {
  let database: Database | null = null;
  try {
    database = new Database(path);
    const epochs = database.query<Epoch, []>("SELECT epoch, start_seq FROM epochs ORDER BY number").all();
    const last = database.query<{ seq: number | null }, []>("SELECT max(seq) AS seq FROM events").get();
    const events = rescueEvents(database, last?.seq ?? 0);
    const lastSeq = events.at(-1)?.seq;
    if (epochs.length === 0 || lastSeq === undefined) return null;
    return { epochs: [...epochs, { epoch: newEpoch(now), start_seq: lastSeq }], lastSeq, events };
  } catch {
    return null;
  } finally {
    closeQuietly(database);
  }
}

/** Puts what was saved into a new file. */
export function takeOver(database: Database, { epochs, lastSeq, events }: Remains): void {
  // On a full disk it may have been done before opening the file went wrong.
  if (database.query("SELECT 1 FROM epochs").get()) return;
  const insert = database.query("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)");
  database.transaction(() => {
    writeEpochs(database, epochs);
    database.query("INSERT INTO meta VALUES ('given_seq', ?)").run(`${lastSeq}`);
    for (const { seq, received_at, id, type, session_id, project, json } of events) {
      insert.run(seq, received_at, id, type, session_id, project, json);
    }
  })();
}

/** Moves a database and what belongs to it out of the way; returns its new path, or null where there is none. */
export function setAside(path: string, now: number): string | null {
  const aside = `${path}.damaged-${new Date(now).toISOString().replaceAll(":", "-")}`;
  let moved = false;
  for (const suffix of FILES) {
    if (!existsSync(path + suffix)) continue;
    renameSync(path + suffix, aside + suffix);
    moved = true;
  }
  if (moved) removeOldest(path);
  return moved ? aside : null;
}

/** Undoes `setAside`. */
export function putBack(aside: string, path: string): void {
  for (const suffix of FILES) if (existsSync(aside + suffix)) renameSync(aside + suffix, path + suffix);
}

function removeOldest(path: string): void {
  for (const aside of asideOf(path).slice(0, -MAX_ASIDE)) removeLog(aside);
}

/** Removes everything that was set aside of a log. */
export function removeAside(path: string): void {
  for (const aside of asideOf(path)) removeLog(aside);
}

/** Oldest first. */
function asideOf(path: string): string[] {
  const prefix = `${basename(path)}.damaged-`;
  const all = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix) && name.endsWith("Z"));
  return all.toSorted().map((name) => join(dirname(path), name));
}

/** Removes a database and what belongs to it. */
export function removeLog(path: string): void {
  for (const suffix of FILES) rmSync(path + suffix, { force: true });
}

/** A damaged database cannot always be closed in the usual way. */
export function closeQuietly(database: Database | null): void {
  try {
    database?.close();
  } catch {
    // Its file goes away in any case.
  }
}
