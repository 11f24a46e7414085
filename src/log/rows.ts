/** What is read of a log's table, row by row. */
import type { Database } from "bun:sqlite";
import type { StoredEvent } from "../protocol/event.ts";
import type { Range } from "./filtered.ts";

const READ_BATCH = 1000;

/** What is kept in memory of each event. */
export type Noted = Pick<StoredEvent, "seq" | "received_at" | "id">;

/**
 * The oldest and newest seq of the log; the newest row is never removed, so that no seq comes again. A log that took
 * over from a damaged one may have no row yet.
 */
export function readRange(database: Database): { first: number; last: number } {
  // Each in a query of its own: only then SQLite takes them from the ends, and does not read every row.
  const range = "SELECT (SELECT min(seq) FROM events) AS first, (SELECT max(seq) FROM events) AS last";
  const row = database.query<{ first: number | null; last: number | null }, []>(range).get();
  const given = database.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'given_seq'").get();
  const last = Math.max(row?.last ?? 0, Number(given?.value ?? 0));
  return { first: row?.first ?? last + 1, last };
}

/** Reads every row, which also finds damage before anybody depends on it. */
export function* allRows(database: Database, firstSeq: number): Iterable<Noted> {
  const rows = database.query<Noted, [number, number]>(
    "SELECT seq, received_at, id FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
  );
  for (let from = firstSeq - 1; ;) {
    const batch = rows.all(from, READ_BATCH);
    yield* batch;
    if (batch.length < READ_BATCH) return;
    from = batch.at(-1)?.seq ?? from;
  }
}

/** The first seq of a range that fits, where all after it fit too; one beyond its end if none does. */
export function firstWhere({ low, high }: Range, fits: (seq: number) => boolean): number {
  let [from, to] = [low, high + 1];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (fits(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
