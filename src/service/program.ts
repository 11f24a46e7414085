/** Which program a service runs: one that stays where it is, and that nobody can replace who has fewer rights than it. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type Self, stableProgram } from "../hooks/settings/program.ts";
import { type Mode, ServiceError } from "./manager.ts";

export interface ProgramChoice {
  program: string;
  /** Whether it has to be copied there first. */
  copy: boolean;
}

/**
 * The running program where it stands, if it lasts there, else its place in `installed`.
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
  if (isSame(executable, installed)) return { program: installed, copy: false };
  const { command, warnings } = stableProgram(self);
  const [stable = executable] = command;
  const lasting = warnings.length === 0 && (mode === "user" || isOutOfUsersReach(stable));
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

function isSame(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/**
 * A service of the machine neither sees home directories, nor may it run what a user could put in the program's place.
 * On Windows that is what a program below one of the machine's own folders is kept from.
 */
function isOutOfUsersReach(path: string): boolean {
  if (process.platform === "win32") return /^[A-Z]:\\Program Files\\/i.test(path);
  return ancestors(path)
    .concat(ancestors(realpathSync(path)))
    .every((part) => {
      const { uid, mode } = statSync(part);
      return uid === 0 && (mode & 0o022) === 0 && !/^\/(home|root|Users)$/.test(part);
    });
}

/** The path itself, and every directory it lies in. */
function ancestors(path: string): string[] {
  return dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))];
}
