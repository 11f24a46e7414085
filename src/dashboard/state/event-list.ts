/** A bounded list of events under one filter: the newest there are, older ones as they are asked for, live ones as they come. */
import { signal } from "@preact/signals";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { HistoryGap } from "../../protocol/messages.ts";
import { getHistory, type HistoryAnswer } from "./api.ts";
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
  /** Rows cut off at the beginning so far, and put before it, so that who looks at a place can stay there. */
  shift = 0;
  /** Rows that came live. */
  appended = 0;
  /** Everything from here on is in the list. */
  #loadedFrom = 0;
  #hasBegun = false;
  #loading: Promise<boolean> | null = null;
  /** How far it has read, whether that fitted or not. */
  lastSeq = 0;

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
    this.rows = all.rows.filter((row) => fits(row, filter));
    this.#loadedFrom = all.#loadedFrom;
    if (all.state.peek() === "complete") this.state.value = "complete";
  }

  /** Begins with the newest page there is. */
  begin(page: HistoryAnswer): void {
    this.#hasBegun = true;
    this.rows = rowsOf(page);
    this.lastSeq = page.last_seq;
    this.#continueFrom(page);
    this.version.value += 1;
  }

  get isFiltered(): boolean {
    return !isEmpty(this.filter);
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

  addGap(gap: HistoryGap): void {
    this.rows.push(gapRow(gap));
    this.version.value += 1;
  }

  /** Takes out what the server has lost and will number anew. */
  dropAfter(seq: number): void {
    this.rows = this.rows.filter((row) => row.seq <= seq);
    this.version.value += 1;
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
    try {
      const query = queryOf(this.filter);
      query.set("before", `${this.#loadedFrom}`);
      query.set("limit", `${PAGE}`);
      const page = await getHistory(query);
      this.#prepend(rowsOf(page).filter((row) => fits(row, this.filter)));
      return this.#continueFrom(page);
    } catch {
      this.state.value = "failed";
      return false;
    }
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
    this.rows = [...older, ...this.rows];
    this.shift += older.length;
    this.version.value += 1;
  }

  #cut(length: number): void {
    this.rows.splice(0, length);
    this.shift -= length;
    this.#loadedFrom = this.rows[0]?.seq ?? this.#loadedFrom;
    this.state.value = "more";
  }
}

function rowsOf({ events }: HistoryAnswer): Row[] {
  return events.filter(isObject).map(rowOf);
}
