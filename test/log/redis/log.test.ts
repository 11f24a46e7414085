/** The log on Redis: what it promises while all goes well. */
import { describe, expect, setSystemTime, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { startRedis, startReplica } from "../../support/redis.ts";
import { openNode, pending } from "../../support/redis-log.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const ids = (node: { told: { id: string }[] }) => node.told.map(({ id }) => id);
const seqs = (node: { told: { seq: number }[] }) => node.told.map(({ seq }) => seq);

describe("two nodes on one Redis", () => {
  test("give every event its seq once, and tell of all in one order, whoever stored them", async () => {
    const { url } = await startRedis();
    const [a, b] = await Promise.all([openNode(url), openNode(url)]);
    expect(a.log.position().epoch).toBe(b.log.position().epoch);
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? a : b).add(`x${index}`, `y${index}`)),
    );
    await eventually(() => a.told.length === 100 && b.told.length === 100);
    expect(seqs(a)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(ids(a)).toEqual(ids(b));
    expect(JSON.parse(a.events[41]?.json ?? "")).toMatchObject({ seq: 42, type: "test", id: a.told[41]?.id });
    expect(a.events).toEqual(b.events);
  });

  test("bring an event's origin back to the node it came from alone", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    await a.add("one");
    await eventually(() => b.told.length === 1);
    expect(a.told).toEqual([{ seq: 1, id: "one", origin: "from-one" }]);
    expect(b.told).toEqual([{ seq: 1, id: "one", origin: undefined }]);
  });

  test("know an id wherever it was stored, also twice in one batch", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    expect(await a.add("one", "two", "one")).toEqual([1, 2, -1]);
    expect(await b.add("two", "three")).toEqual([-2, 3]);
    const both = await Promise.all([a.add("same"), b.add("same")]);
    expect(both.flat().toSorted((x, y) => x - y)).toEqual([-4, 4]);
  });

  test("an event is told of, and can be read, before its sender learns that it is stored", async () => {
    const { url } = await startRedis();
    const a = await openNode(url);
    for (let n = 1; n <= 20; n += 1) {
      await a.add(`e${n}`);
      expect(a.told).toHaveLength(n);
      expect((await a.log.readAfter(n - 1, 1e6)).events.map(({ id }) => id)).toEqual([`e${n}`]);
    }
  });

  test("answer everything about the past, with what was stored before they were started", async () => {
    const { url } = await startRedis();
    const a = await openNode(url);
    await a.log.append([
      { ...pending("first", { text: "a needle in it" }), session_id: "s1", type: "hook.stop", project: "/p" },
      { ...pending("second"), received_at: 5 },
    ]);
    const b = await openNode(url);
    expect(b.told).toEqual([]);
    expect(b.log.position()).toEqual(a.log.position());
    const [all, some, found] = await Promise.all([
      b.log.query({ filter: {}, limit: 10 }),
      b.log.query({ filter: { session_id: "s1", types: ["hook.*"], project: "p" }, limit: 10 }),
      b.log.query({ filter: { q: "needle" }, limit: 10 }),
    ]);
    expect(all.events).toEqual(a.events);
    expect(all.events[1]).toMatchObject({ received_at: 5, session_id: null, project: null });
    expect([some, found].map(({ events }) => events.map(({ id }) => id))).toEqual([["first"], ["first"]]);
    expect(all.epoch).toBe(a.log.position().epoch);
  });

  test("settle waits for what another node has stored", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url), await openNode(url)];
    for (let n = 1; n <= 20; n += 1) {
      await a.add(`e${n}`);
      await b.log.settle?.();
      expect(b.told).toHaveLength(n);
    }
  });

  test("a large batch goes in whole and in order", async () => {
    const { url } = await startRedis();
    const [a, b] = [await openNode(url, { maxEvents: 20_000 }), await openNode(url, { maxEvents: 20_000 })];
    const batch = Array.from({ length: 10_000 }, (_, index) => `e${index}`);
    expect(await a.add(...batch)).toEqual(batch.map((_, index) => index + 1));
    await eventually(() => b.told.length === 10_000);
    expect(ids(b)).toEqual(batch);
    const large = "x".repeat(900_000);
    await a.log.append([pending("large", { large }), pending("larger", { large: large + large })]);
    await eventually(() => b.told.length === 10_002);
    expect(b.events.at(-1)?.json).toHaveLength(a.events.at(-1)?.json.length ?? 0);
  });
});

