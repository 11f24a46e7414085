/** Which program a service runs: one that stays where it is, and that nobody can replace who has fewer rights than it. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { type Self, stableProgram } from "../hooks/settings/program.ts";
import { type Mode, ServiceError } from "./manager.ts";

export interface ProgramChoice {
  program: string;
  /** Whether it has to be copied there first. */
  copy: boolean;
}

/**
 * The running program where it stands, if it lasts there: on `PATH`, without a version. Else its place in `installed`.
 *
 * @param installed where this mode's program belongs
 */
export function chooseProgram(self: Self, mode: Mode, installed: string): ProgramChoice {
  const [executable = ""] = self.command;
  if (!self.compiled) {
    throw new ServiceError(
      "This runs from a checkout, which a service cannot rely on",
      "Build the program first, and install with that: bun run build && dist/claude-mpm-socketio service install",
    );
  }
  if (isSameFile(executable, installed)) return { program: installed, copy: false };
  const { command, warnings } = stableProgram(self);
  const [stable = executable] = command;
  const onPath = (self.path ?? "").split(delimiter).includes(dirname(stable));
  const lasting = onPath && warnings.length === 0 && (mode === "user" || isForTheMachine(stable));
  return lasting ? { program: stable, copy: false } : { program: installed, copy: true };
}

/** Whether both are there and hold the same bytes. */
export function isSameContent(one: string, other: string): boolean {
  try {
    return statSync(one).size === statSync(other).size && readFileSync(one).equals(readFileSync(other));
  } catch {
    return false;
  }
}

/** Whether both paths lead to one file that is there. */
export function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/**
 * A service of the machine runs as a user of its own, who sees no home directories, and it may not run what somebody
 * else could put in the program's place. On Windows that holds below the machine's own folder of programs.
 */
function isForTheMachine(path: string): boolean {
  if (process.platform === "win32") return /^[A-Z]:\\Program Files\\/i.test(path);
  return ancestors(path)
    .concat(ancestors(realpathSync(path)))
    .every((part) => {
      const { uid, mode } = statSync(part);
      return uid === 0 && (mode & 0o023) === 0o001 && !/^\/(home|root|Users)$/.test(part);
    });
}

/** The path itself, and every directory it lies in. */
function ancestors(path: string): string[] {
  return dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))];
}
