/** What the server knows of its own health: its checks, and what it has done to recover. */
import type { Hub } from "../hub/hub.ts";
import type { SpoolStatus } from "../hooks/spool.ts";
import type { Fields, Logger, Logging } from "../logging.ts";
import type { HealthCheck, HealthStatus } from "../protocol/messages.ts";
import { clockMonitor } from "./clock.ts";
import { diskMonitor } from "./disk.ts";
import { errorsMonitor } from "./errors.ts";
import { type EventLoopDelays, watchEventLoop } from "./event-loop.ts";
import { lagMonitor } from "./lag.ts";
import { logFileMonitor } from "./log-file.ts";
import { memoryMonitor } from "./memory.ts";
import { spoolMonitor } from "./spool.ts";

/** What the server does by itself to get well again. */
export const RECOVERIES = [
  "log_set_aside",
  "retention_tightened",
  "log_file_reopened",
  "port_taken_anew",
  "redis_rejoined",
  "events_restored",
] as const;
export type Recovery = (typeof RECOVERIES)[number];

export interface HealthOptions {
  logging: Logging;
  /** Where the log is kept. */
  directory: string;
  /** Throws where the spool cannot be read. */
  spool: () => SpoolStatus;
  /** Seconds between two looks whose changes are said in the log. */
  interval: number;
}

export interface Health {
  /** Begins to look, also at what other parts of the server check by themselves, and to say in the log what changes. */
  watch(hub: Hub, others?: Readonly<Record<string, () => HealthCheck>>): void;
  /** All checks, made anew. */
  checks(): HealthCheck[];
  /** Says in the log what has changed since the last time. */
  report(): void;
  /** Counts what the server has done to recover, and says it in the log. */
  recovered(action: Recovery, message: string, fields?: Fields): void;
  /** How often it did, by action. */
  recoveries(): Record<Recovery, number>;
  /** How late the event loop has been lately. */
  loopDelays(): EventLoopDelays;
  stop(): void;
}

/** Some monitors see what lasts, or comes and goes, between two looks; a look costs less than a millisecond. */
const LOOK_MS = 5000;

export function createHealth({ logging, directory, spool, interval }: HealthOptions): Health {
  const logger = logging.logger("health");
  const counts = Object.fromEntries(RECOVERIES.map((action) => [action, 0])) as Record<Recovery, number>;
  const eventLoop = watchEventLoop();
  const timers: Timer[] = [];
  let checks = (): HealthCheck[] => [];
  const report = reportChanges(() => checks(), logger);

  function recovered(action: Recovery, message: string, fields: Fields = {}): void {
    counts[action] += 1;
    logger.warn(message, { recovery: action, ...fields });
  }
  logging.onReopened((why) => recovered("log_file_reopened", "the log file was opened anew", { why }));

  return {
    watch(hub, others = {}) {
      const monitors: Record<string, () => HealthCheck> = {
        log_file: logFileMonitor(logging),
        disk: diskMonitor(directory),
        lag: lagMonitor(hub),
        spool: spoolMonitor(spool),
        event_loop: eventLoop.check,
        memory: memoryMonitor(),
        errors: errorsMonitor(logging.errors),
        clock: clockMonitor(),
        ...others,
      };
      const guarded = Object.entries(monitors).map(([name, monitor]) => guard(name, monitor));
      checks = () => [...hub.checks(), ...guarded.map((monitor) => monitor())];
      timers.push(setInterval(checks, LOOK_MS), setInterval(report, interval * 1000));
    },
    checks: () => checks(),
    report,

    recovered,
    recoveries: () => ({ ...counts }),
    loopDelays: eventLoop.delays,

    stop() {
      for (const timer of timers) clearInterval(timer);
      eventLoop.stop();
    },
  };
}

/** What cannot be looked at is told of, and costs nobody the other checks. */
function guard(name: string, monitor: () => HealthCheck): () => HealthCheck {
  return () => {
    try {
      return monitor();
    } catch (error) {
      return { name, status: "degraded", message: `it cannot be looked at: ${(error as Error).message}` };
    }
  };
}

/** Says in the log what the server's checks of itself find changed. */
function reportChanges(checks: () => HealthCheck[], logger: Logger): () => void {
  const known = new Map<string, HealthStatus>();
  return () => {
    for (const { name, status, message } of checks()) {
      const before = known.get(name) ?? "healthy";
      known.set(name, status);
      if (status === before) continue;
      logger[status === "healthy" ? "info" : "warn"]("health changed", {
        check: name,
        status,
        finding: message,
      });
    }
  };
}