test("a clock that is ahead costs nobody else the history", async () => {
  const redis = await startRedis();
  const { log, add } = await openNode(redis.url, { maxAge: 60 });
  await add("one");
  setSystemTime(Date.now() + 3_600_000);
  try {
    await eventually(() => log.size().events === 0);
    await Bun.sleep(1500); // more than a look at Redis
  } finally {
    setSystemTime();
  }
  expect(await redis.cli("XLEN", "{claude-mpm-socketio}:log")).toBe("1");
});

test("a log is opened for as long as its copy grows", async () => {
  const redis = await startRedis();
  const first = await openNode(redis.url, { maxEvents: 200_000 });
  const batch = Array.from({ length: 10_000 }, (_, index) => index);
  for (let n = 0; n < 8; n += 1) await first.add(...batch.map((index) => `${n}-${index}`));
  const { log } = await openNode(redis.url, { maxEvents: 200_000, startMs: 300 });
  expect(log.position()).toMatchObject({ first_seq: 1, last_seq: 80_000 });
});

const hanging = (ms: number) => Bun.sleep(ms).then(() => "it hangs");

describe("retention", () => {
  test("holds as many events as it may, and Redis those that a node may still have to read, with their ids alone", async () => {
    const redis = await startRedis();
    const a = await openNode(redis.url, { maxEvents: 10 });
    for (let n = 1; n <= 30; n += 1) await a.add(`e${n}`);
    expect(a.log.position()).toMatchObject({ first_seq: 21, last_seq: 30 });
    expect(await a.add("e25", "e31")).toEqual([-25, 31]);
    const b = await openNode(redis.url, { maxEvents: 10 });
    expect(b.log.position()).toEqual(a.log.position());
    expect((await b.log.query({ filter: {}, limit: 100 })).events.map(({ seq }) => seq)).toEqual([
      22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    ]);
    await a.add(...Array.from({ length: 1000 }, (_, index) => `more ${index}`));
    expect(await redis.cli("XLEN", "{claude-mpm-socketio}:log")).toBe("1000");
    expect(await redis.cli("ZCARD", "{claude-mpm-socketio}:ids")).toBe("1000");
    expect(await a.add("e31", "more 999")).toEqual([1032, -1031]);
  });

  test("that keeps nothing tells of everything all the same", async () => {
    const redis = await startRedis();
    const [a, b] = [await openNode(redis.url, { maxEvents: 0 }), await openNode(redis.url, { maxEvents: 0 })];
    expect(await a.add("one", "two")).toEqual([1, 2]);
    for (const { told, skipped } of [a, b]) {
      await eventually(() => told.length === 2);
      expect(skipped).toEqual([]);
    }
    expect((await b.log.query({ filter: {}, limit: 100 })).events).toEqual([]);
  });

  test("forgets what is too old", async () => {
    const redis = await startRedis();
    const a = await openNode(redis.url, { maxAge: 60 });
    const old = Date.now() - 120_000;
    const batch = Array.from({ length: 250 }, (_, index) => ({ ...pending(`e${index}`), received_at: old }));
    await a.log.append(batch);
    await a.add("young");
    await eventually(async () => (await redis.cli("XLEN", "{claude-mpm-socketio}:log")) === "1");
    expect(await redis.cli("ZCARD", "{claude-mpm-socketio}:ids")).toBe("1");
    expect(a.log.position()).toMatchObject({ first_seq: 251, last_seq: 251 });
    await a.log.append([{ ...pending("old again"), received_at: old }]);
    const b = await openNode(redis.url, { maxAge: 60 });
    expect(b.log.position().last_seq).toBe(252);
  });
});

test("the copy is gone when the log is closed, and one left by a crash is replaced", async () => {
  const { url } = await startRedis();
  const path = join(temporaryDirectory(), "mirror.db");
  const a = await openNode(url, { path });
  await a.add("one");
  expect(existsSync(path)).toBe(true);
  await a.log.close();
  for (const suffix of ["", "-wal", "-shm", ".reserve"]) expect(existsSync(path + suffix)).toBe(false);
  await Bun.write(path, "left by a crash");
  const b = await openNode(url, { path });
  expect(b.log.position().last_seq).toBe(1);
});

