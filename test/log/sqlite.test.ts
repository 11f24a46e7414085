/** What a log on disk promises beyond one in memory. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EventLog } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { EventFilter } from "../../src/protocol/query.ts";
import { type DurableLogOptions, openSqliteLog } from "../../src/log/durable.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const event = (id: string, fields: Partial<PendingEvent> = {}): PendingEvent => {
  return { id, type: "t", session_id: "s", project: "/w", received_at: 1, body: `{"id":"${id}"}`, ...fields };
};
const many = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => event(`e${from + index}`));
const newPath = () => join(temporaryDirectory(), "events.db");
const open = (path: string, options: Partial<DurableLogOptions> = {}) => openSqliteLog({ path, ...options });

describe("closed and opened again", () => {
  test("everything is there: events, ids, filters, search and the epoch", async () => {
    const path = newPath();
    const first = open(path);
    await first.append(many(50));
    const { epoch } = first.position();
    await eventually(() => first.size().index_backlog === 0);
    await first.close();
    const again = open(path);
    expect(again.position()).toEqual({ epoch, first_seq: 1, last_seq: 50 });
    expect(again.size().index_backlog).toBe(0);
    expect(
      (await again.query({ filter: { types: ["t"], q: "e49" }, limit: 9 })).events.map(({ seq }) => seq),
    ).toEqual([50]);
    expect(await again.append([event("e7"), event("new")])).toMatchObject([
      { seq: 8, stored: null },
      { seq: 51 },
    ]);
    await again.close();
  });

  test("what has become too old meanwhile is not there any more", async () => {
    const path = newPath();
    const limits = { maxAge: 10, now: () => 5000 };
    const first = open(path, limits);
    await first.append(many(20).map((one, index) => ({ ...one, received_at: index < 12 ? 1000 : 4000 })));
    await first.close();
    const some = open(path, { ...limits, now: () => 12_000 });
    expect(some.position()).toMatchObject({ first_seq: 13, last_seq: 20 });
    await some.close();
    const none = open(path, { ...limits, now: () => 60_000 });
    expect(none.position()).toMatchObject({ first_seq: 21, last_seq: 20 });
    await none.close();
  });

  test("an index that had not caught up goes on where it was", async () => {
    const path = newPath();
    const first = open(path);
    await first.append(many(500));
    await first.close();
    const again = open(path);
    await eventually(() => again.size().index_backlog === 0);
    expect((await again.query({ filter: { session_id: "s" }, limit: 1 })).total_available).toBe(500);
    await again.close();
  });

  test("a log that has forgotten everything still knows where it was", async () => {
    const path = newPath();
    const first = open(path, { maxEvents: 0 });
    await first.append(many(20));
    await eventually(() => first.size().index_backlog === 0);
    await first.close();
    const again = open(path, { maxEvents: 0 });
    expect(again.position()).toMatchObject({ first_seq: 21, last_seq: 20 });
    await again.close();
  });

  test("what was trimmed is gone from the file, in small steps", async () => {
    const path = newPath();
    const log = open(path, { maxEvents: 100 });
    await log.append(many(2000));
    await eventually(() => log.size().index_backlog === 0);
    await log.append(many(1000, 2000));
    await eventually(() => log.size().index_backlog === 0);
    await log.close();
    const database = new Database(path, { readonly: true });
    for (const table of ["events", "by_session", "by_type", "by_project"]) {
      expect([table, database.query(`SELECT count(*) AS n FROM ${table}`).get()]).toEqual([
        table,
        { n: 100 },
      ]);
    }
    database.close();
  });

  test("what is trimmed in a flood, before the index has come to it, goes with the next batches", async () => {
    const path = newPath();
    const log = open(path, { maxEvents: 1000 });
    for (let from = 0; from < 20_000; from += 100) await log.append(many(100, from));
    // No turn of the event loop has passed: the index itself has done nothing yet.
    expect(log.size().index_backlog).toBeLessThan(2000);
    expect((await log.query({ filter: { q: "e19999" }, limit: 5 })).events).toMatchObject([{ seq: 20_000 }]);
    await eventually(() => log.size().index_backlog === 0);
    expect((await log.query({ filter: { session_id: "s" }, limit: 5 })).total_available).toBe(1000);
    await log.close();
  });

  test("a log opened with more room than before begins after what was trimmed", async () => {
    const path = newPath();
    const first = open(path, { maxEvents: 2000 });
    await first.append(many(2000));
    await eventually(() => first.size().index_backlog === 0);
    for (let from = 2000; from < 10_000; from += 1000) await first.append(many(1000, from));
    await first.close();
    const again = open(path, { maxEvents: 100_000 });
    const { first_seq, last_seq } = again.position();
    const held = (await again.readAfter(0, 100_000_000)).events;
    expect([held[0]?.seq, last_seq]).toEqual([first_seq, 10_000]);
    const { events, total_available } = await again.query({ filter: {}, limit: 1000, after: 0 });
    expect(total_available).toBe(last_seq - first_seq + 1);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => first_seq + index));
    await again.close();
  });

  test("what is too old goes from the file though nothing comes in", async () => {
    const path = newPath();
    let time = 1000;
    const log = open(path, { maxAge: 1, now: () => time });
    await log.append(many(10).map((one) => ({ ...one, received_at: 1000 })));
    await eventually(() => log.size().index_backlog === 0);
    time = 60_000;
    await eventually(() => log.size().events === 0);
    // The newest row stays, so that the log knows where it was.
    await eventually(() => log.size().index_backlog === 0);
    await log.close();
    const database = new Database(path, { readonly: true });
    expect(database.query("SELECT count(*) AS n FROM events").get()).toEqual({ n: 1 });
    database.close();
  });

  test("a log of schema version 1 is taken over", async () => {
    const path = newPath();
    const first = open(path);
    const large = `{"x":"${"y".repeat(100_000)} needle"}`;
    await first.append([event("a", { body: large }), event("b", { body: '{"x":"needle"}' })]);
    await eventually(() => first.size().index_backlog === 0);
    await first.close();
    const database = new Database(path);
    database.run("DROP TABLE unsearched");
    database.query("INSERT INTO search (rowid, json) VALUES (1, ?)").run(large);
    database.run("PRAGMA user_version = 1");
    database.close();
    const log = open(path);
    await log.append([event("c", { body: large })]);
    await eventually(() => log.size().index_backlog === 0);
    const { events, total_available } = await log.query({ filter: { q: "needle" }, limit: 9 });
    expect([events.map(({ seq }) => seq), total_available]).toEqual([[1, 2, 3], 3]);
    await log.close();
  });
});

describe("events too large for the search's index", () => {
  const large = (id: string, text: string) =>
    event(id, { body: `{"id":"${id}","x":"${"y".repeat(100_000)}${text}"}` });

  test("are found and counted like all others, before and after the index has seen them", async () => {
    const log = open(newPath());
    await log.append([
      event("a"),
      large("b", "Needle"),
      large("c", "hay"),
      event("d", { body: '{"x":"needle"}' }),
    ]);
    const search = async () => {
      const { events, total_available } = await log.query({ filter: { q: "needle" }, limit: 9 });
      return { seqs: events.map(({ seq }) => seq), total_available };
    };
    expect(await search()).toEqual({ seqs: [2, 4], total_available: 2 });
    await eventually(() => log.size().index_backlog === 0);
    expect(await search()).toEqual({ seqs: [2, 4], total_available: 2 });
    await log.close();
  });

  test("are forgotten like all others", async () => {
    const path = newPath();
    const log = open(path, { maxEvents: 2 });
    await log.append([large("a", ""), large("b", "")]);
    await eventually(() => log.size().index_backlog === 0);
    await log.append([event("c"), event("d")]);
    await eventually(() => log.size().index_backlog === 0);
    await log.close();
    const database = new Database(path, { readonly: true });
    expect(database.query("SELECT count(*) AS n FROM unsearched").get()).toEqual({ n: 0 });
    database.close();
  });
});

describe("questions about many events", () => {
  const COUNT = 6000;
  const all = Array.from({ length: COUNT }, (_, n) =>
    event(`e${n}`, {
      type: n % 7 === 0 ? null : `hook.${["pre", "post", "stop"][n % 3]}`,
      session_id: `s${n % 11}`,
      project: n % 13 === 0 ? null : `/w/${n % 2 === 0 ? "app" : "lib"}`,
      // Set back once in the middle of the second half.
      received_at: n < 4500 ? n : n - 1000,
      body: JSON.stringify({
        n,
        text: n % 500 === 0 ? `rare "quoted" ${"z".repeat(70_000)}` : "often",
        end: n % 97,
      }),
    }),
  );
  const filters: EventFilter[] = [
    {},
    { session_id: "s3" },
    { session_id: "nobody" },
    { types: ["hook.*"] },
    { types: ["hook.pre", "hook.stop"], project: "app" },
    { types: ["hook.post"], session_id: "s5", project: "lib" },
    { q: "often" },
    { q: 'RARE "quoted"' },
    { q: "rare", session_id: "s0" },
    { q: "of" },
    { q: '"end":13}', types: ["hook.*"] },
    { since: 1000, until: 2500 },
    { since: 3600, until: 4400 },
    { since: 5000, q: "often" },
    { since: 9000 },
    { until: 3999, session_id: "s1" },
  ];
  const pages = [
    { limit: 10 },
    { limit: 1000, after: 2000 },
    { limit: 7, before: 1500 },
    { limit: 0 },
    { limit: 50, after: 10, before: 40 },
  ];

  /** What either log says to all the questions. */
  async function answers(log: EventLog) {
    const said = [];
    for (const filter of filters) {
      for (const page of pages) {
        const { events: found, total_available } = await log.query({ filter, ...page });
        said.push({ filter, page, seqs: found.map(({ seq }) => seq), total_available });
      }
    }
    return said;
  }

  test.each([
    ["all of them in order of time", 4500, 10_000],
    ["with the clock set back", COUNT, 10_000],
    ["half of them trimmed", COUNT, 3000],
  ])("are answered as by the log in memory: %s", async (_name, count, maxEvents) => {
    const memory = createMemoryLog({ maxEvents });
    const log = open(newPath(), { maxEvents });
    for (const one of [memory, log]) await one.append(all.slice(0, count));
    const wanted = await answers(memory);
    expect(await answers(log)).toEqual(wanted);
    await eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });
    expect(await answers(log)).toEqual(wanted);
    await log.close();
  });

  test("say nothing of what comes or goes while they are answered", async () => {
    const log = open(newPath(), { maxEvents: 50_000 });
    for (let from = 0; from < 50_000; from += 1000) await log.append(many(1000, from));
    const newest = log.query({ filter: { types: ["wanted"] }, limit: 10 });
    const oldest = log.query({ filter: { types: ["t"] }, limit: 3, after: 4 });
    await log.append(Array.from({ length: 5000 }, (_, n) => event(`w${n}`, { type: "wanted" })));
    expect(await newest).toMatchObject({ events: [], last_seq: 50_000 });
    const { events, first_seq } = await oldest;
    expect(events.every(({ seq }) => seq >= first_seq)).toBe(true);
    await log.close();
  });

  test("of characters outside the first plane, of very many types, are answered alike", async () => {
    const log = open(newPath(), { maxEvents: 100 });
    await log.append([event("a", { body: '{"x":"😀😁 b"}' })]);
    const said = async () =>
      (await log.query({ filter: { q: "😀😁" }, limit: 9 })).total_available +
      (await log.query({ filter: { q: " b" }, limit: 9 })).total_available;
    expect(await said()).toBe(2);
    await eventually(() => log.size().index_backlog === 0);
    expect(await said()).toBe(2);
    const kinds = Array.from({ length: 40_000 }, (_, n) => event(`k${n}`, { type: `job.${n}` }));
    for (let from = 0; from < kinds.length; from += 1000) await log.append(kinds.slice(from, from + 1000));
    await eventually(() => log.size().index_backlog === 0);
    const { total_available } = await log.query({ filter: { types: ["job.*"] }, limit: 9 });
    expect(total_available).toBe(100);
    await log.close();
  });

  test("are answered alike while the index goes on", async () => {
    const log = open(newPath(), { maxEvents: 100_000 });
    for (let from = 0; from < 60_000; from += 1000) await log.append(many(1000, from));
    for (let round = 0; round < 3; round += 1) {
      const { total_available } = await log.query({ filter: { types: ["t"], q: "id" }, limit: 10 });
      expect(total_available).toBe(60_000);
    }
    await log.close();
  });

  test("let others run in between", async () => {
    const log = open(newPath(), { maxEvents: 1_000_000 });
    for (let from = 0; from < 100_000; from += 1000) await log.append(many(1000, from));
    let turns = 0;
    const count = () => {
      turns += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const { total_available } = await log.query({ filter: { q: "nowhere" }, limit: 10 });
    clearImmediate(timer);
    expect(total_available).toBe(0);
    expect(turns).toBeGreaterThan(2);
    await log.close();
  });
});

