/** Files that are there wholly or not at all. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** The text of a file; null when there is none. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Writes a file in one step, and the directories it lies in. */
export function writeWhole(path: string, text: string, mode: number): void {
  intoPlace(path, (temporary) => {
    writeFileSync(temporary, text, { flag: "wx" });
    chmodSync(temporary, mode);
  });
}

export interface Copied {
  /** Puts back what was there before. */
  undo(): void;
  /** Forgets what was there before. */
  done(): void;
}

/** Copies a program in one step, so that the path leads to a whole one at any time. */
export function copyProgram(from: string, path: string): Copied {
  const old = join(dirname(path), `.${basename(path)}.${process.pid}.old`);
  const there = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  const undo = () => {
    if (there) renameSync(old, path);
    // Where both are still the same file, renaming has done nothing.
    rmSync(there ? old : path, { force: true });
  };
  intoPlace(path, (temporary) => {
    copyFileSync(from, temporary);
    chmodSync(temporary, 0o755);
    if (!there) return () => {};
    // Windows lets a program that runs be moved, and nothing else.
    if (process.platform === "win32") renameSync(path, old);
    else linkSync(path, old);
    return undo;
  });
  return { undo, done: () => void removeProgram(old) };
}

/** Removes a program, or on Windows, where it may be running, moves it aside; returns where to, null when it is gone. */
export function removeProgram(path: string): string | null {
  try {
    rmSync(path, { force: true });
    return null;
  } catch (error) {
    if (process.platform !== "win32") throw error;
    const aside = path.endsWith(".old") ? path : `${path}.${process.pid}.old`;
    if (aside !== path) renameSync(path, aside);
    return aside;
  }
}

/** @param make makes the file under a temporary name; what it returns undoes what else it did */
function intoPlace(path: string, make: (temporary: string) => (() => void) | void): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  mkdirSync(dirname(path), { recursive: true });
  let undo = () => {};
  try {
    undo = make(temporary) ?? undo;
    const descriptor = openSync(temporary, "r+");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    undo();
    throw error;
  }
}
