import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel } from "./level.ts";
import { plural } from "./words.ts";

const WINDOW_MS = 60_000;
/** Looks within it are remembered as one: anybody may ask, and as often as they like. */
const LOOK_MS = 1000;
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
  /** The newest look that is out of the window is what it is counted from. */
  let start = { at: now(), total: total() };
  const looks: (typeof start)[] = [];
  return () => {
    const latest = { at: now(), total: total() };
    while (looks[0] && looks[0].at <= latest.at - WINDOW_MS) start = looks.shift() ?? start;
    const before = looks.at(-1);
    if (before && latest.at - before.at < LOOK_MS) before.total = latest.total;
    else looks.push(latest);
    const count = latest.total - start.total;
    const message =
      count === 0
        ? "no failure in the last minute"
        : `${plural(count, "failure", "failures")} in the last minute, which the log tells of`;
    return { name: "errors", status: level(count), message };
  };
}
