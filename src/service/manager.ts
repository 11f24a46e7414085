/** What every service manager can be asked for, and the failure all of them report with. */
import type { Ran, Run } from "./tool.ts";
import { HintedError } from "../protocol/hinted-error.ts";

export type Mode = "user" | "system";

export interface ServiceState {
  installed: boolean;
  /** Starts by itself, at log-on or at boot. */
  enabled: boolean;
  running: boolean;
  /** Of the server; null where none runs, or the manager does not tell. */
  pid: number | null;
  /** Where the definition lies; for people. */
  definition: string | null;
  /** The program it runs, where the manager tells. */
  program: string | null;
  /** Why it does not run, where it has failed and the manager tells. */
  failure: Failure | null;
}

export interface Failure {
  why: string;
  /** What its command has ended with. */
  exitCode: number | null;
}

export interface ServiceManager {
  /** For people: `systemd`, `launchd`, `the Task Scheduler`. */
  name: string;
  /** Where what the server said can be read. */
  logHint: string;
  /** Throws a `ServiceError` when services cannot be managed here, or not by this user. */
  check(): void;
  state(): ServiceState;
  /**
   * Registers the definition, or replaces the one that is there, and runs it from now on. When it throws, all is as it
   * was. Returns what makes it so later.
   */
  install(definition: string): () => void;
  /** Stops the service and removes its definition; returns what was removed. */
  remove(): string[];
  start(): void;
  stop(): void;
  restart(): void;
}

/** What could not be done with the service; the hint says what to do next. */
export class ServiceError extends HintedError {}

/** Runs a tool that has to succeed. */
export function mustRun(run: Run, command: string, args: readonly string[], hint: string): Ran {
  const ran = run(command, args);
  if (ran.status === 0) return ran;
  const why = (ran.stderr.trim() || ran.stdout.trim() || `exit code ${ran.status}`)
    .split("\n")[0]
    ?.replace(/\.$/, "");
  throw new ServiceError(`${[command, ...args].join(" ")} failed: ${why}`, hint);
}

/** @param self what a shell runs this program by */
export function rootHint(self: string): string {
  return `Run it with sudo: sudo ${self} …, or use --mode user`;
}

/** Does the steps; when one fails, undoes them all. */
export function orUndo(act: () => void, undo: () => void): void {
  try {
    act();
  } catch (error) {
    undo();
    throw error;
  }
}
