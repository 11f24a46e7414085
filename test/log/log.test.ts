/** What every log promises, asked of each kind. */
import { afterEach, describe, expect, test } from "bun:test";
import type { EventLog } from "../../src/log/log.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import type { EventFilter } from "../../src/protocol/query.ts";
import { eventually } from "../support/eventually.ts";
import { LOG_KINDS, type LogKindOptions } from "../support/log-kinds.ts";

const open: EventLog[] = [];
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
});

function event(id: string, fields: Partial<PendingEvent> = {}): PendingEvent {
  return {
    id,
    type: null,
    session_id: null,
    project: null,
    received_at: 0,
    body: `{"id":"${id}"}`,
    ...fields,
  };
}
const many = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => event(`e${from + index}`));
const ids = (page: { events: { id: string }[] }) => page.events.map(({ id }) => id);
const indexed = (log: EventLog) => eventually(() => log.size().index_backlog === 0);

for (const [kind, make] of LOG_KINDS) {
  const create = (options?: LogKindOptions) => {
    const log = make(options);
    open.push(log);
    return log;
  };

  describe(`a log ${kind}`, () => {
    test("gives a dense seq from 1 on, in the order of the batch", async () => {
      const log = create();
      expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 0 });
      const appended = await log.append(many(3));
      expect(appended.map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(appended[1]?.stored?.json).toBe('{"seq":2,"id":"e1"}');
      expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 3 });
    });

    test("keeps the first seq of an id that is there already", async () => {
      const log = create();
      await log.append(many(2));
      const [again, fresh, twice] = await log.append([event("e0"), event("new"), event("new")]);
      expect(again).toEqual({ id: "e0", seq: 1, stored: null });
      expect(fresh).toMatchObject({ seq: 3 });
      expect(twice).toEqual({ id: "new", seq: 3, stored: null });
      expect(log.size().events).toBe(3);
    });

    test("finds every id among many, and none that has been trimmed", async () => {
      const log = create({ maxEvents: 5000 });
      for (let from = 0; from < 20_000; from += 1000) await log.append(many(1000, from));
      const again = await log.append([event("e15000"), event("e19999"), event("e0")]);
      expect(again.map(({ seq }) => seq)).toEqual([15_001, 20_000, 20_001]);
    });

    test("forgets the oldest events once there are too many", async () => {
      const log = create({ maxEvents: 10 });
      for (let from = 0; from < 5000; from += 100) await log.append(many(100, from));
      expect(log.position()).toMatchObject({ first_seq: 4991, last_seq: 5000 });
      expect(log.size().events).toBe(10);
      expect(ids(await log.query({ filter: {}, limit: 100 }))).toEqual(many(10, 4990).map(({ id }) => id));
      expect(await log.readAfter(0, 80)).toMatchObject({
        first_seq: 4991,
        events: [{ seq: 4991 }, { seq: 4992 }, { seq: 4993 }],
      });
    });

    test("forgets events by age, all of them if need be, and never gives a seq again", async () => {
      let now = 1_000;
      const log = create({ maxAge: 10, now: () => now });
      await log.append([event("a", { received_at: 1000 }), event("b", { received_at: 9000 })]);
      now = 12_000;
      await eventually(() => log.position().first_seq === 2);
      now = 30_000;
      await eventually(() => log.position().first_seq === 3);
      expect((await log.append([event("a", { received_at: 30_000 })]))[0]?.stored?.seq).toBe(3);
    });

    test("may keep no history at all", async () => {
      const log = create({ maxEvents: 0 });
      expect((await log.append(many(1)))[0]?.stored?.seq).toBe(1);
      expect(log.position()).toMatchObject({ first_seq: 2, last_seq: 1 });
      expect(ids(await log.query({ filter: {}, limit: 10 }))).toEqual([]);
    });

    test("answers with the newest events, or those after a seq, always oldest first", async () => {
      const log = create();
      await log.append(many(10));
      expect(ids(await log.query({ filter: {}, limit: 3 }))).toEqual(["e7", "e8", "e9"]);
      expect(ids(await log.query({ filter: {}, limit: 3, after: 2 }))).toEqual(["e2", "e3", "e4"]);
      expect(ids(await log.query({ filter: {}, limit: 3, before: 3 }))).toEqual(["e0", "e1"]);
      expect(ids(await log.query({ filter: {}, limit: 9, after: 2, before: 5 }))).toEqual(["e2", "e3"]);
      expect(ids(await log.query({ filter: {}, limit: 9, after: 5, before: 2 }))).toEqual([]);
      expect(ids(await log.query({ filter: {}, limit: 0 }))).toEqual([]);
      expect(ids(await log.query({ filter: {}, limit: 5, after: 99 }))).toEqual([]);
    });

    const filters: [EventFilter, string[]][] = [
      [{ session_id: "s1" }, ["a", "c"]],
      [{ session_id: "none" }, []],
      [{ project: "app" }, ["a", "c"]],
      [{ project: "/w/app/" }, ["a", "c"]],
      [{ types: ["hook.*"] }, ["a", "b"]],
      [{ types: ["other", "hook.stop"] }, ["a", "c"]],
      [{ types: [] }, []],
      [{ since: 20, until: 30 }, ["b", "c"]],
      [{ q: "needle" }, ["a"]],
      [{ q: "eedl" }, ["a"]],
      [{ q: "ne" }, ["a"]],
      [{ q: 'a "quoted" word' }, []],
      [{ q: String.raw`a \"quoted\" word` }, ["b"]],
      [{ q: "STRASSE ü" }, ["c"]],
      [{ q: "AND OR NOT (" }, []],
      [{ session_id: "s1", types: ["other"], q: "straße" }, []],
      [{ session_id: "s1", types: ["other"], q: "strasse" }, ["c"]],
    ];
    for (const state of ["before the index has seen them", "when all is indexed", "half indexed"]) {
      test(`filters and counts alike ${state}`, async () => {
        const log = create();
        const batch = [
          event("a", {
            type: "hook.stop",
            session_id: "s1",
            project: "/w/app",
            received_at: 10,
            body: '{"text":"Needle"}',
          }),
          event("b", {
            type: "hook.start",
            session_id: "s2",
            project: "/w/other",
            received_at: 20,
            body: String.raw`{"text":"a \"quoted\" word"}`,
          }),
          event("c", {
            type: "other",
            session_id: "s1",
            project: "/w/app",
            received_at: 30,
            body: '{"text":"Strasse Ü"}',
          }),
        ];
        if (state === "half indexed") {
          await log.append(batch.slice(0, 2));
          await indexed(log);
          await log.append(batch.slice(2));
        } else await log.append(batch);
        if (state === "when all is indexed") await indexed(log);
        for (const [filter, wanted] of filters) {
          const page = await log.query({ filter, limit: 100 });
          expect([filter, ids(page), page.total_available]).toEqual([filter, wanted, wanted.length]);
          const forward = await log.query({ filter, limit: 1, after: 0 });
          expect([filter, ids(forward), forward.total_available]).toEqual([
            filter,
            wanted.slice(0, 1),
            wanted.length,
          ]);
        }
      });
    }

    test("an answer holds at most so much, but always goes on", async () => {
      const log = create();
      // Of three bytes each: an answer has to stay below aiohttp's 4 MiB.
      const body = `{"x":"${"日".repeat(300_000)}"}`;
      await log.append(Array.from({ length: 5 }, (_, n) => event(`e${n}`, { body })));
      expect(ids(await log.query({ filter: {}, limit: 100, after: 0 }))).toEqual(["e0", "e1", "e2"]);
      expect(ids(await log.query({ filter: {}, limit: 100 }))).toEqual(["e2", "e3", "e4"]);
      const { events } = await log.query({ filter: {}, limit: 100 });
      expect(Buffer.byteLength(JSON.stringify(events.map(({ json }) => json)))).toBeLessThan(4 * 1024 * 1024);
      const filter = { q: "日日日日" };
      expect(ids(await log.query({ filter, limit: 100, after: 0 }))).toEqual(["e0", "e1", "e2"]);
      expect(await log.query({ filter, limit: 100 })).toMatchObject({
        total_available: 5,
        events: [{ id: "e2" }, {}, {}],
      });
      expect((await log.readAfter(3, 750_000)).events.map(({ id }) => id)).toEqual(["e3", "e4"]);
    });

    test("locates positions: good ones, ones beyond the end, ones of another log", async () => {
      const log = create();
      await log.append(many(5));
      const { epoch } = log.position();
      expect(log.locate({ epoch, seq: 3 })).toEqual({ after: 3, gap: null });
      expect(log.locate({ epoch, seq: 9 })).toMatchObject({
        after: 5,
        gap: { from_seq: 6, to_seq: 9, reason: "beyond_end" },
      });
      expect(log.locate({ epoch: "other", seq: 3 }).gap).toMatchObject({ reason: "unknown_epoch" });
    });
  });
}
