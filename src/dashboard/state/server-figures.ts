/** What the server says of itself, asked again and again while somebody looks; and what it said in the last ten minutes. */
import { signal } from "@preact/signals";
import type { ClientList, Health, Stats } from "../../protocol/messages.ts";
import { getClients, getHealth, getStats } from "./api.ts";
import type { Arrival } from "./event-list.ts";
import type { Feed } from "./feed.ts";
import type { Row } from "./row.ts";
import { percentileOfSorted } from "./tool-report.ts";

export const WINDOW_MS = 600_000;
const POLL_MS = 2000;
/** After so long without an answer there is none: who looks wants to know before a request gives up. */
const PATIENCE_MS = 5000;
/** Nobody looked, or the server was away: no line is drawn across. */
const BREAK_MS = 3 * POLL_MS;
const MAX_SAMPLES = WINDOW_MS / POLL_MS;

/** One answer. Times are milliseconds. */
export interface Sample {
  at: number;
  roundTripMs: number;
  rssBytes: number;
  logBytes: number;
  /** Of the events that came since the last one; null where none did. */
  delayMedianMs: number | null;
  delayP95Ms: number | null;
}

export interface Answer {
  /** By this page's clock. */
  at: number;
  health: Health;
  stats: Stats;
  clients: ClientList;
  /** So much this page's clock is ahead of the server's, give or take half the round trip. */
  aheadMs: number;
}

export interface ServerFigures {
  /** The last there was. */
  readonly answer: { readonly value: Answer | null };
  /** Why there is no newer one; null while it answers. */
  readonly problem: { readonly value: string | null };
  /** The oldest first, with null where the line breaks. */
  readonly samples: { readonly value: readonly (Sample | null)[] };
  /** Asks from now on, until the function it returns is called. */
  watch(feed: Feed): () => void;
}

export function createServerFigures(): ServerFigures {
  const answer = signal<Answer | null>(null);
  const problem = signal<string | null>(null);
  const samples = signal<readonly (Sample | null)[]>([]);
  let delays: number[] = [];

  function take(made: Answer, roundTripMs: number): void {
    const { at, stats } = made;
    const last = samples.value.at(-1);
    const sorted = Float64Array.from(delays).toSorted();
    delays = [];
    const sample: Sample = {
      at,
      roundTripMs,
      rssBytes: stats.memory.rss,
      logBytes: stats.log.bytes,
      delayMedianMs: percentileOfSorted(sorted, 0.5),
      delayP95Ms: percentileOfSorted(sorted, 0.95),
    };
    const isBroken = last !== undefined && at - (last?.at ?? 0) > BREAK_MS;
    const kept = samples.value.filter((one) => one === null || one.at > at - WINDOW_MS);
    samples.value = [...kept, ...(isBroken ? [null] : []), sample].slice(-MAX_SAMPLES);
    answer.value = made;
    problem.value = null;
  }

  async function ask(): Promise<void> {
    try {
      const sentAt = performance.now();
      const health = await inTime(getHealth());
      const roundTripMs = performance.now() - sentAt;
      const at = Date.now();
      const aheadMs = at - roundTripMs / 2 - Date.parse(health.timestamp);
      const [stats, clients] = await inTime(Promise.all([getStats(), getClients()]));
      take({ at, health, stats, clients, aheadMs }, roundTripMs);
    } catch (error) {
      problem.value = problemOf(error);
    }
  }

  return {
    answer,
    problem,
    samples,
    watch(feed) {
      let isWatched = true;
      let timer: ReturnType<typeof setTimeout> | null = null;
      let isAsking = false;

      async function poll(): Promise<void> {
        if (timer !== null) clearTimeout(timer);
        timer = null;
        if (!isWatched || isAsking || document.visibilityState !== "visible") return;
        isAsking = true;
        const askedAt = Date.now();
        await ask();
        isAsking = false;
        timer = setTimeout(() => void poll(), Math.max(0, askedAt + POLL_MS - Date.now()));
      }

      const onVisible = () => void poll();
      const onArrivals = (arrivals: readonly Arrival[]) => {
        // What is caught up was late for another reason.
        if (feed.phase.value !== "live") return;
        const at = Date.now();
        for (const { row } of arrivals) delays.push(Math.max(0, at - row.receivedAt));
      };
      delays = [];
      document.addEventListener("visibilitychange", onVisible);
      const stopArrivals = feed.onArrivals(onArrivals);
      void poll();
      return () => {
        isWatched = false;
        if (timer !== null) clearTimeout(timer);
        document.removeEventListener("visibilitychange", onVisible);
        stopArrivals();
      };
    },
  };
}

/** One for the page: what was drawn is still there when the view is opened again. */
export const serverFigures = createServerFigures();

function problemOf(error: unknown): string {
  // What browsers say of it ("Failed to fetch") helps nobody.
  if (error instanceof TypeError) return `nothing answers at ${location.host}`;
  return error instanceof Error ? error.message : String(error);
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface Rate {
  /** The end of each span, milliseconds since the epoch. */
  times: number[];
  /** Null where the page does not hold what came then. */
  perSecond: (number | null)[];
}

/**
 * Events per second, from when each reached the server: its times stand in the rows, so there is a past at once.
 * @param now by the server's clock
 * @param isAll whether `rows` begin with the first event there is
 */
export function eventRate(rows: readonly Row[], now: number, isAll: boolean, stepMs = 5000): Rate {
  const steps = WINDOW_MS / stepMs;
  const end = Math.floor(now / stepMs) * stepMs;
  const start = end - steps * stepMs;
  const counts = Array.from({ length: steps }, () => 0);
  let oldest = Infinity;
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const { receivedAt, gap } = rows[index] as Row;
    if (gap !== null) continue;
    oldest = receivedAt;
    if (receivedAt < start) break;
    const step = Math.floor((receivedAt - start) / stepMs);
    // What came in the span that is not over yet is drawn when it is.
    if (step < steps) counts[step] = (counts[step] ?? 0) + 1;
  }
  const known = isAll || rows.length === 0 ? -Infinity : oldest;
  return {
    times: counts.map((_, step) => start + (step + 1) * stepMs),
    perSecond: counts.map((amount, step) =>
      start + step * stepMs < known ? null : (amount * 1000) / stepMs,
    ),
  };
}
