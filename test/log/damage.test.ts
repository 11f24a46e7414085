/** Files of a log that are damaged while it is open, and what becomes of it. */
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type DurableLogOptions, openSqliteLog } from "../../src/log/durable.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import { damage } from "../support/damage.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const large = (count: number, from: number): PendingEvent[] =>
  Array.from({ length: count }, (_, index) => {
    const id = `e${from + index}`;
    const body = `{"id":"${id}","text":"${"y".repeat(4000)}"}`;
    return { id, type: "t", session_id: "s", project: "/w", received_at: Date.now(), body };
  });

/** A log whose first 1,000 events have long been on disk, and out of the cache. */
async function filled(options: Partial<DurableLogOptions> = {}) {
  const path = join(temporaryDirectory(), "events.db");
  const first = openSqliteLog({ path });
  await first.append(large(1000, 1));
  await eventually(() => first.size().index_backlog === 0, { limitMs: 30_000 });
  await first.close();
  const recoveries: { action: string; events_saved: unknown; aside: unknown }[] = [];
  const log = openSqliteLog({
    path,
    onRecovery: (action, _message, { events_saved, aside }) =>
      void recoveries.push({ action, events_saved, aside }),
    ...options,
  });
  const { epoch } = log.position();
  return { path, log, epoch, recoveries };
}

/** Events through and through, as who reads on from a position gets them. */
async function readAll(log: ReturnType<typeof openSqliteLog>, after: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let next = after; ;) {
    const { events } = await log.readAfter(next, 1_000_000);
    if (events.length === 0) return seqs;
    for (const { seq, json } of events) {
      expect(JSON.parse(json).seq).toBe(seq);
      seqs.push(seq);
    }
    next = events.at(-1)?.seq as number;
  }
}

const asides = (path: string) => readdirSync(dirname(path)).filter((name) => name.includes(".damaged-"));

