/** What the server says of itself, asked again and again while somebody looks; and what it said in the last ten minutes. */
import { effect, signal, untracked } from "@preact/signals";
import type { ClientList, Health, Stats } from "../../protocol/messages.ts";
import { percentileOfSorted } from "../../sessions/percentile.ts";
import { getClients, getHealth, getStats, NoAnswer } from "./api.ts";
import { currentToken } from "./login.ts";
import { type DeliveryDelays, measureDelays } from "./delivery-delays.ts";
import type { Feed } from "./feed.ts";
import type { Row } from "./row.ts";

export const WINDOW_MS = 600_000;
const POLL_MS = 2000;
/** After so long without an answer there is none: who looks wants to know before a request gives up. */
const PATIENCE_MS = 5000;
/** Nobody looked, or the server was away: no line is drawn across. */
const BREAK_MS = 3 * POLL_MS;
/** The connection is made in less; without one the server is asked all the same. */
const CONNECT_PATIENCE_MS = 1000;
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
  /** Null where this page may not know. */
  clients: ClientList | null;
  /** So much this page's clock is ahead of the server's, give or take half the round trip. */
  aheadMs: number;
  /** This page was connected before it asked and after: it is one of `clients`. */
  isThisPageIn: boolean;
}

export interface Problem {
  /** Nothing was heard of it, or nothing that can be used. */
  kind: "no_answer" | "bad_answer";
  text: string;
}

export interface ServerFigures {
  /** The last there was. */
  readonly answer: { readonly value: Answer | null };
  /** Why there is no newer one; null while it answers. */
  readonly problem: { readonly value: Problem | null };
  /** The oldest first, with null where the line breaks. */
  readonly samples: { readonly value: readonly (Sample | null)[] };
  /** Asks from now on, until the function it returns is called. */
  watch(feed: Feed): () => void;
}

export function createServerFigures(): ServerFigures {
  const answer = signal<Answer | null>(null);
  const problem = signal<Problem | null>(null);
  const samples = signal<readonly (Sample | null)[]>([]);

  function take(made: Answer, roundTripMs: number, delays: readonly number[]): void {
    const { at, stats } = made;
    const last = samples.value.at(-1);
    const sorted = Float64Array.from(delays).toSorted();
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

  async function ask({ phase }: Feed, delays: DeliveryDelays): Promise<void> {
    try {
      const wasLive = phase.value === "live";
      const sentAt = performance.now();
      const health = await inTime(getHealth());
      const roundTripMs = performance.now() - sentAt;
      const at = Date.now();
      const aheadMs = at - roundTripMs / 2 - Date.parse(health.timestamp);
      const [stats, clients] = await inTime(Promise.all([getStats(), getClients()]));
      const isThisPageIn = wasLive && phase.value === "live";
      take({ at, health, stats, clients, aheadMs, isThisPageIn }, roundTripMs, delays.take());
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
      let askAgain = false;
      let wasSeen = true;
      const isSeen = () => document.visibilityState === "visible";
      const delays = measureDelays(feed, isSeen, () => answer.peek()?.aheadMs ?? 0);

      async function poll(): Promise<void> {
        if (timer !== null) clearTimeout(timer);
        timer = null;
        if (!isWatched) return;
        if (isAsking) return void (askAgain = true);
        if (!isSeen()) return void (wasSeen = false);
        if (!wasSeen) delays.forget();
        [wasSeen, isAsking, askAgain] = [true, true, false];
        // A person takes longer than a server.
        await currentToken();
        const askedAt = Date.now();
        await ask(feed, delays);
        isAsking = false;
        pollIn(askAgain ? 0 : askedAt + POLL_MS - Date.now());
      }

      function pollIn(milliseconds: number): void {
        if (isWatched) timer = setTimeout(() => void poll(), Math.max(0, milliseconds));
      }

      // Asked before this page is connected, the server would not name it among its clients.
      if (feed.phase.value === "loading") pollIn(CONNECT_PATIENCE_MS);
      else void poll();
      let { value: phase } = feed.phase;
      const endEffect = effect(() => {
        const before = phase;
        phase = feed.phase.value;
        if (phase === "live" && before !== "live") untracked(() => void poll());
      });
      const onVisible = () => void poll();
      document.addEventListener("visibilitychange", onVisible);
      return () => {
        isWatched = false;
        if (timer !== null) clearTimeout(timer);
        document.removeEventListener("visibilitychange", onVisible);
        endEffect();
        delays.stop();
      };
    },
  };
}

/** One for the page: what was drawn is still there when the view is opened again. */
export const serverFigures = createServerFigures();

function problemOf(error: unknown): Problem {
  const text = error instanceof Error ? error.message : String(error);
  return { kind: error instanceof NoAnswer ? "no_answer" : "bad_answer", text };
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
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
