/** Brings a part of another log's history into the one on Redis. */
import type { StoredEvent } from "../../protocol/event.ts";
import type { HistoryPart } from "../log.ts";
import { IMPORT_PAUSE_MS, planRestore, type RestorePlan } from "../restore.ts";
import { type Fence, isFenced, type LogConnection } from "./connection.ts";
import { encodeImported } from "./entry.ts";
import { msOf, nextEpoch } from "./lineage.ts";
import type { Mirror } from "./mirror.ts";

export interface ImportOptions {
  connection: LogConnection;
  fence: Fence;
  mirror: Mirror;
  maxEvents: number;
  /** Until this node has read what is stored up to a seq; false when Redis has gone away. */
  isCurrent(seq: number): Promise<boolean>;
}

/** How often a plan is made anew, as others have stored something meanwhile. */
const MAX_TRIES = 5;
const READ_CHARS = 1024 * 1024;

/** See `EventLog.restore`. */
export async function importPart(part: HistoryPart, options: ImportOptions): Promise<RestorePlan> {
  const { connection, fence, mirror, maxEvents, isCurrent } = options;
  for (let tries = 1; ; tries += 1) {
    const { epochs, first, last: last_seq } = await connection.state();
    await isCurrent(last_seq);
    // A copy may hold less than Redis, and only what it holds can be compared.
    const first_seq = first === null ? last_seq + 1 : Math.min(last_seq, Math.max(first, mirror.firstSeq()));
    const ids = await idsWithin(mirror, part, last_seq);
    // Where an epoch begins, the ids of the stream have to rise, whatever the clock says.
    const now = msOf(nextEpoch([...epochs, ...part.epochs], Date.now()));
    const plan = planRestore(part, { epochs, first_seq, last_seq, idAt: (seq) => ids.get(seq) }, now);
    const holdMs = part.more ? IMPORT_PAUSE_MS : 0;
    // Also when nothing changes: who only asks holds nobody off.
    if (part.more && part.events.length === 0) return plan;
    try {
      await connection.import(fence, last_seq, {
        epochs: plan.epochs,
        last: plan.last_seq,
        // The ids of one stream rise, and other nodes notice by them that the epoch is another.
        ms: msOf(plan.epochs.at(-1)?.epoch ?? fence.epoch),
        firstSeq: plan.events[0]?.seq ?? plan.last_seq + 1,
        values: plan.events.flatMap(encodeImported),
        maxEvents,
        holdMs,
      });
      await isCurrent(plan.last_seq);
      return plan;
    } catch (error) {
      if (!isFenced(error) || tries === MAX_TRIES) throw error;
    }
  }
}

/** Those of the part's events that are there already are compared by their ids. */
async function idsWithin(
  mirror: Mirror,
  { events }: HistoryPart,
  last: number,
): Promise<Map<number, string>> {
  const ids = new Map<number, string>();
  const [from, to] = [events[0]?.seq ?? 0, Math.min(events.at(-1)?.seq ?? 0, last)];
  for (let seq = from - 1; seq < to;) {
    const page: { events: StoredEvent[] } = await mirror.ask((file) => file.readAfter(seq, READ_CHARS));
    if (page.events.length === 0) break;
    for (const event of page.events) ids.set(event.seq, event.id);
    seq = page.events.at(-1)?.seq ?? to;
  }
  return ids;
}
