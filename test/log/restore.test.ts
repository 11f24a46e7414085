/** A log that takes up the history of another: what every kind on one machine does alike. */
import { afterEach, describe, expect, test } from "bun:test";
import type { EventLog, HistoryPart } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { IMPORT_PAUSE_MS } from "../../src/log/restore.ts";
import { takeSnapshot } from "../../src/hub/moving.ts";
import type { PendingEvent, StoredEvent } from "../../src/protocol/event.ts";
import { LOG_KINDS, type LogKindOptions } from "../support/log-kinds.ts";

const open: EventLog[] = [];
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
});

function event(id: string, body = `{"id":"${id}"}`): PendingEvent {
  return { id, type: null, session_id: null, project: null, received_at: 0, body };
}
const many = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => event(`${name}${index}`));

async function partOf(log: EventLog, from: number, to: number, more = false): Promise<HistoryPart> {
  const { events } = await log.readAfter(from - 1, Infinity);
  const own = events.slice(0, to - from + 1);
  return { epochs: log.epochs(), first_seq: from, last_seq: to, events: own, more };
}

for (const [kind, make] of LOG_KINDS) {
  const create = (options?: LogKindOptions) => {
    const log = make(options);
    open.push(log);
    return log;
  };

  describe(`a log ${kind}`, () => {
    test("waits half a minute for the rest, then takes events, and that rest no more", async () => {
      let now = 1_000_000;
      const old = create();
      await old.append(many(20, "old"));
      const log = create({ now: () => now });
      await log.restore(await partOf(old, 1, 10, true));
      now += IMPORT_PAUSE_MS - 1;
      await expect(log.append([event("own")])).rejects.toMatchObject({ code: "log_unavailable" });
      now += 1;
      expect(await log.append([event("own")])).toMatchObject([{ seq: 11 }]);
      const rest = await partOf(old, 11, 20);
      await expect(log.restore(rest)).rejects.toMatchObject({ code: "history_refused" });
      // Positions of the old house are good as far as its events are here.
      const { epoch } = old.position();
      expect(log.locate({ epoch, seq: 10 })).toEqual({ after: 10, gap: null });
      expect(log.locate({ epoch, seq: 11 }).gap).toEqual({ from_seq: 11, to_seq: 11, reason: "beyond_end" });
    });

    test("keeps the name of its epoch, which begins behind what was brought in", async () => {
      const old = create();
      await old.append(many(20, "old"));
      const log = create();
      const { epoch } = log.position();
      for (const [from, to] of [
        [1, 5],
        [6, 20],
      ] as const) {
        await log.restore(await partOf(old, from, to, to < 20));
        expect(log.position()).toEqual({ epoch, first_seq: 1, last_seq: to });
        expect(log.epochs()).toEqual([...old.epochs(), { epoch, start_seq: to }]);
        // Nothing was ever given in it: whoever stands anywhere in it reads on from there.
        for (const seq of [0, 3, to]) expect(log.locate({ epoch, seq })).toEqual({ after: seq, gap: null });
      }
    });

    test("takes an epoch that began later only with the events it began with", async () => {
      const first = create();
      await first.append(many(10, "a"));
      const second = create();
      await second.restore(await partOf(first, 1, 10));
      await second.append(many(10, "b"));
      const third = create();
      await third.restore(await partOf(second, 1, 5, true));
      expect(third.epochs().map(({ start_seq }) => start_seq)).toEqual([0, 5]);
      await third.restore(await partOf(second, 6, 20));
      expect(third.epochs().map(({ start_seq }) => start_seq)).toEqual([0, 10, 20]);
      expect(third.epochs().slice(0, 2)).toEqual([...second.epochs()]);
    });

    test("that was copied with its epoch begins another one, and so gives no seq twice in one", async () => {
      const old = create();
      await old.append(many(10, "old"));
      const part = await partOf(old, 1, 5);
      const copy = create();
      await copy.restore(part);
      // As if its file had been copied: it knows the same epochs, and continues them.
      const twin = create();
      await twin.restore({ ...part, epochs: copy.epochs() });
      await copy.append(many(5, "more"));
      const rest = await partOf(copy, 1, 10);
      await twin.restore(rest);
      const names = twin.epochs().map(({ epoch }) => epoch);
      expect(new Set(names).size).toBe(names.length);
      expect(copy.epochs().map(({ epoch }) => epoch)).not.toContain(twin.position().epoch);
      expect(twin.locate({ epoch: copy.position().epoch, seq: 10 })).toEqual({ after: 10, gap: null });
    });

    test("refuses what only looks like its own history", async () => {
      const old = create();
      await old.append(many(10, "old"));
      const log = create();
      await log.restore(await partOf(old, 1, 5));
      const part = await partOf(old, 3, 10);
      const swapped = part.events.map((one): StoredEvent => (one.seq === 4 ? { ...one, id: "x" } : one));
      await expect(log.restore({ ...part, events: swapped })).rejects.toThrow("event 4 is another");
      expect(log.position().last_seq).toBe(5);
    });
  });
}

test("a snapshot fails rather than leaving a hole where the log forgets faster than it is read", async () => {
  const log = createMemoryLog({ maxEvents: 10 });
  const large = (id: string) => event(id, JSON.stringify({ id, text: "x".repeat(100_000) }));
  for (let index = 0; index < 10; index += 1) await log.append([large(`a${index}`)]);
  const snapshot = await takeSnapshot(log, 10);
  expect([snapshot.first_seq, snapshot.last_seq]).toEqual([1, 10]);
  const pages = snapshot.pages();
  const { value } = await pages.next();
  expect((value as StoredEvent[]).map(({ seq }) => seq)).toEqual([1, 2]);
  for (let index = 0; index < 5; index += 1) await log.append([large(`b${index}`)]);
  await expect(pages.next()).rejects.toThrow("the event 3 is no longer held");
});
