/** A log that forgets because somebody wants it to: what every kind on one machine does, and what is left on the disk. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSqliteLog } from "../../src/log/durable.ts";
import type { EventLog } from "../../src/log/log.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import { eventually } from "../support/eventually.ts";
import { smallDisk } from "../support/small-disk.ts";
import { LOG_KINDS } from "../support/log-kinds.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const open: EventLog[] = [];
afterEach(async () => {
  // Some have been closed already.
  for (const log of open.splice(0)) await log.close().catch(() => {});
});
const held = <T extends EventLog>(log: T): T => {
  open.push(log);
  return log;
};

const SECRET = "correct-horse-battery-staple";
function event(id: string, text = ""): PendingEvent {
  const body = JSON.stringify({ id, text });
  return { id, type: "t", session_id: "s", project: "p", received_at: 1, body };
}
const many = (count: number, from = 1, text = "") =>
  Array.from({ length: count }, (_, index) => event(`e${from + index}`, text));
const all = async (log: EventLog) => (await log.query({ filter: {}, limit: 10_000 })).events;
const seqs = async (log: EventLog) => (await all(log)).map(({ seq }) => seq);
const indexed = (log: EventLog) => eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });

for (const [kind, make] of LOG_KINDS) {
  describe(`a log ${kind}`, () => {
    test("forgets everything, and goes on with the next seq in the same epoch", async () => {
      const log = held(make());
      await log.append(many(10));
      const { epoch } = log.position();
      expect(await log.forget(11)).toEqual({ epoch, first_seq: 11, last_seq: 10, forgotten: 10 });
      expect(await all(log)).toEqual([]);
      expect(await log.readAfter(0, 1000)).toEqual({ first_seq: 11, events: [] });
      expect(log.size().events).toBe(0);
      expect(log.locate({ epoch, seq: 4 })).toEqual({ after: 4, gap: null });
      expect(await log.forget(11)).toMatchObject({ first_seq: 11, last_seq: 10, forgotten: 0 });
      // Their ids are unknown again.
      expect(await log.append([event("e3"), event("e3")])).toMatchObject([
        { seq: 11, stored: { seq: 11 } },
        { seq: 11, stored: null },
      ]);
      expect(log.position()).toEqual({ epoch, first_seq: 11, last_seq: 11 });
    });

    test("forgets what stands before a seq, and nothing else", async () => {
      const log = held(make());
      await log.append(many(10));
      expect(await log.forget(0)).toMatchObject({ first_seq: 1, last_seq: 10, forgotten: 0 });
      expect(await log.forget(8)).toMatchObject({ first_seq: 8, last_seq: 10, forgotten: 7 });
      expect(await log.forget(5)).toMatchObject({ first_seq: 8, last_seq: 10, forgotten: 0 });
      expect(await seqs(log)).toEqual([8, 9, 10]);
      expect(await log.append([event("e9"), event("e7")])).toMatchObject([
        { seq: 9, stored: null },
        { seq: 11, stored: { id: "e7" } },
      ]);
      const found = await log.query({ filter: { session_id: "s", q: "e1" }, limit: 10 });
      expect(found.events.map(({ id }) => id)).toEqual(["e10"]);
    });

    test("forgets while events come in, and answers meanwhile", async () => {
      const log = held(make());
      await log.append(many(3000, 1, "x".repeat(200)));
      let forgotten = false;
      const done = log.forget(1001).finally(() => (forgotten = true));
      let seq = 3000;
      do {
        const [appended] = await log.append([event(`later${seq}`)]);
        expect(appended?.seq).toBe((seq += 1));
        expect((await seqs(log)).at(-1)).toBe(seq);
        await new Promise((resolve) => setImmediate(resolve));
      } while (!forgotten);
      expect(await done).toMatchObject({ first_seq: 1001, forgotten: 1000 });
      expect(await seqs(log)).toEqual(Array.from({ length: seq - 1000 }, (_, index) => 1001 + index));
    });

    test("forgets twice at the same time", async () => {
      const log = held(make());
      await log.append(many(100));
      const results = await Promise.all([log.forget(30), log.forget(101), log.forget(50)]);
      expect(results.reduce((sum, { forgotten }) => sum + forgotten, 0)).toBe(100);
      expect(log.position()).toMatchObject({ first_seq: 101, last_seq: 100 });
    });
  });
}

describe("on disk", () => {
  /** Every file in the directory that holds the text, or its trigrams as the index has them. */
  const filesWith = (directory: string, text: string) =>
    readdirSync(directory).filter((name) => readFileSync(join(directory, name)).includes(text));

  test("nothing is left of it in any file, and the file becomes small", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "events.db");
    const log = held(openSqliteLog({ path }));
    for (let from = 1; from < 5000; from += 500) await log.append(many(500, from, SECRET));
    await indexed(log);
    expect(filesWith(directory, SECRET)).toContain("events.db");
    const size = statSync(path).size;
    await log.forget(5001);
    expect(filesWith(directory, SECRET)).toEqual([]);
    // What the index of the search keeps of it.
    expect(filesWith(directory, "orse")).toEqual([]);
    expect(statSync(path).size).toBeLessThan(size / 20);
    await log.close();
    expect(readdirSync(directory)).toEqual(["events.db"]);
  });

  test("of a part that is forgotten nothing is left either, and the rest is found as before", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "events.db");
    const log = held(openSqliteLog({ path }));
    await log.append(many(500, 1, SECRET));
    await log.append(many(500, 501, "kept needle"));
    await indexed(log);
    expect(await log.forget(501)).toMatchObject({ first_seq: 501, last_seq: 1000, forgotten: 500 });
    expect(filesWith(directory, SECRET)).toEqual([]);
    const found = await log.query({ filter: { q: "needle" }, limit: 1000 });
    expect([found.events.length, found.total_available]).toEqual([500, 500]);
    await indexed(log);
    expect((await log.query({ filter: { q: "needle" }, limit: 1000 })).total_available).toBe(500);
    expect((await log.query({ filter: { q: SECRET }, limit: 1000 })).total_available).toBe(0);
    expect(filesWith(directory, SECRET)).toEqual([]);
  });

  test("it is forgotten after a restart too, and no seq comes again", async () => {
    const path = join(temporaryDirectory(), "events.db");
    let log = held(openSqliteLog({ path }));
    await log.append(many(10));
    const { epoch } = log.position();
    await log.forget(11);
    await log.close();
    log = held(openSqliteLog({ path }));
    expect(log.position()).toEqual({ epoch, first_seq: 11, last_seq: 10 });
    expect(await log.append([event("e1")])).toMatchObject([{ seq: 11, stored: { seq: 11 } }]);
    await log.close();
    log = held(openSqliteLog({ path }));
    expect(log.position()).toEqual({ epoch, first_seq: 11, last_seq: 11 });
  });

  test("what was set aside of a damaged log goes when everything is to go", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "events.db");
    writeFileSync(path, `no database: ${SECRET}`);
    const log = held(openSqliteLog({ path }));
    await log.append(many(3));
    expect(filesWith(directory, SECRET)).toHaveLength(1);
    await log.forget(2);
    expect(filesWith(directory, SECRET)).toHaveLength(1);
    await log.forget(4);
    expect(filesWith(directory, SECRET)).toEqual([]);
  });

  test("what an attempt has left that was interrupted is removed", async () => {
    const path = join(temporaryDirectory(), "events.db");
    await openSqliteLog({ path }).close();
    for (const suffix of ["", "-wal", ".reserve"]) writeFileSync(`${path}.new${suffix}`, SECRET);
    held(openSqliteLog({ path }));
    for (const suffix of ["", "-wal", ".reserve"]) expect(existsSync(`${path}.new${suffix}`)).toBe(false);
  });

  test("a log that is closed meanwhile stays as it was", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "events.db");
    let log = held(openSqliteLog({ path }));
    await log.append(many(2000, 1, "x".repeat(1000)));
    const done = log.forget(500).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    await log.close();
    expect(await done).toMatchObject({ code: "not_ready" });
    expect(readdirSync(directory)).toEqual(["events.db"]);
    log = held(openSqliteLog({ path }));
    expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 2000 });
  });

  const disk = smallDisk("24m");
  test.skipIf(disk === null)("a full disk is no hindrance to forgetting everything", async () => {
    const path = join(disk?.path ?? "", "events.db");
    const log = held(openSqliteLog({ path, lookMs: 10 }));
    await log.append(many(1000, 1, "x".repeat(1000)));
    await eventually(() => existsSync(`${path}.reserve`));
    const full = join(disk?.path ?? "", "full");
    const { bavail, bsize } = await import("node:fs").then((fs) => fs.statfsSync(disk?.path ?? ""));
    writeFileSync(full, Buffer.alloc(Math.max(0, bavail * bsize - 4096)));
    const { last_seq } = log.position();
    expect(await log.forget(last_seq + 1)).toMatchObject({ first_seq: last_seq + 1, last_seq });
    expect(await log.append([event("next")])).toMatchObject([{ seq: last_seq + 1 }]);
  });
});
