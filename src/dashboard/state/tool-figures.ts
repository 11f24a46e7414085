/** The report on tools and files, made anew as events come, in the time that frames leave. */
import { effect, signal } from "@preact/signals";
import type { EventList } from "./event-list.ts";
import { createToolCounter, type Narrowing, type ToolReport } from "./tool-report.ts";

/** With it at most so often; and so often where nothing happens, for time itself ends calls and moves what is counted. */
const REFRESH_MS = 2000;
const IDLE_REFRESH_MS = 15_000;
/** While there is much more to count than was: when the page is opened, older events come by the thousand. */
const GROWTH_REFRESH_MS = 250;
const GROWTH = 1.25;
/** As much of a frame as is taken where the browser is never idle. */
const BUSY_BUDGET_MS = 4;
const IDLE_BUDGET_MS = 10;
const MAX_WAIT_MS = 100;

/** Narrowed as the address says; a time is counted back from now. */
export interface Wanted extends Narrowing {
  /** Milliseconds, or null for all. */
  lastMs: number | null;
}

/** A report, and how much of the log there was for it. */
export interface CountedTools extends ToolReport {
  state: EventList["state"]["value"];
}

export interface ToolFiguresSource {
  /** Null until the first is made. */
  readonly report: { readonly value: CountedTools | null };
  stop(): void;
}

export function followTools(list: EventList, { lastMs, ...wanted }: Wanted): ToolFiguresSource {
  const report = signal<CountedTools | null>(null);
  const counter = createToolCounter(wanted);
  let madeAt = 0;
  let isMaking = false;
  let isStopped = false;
  let timer: ReturnType<typeof setTimeout> | null = null;

  function schedule(): void {
    if (timer !== null || isMaking || isStopped) return;
    const hasGrown = list.rows.length > GROWTH * (report.peek()?.events ?? 0);
    const pause = hasGrown ? GROWTH_REFRESH_MS : REFRESH_MS;
    timer = setTimeout(() => void refresh(), Math.max(0, madeAt + pause - Date.now()));
  }

  async function refresh(): Promise<void> {
    timer = null;
    // Who does not see it needs no figures; it is made when the page is looked at again.
    if (document.visibilityState !== "visible") return;
    isMaking = true;
    const version = list.version.peek();
    const state = list.state.peek();
    try {
      const now = Date.now();
      const since = lastMs === null ? 0 : now - lastMs;
      // A copy: rows are added and cut off while it is gone through.
      const made = await inPieces(counter.count(list.rows.slice(), since, now), () => isStopped);
      if (made !== null) report.value = { ...made, state };
    } catch (error) {
      // What cannot be counted once may be the next time.
      reportError(error);
    } finally {
      isMaking = false;
      madeAt = Date.now();
    }
    if (list.state.peek() !== state || list.version.peek() !== version) schedule();
  }

  const endEffect = effect(() => {
    void list.version.value;
    void list.state.value;
    schedule();
  });
  const idleTimer = setInterval(schedule, IDLE_REFRESH_MS);
  document.addEventListener("visibilitychange", schedule);
  return {
    report,
    stop() {
      isStopped = true;
      endEffect();
      clearInterval(idleTimer);
      if (timer !== null) clearTimeout(timer);
      document.removeEventListener("visibilitychange", schedule);
    },
  };
}

/** Goes through it where the browser has time; null when it is not wanted any more. */
async function inPieces<T>(pass: Generator<undefined, T>, isStopped: () => boolean): Promise<T | null> {
  for (;;) {
    const until = await nextIdle();
    if (isStopped()) return null;
    do {
      const step = pass.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
  }
}

/** Resolves to the time up to which work may go on. */
function nextIdle(): Promise<number> {
  return new Promise((resolve) => {
    // Safari has no idle callbacks.
    if (!("requestIdleCallback" in globalThis)) {
      setTimeout(() => resolve(performance.now() + BUSY_BUDGET_MS), 1);
      return;
    }
    requestIdleCallback(
      (idle) => {
        const budget = idle.didTimeout ? BUSY_BUDGET_MS : Math.min(IDLE_BUDGET_MS, idle.timeRemaining());
        resolve(performance.now() + budget);
      },
      { timeout: MAX_WAIT_MS },
    );
  });
}
