/** The event log on disk. It outlives its file: where that is damaged, it goes on with a new one. */
import { CodedError } from "../protocol/errors.ts";
import { isDamage, isFull, putBack, readRemains, type Remains, removeLog, setAside } from "./damage.ts";
import { type EventLog, locateIn } from "./log.ts";
import { NewerLogError } from "./migrations.ts";
import { createImportGate } from "./restore.ts";
import { createRewriting, removeRewritten } from "./rewrite.ts";
import { openSqliteFile, type SqliteFile, type SqliteLogOptions } from "./sqlite.ts";

export interface DurableLogOptions extends SqliteLogOptions {
  /** Told of what the log has done by itself to go on. */
  onRecovery?: (
    action: "log_set_aside" | "retention_tightened",
    message: string,
    fields: Record<string, string | number>,
  ) => void;
  /** How long it waits before it begins another file. */
  pauseMs?: number;
}

/** A disk that damages one file after the other is not worn out with them. */
const PAUSE_MS = 10_000;

/**
 * Opens the log, or makes it. A file that is no database or damaged is set aside under another name, and a new one
 * goes on with what could be read of its end; one of a newer release throws a `NewerLogError` and stays as it is.
 *
 * Damage that is met while the log is open begins no new epoch: which seqs were given is known, so that every position
 * stays good, and what is lost is missing like something that was trimmed. Who was live stays so.
 */
