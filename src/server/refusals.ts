/** What is refused, counted by code, and said in the log once for each burst. */
import type { CodedError, ErrorCode } from "../protocol/errors.ts";
import type { Fields, Logger } from "../logging.ts";

export interface Refusals {
  /** @param where what was asked, and by whom: never what was in it */
  note(error: CodedError, where: Fields): void;
  /** Since the start, by code. */
  counts(): Partial<Record<ErrorCode, number>>;
  close(): void;
}

/** Of a burst the first is said, and after so long how many more there were; the burst ends where there were none. */
const BURST_MS = 10_000;

/** These are about the server and who may use it; the others tell a client of a mistake of its own. */
const OF_NOTE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "rate_limited",
  "too_many_handshakes",
  "too_many_connections",
  "too_many_failures",
  "url_too_long",
  "origin_refused",
  "host_refused",
  "token_invalid",
  "overloaded",
  "log_unavailable",
]);

export function createRefusals(logger: Logger, burstMs = BURST_MS): Refusals {
  const counts = new Map<ErrorCode, number>();
  const bursts = new Map<ErrorCode, { more: number; timer: ReturnType<typeof setTimeout> }>();

  function startBurst(code: ErrorCode): void {
    const timer = setTimeout(() => endBurst(code), burstMs);
    timer.unref();
    bursts.set(code, { more: 0, timer });
  }

  function endBurst(code: ErrorCode): void {
    const more = bursts.get(code)?.more ?? 0;
    bursts.delete(code);
    if (more === 0) return;
    logger[levelOf(code)]("refused more of the same", { code, more, seconds: burstMs / 1000 });
    startBurst(code);
  }

  return {
    note({ code }, where) {
      counts.set(code, (counts.get(code) ?? 0) + 1);
      const burst = bursts.get(code);
      if (burst) {
        burst.more += 1;
        return;
      }
      logger[levelOf(code)]("refused", { code, ...where });
      startBurst(code);
    },
    counts: () => Object.fromEntries(counts),
    close() {
      for (const { timer } of bursts.values()) clearTimeout(timer);
    },
  };
}

function levelOf(code: ErrorCode): "warn" | "debug" {
  return OF_NOTE.has(code) ? "warn" : "debug";
}
