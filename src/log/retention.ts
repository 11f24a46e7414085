/** How many events are held: as configured, and fewer while the disk is full. */
import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { createReserve, RESERVE_BYTES } from "./reserve.ts";

export interface Retention {
  /** Events that are held at most, for now. */
  limit(): number;
  /** Whether fewer are held than configured. */
  isTight(): boolean;
  /** Before so many characters are stored: on a full disk they need pages that are free already. */
  prepare(chars: number): void;
  /**
   * After so many characters did not fit: forgets the oldest events for good, until they seem to; false when there is no
   * more room than before.
   */
  makeRoom(chars: number): boolean;
  /** Eases once there is plenty of room; to be called about every second. */
  look(): void;
}

export interface RetentionOptions {
  database: Database;
  path: string;
  maxEvents: number;
  /** Whether the disk was found full when the log was opened. */
  startsTight: boolean;
  held: () => number;
  /** Applies `limit`. */
  trim: () => void;
  /** Removes some of what was trimmed from the file; returns how many. */
  remove: () => number;
  /** Empties the index for search, which is filled again later: what was removed keeps its place there for a while. */
  emptySearch: () => void;
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
/** As many as SQLite can have. */
const MAX_PAGES = 4_294_967_294;

export function createRetention(options: RetentionOptions): Retention {
  const { database, path, maxEvents, startsTight, held, trim, remove, emptySearch, onTightened, onEased } =
    options;
  const reserve = createReserve(path);
  const unused = database.query<{ bytes: number }, []>(
    "SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count(), pragma_page_size()",
  );
  const size = database.query<{ pages: number; pageSize: number }, []>(
    "SELECT page_count AS pages, page_size AS pageSize FROM pragma_page_count(), pragma_page_size()",
  );
  const unusedBytes = () => unused.get()?.bytes ?? 0;
  const neededFor = (chars: number) => MARGIN_BYTES + chars * BYTES_PER_CHAR;
  let limit = maxEvents;
  let isSearchEmptied = false;
  let tight = startsTight;
  /** Whether it was found full, and the place of the reserve is in use. */
  let isHeld = startsTight || reserve.isMissed();
  let looks = LOOKS - FIRST_LOOKS;
  holdSize(reserve.free());

  /** Brings what was written ahead into the file, so that the place it took is written anew. */
  function checkpoint(): void {
    try {
      database.run("PRAGMA wal_checkpoint(RESTART)");
    } catch {
      // Some of it has been done; what is missing is seen when it is written.
    }
  }

  /**
   * Keeps the file from growing into the place of what is written ahead: what no longer fits into the file stays there
   * and fills it, and then not even a removal can be written. The reserve is a part of that place.
   */
  function holdSize(free: number): void {
    const { pages, pageSize } = size.get() as { pages: number; pageSize: number };
    const ahead = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    const all = pages * pageSize + ahead + free;
    const most = all - Math.min(reserve.exists() ? RESERVE_BYTES / 2 : RESERVE_BYTES, all / 2);
    const mostPages = Math.min(MAX_PAGES, Math.floor(most / pageSize));
    database.run(`PRAGMA max_page_count = ${Math.max(pages, mostPages)}`);
  }

  function tighten(): void {
    const before = held();
    limit = Math.max(FLOOR, Math.floor(before * (1 - SHARE)));
    tight = true;
    trim();
    onTightened({ limit, forgotten: before - held() });
  }

  /** Forgets and removes until so many bytes of the file are free, or nothing is left that may be forgotten. */
  function freeBytes(wanted: number): void {
    const end = performance.now() + LIMIT_MS;
    while (unusedBytes() < wanted && performance.now() < end) {
      if (remove() > 0) continue;
      if (held() > FLOOR) tighten();
      else if (isSearchEmptied) return;
      else forgetSearch();
    }
  }

  /** Frees more than it takes, even where no page is free. */
  function forgetSearch(): void {
    isSearchEmptied = true;
    emptySearch();
  }

  /** After something did not fit, though there seemed to be enough, twice as much is wanted. */
  function makeRoom(chars: number, hasFailed = true): boolean {
    const before = unusedBytes();
    const hadReserve = reserve.release();
    checkpoint();
    if (!isHeld || hadReserve) {
      isHeld = true;
      // The disk has just been full, whatever it says of itself.
      holdSize(hadReserve ? RESERVE_BYTES : 0);
    }
    const needed = neededFor(chars);
    isSearchEmptied = false;
    const wanted = hasFailed && before >= needed ? 2 * needed : needed;
    try {
      freeBytes(wanted);
    } catch {
      // The index for search is told of a removal, and may join its parts then: hundreds of pages before it frees any.
      try {
        forgetSearch();
        freeBytes(wanted);
      } catch {
        // There is no room at all.
      }
    }
    checkpoint();
    return hadReserve || unusedBytes() > before;
  }

  return {
    limit: () => limit,
    isTight: () => tight,
    prepare(chars) {
      if (isHeld && unusedBytes() < neededFor(chars)) makeRoom(chars, false);
    },
    makeRoom,
    look() {
      looks += 1;
      if (isHeld && reserve.isPlenty()) {
        isHeld = false;
        tight = false;
        limit = maxEvents;
        looks = LOOKS;
        onEased();
      }
      holdSize(reserve.free());
      if (!isHeld && looks % LOOKS === 0) reserve.take();
    },
  };
}
