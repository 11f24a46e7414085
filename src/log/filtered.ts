/**
 * Finds and counts the events of a log on disk that match a filter. It goes through the log in steps of a few
 * milliseconds and lets others run in between: of a million events a frequent type alone takes seconds to count.
 */
import type { Database, SQLQueryBindings } from "bun:sqlite";
import { matchesProject, matchesType, type StoredEvent } from "../protocol/event.ts";
import { type EventFilter, matchesFilter } from "../protocol/query.ts";
import { MAX_PAGE_CHARS } from "./log.ts";

/** A range of seqs, both ends inclusive. */
export interface Range {
  low: number;
  high: number;
}

/** What is read of the matching events: up to `limit` within a range, newest or oldest first. */
export interface PageRequest extends Range {
  limit: number;
  newest: boolean;
}

export interface FilteredReader {
  /**
   * Reads a page, in the order asked for and no more than fills an answer, and counts all that match within `whole`.
   * Events trimmed meanwhile are missing from it.
   */
  read(
    filter: EventFilter,
    whole: Range,
    page: PageRequest,
  ): Promise<{ events: StoredEvent[]; total: number }>;
}

/** Trigrams need three characters (code points). */
const MIN_SEARCH = 3;
/** The index would keep everybody waiting for a tenth of a second with an event of half a megabyte. */
export const MAX_SEARCHED_CHARS = 64 * 1024;

/** Seqs looked at in one step: few at first, so that recent events come soon, then as many as a step's time allows. */
const FIRST_STEP = 100;
const MIN_STEP = 4;
const MAX_STEP = 64_000;
const STEP_MS = 4;

/** @param indexed the seq up to which events are in the index */
export function createFilteredReader(database: Database, indexed: () => number): FilteredReader {
  const tooLarge = database.query<StoredEvent, [number, number]>(
    "SELECT * FROM events WHERE seq IN (SELECT seq FROM unsearched WHERE seq BETWEEN ? AND ?)",
  );

  function* rows(question: Question, range: Range, newest: boolean): Generator<StoredEvent, void> {
    const { seen, unseen } = split(question, range);
    const parts = [
      { ...rowsOf(question, seen), range: seen },
      { ...rowsOf(EVERYTHING, unseen), range: unseen },
    ];
    for (const { sql, values, range: part } of newest ? parts.toReversed() : parts) {
      if (part.low > part.high) continue;
      const found = database
        .query<StoredEvent, SQLQueryBindings[]>(`${sql} ORDER BY events.seq ${newest ? "DESC" : "ASC"}`)
        .iterate(...values);
      for (const event of found) if (matchesFilter(event, question.filter)) yield event;
    }
  }

  function count(question: Question, range: Range): number {
    if (!question.exact) return countAll(rows(question, range, false));
    const { seen, unseen } = split(question, range);
    let sum = 0;
    if (seen.low <= seen.high) {
      const { sql, values } = countOf(question, seen);
      sum += database.query<{ count: number }, SQLQueryBindings[]>(sql).get(...values)?.count ?? 0;
      if (question.text !== null) {
        for (const event of tooLarge.iterate(seen.low, seen.high)) {
          if (matchesFilter(event, question.filter)) sum += 1;
        }
      }
    }
    return unseen.low <= unseen.high ? sum + countAll(rows(question, unseen, false)) : sum;
  }

  return {
    async read(filter, whole, page) {
      const question = ask(filter, indexed(), (table, column) => distinct(database, table, column));
      const events: StoredEvent[] = [];
      let total = 0;
      let chars = 0;
      let isFull = false;
      let step = FIRST_STEP;
      let resumedAt = performance.now();
      const size = whole.high - whole.low + 1;
      for (let done = 0; done < size;) {
        const width = Math.min(step, size - done);
        const low = page.newest ? whole.high - done - width + 1 : whole.low + done;
        const part = { low, high: low + width - 1 };
        const start = performance.now();
        const matching = count(question, part);
        total += matching;
        if (matching > 0 && !isFull) {
          const shown = { low: Math.max(part.low, page.low), high: Math.min(part.high, page.high) };
          for (const event of rows(question, shown, page.newest)) {
            chars += event.json.length;
            isFull = events.length === page.limit || (chars > MAX_PAGE_CHARS && events.length > 0);
            if (isFull) break;
            events.push(event);
          }
        }
        done += width;
        step = nextStep(width, performance.now() - start);
        if (performance.now() - resumedAt > STEP_MS) {
          await new Promise((resolve) => setImmediate(resolve));
          resumedAt = performance.now();
        }
      }
      return { events, total };
    },
  };
}

function nextStep(width: number, took: number): number {
  const factor = took < STEP_MS / 4 ? 4 : took < STEP_MS ? 2 : 0.5;
  return Math.max(MIN_STEP, Math.min(MAX_STEP, Math.floor(width * factor)));
}

