/** Answers questions about the past, and says what it can no longer answer. */
import type { EventLog, LogPage } from "../log/log.ts";
import type { HistoryGap } from "../protocol/messages.ts";
import type { HistoryQuery } from "../protocol/query.ts";

export interface HistoryPage extends LogPage {
  /** What lay after `after` and is no longer there. */
  gap: HistoryGap | null;
}

/** Reads one page and says what lay between it and the position it was asked for. */
export async function readHistory(log: EventLog, query: HistoryQuery): Promise<HistoryPage> {
  const page = await log.query(query);
  return { ...page, gap: gapAfter(query.after, page) };
}

function gapAfter(after: number | undefined, { first_seq, last_seq }: LogPage): HistoryGap | null {
  if (after === undefined) return null;
  if (after > last_seq) return { from_seq: last_seq + 1, to_seq: after, reason: "beyond_end" };
  return after + 1 < first_seq ? { from_seq: after + 1, to_seq: first_seq - 1, reason: "trimmed" } : null;
}
