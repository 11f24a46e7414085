/**
 * The index for filters and search over the log on disk. It trails the log: it is filled, and what has been trimmed is
 * removed, in small slices beside the appends.
 */
import type { Database } from "bun:sqlite";
import type { StoredEvent } from "../protocol/event.ts";
import { createFilteredReader, type FilteredReader, MAX_SEARCHED_CHARS } from "./filtered.ts";
import { withinChars } from "./log.ts";

export interface FilterIndex {
  /** How many events it still has to take in, and to take out. */
  backlog(firstSeq: number, lastSeq: number): number;
  /**
   * Indexes events up to `lastSeq` and removes those before `firstSeq`, for about as long as it is given; true when
   * there is more to do.
   */
  advance(firstSeq: number, lastSeq: number, budgetMs: number): boolean;
  /** Removes some of the events before `firstSeq`; returns how many. */
  remove(firstSeq: number): number;
  /** Forgets the text of all events; those from `firstSeq` on are taken in anew. */
  emptySearch(firstSeq: number): void;
  /**
   * Removes events that were trimmed before the index came to them, which costs next to nothing: the index takes a
   * hundred times as long for each. To be called within a transaction; `rolledBack` when that one fails.
   */
  skipTrimmed(firstSeq: number): void;
  rolledBack(): void;
  read: FilteredReader["read"];
}

/** Events and characters in one transaction of the index for each millisecond it is given; fewer and larger ones cost half. */
const SLICE = 10;
const SLICE_CHARS = 4000;
/** Rows that are worth a statement of their own. */
const MIN_SKIP = 256;

export function createFilterIndex(database: Database): FilterIndex {
  const savedIndexed = database.query<{ value: string }, []>(
    "SELECT value FROM meta WHERE key = 'indexed_seq'",
  );
  const readIndexed = () => Number(savedIndexed.get()?.value ?? 0);
  /** Events up to here have been taken in; or, if they were trimmed first, removed. */
  let indexed = readIndexed();

  const saveIndexed = database.query(
    "INSERT INTO meta VALUES ('indexed_seq', ?1) ON CONFLICT DO UPDATE SET value = ?1",
  );
  const nextRows = database.query<StoredEvent, [number, number, number]>(
    "SELECT * FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
  );
  const addSession = database.query("INSERT OR IGNORE INTO by_session VALUES (?, ?)");
  const addType = database.query("INSERT OR IGNORE INTO by_type VALUES (?, ?)");
  const addProject = database.query("INSERT OR IGNORE INTO by_project VALUES (?, ?)");
  const addText = database.query("INSERT OR REPLACE INTO search (rowid, json) VALUES (?, ?)");
  const addUnsearched = database.query("INSERT OR IGNORE INTO unsearched VALUES (?)");
  const oldestRow = database.query<{ seq: number | null }, []>("SELECT min(seq) AS seq FROM events");
  const oldRows = database.query<
    Pick<StoredEvent, "seq" | "type" | "session_id" | "project">,
    [number, number]
  >("SELECT seq, type, session_id, project FROM events WHERE seq < ? ORDER BY seq LIMIT ?");
  const removeSession = database.query("DELETE FROM by_session WHERE session_id = ? AND seq = ?");
  const removeType = database.query("DELETE FROM by_type WHERE type = ? AND seq = ?");
  const removeProject = database.query("DELETE FROM by_project WHERE project = ? AND seq = ?");
  const removeText = database.query("DELETE FROM search WHERE rowid = ?");
  const removeUnsearched = database.query("DELETE FROM unsearched WHERE seq = ?");
  const removeRow = database.query("DELETE FROM events WHERE seq = ?");

  const reader = createFilteredReader(database, () => indexed);

  const removeRange = database.query("DELETE FROM events WHERE seq BETWEEN ? AND ?");
  /** Removes what was trimmed and never indexed; the rows up to `indexed` that are left are indexed ones. */
  function skip(firstSeq: number): void {
    if (firstSeq - 1 <= indexed) return;
    removeRange.run(indexed + 1, firstSeq - 1);
    saveIndexed.run(`${firstSeq - 1}`);
    indexed = firstSeq - 1;
  }

  /** Removes some of the rows before a seq, and their entries; returns how many. */
  const removeSlice = database.transaction((firstSeq: number, limit: number) => {
    skip(firstSeq);
    const rows = oldRows.all(firstSeq, limit);
    for (const { seq, type, session_id, project } of rows) {
      if (session_id !== null) removeSession.run(session_id, seq);
      if (type !== null) removeType.run(type, seq);
      if (project !== null) removeProject.run(project, seq);
      removeText.run(seq);
      removeUnsearched.run(seq);
      removeRow.run(seq);
    }
    return rows.length;
  });

  const emptyText = database.transaction((before: number) => {
    database.run("INSERT INTO search (search) VALUES ('delete-all')");
    if (before < indexed) saveIndexed.run(`${before}`);
  });

  const indexSlice = database.transaction((lastSeq: number, budgetMs: number) => {
    const rows = withinChars(nextRows.iterate(indexed, lastSeq, SLICE * budgetMs), SLICE_CHARS * budgetMs);
    for (const { seq, session_id, type, project, json } of rows) {
      if (session_id !== null) addSession.run(session_id, seq);
      if (type !== null) addType.run(type, seq);
      if (project !== null) addProject.run(project, seq);
      if (json.length > MAX_SEARCHED_CHARS) addUnsearched.run(seq);
      else addText.run(seq, json);
    }
    const reached = rows.at(-1)?.seq ?? lastSeq;
    saveIndexed.run(`${reached}`);
    return reached;
  });

  return {
    backlog(firstSeq, lastSeq) {
      const oldest = oldestRow.get()?.seq ?? lastSeq;
      return Math.max(0, lastSeq - indexed) + Math.max(0, Math.min(firstSeq, lastSeq) - oldest);
    },

    advance(firstSeq, lastSeq, budgetMs) {
      const end = performance.now() + budgetMs;
      let old = true;
      try {
        while (performance.now() < end && (old || indexed < lastSeq)) {
          // The newest row stays, so that a log that has forgotten everything still knows where it was.
          const limit = SLICE * budgetMs;
          if (old) old = removeSlice(Math.min(firstSeq, lastSeq), limit) === limit;
          if (indexed < lastSeq) indexed = indexSlice(lastSeq, budgetMs);
        }
      } catch (error) {
        indexed = readIndexed();
        throw error;
      }
      return old || indexed < lastSeq;
    },

    remove(firstSeq) {
      try {
        return removeSlice(firstSeq, SLICE);
      } catch (error) {
        indexed = readIndexed();
        throw error;
      }
    },
    emptySearch(firstSeq) {
      emptyText(firstSeq - 1);
      indexed = Math.min(indexed, firstSeq - 1);
    },
    skipTrimmed(firstSeq) {
      if (firstSeq - 1 - indexed >= MIN_SKIP) skip(firstSeq);
    },
    rolledBack() {
      indexed = readIndexed();
    },

    read: reader.read,
  };
}
