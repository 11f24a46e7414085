import { totalmem } from "node:os";
import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel } from "./level.ts";
import { bytes } from "./words.ts";

/** Of the memory there is for it; at the limit the system ends the process. */
const SHARE = { degraded: { from: 0.8, until: 0.7 }, unhealthy: { from: 0.95, until: 0.9 } };

/**
 * Memory comes and goes, so growth is seen in the least it was in each of these spans: it grows without end where that
 * was more in every one of them. A leak that matters within a day takes more than this in an hour.
 */
const SPAN_MS = 10 * 60_000;
const SPANS = 6;
const GROWTH_BYTES = 200 * 1024 ** 2;

export interface MemoryOptions {
  rss?: () => number;
  /** What this process may take at most. */
  limit?: () => number;
  /** Milliseconds of a clock that only goes on. */
  now?: () => number;
}

/** The memory of this process: against its limit, and whether it grows without end. */
export function memoryMonitor({
  rss = process.memoryUsage.rss,
  limit = memoryLimit,
  now = () => performance.now(),
}: MemoryOptions = {}): () => HealthCheck {
  const level = createLevel(SHARE);
  /** The least it was in the spans that are over, the newest last. */
  let least: number[] = [];
  let span = { from: now(), least: Infinity };

  return () => {
    const [used, most] = [rss(), limit()];
    span.least = Math.min(span.least, used);
    if (now() - span.from >= SPAN_MS) {
      least = [...least, span.least].slice(-SPANS - 1);
      span = { from: now(), least: used };
    }
    const grown = (least.at(-1) ?? 0) - (least[0] ?? 0);
    const hasGrown =
      least.length > SPANS &&
      grown >= GROWTH_BYTES &&
      least.every((size, index) => index === 0 || size > (least[index - 1] as number));
    const status = level(used / most);
    const taken = `${bytes(used)} of ${bytes(most)} are taken`;
    if (status !== "healthy") return { name: "memory", status, message: `memory runs out: ${taken}` };
    if (hasGrown) {
      const message = `memory has grown without a pause, by ${bytes(grown)} in an hour: ${taken}`;
      return { name: "memory", status: "degraded", message };
    }
    return { name: "memory", status, message: taken };
  };
}

/** The limit of the process's control group, or all the machine has. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}
