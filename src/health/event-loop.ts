/** How long the event loop keeps those waiting who are next: whatever takes long in it makes everybody wait. */
import { createHistogram } from "node:perf_hooks";
import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel, type Thresholds } from "./level.ts";

/** Milliseconds. */
export interface EventLoopDelays {
  p50: number;
  p99: number;
  max: number;
}

export interface EventLoop {
  /** Of the last window of 10 seconds that is over; a longer wait since then counts at once. */
  delays(): EventLoopDelays;
  check(): HealthCheck;
  stop(): void;
}

/** How often it is looked at; at 20 looks a second the measurement takes a thousandth of a core, at 100 it takes six. */
const LOOK_MS = 50;
const WINDOW_MS = 10_000;

/** A person notices a quarter of a second, hooks give up after half of one: one turn in a hundred must not be so late. */
const P99_MS: Thresholds = { degraded: { from: 250, until: 100 }, unhealthy: { from: 5000, until: 1000 } };
/** One wait alone; shorter ones come with every machine that is busy for a moment, or has slept. */
const MAX_MS: Thresholds = { degraded: { from: 5000, until: 1000 } };

/** Begins to measure this process's event loop. */
export function watchEventLoop(windowMs = WINDOW_MS, longMs = MAX_MS): EventLoop {
  // Of Bun's `monitorEventLoopDelay` there is one for all of a process, and a program may hold several servers.
  const histogram = createHistogram();
  let lookedAt = performance.now();
  /** Nanoseconds, the longest last. */
  let longest: [number, number] = [0, 0];
  const looks = setInterval(() => {
    const now = performance.now();
    const late = Math.max(1, Math.round((now - lookedAt - LOOK_MS) * 1e6));
    histogram.record(late);
    if (late > longest[0]) longest = late > longest[1] ? [longest[1], late] : [late, longest[1]];
    lookedAt = now;
  }, LOOK_MS);
  const levels = { p99: createLevel(P99_MS), max: createLevel(longMs) };
  let last: EventLoopDelays | null = null;
  const windows = setInterval(() => {
    last = current();
    histogram.reset();
    longest = [0, 0];
  }, windowMs);
  for (const timer of [looks, windows]) timer.unref();

  /** An empty histogram's figures are none. */
  function current(): EventLoopDelays {
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
    // A process that was held for a while has fewer than a hundred looks, of which the one alone says nothing.
    const p99 = Math.min(histogram.percentile(99), longest[0]);
    return { p50: ms(histogram.percentile(50)), p99: ms(p99), max: ms(histogram.max) };
  }

  function delays(): EventLoopDelays {
    const now = current();
    return last === null ? now : { ...last, max: Math.max(last.max, now.max) };
  }

  return {
    delays,

    check() {
      const { p99, max } = delays();
      // While a server starts, the few turns there were say little.
      const [byP99, byMax] = [levels.p99(last === null ? 0 : p99), levels.max(max)];
      const status = byP99 === "healthy" ? byMax : byP99;
      const figures = `99 of 100 turns begin within ${round(p99)} ms, the longest wait was ${round(max)} ms`;
      const message = status === "healthy" ? figures : `everyone is served late: ${figures}`;
      return { name: "event_loop", status, message };
    },

    stop() {
      for (const timer of [looks, windows]) clearInterval(timer);
    },
  };
}

/** From nanoseconds. */
function ms(nanoseconds: number): number {
  return nanoseconds / 1e6;
}

function round(milliseconds: number): number {
  return milliseconds < 10 ? Math.round(milliseconds * 10) / 10 : Math.round(milliseconds);
}
