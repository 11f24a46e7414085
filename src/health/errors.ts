import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel } from "./level.ts";
import { plural } from "./words.ts";

const WINDOW_MS = 60_000;
/** One failure may be an accident, so many in a minute have a cause; it is over after a minute without any. */
const FAILURES = { degraded: { from: 5, until: 1 } };

/**
 * Failures of the server in the last minute. What clients do wrong is none.
 *
 * @param total how many there were ever
 */
export function errorsMonitor(
  total: () => number,
  now: () => number = () => performance.now(),
): () => HealthCheck {
  const level = createLevel(FAILURES);
  let seen = [{ at: now(), total: total() }];
  return () => {
    const latest = { at: now(), total: total() };
    // The newest that is out of the window is what it is counted from.
    const start = seen.findLastIndex(({ at }) => at <= latest.at - WINDOW_MS);
    seen = [...seen.slice(Math.max(0, start)), latest];
    const count = latest.total - (seen[0]?.total ?? 0);
    const message =
      count === 0
        ? "no failure in the last minute"
        : `${plural(count, "failure", "failures")} in the last minute, which the log tells of`;
    return { name: "errors", status: level(count), message };
  };
}