describe("damage that is met while the log is open", () => {
  test("costs what cannot be read, and nothing that comes after: the file is set aside, seqs and epoch go on", async () => {
    const { path, log, epoch, recoveries } = await filled({ maxEvents: 1000 });
    damage(path, 0.01, 1);
    // To trim the oldest events their pages have to be read.
    for (let from = 1001; from < 4000; from += 500) {
      const appended = await log.append(large(500, from));
      expect(appended.map(({ seq }) => seq)).toEqual(appended.map((_, index) => from + index));
      await Bun.sleep(20);
    }
    await eventually(() => recoveries.length > 0);
    expect(recoveries).toEqual([
      { action: "log_set_aside", events_saved: expect.any(Number), aside: expect.any(String) },
    ]);
    expect(asides(path)).toContain(basename(`${recoveries[0]?.aside}`));
    expect(log.check()).toMatchObject({ status: "healthy" });
    expect(log.position()).toMatchObject({ epoch, last_seq: 4000 });
    expect((await readAll(log, 0)).at(-1)).toBe(4000);
    await log.close();

    const again = openSqliteLog({ path, maxEvents: 1000 });
    expect(again.position()).toMatchObject({ epoch, last_seq: 4000 });
    expect(again.locate({ epoch, seq: 1500 })).toEqual({ after: 1500, gap: null });
    await again.close();
  });

  test("in the old part of the file leaves the new events where they are", async () => {
    const { path, log, epoch, recoveries } = await filled();
    damage(path, 0.01, 0.5);
    // Whoever reads meets it, and gets what is left.
    const { events } = await log.query({ filter: {}, after: 0, limit: 1000 });
    expect(recoveries).toHaveLength(1);
    const { first_seq, last_seq } = log.position();
    expect([log.position().epoch, last_seq, events[0]?.seq]).toEqual([epoch, 1000, first_seq]);
    expect(first_seq).toBeLessThan(990);
    expect(first_seq).toBeGreaterThan(1);
    expect(await readAll(log, 0)).toEqual(Array.from({ length: 1001 - first_seq }, (_, n) => first_seq + n));
    // What was saved is known by its id, and found by filters and search.
    expect(await log.append(large(1, 1000))).toMatchObject([{ seq: 1000, stored: null }]);
    await eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });
    expect((await log.query({ filter: { session_id: "s", q: '"e999"' }, limit: 5 })).events).toMatchObject([
      { seq: 999 },
    ]);
    await log.close();
  });

  test("a log of which nothing can be read goes on after its last seq, also when it is opened again before the next event", async () => {
    const { path, log, epoch, recoveries } = await filled();
    // The oldest are in SQLite's cache then, and not the newest.
    for (let seq = 0; seq < 600; seq += 100) await log.readAfter(seq, 400_000);
    damage(path, 0, 1);
    await log.query({ filter: {}, limit: 1 });
    expect(recoveries).toMatchObject([{ events_saved: 0 }]);
    expect(log.position()).toEqual({ epoch, first_seq: 1001, last_seq: 1000 });
    await log.close();
    const again = openSqliteLog({ path });
    expect(again.position()).toEqual({ epoch, first_seq: 1001, last_seq: 1000 });
    expect(await again.append(large(1, 5000))).toMatchObject([{ seq: 1001 }]);
    await again.close();
  });

  test("garbage in the WAL is noticed, though SQLite takes it for what was written", async () => {
    const { path, log, epoch, recoveries } = await filled();
    // More than SQLite's cache holds.
    await log.append(large(800, 1001));
    damage(`${path}-wal`, 0.01, 1);
    const { events } = await log.query({ filter: { q: "nowhere" }, limit: 1 });
    expect(events).toEqual([]);
    await log.append(large(10, 1801));
    await eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });
    const held = await readAll(log, 0);
    expect([held.at(-1), log.position().epoch]).toEqual([1810, epoch]);
    expect(recoveries).toHaveLength(1);
    await log.close();
  });

  test("in the middle of a text, where SQLite does not look, is not passed on to anybody", async () => {
    for (const ask of ["readAfter", "query"] as const) {
      const { path, log, recoveries } = await filled();
      const bytes = readFileSync(path);
      // A page of nothing but the text of an event.
      const page = bytes.indexOf(Buffer.alloc(4000, "y"), Math.floor(bytes.length * 0.1));
      const file = openSync(path, "r+");
      writeSync(file, new Uint8Array(1000), 0, 1000, page + 1000);
      closeSync(file);
      const told = async (after: number) => {
        if (ask === "readAfter") return readAll(log, after);
        const { events } = await log.query({ filter: { session_id: "s" }, after, limit: 1000 });
        return events.map(({ seq, json }) => [seq, JSON.parse(json)][0]);
      };
      for (let after = 0; after < 1000; after += 100) await told(after);
      expect(recoveries).toHaveLength(1);
      const { first_seq } = log.position();
      expect((await told(0)).at(0)).toBe(first_seq);
      await log.close();
    }
  });

  test("where no new file can be made events are refused, until it can", async () => {
    const { path, log, epoch, recoveries } = await filled({ pauseMs: 50 });
    const directory = dirname(path);
    damage(path, 0, 1);
    renameSync(directory, `${directory}.away`);
    const refused = await log.query({ filter: {}, after: 0, limit: 1000 }).catch((error) => error);
    expect(refused).toMatchObject({ code: "log_unavailable" });
    expect(await log.append(large(1, 1001)).catch((error) => error)).toMatchObject({
      code: "log_unavailable",
      status: 503,
    });
    expect(log.check()).toMatchObject({ name: "log", status: "degraded" });
    expect(log.position()).toMatchObject({ epoch, last_seq: 1000 });
    renameSync(`${directory}.away`, directory);
    await eventually(() => log.check().status === "healthy");
    expect(await log.append(large(1, 1001))).toMatchObject([{ seq: 1001 }]);
    expect([recoveries.length, asides(path).filter((name) => name.endsWith("Z"))]).toEqual([
      1,
      [expect.any(String)],
    ]);
    await log.close();
  });

  test("again at once is not answered with file after file, and only the newest are kept", async () => {
    const { path, log, recoveries } = await filled({ pauseMs: 100_000, maxEvents: 1_000_000 });
    const hurt = async () => {
      damage(path, 0, 1);
      return log.query({ filter: {}, after: 0, limit: 1000 }).catch((error) => error);
    };
    await hurt();
    for (let from = 1001; from < 3001; from += 500) await log.append(large(500, from));
    expect(await hurt()).toMatchObject({ code: "log_unavailable" });
    expect(recoveries).toHaveLength(1);
    await log.close();

    for (let round = 0; round < 5; round += 1) {
      const next = openSqliteLog({ path, now: () => Date.now() + round * 1000 });
      await next.append(large(100, 1));
      await next.close();
      damage(path, 0, 1);
    }
    expect(asides(path).filter((name) => name.endsWith("Z"))).toHaveLength(3);
    expect(existsSync(path)).toBe(true);
  });
});

test("a log that is found damaged goes on, in a new epoch, with what can be read of its end", async () => {
  const { path, log, epoch } = await filled();
  await log.append(large(100, 1001));
  await log.close();
  damage(path, 0.01, 0.15);
  const recoveries: unknown[] = [];
  const again = openSqliteLog({ path, onRecovery: (...said) => void recoveries.push(said) });
  const { first_seq, last_seq } = again.position();
  expect([recoveries.length, again.position().epoch === epoch, last_seq]).toEqual([1, false, 1100]);
  expect(first_seq).toBeGreaterThan(1);
  expect(first_seq).toBeLessThanOrEqual(1001);
  expect(again.locate({ epoch, seq: 1100 })).toEqual({ after: 1100, gap: null });
  expect(again.locate({ epoch, seq: 1200 })).toMatchObject({ after: 1100, gap: { reason: "beyond_end" } });
  expect(await again.append(large(1, 1101))).toMatchObject([{ seq: 1101 }]);
  await again.close();
  expect(asides(path).filter((name) => name.endsWith("Z"))).toHaveLength(1);
});
