/** A session as it stood at any moment of it. */
import type * as wire from "../protocol/messages.ts";
import { applyStep } from "./machine.ts";
import { createSession, type Session } from "./state.ts";
import type { Entry } from "./story.ts";
import { viewSession } from "./view.ts";

export interface Replay {
  /** Null before the first step. */
  sessionAt(time: number): wire.Session | null;
  /** What was played from this entry on does not hold any more. */
  forget(index: number): void;
}

/** A jump back goes through at most so many steps; a copy of a session takes as long as some hundred. */
const STEPS_BETWEEN_COPIES = 1000;

/** @param entries in the order of their times; others may come in between, which `forget` is told of */
export function createReplay(sessionId: string, entries: readonly Entry[]): Replay {
  /** The session after so many steps, for each multiple of them but none. */
  const copies: Session[] = [];
  let current: Session | null = null;
  let played = 0;

  function startFrom(count: number): Session {
    const copy = copies[count - 1];
    played = copy ? count * STEPS_BETWEEN_COPIES : 0;
    return copy ? structuredClone(copy) : createSession(sessionId, entries[0]?.step.time ?? 0);
  }

  return {
    sessionAt(time) {
      const target = countUpTo(entries, time);
      if (target === 0) return null;
      const nearest = Math.min(copies.length, Math.floor(target / STEPS_BETWEEN_COPIES));
      let session = current;
      if (session === null || target < played || nearest * STEPS_BETWEEN_COPIES > played) {
        session = startFrom(nearest);
      }
      current = session;
      while (played < target) {
        applyStep(session, (entries[played] as Entry).step);
        played += 1;
        const count = played / STEPS_BETWEEN_COPIES;
        if (count === copies.length + 1) copies.push(structuredClone(session));
      }
      return viewSession(session, time);
    },

    forget(index) {
      copies.length = Math.min(copies.length, Math.floor(index / STEPS_BETWEEN_COPIES));
      if (index < played) current = null;
    },
  };
}

/** How many entries lie before a moment, or in it up to a `seq`. */
export function countUpTo(entries: readonly Entry[], time: number, seq = Number.POSITIVE_INFINITY): number {
  let [low, high] = [0, entries.length];
  // Mostly it is all of them.
  let middle = high - 1;
  while (low < high) {
    const { step, seq: itsSeq } = entries[middle] as Entry;
    if (step.time < time || (step.time === time && itsSeq <= seq)) low = middle + 1;
    else high = middle;
    middle = (low + high) >> 1;
  }
  return low;
}
