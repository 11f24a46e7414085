/** A log on Redis that forgets because somebody wants it to: no node brings anything back, whatever becomes of Redis. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { startRedis } from "../../support/redis.ts";
import { keepAdding, type Node, openNode } from "../../support/redis-log.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const ids = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `e${from + index}`);
const held = async ({ log }: Node) =>
  (await log.query({ filter: {}, limit: 1000 })).events.map(({ id }) => id);
const range = ({ log }: Node) => [log.position().first_seq, log.position().last_seq];
const until = (node: Node, first: number, last: number, limitMs = 20_000) =>
  eventually(() => range(node)[0] === first && range(node)[1] === last, {
    limitMs,
    what: `the events ${first} to ${last}`,
  });
const healthy = (...nodes: Node[]) =>
  eventually(() => nodes.every(({ log }) => log.check().status === "healthy"), { limitMs: 20_000 });
const inRedis = async (redis: { cli(...args: string[]): Promise<string> }) =>
  Promise.all([
    redis.cli("XLEN", "{claude-mpm-socketio}:log"),
    redis.cli("ZCARD", "{claude-mpm-socketio}:ids"),
  ]);

test("every node has forgotten within two seconds, on its disk too, and nobody is told of a loss", async () => {
  const redis = await startRedis();
  const files = [join(temporaryDirectory(), "a.db"), join(temporaryDirectory(), "b.db")];
  const [a, b] = (await Promise.all(files.map((path) => openNode(redis.url, { path })))) as [Node, Node];
  await a.add(...ids(1, 100));
  await until(b, 1, 100);
  const { epoch } = a.log.position();
  const secret = '"id":"e77"';
  const isOnDisk = () =>
    files
      .flatMap((path) => [path, `${path}-wal`])
      .filter((path) => {
        return existsSync(path) && readFileSync(path).includes(secret);
      });
  expect(isOnDisk()).not.toEqual([]);

  expect(await a.log.forget(101)).toEqual({ epoch, first_seq: 101, last_seq: 100, forgotten: 100 });
  expect([await held(a), range(a), await inRedis(redis)]).toEqual([[], [101, 100], ["0", "0"]]);
  await until(b, 101, 100, 2000);
  expect(isOnDisk()).toEqual([]);
  await eventually(() => b.forgotten === 1);
  expect([a.forgotten, a.skipped, b.skipped, a.epochs, b.epochs]).toEqual([1, [], [], [], []]);
  expect(b.log.locate({ epoch, seq: 50 })).toEqual({ after: 50, gap: null });

  // Ids are unknown again, seqs go on.
  expect(await b.add("e1", "e2")).toEqual([101, 102]);
  await until(a, 101, 102);
  const fresh = await openNode(redis.url);
  expect([await held(fresh), range(fresh)]).toEqual([
    ["e1", "e2"],
    [101, 102],
  ]);
});

test("the beginning is forgotten under load, and everybody keeps the rest", async () => {
  const redis = await startRedis();
  const nodes = [await openNode(redis.url), await openNode(redis.url)] as [Node, Node];
  const loads = nodes.map((node, index) => keepAdding(node, `n${index}-`));
  await eventually(() => loads.every(({ acknowledged }) => acknowledged.length >= 300));
  const { forgotten } = await nodes[0].log.forget(301);
  expect(forgotten).toBe(300);
  await eventually(() => nodes.every(({ log }) => log.position().first_seq === 301), { limitMs: 2500 });
  const before = loads.map(({ acknowledged }) => acknowledged.length);
  await eventually(() => loads.every((load, index) => load.acknowledged.length > (before[index] ?? 0) + 100));
  for (const load of loads) await load.stop();
  const total = loads.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  for (const node of nodes) {
    await until(node, 301, total);
    expect(node.told.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    expect(loads.map(({ refused }) => refused())).toEqual([0, 0]);
    expect(node.skipped).toEqual([]);
    const { events } = await node.log.readAfter(0, Infinity);
    expect(events[0]?.seq).toBe(301);
  }
});

test("a restart of Redis brings nothing back", async () => {
  const redis = await startRedis({ aof: true });
  const [a, b] = [await openNode(redis.url), await openNode(redis.url)];
  await a.add(...ids(1, 50));
  await a.log.forget(41);
  await redis.stop();
  await redis.restart();
  await healthy(a, b);
  for (const node of [a, b]) await until(node, 41, 50);
  expect(await b.add("e1")).toEqual([51]);
  await until(a, 41, 51);
  expect(await held(a)).toEqual([...ids(41, 50), "e1"]);
  expect(await inRedis(redis)).toEqual(["11", "11"]);
});

test("nor does one that has lost everything, and the nodes put back only what is not forgotten", async () => {
  const redis = await startRedis();
  const [a, b] = [await openNode(redis.url), await openNode(redis.url)];
  await a.add(...ids(1, 50));
  await a.log.forget(41);
  await until(b, 41, 50);
  await redis.kill();
  await redis.restart();
  await healthy(a, b);
  expect(await inRedis(redis)).toEqual(["10", "10"]);
  expect(await b.add("e1", "e45")).toEqual([51, -45]);

  await b.log.forget(52);
  await until(a, 52, 51);
  await redis.kill();
  await redis.restart();
  await healthy(a, b);
  expect(await a.add("e1")).toEqual([52]);
  for (const node of [a, b]) await until(node, 52, 52);
  expect([...a.skipped, ...b.skipped]).toEqual([]);
});

test("nor one that comes back as it was before", async () => {
  const redis = await startRedis();
  const [a, b] = [await openNode(redis.url), await openNode(redis.url)];
  await a.add(...ids(1, 50));
  await redis.cli("SAVE");
  await a.add(...ids(51, 60));
  await a.log.forget(56);
  await until(b, 56, 60);
  await redis.kill();
  await redis.restart();
  await healthy(a, b);
  for (const node of [a, b]) await until(node, 56, 60);
  expect(await inRedis(redis)).toEqual(["5", "5"]);
  expect(await b.add("e1", "e56")).toEqual([61, -56]);

  await redis.cli("SAVE");
  await b.log.forget(62);
  await until(a, 62, 61);
  await redis.kill();
  await redis.restart();
  await healthy(a, b);
  for (const node of [a, b]) await until(node, 62, 61);
  expect(await inRedis(redis)).toEqual(["0", "0"]);
});

for (const first of ["it", "the one that knows"]) {
  test(`a node that was cut off meanwhile brings nothing back where ${first} is the first to return`, async () => {
    const redis = await startRedis();
    const proxies = [await startTcpProxy(redis.port), await startTcpProxy(redis.port)];
    const [knows, away] = (await Promise.all(
      proxies.map(({ port }) => openNode(`redis://127.0.0.1:${port}`)),
    )) as [Node, Node];
    await knows.add(...ids(1, 30));
    await until(away, 1, 30);
    proxies[1]?.reset();
    await eventually(() => away.log.check().status === "degraded", { limitMs: 20_000 });
    await knows.log.forget(31);
    await knows.add("kept");
    proxies[0]?.reset();
    await redis.kill();
    await redis.restart();
    const order = first === "it" ? [1, 0] : [0, 1];
    proxies[order[0] as number]?.heal();
    await healthy([knows, away][order[0] as number] as Node);
    proxies[order[1] as number]?.heal();
    await healthy(knows, away);
    for (const node of [knows, away])
      await eventually(async () => (await held(node)).every((id) => id === "kept"), {
        limitMs: 20_000,
      });
    const [length] = await inRedis(redis);
    expect(Number(length)).toBeLessThanOrEqual(1);
  });
}

test("a Redis without memory forgets, and takes events again", async () => {
  const redis = await startRedis();
  const node = await openNode(redis.url);
  await node.add(...ids(1, 200));
  await redis.cli("CONFIG", "SET", "maxmemory", "1");
  await expect(node.add("more")).rejects.toMatchObject({ code: "log_unavailable" });
  expect(await node.log.forget(201)).toMatchObject({ first_seq: 201, forgotten: 200 });
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  await healthy(node);
  expect(await node.add("e1")).toEqual([201]);
});

test("it is refused while Redis is away", async () => {
  const redis = await startRedis();
  const node = await openNode(redis.url);
  await node.add("e1");
  await redis.kill();
  await eventually(() => node.log.check().status === "degraded", { limitMs: 20_000 });
  await expect(node.log.forget(2)).rejects.toMatchObject({ code: "log_unavailable" });
  expect(await held(node)).toEqual(["e1"]);
});
