/** How long events take from the server to this page, as they come. */
import { effect } from "@preact/signals";
import type { Feed } from "./feed.ts";

/** Of more, the oldest are forgotten. */
const MAX_DELAYS = 5000;

export interface DeliveryDelays {
  /** Milliseconds of each since it was asked last. */
  take(): number[];
  /** What has come so far tells nothing of now. */
  forget(): void;
  stop(): void;
}

/**
 * @param isSeen a page that nobody looks at is given no frames: what comes waits for reasons of its own
 * @param aheadMs by how much this page's clock is ahead of the server's, as far as that is known
 */
export function measureDelays(
  { phase, onArrivals }: Pick<Feed, "phase" | "onArrivals">,
  isSeen: () => boolean,
  aheadMs: () => number,
): DeliveryDelays {
  let delays: number[] = [];
  let connectedAt = 0;
  const endEffect = effect(() => {
    if (phase.value === "live") connectedAt = Date.now();
  });
  const stopArrivals = onArrivals((arrivals) => {
    if (phase.value !== "live" || !isSeen()) return;
    const now = Date.now();
    const since = connectedAt - aheadMs();
    for (const { row } of arrivals) {
      // What is caught up was late for another reason.
      if (row.receivedAt > since) delays.push(Math.max(0, now - row.receivedAt));
    }
    if (delays.length > MAX_DELAYS) delays = delays.slice(-MAX_DELAYS);
  });
  return {
    take() {
      const taken = delays;
      delays = [];
      return taken;
    },
    forget() {
      delays = [];
    },
    stop() {
      endEffect();
      stopArrivals();
    },
  };
}
