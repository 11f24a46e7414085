/** Which epoch a log on disk is in, and whether the last one has come to its end. */
import type { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { bootId } from "./boot.ts";
import type { Epoch } from "./log.ts";

/**
 * The epochs of the log, oldest first, with a new one at the end where its tail may have been lost: the machine went
 * down while the log was open, and commits were not forced to the disk. A position up to what is still there stays
 * good.
 */
export function openEpoch(
  database: Database,
  lastSeq: number,
  {
    durability,
    warn,
    now,
  }: {
    durability: string;
    warn: (message: string, fields: Record<string, string | number>) => void;
    now: () => number;
  },
): Epoch[] {
  const boot = bootId();
  const before = database
    .query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'open_boot'")
    .get();
  const list = () => database.query<Epoch, []>("SELECT epoch, start_seq FROM epochs ORDER BY number").all();
  const lost = before !== null && before.value !== boot;
  database.transaction(() => {
    const known = list();
    if (known.length === 0 || lost) {
      const epoch = newEpoch(now());
      database.query("INSERT INTO epochs (epoch, start_seq) VALUES (?, ?)").run(epoch, lastSeq);
      if (lost)
        warn("the machine went down while the log was open; a new epoch begins", {
          epoch,
          start_seq: lastSeq,
        });
    }
    const mark = durability === "full" ? null : (boot ?? "unknown");
    if (mark === null) database.query("DELETE FROM meta WHERE key = 'open_boot'").run();
    // Nothing to write, on a full disk too, where a log could not be closed.
    else if (before?.value !== mark)
      database
        .query("INSERT INTO meta VALUES ('open_boot', ?1) ON CONFLICT DO UPDATE SET value = ?1")
        .run(mark);
  })();
  return list();
}

/** Puts other epochs in the place of those there are. */
export function writeEpochs(database: Database, epochs: readonly Epoch[]): void {
  const add = database.query("INSERT INTO epochs (epoch, start_seq) VALUES (?, ?)");
  database.run("DELETE FROM epochs");
  for (const { epoch, start_seq } of epochs) add.run(epoch, start_seq);
}

/** Clocks may stand still or go back; an epoch never comes again. */
export function newEpoch(now: number): string {
  return `${now}-${randomBytes(3).toString("hex")}`;
}
