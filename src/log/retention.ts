/** How many events are held: as configured, and fewer while the disk is full. */
import type { Database } from "bun:sqlite";
import { createReserve } from "./reserve.ts";

export interface Retention {
  /** Events that are held at most, for now. */
  limit(): number;
  /** Whether fewer are held than configured. */
  isTight(): boolean;
  /** Before so many characters are stored: on a full disk they need pages that are free already. */
  prepare(chars: number): void;
  /** Forgets the oldest events for good, until so many characters find a place; false when it is in vain. */
  makeRoom(chars: number): boolean;
  /** Eases once there is plenty of room; to be called about every second. */
  look(): void;
}

export interface RetentionOptions {
  database: Database;
  path: string;
  maxEvents: number;
  /** Whether the log could be opened only with the reserve. */
  startsTight: boolean;
  held: () => number;
  /** Applies `limit`. */
  trim: () => void;
  /** Removes some of what was trimmed from the file; returns how many. */
  remove: () => number;
  onTightened: (fields: { limit: number; forgotten: number }) => void;
  onEased: () => void;
}

/** Of what is held, so much is forgotten at a time, down to so many events. */
const SHARE = 0.1;
const FLOOR = 100;
/** Nobody is served meanwhile; the rest is removed in the pauses. */
const LIMIT_MS = 250;
/** Bytes of the file for a character of an event, with its entries in the index. */
const BYTES_PER_CHAR = 4;
const MARGIN_BYTES = 256 * 1024;
/** Looks after which the reserve is taken, and between two attempts. */
const FIRST_LOOKS = 2;
const LOOKS = 60;

export function createRetention(options: RetentionOptions): Retention {
  const { database, path, maxEvents, startsTight, held, trim, remove, onTightened, onEased } = options;
  const reserve = createReserve(path);
  const unused = database.query<{ bytes: number }, []>(
    "SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count(), pragma_page_size()",
  );
  const isEnough = (chars: number) => (unused.get()?.bytes ?? 0) >= MARGIN_BYTES + chars * BYTES_PER_CHAR;
  let limit = maxEvents;
  let tight = startsTight;
  let looks = LOOKS - FIRST_LOOKS;

  /** Brings what was written ahead into the file, so that the place it took is written anew. */
  function checkpoint(): void {
    try {
      database.run("PRAGMA wal_checkpoint(RESTART)");
    } catch {
      // Some of it has been done; what is missing is seen when it is written.
    }
  }

  function tighten(): void {
    const before = held();
    limit = Math.max(FLOOR, Math.floor(before * (1 - SHARE)));
    tight = true;
    trim();
    onTightened({ limit, forgotten: before - held() });
  }

  function makeRoom(chars: number): boolean {
    const end = performance.now() + LIMIT_MS;
    const hadReserve = reserve.release();
    checkpoint();
    try {
      while (!isEnough(chars) && performance.now() < end) {
        if (remove() > 0) continue;
        if (held() <= FLOOR) break;
        tighten();
      }
    } catch {
      // There is not even room to remove something.
    }
    checkpoint();
    return hadReserve || isEnough(chars);
  }

  return {
    limit: () => limit,
    isTight: () => tight,
    prepare(chars) {
      if (tight && !isEnough(chars)) makeRoom(chars);
    },
    makeRoom,
    look() {
      looks += 1;
      if (tight && reserve.isPlenty()) {
        tight = false;
        limit = maxEvents;
        looks = LOOKS;
        onEased();
      }
      if (!tight && looks % LOOKS === 0) void reserve.take();
    },
  };
}
