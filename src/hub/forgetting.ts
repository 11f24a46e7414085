/** Forgets the history, or its beginning. */
import type { EventLog, Forgotten } from "../log/log.ts";
import type { ForgetBefore } from "../protocol/query.ts";

/**
 * Events are forgotten in their order. Clocks are set back, and those of several servers differ, so that behind the first
 * event that came at a time or after it there may be others that came before; they stay.
 *
 * @param deliveredSeq what comes after it is not there yet
 */
export async function forget(
  log: EventLog,
  deliveredSeq: () => number,
  before: ForgetBefore,
): Promise<Forgotten> {
  // What others have stored by now is meant too.
  await log.settle?.();
  return log.forget(await seqOf(log, deliveredSeq, before));
}

async function seqOf(log: EventLog, deliveredSeq: () => number, before: ForgetBefore): Promise<number> {
  if (before === "all") return deliveredSeq() + 1;
  if ("seq" in before) return before.seq;
  const { events, last_seq } = await log.query({ filter: { since: before.time }, after: 0, limit: 1 });
  return events[0]?.seq ?? last_seq + 1;
}