describe("epochs", () => {
  /** As after a machine that went down: the mark of an open log is there, and names another boot. */
  function crash(path: string): void {
    const database = new Database(path);
    database.run(
      "INSERT INTO meta VALUES ('open_boot', 'an earlier boot') ON CONFLICT DO UPDATE SET value = 'an earlier boot'",
    );
    database.close();
  }

  test("a machine that went down begins a new one, and positions up to its start stay good", async () => {
    const path = newPath();
    const first = open(path);
    await first.append(many(10));
    const { epoch } = first.position();
    await first.close();
    crash(path);
    const warnings: string[] = [];
    const second = open(path, { warn: (message) => warnings.push(message) });
    expect(warnings).toHaveLength(1);
    expect(second.position().epoch).not.toBe(epoch);
    await second.append(many(5, 10));
    expect(second.locate({ epoch, seq: 4 })).toEqual({ after: 4, gap: null });
    expect(second.locate({ epoch, seq: 10 })).toEqual({ after: 10, gap: null });
    expect(second.locate({ epoch, seq: 12 })).toMatchObject({
      after: 10,
      gap: { from_seq: 11, to_seq: 12, reason: "beyond_end" },
    });
    await second.close();
  });

  test("a loss of power that takes the WAL with it begins a new one", async () => {
    const path = newPath();
    const first = open(path);
    await first.append(many(3));
    await first.close();
    const second = open(path);
    const { epoch } = second.position();
    await second.append(many(2, 3));
    // What the disk has for certain: no commit has been forced to it since the log was opened.
    const left = newPath();
    writeFileSync(left, await Bun.file(path).bytes());
    await second.close();
    const database = new Database(left);
    database.run("UPDATE meta SET value = 'an earlier boot' WHERE key = 'open_boot'");
    database.close();
    const third = open(left);
    expect(third.position()).toMatchObject({ last_seq: 3 });
    expect(third.position().epoch).not.toBe(epoch);
    expect(third.locate({ epoch, seq: 5 }).gap).toMatchObject({ from_seq: 4, to_seq: 5 });
    await third.close();
  });

  test("a log that was closed, or forces its commits to the disk, keeps its epoch", async () => {
    const path = newPath();
    const first = open(path, { durability: "full" });
    const { epoch } = first.position();
    await first.append(many(3));
    await first.close();
    const second = open(path, { durability: "full" });
    expect(second.position()).toMatchObject({ epoch, last_seq: 3 });
    await second.close();
  });
});