export function openSqliteLog(options: DurableLogOptions): EventLog {
  const {
    path,
    now = Date.now,
    onRecovery = () => {},
    onHealthChange = () => {},
    pauseMs = PAUSE_MS,
  } = options;
  const fileOptions = {
    ...options,
    onDamage: (error: unknown) => recover(error),
    onTightened(fields: { limit: number; forgotten: number }) {
      onRecovery("retention_tightened", "the disk is full: old events make room for new ones", fields);
      onHealthChange();
    },
  };
  const gate = createImportGate(now);
  const rewriteFrom = createRewriting(fileOptions);
  let triedAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  removeRewritten(path);
  let log: SqliteFile = open();

  function open(): SqliteFile {
    try {
      return openSqliteFile(fileOptions);
    } catch (error) {
      if (error instanceof NewerLogError || !isDamage(error)) throw error;
      const aside = setAside(path, now());
      const remains = aside === null ? null : readRemains(aside, now());
      try {
        const [again, saved] = remains === null ? [openSqliteFile(fileOptions), null] : openWith(remains);
        say(error, aside, saved);
        return again;
      } catch (failure) {
        // The next start finds it where it was.
        removeLog(path);
        if (aside !== null) putBack(aside, path);
        throw failure;
      }
    }
  }

  /** Takes up a new file, or, where that cannot be made, stands in for it until it can. */
  function recover(error: unknown): void {
    const remains = log.abandon();
    const since = performance.now() - triedAt;
    log = standIn(remains, error);
    if (since >= pauseMs) begin(remains, error);
    onHealthChange();
  }

  function begin(remains: Remains, error: unknown): void {
    triedAt = performance.now();
    let aside: string | null | undefined;
    try {
      aside = setAside(path, now());
      const [file, saved] = openWith(remains);
      log = file;
      say(error, aside, saved);
    } catch (failure) {
      // Half of a new file is nothing to keep; it would push out one that is.
      if (aside !== undefined) removeLog(path);
      log = standIn(remains, failure);
    }
  }

  /** Goes on in a file that another one has been put in the place of. */
  function takeUp(epochs: Remains["epochs"], lastSeq: number): void {
    try {
      log = openSqliteFile(fileOptions);
    } catch (error) {
      log = standIn({ epochs, lastSeq, events: [] }, error);
      onHealthChange();
    }
  }

  /** On a full disk, where the damaged file takes its place too, not all that was saved may fit. */
  function openWith(remains: Remains): [SqliteFile, Remains] {
    for (let saved = remains; ; saved = { ...saved, events: newerHalf(saved.events) }) {
      try {
        return [openSqliteFile(fileOptions, saved), saved];
      } catch (error) {
        if (!isFull(error) || saved.events.length === 0) throw error;
        removeLog(path);
      }
    }
  }

  function say(error: unknown, aside: string | null, remains: Remains | null): void {
    onRecovery("log_set_aside", "the log was damaged and has been set aside; a new file goes on", {
      aside: aside ?? "it was gone",
      error: (error as Error).message,
      events_saved: remains?.events.length ?? 0,
      last_seq: remains?.lastSeq ?? 0,
    });
  }

  /** A log without a file: it knows where it was, and takes nothing. */
  function standIn(remains: Remains, error: unknown): SqliteFile {
    const { epochs, lastSeq } = remains;
    const { message } = error as Error;
    const refusal = () =>
      new CodedError("log_unavailable", `The log is damaged, and a new one cannot be made yet: ${message}`);
    const retry = () => {
      if (performance.now() - triedAt < pauseMs) return false;
      begin(remains, error);
      return true;
    };
    const refuse = async () => {
      throw refusal();
    };
    const self: SqliteFile = {
      position: () => ({ epoch: epochs.at(-1)?.epoch ?? "", first_seq: lastSeq + 1, last_seq: lastSeq }),
      locate: (resume) => locateIn(epochs, lastSeq, resume),
      append: (batch) => (retry() ? log.append(batch) : refuse()),
      epochs: () => epochs,
      restore: (part) => (retry() ? log.restore(part) : refuse()),
      take() {
        throw refusal();
      },
      closeNow() {},
      readAfter: refuse,
      query: refuse,
      size: () => ({ events: 0, bytes: 0, index_backlog: 0 }),
      check() {
        if (retry()) return log.check();
        return { name: "log", status: "degraded", message: `events are refused: ${refusal().message}` };
      },
      abandon: () => remains,
      async close() {},
    };
    return self;
  }

  /** Asks the file; where it is damaged, or was changed for another meanwhile, the one that goes on. */
  async function ask<T>(question: (file: SqliteFile) => Promise<T>): Promise<T> {
    const asked = log;
    try {
      return await question(asked);
    } catch (error) {
      if (isDamage(error) && asked === log) recover(error);
      else if (asked === log) throw error;
      // Damaged again at once, it is one that stands in, which refuses.
      return ask(question);
    }
  }

  function askNow<T>(question: (file: SqliteFile) => T): T {
    try {
      return question(log);
    } catch (error) {
      if (!isDamage(error)) throw error;
      recover(error);
      return askNow(question);
    }
  }

  return {
    position: () => log.position(),
    locate: (resume) => log.locate(resume),
    epochs: () => log.epochs(),
    async append(batch) {
      gate.pass();
      return ask((file) => file.append(batch));
    },
    async restore(part) {
      const restored = await ask((file) => file.restore(part));
      gate.taken(part);
      return restored;
    },
    forget(beforeSeq) {
      return rewriteFrom(beforeSeq, {
        async current() {
          if (closed) throw new CodedError("not_ready");
          // One that stands in for a damaged file refuses to be read.
          return ask(async (file) => {
            await file.readAfter(file.position().last_seq, 1);
            return file;
          });
        },
        isCurrent: (file) => file === log && !closed,
        takeUp,
        onDamage: recover,
      });
    },
    readAfter: (seq, maxChars) => ask((file) => file.readAfter(seq, maxChars)),
    query: (query) => ask((file) => file.query(query)),
    size: () => askNow((file) => file.size()),
    check: () => askNow((file) => file.check()),
    async close() {
      closed = true;
      try {
        await log.close();
      } catch (error) {
        // It is met again, and set aside, when the log is opened the next time.
        if (!isDamage(error)) throw error;
      }
    },
  };
}

function newerHalf<T>(events: readonly T[]): readonly T[] {
  return events.slice(Math.ceil(events.length / 2));
}
