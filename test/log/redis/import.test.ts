/** A history of another log is brought into the one on Redis. */
import { describe, expect, setSystemTime, test } from "bun:test";
import { createMemoryLog } from "../../../src/log/memory.ts";
import type { EventLog, HistoryPart } from "../../../src/log/log.ts";
import { eventually } from "../../support/eventually.ts";
import { startRedis } from "../../support/redis.ts";
import { openNode, pending } from "../../support/redis-log.ts";

async function partsOf(log: EventLog, size: number): Promise<HistoryPart[]> {
  const { first_seq, last_seq } = log.position();
  const { events } = await log.readAfter(0, 1e9);
  const header = { epochs: log.epochs(), first_seq, last_seq };
  const parts = Array.from({ length: Math.ceil(events.length / size) }, (_, index) => ({
    ...header,
    events: events.slice(index * size, (index + 1) * size),
    more: true,
  }));
  return [...parts, { ...header, events: [], more: false }];
}

async function oldHouse(count = 25, maxEvents = 20) {
  const log = createMemoryLog({ maxEvents });
  for (let n = 1; n <= count; n += 1) await log.append([pending(`old${n}`, { n })]);
  return log;
}

describe("a history", () => {
  test("keeps its seqs, texts and ids, on every node, and old positions stay good", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    const old = await oldHouse();
    const { epoch } = a.log.position();
    for (const part of await partsOf(old, 7)) await a.log.restore(part);
    await eventually(() => b.told.length === 20);
    const { events } = await old.readAfter(0, 1e9);
    for (const { log, events: told } of [a, b]) {
      expect(told).toEqual(events);
      expect(log.position()).toEqual({ epoch, first_seq: 6, last_seq: 25 });
      expect(log.locate({ epoch: old.position().epoch, seq: 20 })).toEqual({ after: 20, gap: null });
      expect(log.locate({ epoch: old.position().epoch, seq: 26 }).gap?.reason).toBe("beyond_end");
      expect(log.locate({ epoch, seq: 25 })).toEqual({ after: 25, gap: null });
    }
    expect(await b.add("old25", "new")).toEqual([-25, 26]);
    const fresh = await openNode(url);
    expect(fresh.log.epochs()).toEqual(a.log.epochs());
  });

  test("is held together: nothing is stored in between, on any node; and it can be begun anew", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    const [first, ...rest] = await partsOf(await oldHouse(), 10);
    await a.log.restore(first as HistoryPart);
    await expect(b.add("live")).rejects.toMatchObject({ code: "log_unavailable" });
    for (const part of [first as HistoryPart, ...rest]) await b.log.restore(part);
    expect(await b.add("live")).toEqual([26]);
  });

  test("of which nothing is left still has its seqs", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    const old = createMemoryLog({ maxAge: 60 });
    await old.append(Array.from({ length: 9 }, (_, n) => ({ ...pending(`old${n}`), received_at: 1 })));
    for (const part of await partsOf(old, 10)) await a.log.restore(part);
    expect(a.log.position().last_seq).toBe(9);
    await eventually(() => b.log.position().last_seq === 9);
    expect(await b.add("live")).toEqual([10]);
    await eventually(() => a.told.at(-1)?.seq === 10);
  });

  test("is refused where others are held", async () => {
    const { url } = await startRedis();
    const a = await openNode(url);
    await a.add("mine");
    const [part] = await partsOf(await oldHouse(), 10);
    await expect(a.log.restore(part as HistoryPart)).rejects.toMatchObject({ code: "history_refused" });
    expect(await a.add("more")).toEqual([2]);
  });

  test("of this very log comes back to an empty Redis, in an epoch of its own", async () => {
    const [one, other] = [await startRedis(), await startRedis()];
    const from = await openNode(one.url);
    await from.add("a", "b", "c");
    const to = await openNode(other.url);
    for (const part of await partsOf(from.log, 2)) await to.log.restore(part);
    // Put back, it is the same log once more: what follows there follows here.
    await from.add("d");
    const again = await openNode(one.url);
    for (const part of await partsOf(again.log, 2)) await to.log.restore(part);
    expect(to.told.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
    expect(to.log.position().epoch).not.toBe(from.log.position().epoch);
  });

  test("that went on elsewhere comes back by a node whose clock is behind", async () => {
    const { url } = await startRedis();
    const [node, other] = [await openNode(url), await openNode(url)];
    await node.add("a", "b", "c");
    const elsewhere = createMemoryLog();
    for (const part of await partsOf(node.log, 2)) await elsewhere.restore(part);
    await elsewhere.append([pending("d"), pending("e")]);
    setSystemTime(Date.now() - 3_600_000);
    try {
      for (const part of await partsOf(elsewhere, 2)) await node.log.restore(part);
      expect(await node.add("f")).toEqual([6]);
    } finally {
      setSystemTime();
    }
    await eventually(() => other.told.length === 6);
    expect(other.log.epochs()).toEqual(node.log.epochs());
    expect(other.told).toMatchObject(["a", "b", "c", "d", "e", "f"].map((id) => ({ id })));
  });
});
