import type { SpoolStatus } from "../hooks/spool.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import { plural } from "./words.ts";

/** The server takes up what waits every second. */
const WAITED_MS = 30_000;
/** Events that were given up are told of so long. */
const DROPPED_MS = 60 * 60_000;

/**
 * Events of hooks that wait and do not get in, or were given up.
 *
 * @param look throws where the spool cannot be read
 */
export function spoolMonitor(look: () => SpoolStatus, now: () => number = Date.now): () => HealthCheck {
  return () => {
    const check = (status: HealthCheck["status"], message: string): HealthCheck => {
      return { name: "spool", status, message };
    };
    let spool: SpoolStatus;
    try {
      spool = look();
    } catch (error) {
      return check("degraded", `events of hooks wait and cannot be read: ${(error as Error).message}`);
    }
    const { waiting, oldest, dropped, dropped_at, last_reason } = spool;
    const waitedMs = oldest === null ? 0 : now() - oldest;
    const waits = plural(waiting, "event of a hook waits", "events of hooks wait");
    if (waitedMs >= WAITED_MS) {
      return check(
        "degraded",
        `${waits} and cannot be stored, the oldest for ${Math.round(waitedMs / 1000)} s`,
      );
    }
    if (dropped_at !== null && now() - dropped_at < DROPPED_MS) {
      const lost = plural(dropped, "event of a hook was", "events of hooks were");
      const when = new Date(dropped_at).toISOString();
      return check("degraded", `${lost} given up, the last at ${when} (${last_reason})`);
    }
    return check("healthy", waiting === 0 ? "no event of a hook waits" : waits);
  };
}
