/** What is counted along the way of an event: plain numbers, for whoever shows them. Times are seconds. */
import type { AppendedEvent } from "../log/log.ts";
import type { HistoryGap } from "../protocol/messages.ts";

/** How events come in. A hook that finds no server goes by the spool. */
export const WAYS = ["http", "socketio", "hook", "spool"] as const;

export type Way = (typeof WAYS)[number];

/** How many values lie below each bound, the last of `counts` being those above all. */
export class Distribution {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number, times = 1): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] as number)) index += 1;
    (this.counts[index] as number) += times;
    this.sum += value * times;
  }
}

const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

export type Measures = ReturnType<typeof createMeasures>;

export function createMeasures() {
  return {
    /** New events. */
    received: { http: 0, socketio: 0, hook: 0, spool: 0 } satisfies Record<Way, number> as Record<
      Way,
      number
    >,
    /** Events that were in the log already. */
    duplicates: 0,
    /** Of the new events' JSON. */
    bytesReceived: 0,
    /** Events given to clients, each client counted. */
    delivered: 0,
    bytesDelivered: 0,
    gaps: { trimmed: 0, unknown_epoch: 0, beyond_end: 0 } satisfies Record<
      HistoryGap["reason"],
      number
    > as Record<HistoryGap["reason"], number>,
    /** From when an event was checked until it was stored. */
    ingestSeconds: new Distribution(SECONDS),
    /** From when an event was checked until it was given to all who are live. */
    deliverySeconds: new Distribution(SECONDS),
    commitSeconds: new Distribution(SECONDS),
    batchEvents: new Distribution(SIZES),
  };
}

/** Counts events that came together. */
export function countReceived(measures: Measures, appended: readonly AppendedEvent[], way: Way): void {
  for (const { id, stored } of appended) {
    if (stored === null) measures.duplicates += 1;
    // The command `hook` sends over HTTP like anybody; its ids tell.
    else {
      measures.received[way === "http" && id.startsWith("cc-") ? "hook" : way] += 1;
      measures.bytesReceived += Buffer.byteLength(stored.json);
    }
  }
}
