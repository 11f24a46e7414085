import type { Hub } from "../hub/hub.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import { plural } from "./words.ts";

/** Behind is a client at once that reads slowly; far behind with more than a page of events still to come. */
const FAR_EVENTS = 1000;
/** Of what the log holds: beyond it a client is soon to miss events. */
const FAR_SHARE = 0.5;
/** A reconnect after a night is made up for sooner. */
const LONG_MS = 60_000;
/** One that has been far behind for long is so until it has come as near as this share of it. */
const NEAR = 0.1;

/** Clients that have been far behind the live feed for long. */
export function lagMonitor(
  hub: Pick<Hub, "receivers" | "stats">,
  now: () => number = () => performance.now(),
): () => HealthCheck {
  const farSince = new Map<string, number>();
  return () => {
    const { delivery, log } = hub.stats();
    const far = Math.max(1, Math.min(FAR_EVENTS, log.events * FAR_SHARE));
    // To look at each of thousands of clients would be too much where none is behind.
    const behind = delivery.lagging_clients === 0 ? [] : hub.receivers().filter(({ lag }) => lag > 0);
    const isFar = behind.filter(({ id, lag }) => lag >= far || (farSince.has(id) && lag >= far * NEAR));
    for (const id of farSince.keys()) if (!isFar.some((client) => client.id === id)) farSince.delete(id);
    for (const { id } of isFar) if (!farSince.has(id)) farSince.set(id, now());

    const late = isFar.filter(({ id }) => now() - (farSince.get(id) ?? now()) >= LONG_MS);
    const most = Math.max(0, ...(late.length > 0 ? late : behind).map(({ lag }) => lag));
    const said = (clients: number) => plural(clients, "client is", "clients are");
    if (late.length > 0) {
      const seconds = Math.round((now() - Math.min(...late.map(({ id }) => farSince.get(id) ?? 0))) / 1000);
      const message = `${said(late.length)} far behind, for ${seconds} s and by up to ${most} events`;
      return { name: "lag", status: "degraded", message };
    }
    const message =
      behind.length === 0 ? "no client is behind" : `${said(behind.length)} behind, by up to ${most} events`;
    return { name: "lag", status: "healthy", message };
  };
}