test("a log whose file is removed under it says so", async () => {
  const path = newPath();
  const log = open(path);
  await log.append(many(1));
  rmSync(path);
  expect(log.check()).toMatchObject({ status: "degraded", message: expect.stringContaining("removed") });
  await log.close();
});

describe("damage", () => {
  test("a file that is no database is set aside, with a message and a new epoch", async () => {
    const path = newPath();
    writeFileSync(path, "not a database, but text that somebody put here ".repeat(200));
    const warnings: string[] = [];
    const log = open(path, { onRecovery: (_action, message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringContaining("set aside")]);
    expect(await log.append(many(1))).toMatchObject([{ seq: 1 }]);
    expect(readdirSync(join(path, "..")).filter((name) => name.includes("damaged"))).toHaveLength(1);
    await log.close();
  });

  test("a log whose pages are damaged is set aside when it is opened", async () => {
    const path = newPath();
    const log = open(path);
    await log.append(many(3000));
    await log.close();
    const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
    bytes.fill(0xa5, 8192, bytes.length - 4096);
    writeFileSync(path, bytes);
    const warnings: string[] = [];
    const again = open(path, { onRecovery: (_action, message) => warnings.push(message) });
    expect(warnings).toHaveLength(1);
    expect(again.position()).toMatchObject({ first_seq: 1, last_seq: 0 });
    await again.close();
  });

  test("a log of a newer release is refused and left as it is", async () => {
    const path = newPath();
    const database = new Database(path, { create: true });
    database.run("PRAGMA user_version = 99");
    database.close();
    expect(() => open(path)).toThrow("schema version 99");
    expect(readdirSync(join(path, ".."))).not.toContainEqual(expect.stringContaining("damaged"));
  });
});

test("a file that is removed is told of at once", async () => {
  const path = newPath();
  let changes = 0;
  const log = open(path, { lookMs: 10, onHealthChange: () => (changes += 1) });
  rmSync(path);
  await eventually(() => changes === 1, { limitMs: 1000 });
  expect(log.check()).toMatchObject({ status: "degraded", message: expect.stringContaining("removed") });
  await log.close();
});

const mount = (...args: string[]) => Bun.spawnSync(["mount", ...args]).success;
const small = temporaryDirectory();
const mounted = process.getuid?.() === 0 && mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", small);
if (mounted) onEnd(() => Bun.spawnSync(["umount", small]));

test.skipIf(!mounted)(
  "a disk that is full refuses events, answers questions, and takes events again by itself",
  async () => {
    let changes = 0;
    const log = open(join(small, "events.db"), { onHealthChange: () => (changes += 1) });
    const big = { body: `{"x":"${"y".repeat(20_000)}"}` };
    let stored = 0;
    const fill = async () => {
      for (; stored < 1000; stored += 1) await log.append([event(`e${stored}`, big)]);
    };
    const refused = await fill().catch((error) => error);
    expect(refused).toMatchObject({ code: "log_unavailable", status: 503 });
    expect(log.position().last_seq).toBe(stored);
    expect(log.check()).toMatchObject({ status: "degraded", message: expect.stringContaining("full") });
    expect(changes).toBe(1);
    expect((await log.query({ filter: {}, limit: 1000, after: 0 })).events).toHaveLength(stored);
    expect((await log.readAfter(stored - 1, 1_000_000)).events).toHaveLength(1);

    mount("-o", "remount,size=8m", small);
    await eventually(() => log.check().status === "healthy");
    // The sender sends again, and nothing is there twice.
    expect(await log.append([event(`e${stored - 1}`, big), event(`e${stored}`, big)])).toMatchObject([
      { seq: stored, stored: null },
      { seq: stored + 1 },
    ]);
    await log.close();
  },
);
