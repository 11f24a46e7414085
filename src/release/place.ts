/** Putting a program into its place: whole at every moment, and the one that was there kept until the new one has proved itself. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** A program that lies beside its place, and can be run for a look at it. */
export interface Staged {
  path: string;
  /** Takes the place, also of a program that runs; when it throws, nothing has changed and nothing is left. */
  replace(): Replaced;
  discard(): void;
}

export interface Replaced {
  /** Puts back what was there before. */
  undo(): void;
  /** Lets what was there before go. */
  keep(): void;
}

export interface StageOptions {
  mode: number;
  /** Makes the file, and only where there is none: others may be able to write into the directory. */
  write: (path: string) => void;
}

/**
 * Makes a program on the file system of its place, so that taking the place is one step. When it throws, nothing is left
 * but directories.
 */
export function stageProgram(program: string, { mode, write }: StageOptions): Staged {
  mkdirSync(dirname(program), { recursive: true });
  sweep(program);
  // The ending decides on Windows what can be run.
  const ending = endingOf(program);
  const path = join(dirname(program), `.${basename(program, ending)}.${process.pid}.new${ending}`);
  const discard = () => rmSync(path, { force: true });
  try {
    write(path);
    chmodSync(path, mode);
    const file = openSync(path, "r+");
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    discard();
    throw error;
  }
  return { path, discard, replace: () => replace(program, path) };
}

function replace(program: string, staged: string): Replaced {
  const old = asidePath(program);
  const there = lstatSync(program, { throwIfNoEntry: false }) !== undefined;
  try {
    if (there) setAside(program, old);
    renameSync(staged, program);
  } catch (error) {
    rmSync(staged, { force: true });
    if (there && !existsSync(program)) renameSync(old, program);
    else rmSync(old, { force: true });
    throw error;
  }
  return {
    undo() {
      // On Windows the new one may run, too.
      if (process.platform === "win32") renameSync(program, staged);
      if (there) renameSync(old, program);
      removeQuietly(process.platform === "win32" || there ? staged : program);
    },
    keep: () => removeQuietly(old),
  };
}

/** Windows lets a program that runs be moved, and nothing else; elsewhere there is a program at every moment, for hooks. */
function setAside(program: string, old: string): void {
  if (process.platform === "win32") {
    renameSync(program, old);
    return;
  }
  try {
    linkSync(program, old);
  } catch {
    copyFileSync(program, old);
  }
}

/** Removes a program, or on Windows, where it may be running, moves it aside; returns where to, null when it is gone. */
export function removeProgram(path: string): string | null {
  try {
    rmSync(path, { force: true });
    return null;
  } catch (error) {
    if (process.platform !== "win32") throw error;
    renameSync(path, asidePath(path));
    return asidePath(path);
  }
}

/** As install.ps1 names it, which removes all of them. */
function asidePath(program: string): string {
  return `${program}.${process.pid}.old`;
}

function endingOf(program: string): string {
  return program.toLowerCase().endsWith(".exe") ? program.slice(-4) : "";
}

/** What an attempt has left that was killed; on Windows also what still ran when it was replaced. */
function sweep(program: string): void {
  const ending = endingOf(program);
  const name = basename(program, ending);
  for (const file of readdirSync(dirname(program))) {
    const middle = [
      [`.${name}.`, `.new${ending}`],
      [`${name}${ending}.`, ".old"],
    ].flatMap(([before = "", after = ""]) => {
      return file.startsWith(before) && file.endsWith(after)
        ? [file.slice(before.length, -after.length)]
        : [];
    })[0];
    if (middle === undefined || !/^\d+$/.test(middle) || isOtherProcess(Number(middle))) continue;
    removeQuietly(join(dirname(program), file));
  }
}

function isOtherProcess(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Windows keeps it while it runs; the next one that is put in place takes it away.
  }
}
