/**
 * Filters and search over the log on disk. The index trails the log: it is filled, and what has been trimmed is
 * removed, in small slices beside the appends. What it has not reached is looked through one by one.
 */
import type { Database, SQLQueryBindings } from "bun:sqlite";
import { matchesProject, matchesType, type StoredEvent } from "../protocol/event.ts";
import { type EventFilter, matchesFilter } from "../protocol/query.ts";
import { MAX_PAGE_CHARS, withinChars } from "./log.ts";

export interface FilterIndex {
  /** How many events it still has to take in, and to take out. */
  backlog(firstSeq: number, lastSeq: number): number;
  /**
   * Indexes events up to `lastSeq` and removes those before `firstSeq`, for about as long as it is given; true when
   * there is more to do.
   */
  advance(firstSeq: number, lastSeq: number, budgetMs: number): boolean;
  /**
   * Removes events that were trimmed before the index came to them, which costs next to nothing: the index takes a
   * hundred times as long for each. To be called within a transaction; `rolledBack` when that one fails.
   */
  skipTrimmed(firstSeq: number): void;
  rolledBack(): void;
  /** Remembers the names a filter can ask for. */
  note(event: Pick<StoredEvent, "type" | "project">): void;
  /**
   * The matching events within a range of seqs, both ends inclusive, newest or oldest first: up to
   * `limit` of them, and no more than fill an answer.
   */
  find(
    filter: EventFilter,
    range: { from: number; to: number; limit: number; newest: boolean },
  ): StoredEvent[];
  count(filter: EventFilter, firstSeq: number, lastSeq: number): number;
}

interface Row {
  seq: number;
  received_at: number;
  id: string;
  type: string | null;
  session_id: string | null;
  project: string | null;
  json: string;
}

/** Events and characters in one transaction of the index for each millisecond it is given; fewer and larger ones cost half. */
const SLICE = 10;
const SLICE_CHARS = 4000;
/** The index would keep everybody waiting for a tenth of a second with an event of half a megabyte. */
const MAX_SEARCHED_CHARS = 64 * 1024;
/** Rows that are worth a statement of their own. */
const MIN_SKIP = 256;
/** Trigrams need three characters. */
const MIN_SEARCH = 3;

