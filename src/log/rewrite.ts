/**
 * How a log on disk forgets for good. What is removed from a file of SQLite can be read in it until its place is written
 * anew, in the index of the search too, and the file never becomes smaller. So what is to be kept goes into a new file,
 * which takes the place of the old one; where nothing is kept that costs next to nothing, on a full disk too.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { CodedError } from "../protocol/errors.ts";
import { isDamage, isFull, removeAside, removeLog } from "./damage.ts";
import type { Epoch, Forgotten } from "./log.ts";
import { releaseReserve } from "./reserve.ts";
import { openSqliteFile, type SqliteFile, type SqliteFileOptions } from "./sqlite.ts";

/** Whose file it is, which may be changed for another at any time. */
export interface FileOwner {
  /** The file there is; throws where it is not to be had. */
  current(): Promise<SqliteFile>;
  isCurrent(file: SqliteFile): boolean;
  /** The file has been closed, and another stands in its place that is to be opened; this is what is known of it. Must not throw. */
  takeUp(epochs: readonly Epoch[], lastSeq: number): void;
  /** The file that is the current one is damaged. */
  onDamage(error: unknown): void;
}

export type Rewriting = (beforeSeq: number, owner: FileOwner) => Promise<Forgotten>;

/** Read and written at a time, while nobody else is served. */
const SLICE_CHARS = 128 * 1024;
/** The longest there is: nothing has to be looked after in a file that is about to be closed. */
const NEVER_MS = 2 ** 31 - 1;

const copyOf = (path: string) => `${path}.new`;

/** Removes what an attempt has left that was interrupted. */
export function removeRewritten(path: string): void {
  removeLog(copyOf(path));
  releaseReserve(copyOf(path));
}

/** Returns what `EventLog.forget` does for a log in this file, one after the other; events may be stored meanwhile. */
export function createRewriting(options: SqliteFileOptions): Rewriting {
  const { path } = options;
  let turn: Promise<unknown> = Promise.resolve();

  async function rewrite(beforeSeq: number, owner: FileOwner): Promise<Forgotten> {
    const { first_seq } = (await owner.current()).position();
    // Once more where another file has come into its place meanwhile.
    while (!(await attempt(await owner.current(), beforeSeq, owner)));
    const now = (await owner.current()).position();
    // Whoever wants nothing to be left need not have it in another file.
    if (now.first_seq > now.last_seq) removeAside(path);
    return { ...now, forgotten: Math.max(0, now.first_seq - first_seq) };
  }

  async function attempt(file: SqliteFile, beforeSeq: number, owner: FileOwner): Promise<boolean> {
    const { first_seq, last_seq } = file.position();
    const from = Math.max(first_seq, Math.min(beforeSeq, last_seq + 1));
    const epochs = file.epochs();
    let isTight = false;
    removeRewritten(path);
    let copy: SqliteFile | null = openCopy({ epochs, lastSeq: from - 1, events: [] });
    try {
      for (let reached = from - 1; ;) {
        if (!owner.isCurrent(file) || file.epochs() !== epochs) return false;
        if (file.position().last_seq === reached) break;
        const events = await readSlice(file, reached, owner);
        // Damaged, or all were trimmed meanwhile.
        if (!events?.length) return false;
        copy.take(events);
        if (isTight) throw new CodedError("log_unavailable", NO_ROOM);
        reached = events.at(-1)?.seq ?? reached;
        // At the end there is no pause in which the next one could come.
        if (reached < file.position().last_seq) await new Promise((resolve) => setImmediate(resolve));
      }
      // From here on nobody else gets a turn.
      const { last_seq: lastSeq } = copy.position();
      const whole = copy;
      copy = null;
      whole.closeNow();
      if (existsSync(`${copyOf(path)}-wal`)) throw new CodedError("log_unavailable", NO_ROOM);
      try {
        exchange(file);
      } finally {
        // Where it could not be put there, the old one is still in its place.
        owner.takeUp(epochs, lastSeq);
      }
      return true;
    } finally {
      closeQuietly(copy);
      removeRewritten(path);
    }

    function openCopy(remains: Parameters<typeof openSqliteFile>[1]): SqliteFile {
      const open = () =>
        openSqliteFile(
          {
            ...options,
            path: copyOf(path),
            lookMs: NEVER_MS,
            onHealthChange: () => {},
            onDamage: () => {},
            onTightened: () => (isTight = true),
          },
          remains,
        );
      try {
        return open();
      } catch (error) {
        if (!isFull(error)) throw error;
        removeRewritten(path);
        // It is taken again once there is room, which there is when this is done.
        if (!releaseReserve(path)) throw new CodedError("log_unavailable", NO_ROOM);
        return open();
      }
    }
  }

  async function readSlice(file: SqliteFile, after: number, owner: FileOwner) {
    try {
      return (await file.readAfter(after, SLICE_CHARS)).events;
    } catch (error) {
      if (!owner.isCurrent(file)) return null;
      if (!isDamage(error)) throw error;
      owner.onDamage(error);
      return null;
    }
  }

  function exchange(file: SqliteFile): void {
    closeQuietly(file);
    // One that could not be closed as it should: read together with the new file, they would bring everything back.
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    renameSync(copyOf(path), path);
    syncDirectory(dirname(path));
  }

  return (beforeSeq, owner) => {
    const done = turn.then(() => rewrite(beforeSeq, owner));
    turn = done.catch(() => {});
    return done;
  };
}

const NO_ROOM =
  "The disk has no room for a file with the events that are to be kept: make some, or forget more of them";

function closeQuietly(file: SqliteFile | null): void {
  try {
    file?.closeNow();
  } catch {
    // It goes away in any case.
  }
}

/** So that a loss of power does not bring the old file back; not every system has this. */
function syncDirectory(path: string): void {
  try {
    const descriptor = openSync(path, "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
  } catch {
    // What is forgotten is forgotten all the same, unless the power fails in this very moment.
  }
}
