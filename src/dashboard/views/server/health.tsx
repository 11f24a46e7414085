/** The server's checks of itself, in its own words. */
import type { Health, HealthCheck, HealthStatus } from "../../../protocol/messages.ts";
import { oneLine } from "../../parts/text.ts";
import { clock, count } from "../../parts/words.ts";

/** The heading of the table of clients. */
export const CLIENTS_TITLE = "clients-title";

const STATUS_WORDS: Record<HealthStatus, string> = {
  healthy: "Healthy",
  degraded: "Degraded",
  unhealthy: "Unhealthy",
};

const MEANINGS: Record<HealthStatus, string> = {
  healthy: "All checks pass.",
  degraded: "It works, but something needs a look.",
  unhealthy: "It does not do its work; what is wrong is said below.",
};

interface HealthPanelProps {
  health: Health;
  /** When it was so, where that is not now. */
  asOf: number | null;
  /** So many clients are not compatible. No check of the server's fails for it. */
  incompatible: number;
}

export function HealthPanel({ health: { status, checks }, asOf, incompatible }: HealthPanelProps) {
  return (
    <section class={`health ${classOf(status)}`} aria-labelledby="health-title">
      <div class="health-all">
        <h2 id="health-title" class="hidden">
          Health
        </h2>
        <p class="health-status" role="status">
          <StatusIcon status={status} />
          {asOf === null ? wordOf(status) : `Was ${wordOf(status).toLowerCase()}`}
        </p>
        <p class="muted">{asOf === null ? (MEANINGS[status] ?? "") : `as of ${clock(asOf)}`}</p>
        {incompatible > 0 && (
          <p role="status">
            <button type="button" class="incompatible incompatible-hint" onClick={showClients}>
              {count(incompatible, "client is", "clients are")} not compatible
            </button>
          </p>
        )}
      </div>
      <ul class="checks" aria-label="Checks">
        {worstFirst(checks).map((check) => (
          <li key={check.name} class={classOf(check.status)}>
            <StatusIcon status={check.status} />
            <b>{oneLine(check.name)}</b>{" "}
            <span class="check-status">{wordOf(check.status).toLowerCase()}</span>{" "}
            <span class="check-message">{oneLine(check.message)}</span>
          </li>
        ))}
        {checks.length === 0 && <li class="muted">The server names no checks.</li>}
      </ul>
    </section>
  );
}

function worstFirst(checks: readonly HealthCheck[]): HealthCheck[] {
  const badness = Object.keys(STATUS_WORDS);
  return checks.toSorted((a, b) => badness.indexOf(b.status) - badness.indexOf(a.status));
}

/** The address already says which view this is. */
function showClients(): void {
  const title = document.getElementById(CLIENTS_TITLE);
  title?.scrollIntoView({ block: "start" });
  title?.focus({ preventScroll: true });
}

function classOf(status: HealthStatus): string {
  return Object.hasOwn(STATUS_WORDS, status) ? `is-${status}` : "";
}

function wordOf(status: HealthStatus): string {
  return STATUS_WORDS[status] ?? oneLine(String(status));
}

const SHAPES: Record<HealthStatus, string> = {
  healthy: "M4.5 8.5l2.3 2.3 4.7-5",
  degraded: "M8 4.5v4.2M8 11.4v.1",
  unhealthy: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2",
};

/** Told apart by its shape as well as by its colour. */
function StatusIcon({ status }: { status: HealthStatus }) {
  return (
    <svg class="status-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="8" fill="currentColor" />
      <path
        d={SHAPES[status] ?? ""}
        fill="none"
        stroke="var(--surface)"
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