export function createFilterIndex(database: Database): FilterIndex {
  const types = new Set<string>();
  const projects = new Set<string>();
  const savedIndexed = database.query<{ value: string }, []>(
    "SELECT value FROM meta WHERE key = 'indexed_seq'",
  );
  const readIndexed = () => Number(savedIndexed.get()?.value ?? 0);
  /** Events up to here have been taken in; or, if they were trimmed first, removed. */
  let indexed = readIndexed();

  const saveIndexed = database.query(
    "INSERT INTO meta VALUES ('indexed_seq', ?1) ON CONFLICT DO UPDATE SET value = ?1",
  );
  const nextRows = database.query<Row, [number, number, number]>(
    "SELECT * FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
  );
  const addSession = database.query("INSERT OR IGNORE INTO by_session VALUES (?, ?)");
  const addType = database.query("INSERT OR IGNORE INTO by_type VALUES (?, ?)");
  const addProject = database.query("INSERT OR IGNORE INTO by_project VALUES (?, ?)");
  const addText = database.query("INSERT OR REPLACE INTO search (rowid, json) VALUES (?, ?)");
  const addUnsearched = database.query("INSERT OR IGNORE INTO unsearched VALUES (?)");
  const unsearched = database.query<Row, [number, number]>(
    "SELECT * FROM events WHERE seq IN (SELECT seq FROM unsearched WHERE seq BETWEEN ? AND ?)",
  );
  const oldestRow = database.query<{ seq: number | null }, []>("SELECT min(seq) AS seq FROM events");
  const oldRows = database.query<Omit<Row, "json">, [number, number]>(
    "SELECT seq, type, session_id, project FROM events WHERE seq < ? ORDER BY seq LIMIT ?",
  );
  const removeSession = database.query("DELETE FROM by_session WHERE session_id = ? AND seq = ?");
  const removeType = database.query("DELETE FROM by_type WHERE type = ? AND seq = ?");
  const removeProject = database.query("DELETE FROM by_project WHERE project = ? AND seq = ?");
  const removeText = database.query("DELETE FROM search WHERE rowid = ?");
  const removeUnsearched = database.query("DELETE FROM unsearched WHERE seq = ?");
  const removeRow = database.query("DELETE FROM events WHERE seq = ?");

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

  /**
   * The part of a filter the index answers, as SQL conditions on the events' table. Of a search these are all events
   * it may be in, or those it is in for certain.
   */
  function conditions(
    filter: EventFilter,
    certain = false,
  ): { sql: string[]; values: SQLQueryBindings[]; exact: boolean } {
    const sql: string[] = [];
    const values: SQLQueryBindings[] = [];
    const among = (table: string, column: string, names: string[]) => {
      sql.push(`seq IN (SELECT seq FROM ${table} WHERE ${column} IN (${names.map(() => "?").join(", ")}))`);
      values.push(...names);
    };
    if (filter.session_id !== undefined) among("by_session", "session_id", [filter.session_id]);
    if (filter.types) {
      const patterns = filter.types;
      among(
        "by_type",
        "type",
        [...types].filter((type) => patterns.some((pattern) => matchesType(type, pattern))),
      );
    }
    if (filter.project !== undefined) {
      const wanted = filter.project;
      among(
        "by_project",
        "project",
        [...projects].filter((project) => matchesProject(project, wanted)),
      );
    }
    if (filter.since !== undefined) {
      sql.push("received_at >= ?");
      values.push(filter.since);
    }
    if (filter.until !== undefined) {
      sql.push("received_at <= ?");
      values.push(filter.until);
    }
    if (filter.q !== undefined && filter.q.length >= MIN_SEARCH) {
      // A phrase of trigrams is a substring; quotes are doubled within a phrase.
      const found = "SELECT rowid FROM search WHERE search MATCH ?";
      sql.push(`seq IN (${certain ? found : `${found} UNION ALL SELECT seq FROM unsearched`})`);
      values.push(`"${filter.q.replaceAll('"', '""')}"`);
    }
    return { sql, values, exact: filter.q === undefined || filter.q.length >= MIN_SEARCH };
  }

  /** Calls back for each matching event of a range, in order, until it is told that it is enough. */
  function scan(
    filter: EventFilter,
    from: number,
    to: number,
    newest: boolean,
    visit: (event: StoredEvent) => boolean,
  ): boolean {
    const parts = [
      { low: from, high: Math.min(to, indexed), ...conditions(filter) },
      { low: Math.max(from, indexed + 1), high: to, sql: [], values: [], exact: false },
    ];
    for (const { low, high, sql, values, exact } of newest ? parts.toReversed() : parts) {
      if (low > high) continue;
      const where = ["seq BETWEEN ? AND ?", ...sql].join(" AND ");
      const rows = database
        .query<Row, SQLQueryBindings[]>(
          `SELECT * FROM events WHERE ${where} ORDER BY seq ${newest ? "DESC" : "ASC"}`,
        )
        .iterate(low, high, ...values);
      for (const row of rows) {
        const fits = (exact && row.json.length <= MAX_SEARCHED_CHARS) || matchesFilter(row, filter);
        if (fits && !visit(row)) return false;
      }
    }
    return true;
  }

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

    skipTrimmed(firstSeq) {
      if (firstSeq - 1 - indexed >= MIN_SKIP) skip(firstSeq);
    },
    rolledBack() {
      indexed = readIndexed();
    },

    note({ type, project }) {
      if (type !== null) types.add(type);
      if (project !== null) projects.add(project);
    },

    find(filter, { from, to, limit, newest }) {
      const found: StoredEvent[] = [];
      let chars = 0;
      const take = (event: StoredEvent) => {
        chars += event.json.length;
        return found.push(event) < limit && chars <= MAX_PAGE_CHARS;
      };
      if (limit > 0) scan(filter, from, to, newest, take);
      return found;
    },

    count(filter, firstSeq, lastSeq) {
      const { sql, values, exact } = conditions(filter, true);
      let tail = 0;
      const countOne = () => {
        tail += 1;
        return true;
      };
      if (!exact) {
        scan(filter, firstSeq, lastSeq, false, countOne);
        return tail;
      }
      const where = ["seq BETWEEN ? AND ?", ...sql].join(" AND ");
      const row = database
        .query<{ count: number }, SQLQueryBindings[]>(`SELECT count(*) AS count FROM events WHERE ${where}`)
        .get(firstSeq, Math.min(indexed, lastSeq), ...values);
      scan(filter, Math.max(firstSeq, indexed + 1), lastSeq, false, countOne);
      if (filter.q !== undefined) {
        for (const large of unsearched.iterate(firstSeq, lastSeq))
          if (matchesFilter(large, filter)) countOne();
      }
      return (row?.count ?? 0) + tail;
    },
  };
}