test("is closed at once while it waits for a Redis that hangs, also when that goes on in this moment", async () => {
  const redis = await startRedis();
  const { log } = await openNode(redis.url);
  redis.pause();
  await eventually(() => log.check().status === "degraded");
  await Bun.sleep(500); // it has hung up, and connects anew
  const closing = log.close();
  redis.resume();
  expect(await Promise.race([closing, hanging(1500)])).toBeUndefined();
});

test("a node that keeps fewer events than Redis holds says that it is going to cut the log", async () => {
  const { url } = await startRedis();
  const warnings: unknown[] = [];
  const warn = (message: string, fields: unknown) => void warnings.push([message, fields]);
  const a = await openNode(url, { maxEvents: 3000 });
  await a.add(...Array.from({ length: 1500 }, (_, index) => `e${index}`));
  await openNode(url, { maxEvents: 3000, warn });
  const said = () => warnings.filter(([message]: any) => message.includes("max_history_size"));
  expect(said()).toEqual([]);
  await openNode(url, { maxEvents: 10, warn });
  expect(said()).toEqual([[expect.stringContaining("for all"), { held: 1500, keeps: 1000 }]]);
});

test("a user of Redis with the rights that the documents name needs no more", async () => {
  const redis = await startRedis();
  const guide = readFileSync(join(import.meta.dir, "../../../docs/cluster.md"), "utf8");
  const words = (/^redis-cli (ACL SETUSER .*)$/m.exec(guide)?.[1] ?? "").replaceAll("'", "").split(" ");
  expect(await redis.cli(...words)).toBe("OK");
  const { port } = redis;
  const node = await openNode(`redis://events:PASSWORD@127.0.0.1:${port}`, { maxAge: 60 });
  expect(await node.add("one")).toEqual([1]);
  // Whatever a look every second asks for.
  await eventually(async () => (await redis.cli("EXISTS", "{claude-mpm-socketio}:probe")) === "1");
  await node.log.settle?.();
  expect(node.log.check().status).toBe("healthy");
});

describe("a Redis that cannot be used", () => {
  const open = (url: string, startMs = 60_000) => openNode(url, { startMs });

  test("nobody there: said, with the next step", async () => {
    await expect(open("redis://me:secret@127.0.0.1:1", 1500)).rejects.toMatchObject({
      message: expect.stringMatching(/^Redis at redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/),
      hint: expect.stringContaining("redis_url"),
    });
  });

  test("there, but too slow", async () => {
    const { url } = await startRedis();
    expect(await Promise.race([open(url, 1).catch(String), hanging(3000)])).toMatch(/^Error: Redis at /);
  });

  test("a password that is wrong or missing", async () => {
    const { port, cli } = await startRedis();
    await cli("CONFIG", "SET", "requirepass", "right");
    for (const user of ["", ":wrong@"]) {
      await expect(open(`redis://${user}127.0.0.1:${port}`)).rejects.toThrow(/NOAUTH|WRONGPASS/);
    }
    const node = await openNode(`redis://:right@127.0.0.1:${port}/3`);
    expect(await node.add("one")).toEqual([1]);
  });

  test("a database that it does not have: nothing goes into another one", async () => {
    const redis = await startRedis({ args: ["--databases", "4"] });
    await expect(open(`${redis.url}/4`)).rejects.toMatchObject({
      message: expect.stringContaining("DB index is out of range"),
      hint: expect.stringContaining("databases"),
    });
    expect(await redis.cli("DBSIZE")).toBe("0");
  });

  test("a replica", async () => {
    const replica = await startReplica(await startRedis());
    await expect(open(replica.url, 1500)).rejects.toMatchObject({
      message: expect.stringContaining("it is a replica"),
      hint: expect.stringContaining("master"),
    });
  });

  test("another program's key in the place of the log", async () => {
    const redis = await startRedis();
    await redis.cli("SET", "{claude-mpm-socketio}:log", "something else");
    await expect(open(redis.url)).rejects.toThrow(/WRONGTYPE/);
  });
});