function countAll(events: IteratorObject<StoredEvent>): number {
  return events.reduce((sum) => sum + 1, 0);
}

/** A filter as the index can answer it. */
interface Question {
  filter: EventFilter;
  /** Where the index was when it was asked for the names: it goes on in between, and may then hold others. */
  seenUpTo: number;
  names: { table: string; column: string; values: string[] }[];
  /** A phrase of trigrams, which is a substring. */
  text: string | null;
  /** Whether the index answers all of it. */
  exact: boolean;
}

const EVERYTHING: Question = { filter: {}, seenUpTo: 0, names: [], text: null, exact: true };

function ask(
  filter: EventFilter,
  seenUpTo: number,
  namesIn: (table: string, column: string) => string[],
): Question {
  const { session_id, project, types: patterns, q, since, until } = filter;
  const names: Question["names"] = [];
  if (session_id !== undefined) {
    names.push({ table: "by_session", column: "session_id", values: [session_id] });
  }
  if (project !== undefined) {
    const values = namesIn("by_project", "project").filter((one) => matchesProject(one, project));
    names.push({ table: "by_project", column: "project", values });
  }
  if (patterns) {
    const values = namesIn("by_type", "type").filter((type) =>
      patterns.some((pattern) => matchesType(type, pattern)),
    );
    names.push({ table: "by_type", column: "type", values });
  }
  const isSearched = q !== undefined && [...q].length >= MIN_SEARCH;
  return {
    filter,
    seenUpTo,
    names,
    // Quotes are doubled within a phrase.
    text: isSearched ? `"${q.replaceAll('"', '""')}"` : null,
    exact: (q === undefined || isSearched) && since === undefined && until === undefined,
  };
}

/** The events of a range that the index has seen and those it has not. */
function split({ seenUpTo }: Question, { low, high }: Range): { seen: Range; unseen: Range } {
  return {
    seen: { low, high: Math.min(high, seenUpTo) },
    unseen: { low: Math.max(low, seenUpTo + 1), high },
  };
}

interface Sql {
  sql: string;
  values: SQLQueryBindings[];
}

/** All events of a range that may be in the answer; those too large for the search always may. */
function rowsOf({ names, text }: Question, { low, high }: Range): Sql {
  const conditions = names.map((name) => `events.seq IN (${seqsOf(name)})`);
  const values: SQLQueryBindings[] = names.flatMap((name) => [JSON.stringify(name.values), low, high]);
  if (text !== null) {
    const found = "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ?";
    const large = "SELECT seq FROM unsearched WHERE seq BETWEEN ? AND ?";
    conditions.push(`events.seq IN (${found} UNION ALL ${large})`);
    values.push(text, low, high, low, high);
  }
  const where = ["events.seq BETWEEN ? AND ?", ...conditions].join(" AND ");
  return { sql: `SELECT events.* FROM events WHERE ${where}`, values: [low, high, ...values] };
}

/** How many events of a range are in the answer, from the index alone. */
function countOf({ names, text }: Question, { low, high }: Range): Sql {
  const [first, ...others] = names;
  if (text === null && first === undefined) {
    return { sql: "SELECT count(*) AS count FROM events WHERE seq BETWEEN ? AND ?", values: [low, high] };
  }
  const conditions = (text === null ? others : names).map(
    ({ table, column }) =>
      `EXISTS (SELECT 1 FROM ${table} WHERE ${column} IN (${LIST}) AND ${table}.seq = found.seq)`,
  );
  const found =
    text === null
      ? seqsOf(first as Question["names"][number])
      : "SELECT rowid AS seq FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ?";
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(" AND ")}` : "";
  return {
    sql: `SELECT count(*) AS count FROM (${found}) AS found${where}`,
    values: [
      text ?? JSON.stringify(first?.values),
      low,
      high,
      ...(text === null ? others : names).map(({ values }) => JSON.stringify(values)),
    ],
  };
}

function seqsOf({ table, column }: Question["names"][number]): string {
  return `SELECT seq FROM ${table} WHERE ${column} IN (${LIST}) AND seq BETWEEN ? AND ?`;
}

/** A list of any length in one variable. */
const LIST = "SELECT value FROM json_each(?)";

/** The names in an index, each found by one look behind the one before it. */
function distinct(database: Database, table: string, column: string): string[] {
  const next = `SELECT min(${column}) FROM ${table} WHERE ${column} > name`;
  const rows = database.query<{ name: string }, []>(
    `WITH RECURSIVE names(name) AS (
      SELECT min(${column}) FROM ${table} UNION ALL SELECT (${next}) FROM names WHERE name IS NOT NULL
    ) SELECT name FROM names WHERE name IS NOT NULL`,
  );
  return rows.all().map(({ name }) => name);
}
