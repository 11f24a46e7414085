/**
 * A node's copy of the log, in a file of its own: what is asked about the past is answered from it, with filters and
 * search as on one machine, also while Redis is away, and Redis gets back from it what it has lost. It is made anew
 * with every start and whenever it no longer fits.
 */
import type { StoredEvent } from "../../protocol/event.ts";
import { isDamage, removeLog } from "../damage.ts";
import type { Epoch } from "../log.ts";
import { releaseReserve } from "../reserve.ts";
import { createRewriting, removeRewritten } from "../rewrite.ts";
import { openSqliteFile, type SqliteFile, type SqliteFileOptions } from "../sqlite.ts";

export interface Mirror {
  /** Where it ends; 0 while it is empty. */
  lastSeq(): number;
  firstSeq(): number;
  /** Takes what follows; what stands before a hole is forgotten. */
  take(events: readonly StoredEvent[]): void;
  /** Begins anew, empty, behind this seq. */
  clear(lastSeq: number): void;
  /**
   * Forgets what stands before a seq, so that nothing of it is left in the file: at once where that is everything, else
   * by the time it resolves.
   */
  forget(beforeSeq: number): Promise<void>;
  /** Asks the file; where it was changed for another meanwhile, that one. */
  ask<T>(question: (file: SqliteFile) => Promise<T>): Promise<T>;
  askNow<T>(question: (file: SqliteFile) => T): T;
  close(): void;
}

/** What SQLite has for epochs; the log's own are kept elsewhere. */
const EPOCHS: readonly Epoch[] = [{ epoch: "mirror", start_seq: 0 }];

/** @param onDamage the file is of no use any more: it is empty now, and has to be filled again */
export function openMirror(
  options: Omit<SqliteFileOptions, "durability" | "onDamage" | "warn">,
  onDamage: (error: unknown) => void,
): Mirror {
  const { path } = options;
  const fileOptions: SqliteFileOptions = { ...options, durability: "none", onDamage: noteDamage };
  const rewriteFrom = createRewriting(fileOptions);
  let file = open(0);
  let closed = false;

  function open(lastSeq: number): SqliteFile {
    removeLog(path);
    removeRewritten(path);
    releaseReserve(path);
    return openSqliteFile(fileOptions, { epochs: EPOCHS, lastSeq, events: [] });
  }

  function clear(lastSeq: number): void {
    forget();
    file = open(lastSeq);
  }

  /** Without its name what the file is closed with costs no more than a file that is kept. */
  function forget(): void {
    removeLog(path);
    releaseReserve(path);
    file.close().catch(() => {});
  }

  function noteDamage(error: unknown): void {
    if (closed) return;
    clear(0);
    onDamage(error);
  }

  function askNow<T>(question: (file: SqliteFile) => T): T {
    try {
      return question(file);
    } catch (error) {
      if (!isDamage(error)) throw error;
      noteDamage(error);
      return question(file);
    }
  }

  return {
    lastSeq: () => file.position().last_seq,
    firstSeq: () => file.position().first_seq,
    take: (events) => askNow(() => file.take(events)),
    clear,

    async forget(beforeSeq) {
      const { last_seq } = file.position();
      if (beforeSeq > last_seq) return clear(last_seq);
      try {
        await rewriteFrom(beforeSeq, {
          async current() {
            if (closed) throw new Error("the copy is closed");
            return file;
          },
          isCurrent: (one) => one === file && !closed,
          takeUp() {
            try {
              file = openSqliteFile(fileOptions);
            } catch (error) {
              noteDamage(error);
            }
          },
          onDamage: noteDamage,
        });
      } catch (error) {
        // What cannot be rewritten is read anew from where it is forgotten already.
        noteDamage(error);
      }
    },

    async ask(question) {
      const asked = file;
      try {
        return await question(asked);
      } catch (error) {
        if (asked === file && isDamage(error)) noteDamage(error);
        else if (asked === file) throw error;
        return question(file);
      }
    },

    askNow,

    close() {
      closed = true;
      forget();
      removeRewritten(path);
    },
  };
}
