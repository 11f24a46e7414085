/**
 * Hook events that wait for the server: one file per event, whose name tells its place and its size. Any number of
 * processes write into it, read it and clear it at once.
 */
import {
  closeSync,
  statSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ensurePrivateDirectory, problemOfDirectory } from "../private-files.ts";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { parseExactJson } from "../protocol/json.ts";

export interface SpoolLimits {
  files: number;
  bytes: number;
  /** How many of the additions look whether there are too many: it takes 10 ms when there are 10,000. */
  checked: number;
}

export type DropReason = "spool_full" | "damaged" | `refused_${number}`;

/** An event that waits, with the text it was written as. */
export interface SpooledEvent {
  name: string;
  text: string;
  event: JsonObject;
}

export interface SpoolStatus {
  waiting: number;
  bytes: number;
  /** When the hook ran whose event has waited longest, in milliseconds since the epoch. */
  oldest: number | null;
  /** Events that were given up, ever. */
  dropped: number;
  /** When the last of them was, in milliseconds since the epoch. */
  dropped_at: number | null;
  last_reason: string | null;
}

const LIMITS: SpoolLimits = { files: 10_000, bytes: 256 * 1024 * 1024, checked: 1 / 64 };
/** What is given up at once when it is full, so that not every further event has to look for the oldest. */
const HEADROOM = 0.01;
const MAX_ATTEMPTS = 10;
const LEFT_OVER_MS = 60_000;
/** Names may be this much ahead of the clock before they are taken for written under another one. */
const CLOCK_STEP_MICROS = 1_000_000;

/** `<microseconds since the epoch>-<random>-<bytes>.json`; in front of it a dot while it is being written. */
const NAME = /^\.?(\d{16})-[0-9a-f]{8}-(\d+)\.json$/;

export type Spool = ReturnType<typeof openSpool>;

