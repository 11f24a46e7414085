/** A bounded list of events under one filter: the newest there are, older ones as they are asked for, live ones as they come. */
import { signal } from "@preact/signals";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { HistoryGap } from "../../protocol/messages.ts";
import { getHistory, type HistoryAnswer, problemText } from "./api.ts";
import { type Filter, fits, holdsText, isEmpty, queryOf } from "./filter.ts";
import { gapRow, type Row, rowOf } from "./row.ts";

/** An event that came just now. */
export interface Arrival {
  event: JsonObject;
  row: Row;
}

export const MAX_ROWS = 100_000;
/** Rows are cut off so many at a time: cutting moves all others. */
const SLACK = 2000;
const PAGE = 1000;

export class EventList {
  readonly filter: Filter;
  /** In the order of `seq`. It is the same array until rows are put before others. */
  rows: Row[] = [];
  /** Counts up with every change of `rows`. */
  readonly version = signal(0);
  readonly state = signal<"loading" | "more" | "complete" | "failed">("more");
  /** Why it failed. */
  problem = "";
  /** Rows cut off at the beginning so far, and put before it, so that who looks at a place can stay there. */
  shift = 0;
  /** Rows that came live. */
  appended = 0;
  /** How far it has read, whether that fitted or not. */
  lastSeq = 0;
  /** Rows that are no events. */
  #gaps = 0;
  /** Everything from here on is in the list. */
  #loadedFrom = 0;
  #hasBegun = false;
  #loading: Promise<boolean> | null = null;

  /** @param all what is known already; what comes after it is appended here as well */
  constructor(filter: Filter, all: EventList | null) {
    this.filter = filter;
    if (all === null || !all.#hasBegun) {
      this.state.value = "loading";
      return;
    }
    this.lastSeq = all.lastSeq;
    this.#loadedFrom = all.lastSeq + 1;
    // Rows do not hold the whole text, so where one is asked for the server has to find it.
    if (filter.q !== "") return;
    this.#loadedFrom = all.#loadedFrom;
    if (all.state.peek() === "complete") this.state.value = "complete";
    this.#setRows(all.rows.filter((row) => fits(row, filter)));
  }

  get isFiltered(): boolean {
    return !isEmpty(this.filter);
  }

  get eventCount(): number {
    return this.rows.length - this.#gaps;
  }

  /** Begins with the newest page there is. */
  begin(page: HistoryAnswer): void {
    this.#hasBegun = true;
    this.lastSeq = page.last_seq;
    this.#setRows(rowsOf(page));
    this.#continueFrom(page);
  }

  append(arrivals: readonly Arrival[]): void {
    const { filter, rows } = this;
    const before = rows.length;
    this.lastSeq = arrivals.at(-1)?.row.seq ?? this.lastSeq;
    for (const { event, row } of arrivals) {
      if (fits(row, filter) && (filter.q === "" || holdsText(event, filter.q))) rows.push(row);
    }
    if (rows.length === before) return;
    this.appended += rows.length - before;
    if (rows.length > MAX_ROWS + SLACK) this.#cut(rows.length - MAX_ROWS);
    this.version.value += 1;
  }

  /** Shows the place of events that are not to be had; those the server has lost and will number anew go. */
  takeGap(gap: HistoryGap): void {
    if (gap.reason === "unknown_epoch") {
      // All of the other log comes, from its beginning.
      this.#loadedFrom = 0;
      this.lastSeq = 0;
      this.state.value = "complete";
    }
    const lost = { trimmed: Infinity, beyond_end: gap.from_seq - 1, unknown_epoch: 0 }[gap.reason];
    this.lastSeq = Math.min(this.lastSeq, lost);
    this.#setRows([...this.rows.filter(({ seq }) => seq <= lost), gapRow(gap)]);
  }

  /** Loads a page of older events; false when there are none, or no room for them. */
  loadOlder(): Promise<boolean> {
    this.#loading ??= this.#loadPage().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #loadPage(): Promise<boolean> {
    const { value: state } = this.state;
    if (state === "loading" || state === "complete" || this.rows.length >= MAX_ROWS) return false;
    this.state.value = "loading";
    const before = this.#loadedFrom;
    try {
      const query = queryOf(this.filter);
      query.set("before", `${before}`);
      query.set("limit", `${PAGE}`);
      const page = await getHistory(query);
      // Meanwhile rows were cut off, or the log is another one: what has come does not stand before the first any more.
      if (this.#loadedFrom !== before) return this.#hasMore();
      this.#prepend(rowsOf(page).filter((row) => fits(row, this.filter)));
      return this.#continueFrom(page);
    } catch (error) {
      this.problem = problemText(error);
      this.state.value = "failed";
      return false;
    }
  }

  #hasMore(): boolean {
    return this.state.peek() !== "complete";
  }

  #continueFrom({ events, first_seq }: HistoryAnswer): boolean {
    const [oldest] = events;
    this.#loadedFrom = isObject(oldest) ? Number(oldest.seq) : 0;
    const isAll = this.#loadedFrom <= first_seq;
    this.state.value = isAll ? "complete" : "more";
    return !isAll;
  }

  #prepend(older: Row[]): void {
    if (older.length === 0) return;
    this.shift += older.length;
    this.#setRows([...older, ...this.rows]);
  }

  #cut(length: number): void {
    this.shift -= length;
    this.#loadedFrom = Math.ceil(this.rows[length]?.seq ?? this.#loadedFrom);
    this.state.value = "more";
    this.#setRows(this.rows.slice(length));
  }

  #setRows(rows: Row[]): void {
    this.rows = rows;
    this.#gaps = rows.reduce((sum, { gap }) => sum + (gap === null ? 0 : 1), 0);
    this.version.value += 1;
  }
}

function rowsOf({ events }: HistoryAnswer): Row[] {
  return events.filter(isObject).map(rowOf);
}
