/** The log on Redis when Redis fails: nothing that was acknowledged is lost, and nobody is told of anything twice. */
import { describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { startRedis, startReplica } from "../../support/redis.ts";
import { keepAdding, type Node, openNode, pending } from "../../support/redis-log.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const seqs = (node: Node) => node.told.map(({ seq }) => seq);
const healthy = (...nodes: Node[]) =>
  eventually(() => nodes.every(({ log }) => log.check().status === "healthy"), { limitMs: 20_000 });
const degraded = (...nodes: Node[]) =>
  eventually(() => nodes.every(({ log }) => log.check().status === "degraded"), { limitMs: 20_000 });

interface World {
  nodes: [Node, Node];
  /** Until so many more events have been acknowledged to each of two senders. */
  progress(count?: number): Promise<void>;
  /** Until somebody has been refused. */
  refusal(): Promise<void>;
}

/** Runs a fault under load on two nodes; all they acknowledged was told by both, once, in one order, without a gap. */
async function survive(url: string, fault: (world: World) => Promise<void>): Promise<World["nodes"]> {
  const nodes: World["nodes"] = await Promise.all([openNode(url), openNode(url)]);
  const loads = [keepAdding(nodes[0], "a"), keepAdding(nodes[1], "b")];
  const progress = async (count = 100) => {
    const before = loads.map(({ acknowledged }) => acknowledged.length);
    const isMore = () =>
      loads.every(({ acknowledged }, index) => acknowledged.length >= (before[index] ?? 0) + count);
    await eventually(isMore, { limitMs: 20_000 });
  };
  await progress();
  await fault({
    nodes,
    progress,
    refusal: async () => void (await eventually(() => loads.some(({ refused }) => refused() > 0))),
  });
  await healthy(...nodes);
  await progress();
  await Promise.all(loads.map((load) => load.stop()));
  const total = loads.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  await eventually(() => nodes.every(({ told }) => told.length >= total));
  for (const node of nodes) {
    expect(seqs(node)).toEqual(range(1, node.told.length));
    expect(new Set(node.told.map(({ id }) => id)).size).toBe(node.told.length);
    expect(node.skipped).toEqual([]);
  }
  expect(nodes[0].events).toEqual(nodes[1].events);
  const ids = new Set(nodes[0].told.map(({ id }) => id));
  expect(loads.flatMap(({ acknowledged }) => acknowledged).filter((id) => !ids.has(id))).toEqual([]);
  const fresh = await openNode(url);
  expect(fresh.log.position()).toEqual(nodes[0].log.position());
  const { events } = await fresh.log.query({ filter: {}, limit: 1000 });
  expect(events).toEqual(nodes[0].events.slice(-events.length));
  return nodes;
}

describe("Redis, under load, is", () => {
  test("shut down and started again", async () => {
    const redis = await startRedis({ aof: true });
    const nodes = await survive(redis.url, async (world) => {
      await redis.stop();
      await degraded(...world.nodes);
      await redis.restart();
    });
    for (const { epochs, recovered } of nodes) {
      expect(epochs).toHaveLength(1);
      expect(recovered).toContain("redis_rejoined");
    }
  });

  test("killed, and away for so long that events are refused", async () => {
    const redis = await startRedis({ aof: true });
    await survive(redis.url, async ({ nodes, refusal }) => {
      await redis.kill();
      await degraded(...nodes);
      await refusal();
      await redis.restart();
    });
  });

  test("killed, and started again at once", async () => {
    const redis = await startRedis({ aof: true });
    await survive(redis.url, async () => {
      await redis.kill();
      await redis.restart();
    });
  });

  test("frozen by DEBUG SLEEP", async () => {
    const redis = await startRedis({ debugCommand: true });
    const nodes = await survive(redis.url, async (world) => {
      const frozen = redis.freeze(4);
      await degraded(...world.nodes);
      await frozen;
    });
    // It is the same process: nothing can be lost, and no epoch begins.
    for (const { epochs } of nodes) expect(epochs).toEqual([]);
  });

  test("paused by SIGSTOP", async () => {
    const redis = await startRedis();
    await survive(redis.url, async ({ nodes, refusal }) => {
      redis.pause();
      await degraded(...nodes);
      await refusal();
      redis.resume();
    });
  });

  test("killed, and comes back without anything", async () => {
    const redis = await startRedis({ aof: true });
    const nodes = await survive(redis.url, async () => {
      await redis.kill();
      rmSync(join(redis.directory, "appendonlydir"), { recursive: true });
      await redis.restart();
    });
    expect(nodes.flatMap(({ recovered }) => recovered)).toContain("events_restored");
  });

  test("wiped while it runs", async () => {
    const redis = await startRedis();
    const nodes = await survive(redis.url, async ({ nodes: [a, b] }) => {
      await redis.cli("FLUSHALL");
      await eventually(() => a.epochs.length + b.epochs.length === 2);
    });
    expect(nodes.flatMap(({ recovered }) => recovered)).toContain("events_restored");
  });

  test("wiped again and again, also while it is being put back and its nodes wait for each other", async () => {
    const redis = await startRedis();
    await survive(redis.url, async ({ progress }) => {
      for (let wipe = 0; wipe < 12; wipe += 1) {
        await redis.cli("FLUSHALL");
        // Every third time as soon as one of them may have begun anew.
        if (wipe % 3 === 2) await progress(1);
        else await Bun.sleep(100 + wipe * 50);
      }
    });
  });

  test("set back to an older state, twice to the same", async () => {
    const redis = await startRedis({ aof: true });
    const files = join(redis.directory, "appendonlydir");
    const copy = join(redis.directory, "copy");
    await survive(redis.url, async ({ nodes, progress }) => {
      cpSync(files, copy, { recursive: true });
      for (let round = 1; round <= 2; round += 1) {
        await progress();
        await redis.kill();
        rmSync(files, { recursive: true });
        cpSync(copy, files, { recursive: true });
        await redis.restart();
        await eventually(() => nodes.every(({ epochs }) => epochs.length === round));
      }
    });
  });

  test.each(["hold", "reset", "halfOpen"] as const)("cut off: %s", async (cut) => {
    const redis = await startRedis();
    const proxy = await startTcpProxy(redis.port);
    await survive(`redis://127.0.0.1:${proxy.port}`, async ({ nodes, refusal }) => {
      proxy[cut]();
      await degraded(...nodes);
      await refusal();
      proxy.heal();
    });
  });

  test("out of memory, until it has more", async () => {
    const redis = await startRedis();
    await survive(redis.url, async ({ nodes, refusal, progress }) => {
      await redis.cli("CONFIG", "SET", "maxmemory", "1mb");
      await refusal();
      await degraded(...nodes);
      expect(nodes[0].log.check().message).toMatch(/refused: Redis at .* is out of memory/);
      await redis.cli("CONFIG", "SET", "maxmemory", "0");
      await progress();
    });
  });
});

test("a node that finds Redis empty before the others are back begins a new log, and what they held is added", async () => {
  const redis = await startRedis({ aof: true });
  const [a, b] = [await openNode(redis.url), await openNode(redis.url)];
  const ids = Array.from({ length: 1500 }, (_, index) => `e${index}`);
  await a.add(...ids);
  await redis.kill();
  rmSync(join(redis.directory, "appendonlydir"), { recursive: true });
  await degraded(a, b);
  await redis.restart();
  // As a node would that starts at this very moment.
  const epoch = `${Date.now()}-abcdef`;
  const info = (await redis.cli("INFO", "server")) + (await redis.cli("INFO", "replication"));
  const process = ["run_id", "master_replid"].map((name) => new RegExp(`${name}:(\\w+)`).exec(info)?.[1]);
  const epochs = JSON.stringify([{ epoch, start_seq: 0 }]);
  const fields = ["epoch", epoch, "run_id", process.join("-"), "last", "0", "epochs", epochs];
  await redis.cli("HSET", "{claude-mpm-socketio}:meta", ...fields);
  await healthy(a, b);
  for (const { told } of [a, b]) await eventually(() => told.length === ids.length);
  expect(b.told.map(({ id }) => id)).toEqual(ids);
  expect(a.log.position()).toMatchObject({ epoch, first_seq: 1, last_seq: 1500 });
});

test.each(["nothing", "less than it had"] as const)(
  "events that were all too old keep their seqs in a Redis that has %s",
  async (left) => {
    const redis = await startRedis({ aof: true });
    const { log, epochs, add } = await openNode(redis.url, { maxAge: 0.5 });
    await add("a", "b", "c");
    await eventually(async () => (await redis.cli("XLEN", "{claude-mpm-socketio}:log")) === "0");
    await eventually(() => log.size().events === 0);
    if (left === "nothing") await redis.cli("FLUSHALL");
    else {
      await redis.cli("HSET", "{claude-mpm-socketio}:meta", "last", "1");
      await redis.stop();
      await redis.restart();
    }
    await eventually(() => epochs.length === 1);
    expect(epochs).toMatchObject([{ start_seq: 3 }]);
    await eventually(() => log.check().status === "healthy");
    expect(await add("d")).toEqual([4]);
  },
);

test("a Redis that answers and takes no writes is away, until it does", async () => {
  const redis = await startRedis();
  const node = await openNode(redis.url);
  await redis.cli("CONFIG", "SET", "min-replicas-to-write", "1");
  const load = keepAdding(node, "e");
  await eventually(() => node.log.check().message.includes("NOREPLICAS"));
  for (const end = Date.now() + 3000; Date.now() < end; await Bun.sleep(10)) {
    expect(node.log.check().status).toBe("degraded");
  }
  await redis.cli("CONFIG", "SET", "min-replicas-to-write", "0");
  await healthy(node);
  await load.stop();
  expect(node.recovered).toEqual(["redis_rejoined"]);
});

test("a node on a slow wire reads on, however much it has missed at once", async () => {
  const redis = await startRedis();
  const proxy = await startTcpProxy(redis.port);
  const [near, far] = [await openNode(redis.url), await openNode(`redis://127.0.0.1:${proxy.port}`)];
  for (let n = 0; n < 5; n += 1)
    await near.add(...Array.from({ length: 500 }, (_, index) => `${n}-${index}`));
  await eventually(() => far.told.length === 2500);
  proxy.hold();
  const large = "x".repeat(200_000);
  await near.log.append(Array.from({ length: 150 }, (_, n) => pending(`large ${n}`, { large })));
  await degraded(far);
  proxy.throttle(8_000_000);
  proxy.reset();
  proxy.heal();
  await eventually(() => far.told.length === 2650, { limitMs: 20_000 });
});

describe("a master that is lost", () => {
  test("its replica takes over, through an address that moves", async () => {
    const master = await startRedis();
    const replica = await startReplica(master);
    const proxy = await startTcpProxy(master.port);
    await survive(`redis://127.0.0.1:${proxy.port}`, async () => {
      await master.kill();
      await replica.cli("REPLICAOF", "NO", "ONE");
      proxy.to(replica.port);
    });
  });

  test("its replica was behind, and the old master goes on for a while without it", async () => {
    const master = await startRedis();
    const replica = await startReplica(master);
    const proxy = await startTcpProxy(master.port);
    await survive(`redis://127.0.0.1:${proxy.port}`, async ({ progress }) => {
      await replica.cli("REPLICAOF", "NO", "ONE");
      await progress();
      proxy.to(replica.port);
    });
  });

  test("it becomes a replica of the one that was its own, and is left", async () => {
    const master = await startRedis();
    const replica = await startReplica(master);
    const proxy = await startTcpProxy(master.port);
    await survive(`redis://127.0.0.1:${proxy.port}`, async ({ nodes }) => {
      await replica.cli("REPLICAOF", "NO", "ONE");
      await master.cli("REPLICAOF", "127.0.0.1", `${replica.port}`);
      await degraded(...nodes);
      proxy.to(replica.port);
    });
  });
});