/** Opens the spool in a directory, which is made when the first event is added. */
export function openSpool(directory: string, limits: SpoolLimits = LIMITS) {
  const pathOf = (name: string) => join(directory, name);

  /** Counts what is given up meanwhile. The file is opened first: what cannot be counted is not given up. */
  function counting(reason: DropReason, giveUp: (count: (more: number) => void) => void): void {
    ensurePrivateDirectory(dirname(directory));
    const file = openSync(droppedFile(directory), "a", 0o600);
    let sum = 0;
    try {
      giveUp((more) => (sum += more));
    } finally {
      try {
        if (sum > 0) writeSync(file, `${new Date().toISOString()} ${sum} ${reason}\n`);
      } finally {
        closeSync(file);
      }
    }
  }

  /** Where others may write, they could lead events elsewhere: the server refuses such a place too. */
  function refuseStrangers(): void {
    for (const place of [dirname(dirname(directory)), dirname(directory), directory]) {
      const problem = problemOfDirectory(place);
      if (problem !== null) throw problem;
    }
  }

  /** Makes the directory where there is none, or none any more (`tidy`). */
  function write(path: string, text: string): void {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return writeFileSync(path, text, { mode: 0o600 });
      } catch (error) {
        if ((error as { code?: string }).code !== "ENOENT" || attempt === MAX_ATTEMPTS) throw error;
        mkdirSync(directory, { recursive: true, mode: 0o700 });
      }
    }
  }

  /** Whether this call, and not another process, removed it. */
  function remove(name: string): boolean {
    try {
      rmSync(pathOf(name));
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return false;
      rmSync(pathOf(name), { recursive: true, force: true });
      return true;
    }
  }

  function drop(names: readonly string[], reason: DropReason): void {
    counting(reason, (count) => {
      for (const name of names) if (remove(name)) count(1);
    });
  }

  /** What writers that were killed have left. */
  function removeLeftOvers(all: readonly string[]): void {
    const stale = (Date.now() - LEFT_OVER_MS) * 1000;
    for (const name of all) if (name.startsWith(".") && timeOf(name) < stale) remove(name);
  }

  /** Gives up the oldest events beyond the limits, and what writers that were killed have left. */
  function trim(): void {
    const all = list(directory);
    const names = all.filter((name) => !name.startsWith("."));
    let bytes = sizeOf(names);
    removeLeftOvers(all);
    if (names.length <= limits.files && bytes <= limits.bytes) return;
    const oldest: string[] = [];
    for (const name of names.toSorted()) {
      const left = names.length - oldest.length;
      if (left <= limits.files * (1 - HEADROOM) && bytes <= limits.bytes * (1 - HEADROOM)) break;
      oldest.push(name);
      bytes -= bytesOf(name);
    }
    drop(oldest, "spool_full");
  }

  return {
    directory,
    drop,
    remove,

    /** Counts an event that never was in the spool. */
    note: (reason: DropReason) => counting(reason, (count) => count(1)),

    /** @param time when the hook ran, milliseconds since the epoch with a fraction */
    add(text: string, time: number): void {
      refuseStrangers();
      const micros = `${Math.round(time * 1000)}`.padStart(16, "0");
      // `node:crypto` would take longer to load than all else a hook does.
      const random = Math.floor(Math.random() * 2 ** 32)
        .toString(16)
        .padStart(8, "0");
      const name = `${micros}-${random}-${Buffer.byteLength(text)}.json`;
      const temporary = pathOf(`.${name}`);
      try {
        write(temporary, text);
        renameSync(temporary, pathOf(name));
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      }
      if (Math.random() >= limits.checked) return;
      try {
        trim();
      } catch {
        // The event is in, and a later one looks again.
      }
    },

    /**
     * Takes the directory away if nothing is in it but what writers that were killed have left: where there is none, a
     * hook need not look.
     */
    tidy(): void {
      try {
        removeLeftOvers(list(directory));
        rmdirSync(directory);
      } catch {
        // Somebody writes or has written into it, or it is gone.
      }
    },

    /** Throws where that cannot be told, as all that reads the directory does. */
    isEmpty: () => !list(directory).some((name) => !name.startsWith(".")),

    /**
     * Events in their order, such that for each of them all those are there that had been written before its hook
     * began: a directory is not read in one moment, so hooks that began meanwhile are left for the next look.
     */
    next(): string[] {
      const soon = (Date.now() + 1) * 1000;
      const began = (name: string) => timeOf(name) < soon || timeOf(name) > soon + CLOCK_STEP_MICROS;
      return list(directory)
        .filter((name) => !name.startsWith(".") && began(name))
        .toSorted();
    },

    /** Null for what is gone meanwhile, and for what is no event, which is given up. Throws what may pass. */
    read(name: string): SpooledEvent | null {
      try {
        // To open a pipe would wait for ever for somebody to write into it.
        if (statSync(pathOf(name)).isFile()) {
          const text = readFileSync(pathOf(name), "utf8");
          const event = parse(text);
          if (isObject(event)) return { name, text, event };
        }
      } catch (error) {
        if ((error as { code?: string }).code !== "ENOENT") throw error;
        return null;
      }
      drop([name], "damaged");
      return null;
    },
  };
}

/** What waits in a spool, and what it has given up. Throws where it cannot be read. */
export function spoolStatus(directory: string): SpoolStatus {
  const names = list(directory).filter((name) => !name.startsWith("."));
  let lines: string[] = [];
  try {
    lines = readFileSync(droppedFile(directory), "utf8").trim().split("\n");
  } catch {
    // Nothing has been given up.
  }
  const drops = lines.map((line) => line.split(" "));
  return {
    waiting: names.length,
    bytes: sizeOf(names),
    oldest:
      names.length === 0
        ? null
        : names.reduce((least, name) => Math.min(least, timeOf(name)), Infinity) / 1000,
    dropped: drops.reduce((sum, [, count]) => sum + (Number(count) || 0), 0),
    dropped_at: Date.parse(drops.at(-1)?.[0] ?? "") || null,
    last_reason: drops.at(-1)?.[2] ?? null,
  };
}

/** Held while the spool is being emptied. */
export function lockFile(directory: string): string {
  return `${directory}.lock`;
}

/** A line for each time something was given up: when, how many, why. Not among the events, which come and go. */
export function droppedFile(directory: string): string {
  return `${directory}.dropped`;
}

/** How large an event is that waits. */
export function bytesOf(name: string): number {
  return Number(NAME.exec(name)?.[2] ?? 0);
}

function timeOf(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}

function sizeOf(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + bytesOf(name), 0);
}

/** Undefined for what is no JSON, or nested deeper than the parser's stack. */
function parse(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    return undefined;
  }
}

/** Events and those being written, in no order; none where there is no directory. Throws where it cannot be read. */
function list(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => NAME.test(name));
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
}
