/** How long the event loop keeps those waiting who are next: whatever takes long in it makes everybody wait. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel, type Thresholds } from "./level.ts";

/** Milliseconds. */
export interface EventLoopDelays {
  p50: number;
  p99: number;
  max: number;
}

export interface EventLoop {
  /** Of the last 10 to 20 seconds: of the window before this one and what there is of this one, the worse. */
  delays(): EventLoopDelays;
  check(): HealthCheck;
  stop(): void;
}

/** How often it is looked at; at 20 looks a second the measurement takes a thousandth of a core, at 100 it takes six. */
const RESOLUTION_MS = 50;
const WINDOW_MS = 10_000;

/** A person sees a tenth of a second; where one look in a hundred is so late, everyone is served late. */
const P99_MS: Thresholds = { degraded: { from: 100, until: 50 }, unhealthy: { from: 5000, until: 1000 } };
/** One long wait alone: hooks give up after half a second, clients' requests after a few. */
const MAX_MS: Thresholds = { degraded: { from: 1000, until: 500 } };

/** Begins to measure this process's event loop. */
export function watchEventLoop(windowMs = WINDOW_MS): EventLoop {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const levels = { p99: createLevel(P99_MS), max: createLevel(MAX_MS) };
  let last: EventLoopDelays = { p50: 0, p99: 0, max: 0 };
  const timer = setInterval(() => {
    last = current();
    histogram.reset();
  }, windowMs);
  timer.unref();

  /** An empty histogram's figures are none. */
  function current(): EventLoopDelays {
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
    return { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(histogram.max) };
  }

  function delays(): EventLoopDelays {
    const now = current();
    return {
      p50: Math.max(last.p50, now.p50),
      p99: Math.max(last.p99, now.p99),
      max: Math.max(last.max, now.max),
    };
  }

  return {
    delays,

    check() {
      const { p99, max } = delays();
      const [byP99, byMax] = [levels.p99(p99), levels.max(max)];
      const status = byP99 === "healthy" ? byMax : byP99;
      const figures = `99 of 100 turns begin within ${round(p99)} ms, the longest wait was ${round(max)} ms`;
      const message = status === "healthy" ? figures : `everyone is served late: ${figures}`;
      return { name: "event_loop", status, message };
    },

    stop() {
      clearInterval(timer);
      histogram.disable();
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
