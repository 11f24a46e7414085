import { expect, test } from "bun:test";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";

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

test("seq starts at 1 and is dense, in the order of the batch", async () => {
  const log = createMemoryLog();
  expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 0 });
  const appended = await log.append(many(3));
  expect(appended.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(appended[1]?.stored?.json).toBe('{"seq":2,"id":"e1"}');
  expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 3 });
});

test("an id that is there already keeps its first seq and is not stored again", async () => {
  const log = createMemoryLog();
  await log.append(many(2));
  const [again, fresh, twice] = await log.append([event("e0"), event("new"), event("new")]);
  expect(again).toEqual({ id: "e0", seq: 1, stored: null });
  expect(fresh).toMatchObject({ seq: 3 });
  expect(twice).toEqual({ id: "new", seq: 3, stored: null });
  expect(log.size().events).toBe(3);
});

test("the oldest events go once there are too many, and their ids with them", async () => {
  const log = createMemoryLog({ maxEvents: 10 });
  for (let from = 0; from < 5000; from += 100) await log.append(many(100, from));
  expect(log.position()).toMatchObject({ first_seq: 4991, last_seq: 5000 });
  expect(log.size().events).toBe(10);
  const [again] = await log.append([event("e0")]);
  expect(again?.stored?.seq).toBe(5001);
});

test("events go by age and by weight, but the newest always stays", async () => {
  let now = 1000;
  const aged = createMemoryLog({ maxAge: 10, now: () => now });
  await aged.append([event("a", { received_at: 1000 }), event("b", { received_at: 9000 })]);
  now = 12_000;
  expect(aged.position()).toMatchObject({ first_seq: 2, last_seq: 2 });
  now = 30_000;
  expect(aged.position()).toMatchObject({ first_seq: 3, last_seq: 2 });

  const heavy = createMemoryLog({ maxBytes: 100 });
  await heavy.append([event("a", { body: `{"x":"${"y".repeat(500)}"}` })]);
  expect(heavy.size().events).toBe(1);
  await heavy.append([event("b")]);
  expect(heavy.position()).toMatchObject({ first_seq: 2, last_seq: 2 });
});

test("no history at all is possible; seq goes on", async () => {
  const log = createMemoryLog({ maxEvents: 0 });
  const [first] = await log.append(many(1));
  expect(first?.stored?.seq).toBe(1);
  expect(log.position()).toMatchObject({ first_seq: 2, last_seq: 1 });
});

test("a page is the newest events, or those after a seq, always oldest first", async () => {
  const log = createMemoryLog();
  await log.append(many(10));
  expect(ids(await log.query({ filter: {}, limit: 3 }))).toEqual(["e7", "e8", "e9"]);
  expect(ids(await log.query({ filter: {}, limit: 3, after: 2 }))).toEqual(["e2", "e3", "e4"]);
  expect(ids(await log.query({ filter: {}, limit: 3, before: 3 }))).toEqual(["e0", "e1"]);
  expect(ids(await log.query({ filter: {}, limit: 9, after: 2, before: 5 }))).toEqual(["e2", "e3"]);
  expect(ids(await log.query({ filter: {}, limit: 0 }))).toEqual([]);
});

test("filters narrow by session, project, type, time and text, and the total counts all that match", async () => {
  const log = createMemoryLog();
  await log.append([
    event("a", {
      type: "hook.stop",
      session_id: "s1",
      project: "/w/app",
      received_at: 10,
      body: '{"text":"Needle"}',
    }),
    event("b", { type: "hook.start", session_id: "s2", project: "/w/other", received_at: 20 }),
    event("c", { type: "other", session_id: "s1", project: "/w/app", received_at: 30 }),
  ]);
  const found = async (filter: object) => ids(await log.query({ filter, limit: 100 }));
  expect(await found({ session_id: "s1" })).toEqual(["a", "c"]);
  expect(await found({ project: "app" })).toEqual(["a", "c"]);
  expect(await found({ types: ["hook.*"] })).toEqual(["a", "b"]);
  expect(await found({ types: ["other", "hook.stop"] })).toEqual(["a", "c"]);
  expect(await found({ since: 20, until: 30 })).toEqual(["b", "c"]);
  expect(await found({ q: "needle" })).toEqual(["a"]);
  expect((await log.query({ filter: { session_id: "s1" }, limit: 1 })).total_available).toBe(2);
});

test("a page holds at most so many bytes, but always goes on", async () => {
  const log = createMemoryLog({ maxPageChars: 100 });
  await log.append(
    Array.from({ length: 5 }, (_, index) => event(`e${index}`, { body: `{"x":"${"y".repeat(60)}"}` })),
  );
  expect(ids(await log.query({ filter: {}, limit: 100, after: 0 }))).toEqual(["e0"]);
  expect(ids(await log.query({ filter: {}, limit: 100, after: 1 }))).toEqual(["e1"]);
  expect(ids(await log.query({ filter: {}, limit: 100 }))).toEqual(["e4"]);
});
