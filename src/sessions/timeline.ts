/** A session whose events may arrive late, out of a spool or another process: they count where they belong. */
import { applyStep } from "./machine.ts";
import { createSession, type Session } from "./state.ts";
import type { Step } from "./step.ts";

export interface Timeline {
  /** Milliseconds since the epoch; known without going through anything again. */
  readonly lastEventAt: number;
  add(step: Step): void;
  session(): Session;
  /** Takes less memory from now on. What arrives later than this for a time before it is only counted. */
  settle(): void;
}

/** So many of the newest steps, and up to twice as many, are kept to be gone through again. */
const WINDOW = 200;

export function createTimeline(sessionId: string, first: Step): Timeline {
  /** What came before the window; null while it is the same as `current`, with nothing in the window. */
  let base: Session | null = createSession(sessionId, first.time);
  let current = createSession(sessionId, first.time);
  /** In the order of their times, and of their arrival where those are the same. */
  let steps: Step[] = [];
  let isStale = false;
  let lastEventAt = first.time;

  function rebuild(before: Session): void {
    current = structuredClone(before);
    for (const step of steps) applyStep(current, step);
    isStale = false;
  }

  /** It cannot be told any more what came after it: that it was is all that is known. */
  function countOnly(step: Step, before: Session): void {
    before.eventCount += 1;
    before.startedAt = Math.min(before.startedAt, step.time);
    isStale = true;
  }

  return {
    get lastEventAt() {
      return lastEventAt;
    },

    add(step) {
      lastEventAt = Math.max(lastEventAt, step.time);
      base ??= structuredClone(current);
      if (base.eventCount > 0 && step.time < base.lastEventAt) return countOnly(step, base);
      const isNewest = step.time >= (steps.at(-1)?.time ?? 0);
      const index = isNewest ? steps.length : steps.findLastIndex(({ time }) => time <= step.time) + 1;
      // Where nothing has left the window, the session begins with whatever is its first step.
      if (index === 0 && base.eventCount === 0) base = createSession(sessionId, step.time);
      isStale ||= index < steps.length;
      steps.splice(index, 0, step);
      if (!isStale) applyStep(current, step);
      if (steps.length > 2 * WINDOW) for (const old of steps.splice(0, WINDOW)) applyStep(base, old);
    },

    session() {
      if (isStale && base !== null) rebuild(base);
      return current;
    },

    settle() {
      if (isStale && base !== null) rebuild(base);
      base = null;
      steps = [];
    },
  };
}
