/** A session whose events may arrive late, out of a spool or another process: they count where they belong. */
import { applyStep } from "./machine.ts";
import { createSession, type Session } from "./state.ts";
import type { Step } from "./step.ts";

export interface Timeline {
  add(step: Step): void;
  session(): Session;
}

/** So many of the newest steps, and up to twice as many, are kept to be gone through again. */
const WINDOW = 200;

export function createTimeline(sessionId: string, first: Step): Timeline {
  /** What came before the window. */
  let base = createSession(sessionId, first.time);
  let current = createSession(sessionId, first.time);
  /** In the order of their times, and of their arrival where those are the same. */
  const steps: Step[] = [];
  let isStale = false;

  function rebuild(): void {
    // Where nothing has left the window, the session began with whatever is now its first step.
    if (base.eventCount === 0) base = createSession(sessionId, (steps[0] ?? first).time);
    current = structuredClone(base);
    for (const step of steps) applyStep(current, step);
    isStale = false;
  }

  return {
    add(step) {
      const index = steps.findLastIndex(({ time }) => time <= step.time) + 1;
      isStale ||= index < steps.length;
      steps.splice(index, 0, step);
      if (!isStale) applyStep(current, step);
      if (steps.length > 2 * WINDOW) for (const old of steps.splice(0, WINDOW)) applyStep(base, old);
    },

    session() {
      if (isStale) rebuild();
      return current;
    },
  };
}
