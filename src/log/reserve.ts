/**
 * A file that holds a place on the disk beside the log. When the disk is full there is no room even to remove anything,
 * for what is removed is written down first: then this place is given to the log.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, renameSync, rmSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** The write-ahead log at its usual size, and as much again for what a batch takes. */
export const RESERVE_BYTES = 8 * 1024 * 1024;
/** Where this is free, the place can be taken again, and there is room for a while. */
const PLENTY_BYTES = 2 * RESERVE_BYTES;
/** Random, for there are file systems that keep nothing for what can be compressed; written in pieces. */
const PIECE_BYTES = 1024 * 1024;

export function createReserve(path: string) {
  const file = `${path}.reserve`;
  const free = () => {
    try {
      const { bavail, bsize } = statfsSync(dirname(path));
      return bavail * bsize;
    } catch {
      // The directory is gone, of which others tell.
      return 0;
    }
  };
  const isPlenty = () => free() >= PLENTY_BYTES;
  return {
    /** Bytes that are free on the disk. */
    free,
    isPlenty,
    exists: () => existsSync(file),
    /** Whether there is none, nor a place for it. */
    isMissed: () => !existsSync(file) && !isPlenty(),
    /**
     * Takes its place where there is plenty. Some milliseconds are spent on it at one go: half of it, and open, it would
     * hold a place that cannot be given back.
     */
    take(): void {
      if (existsSync(file) || !isPlenty()) return;
      try {
        write(`${file}.new`);
        renameSync(`${file}.new`, file);
      } catch {
        rmSync(`${file}.new`, { force: true });
      }
    },
    /** Gives it back; false where there was none. */
    release: () => releaseReserve(path),
  };
}

function write(path: string): void {
  const descriptor = openSync(path, "w", 0o600);
  try {
    const piece = randomBytes(PIECE_BYTES);
    for (let left = RESERVE_BYTES; left > 0; left -= PIECE_BYTES) {
      if (writeSync(descriptor, piece) < PIECE_BYTES) throw new Error("it does not fit");
    }
  } finally {
    closeSync(descriptor);
  }
}

/** @param path the log's */
export function releaseReserve(path: string): boolean {
  const file = `${path}.reserve`;
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
}
