/** One fault after the other, in no order, on three nodes under load; the seed is printed, and can be given. */
import { expect } from "bun:test";
import { cpSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { REDIS, type RedisServer, startRedis } from "../../support/redis.ts";
import { keepAdding, type Node, openNode } from "../../support/redis-log.ts";
import { SOAK } from "../../support/soak.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { testWith } from "../../support/tools.ts";

const FAULTS = SOAK ? 300 : 8;
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const LIMIT_MS = 3_600_000;

interface World {
  redis: RedisServer;
  /** One for each node. */
  wires: TcpProxy[];
  files: string;
  copy: string;
  random: () => number;
}

const some = (count: number, random: () => number) => Math.floor(random() * count);

const faults: Record<string, (world: World) => Promise<void>> = {
  async restart({ redis }) {
    await redis.stop();
    await redis.restart();
  },
  async kill({ redis }) {
    await redis.kill();
    await redis.restart();
  },
  async wipe({ redis }) {
    await redis.cli("FLUSHALL");
  },
  async copy({ files, copy }) {
    rmSync(copy, { recursive: true, force: true });
    cpSync(files, copy, { recursive: true });
  },
  async back({ redis, files, copy }) {
    await redis.kill();
    rmSync(files, { recursive: true });
    if (existsSync(copy)) cpSync(copy, files, { recursive: true });
    await redis.restart();
  },
  async hang({ redis, random }) {
    await redis.freeze(random() * 2.5);
  },
  async cut({ wires, random }) {
    const wire = wires[some(wires.length, random)] as TcpProxy;
    wire.reset();
    await Bun.sleep(random() * 1500);
    wire.heal();
  },
  async hold({ wires, random }) {
    const wire = wires[some(wires.length, random)] as TcpProxy;
    wire.hold();
    await Bun.sleep(random() * 2500);
    wire.heal();
  },
};

testWith(
  REDIS,
  `${FAULTS} faults one after the other: nothing acknowledged is lost, and all nodes agree`,
  async () => {
    process.stdout.write(`seed ${SEED}\n`);
    const random = randomOf(SEED);
    const redis = await startRedis({ aof: true, debugCommand: true });
    const wires = await Promise.all([0, 1, 2].map(() => startTcpProxy(redis.port)));
    const nodes = await Promise.all(wires.map(({ port }) => openNode(`redis://127.0.0.1:${port}`)));
    const loads = nodes.map((node, index) => keepAdding(node, `n${index}-`, 2));
    const files = join(redis.directory, "appendonlydir");
    const world = { redis, wires, files, copy: join(redis.directory, "copy"), random };
    const names = Object.keys(faults);

    for (let round = 1; round <= FAULTS; round += 1) {
      const name = names[some(names.length, random)] ?? "";
      await faults[name]?.(world);
      const before = loads.map(({ acknowledged }) => acknowledged.length);
      const what = `the end of fault ${round}, ${name}`;
      await eventually(() => nodes.every(({ log }) => log.check().status === "healthy"), {
        limitMs: 30_000,
        what,
      });
      const progress = () =>
        loads.every(({ acknowledged }, index) => acknowledged.length > (before[index] ?? 0) + 20);
      await eventually(progress, { limitMs: 30_000, what: `progress after ${name}` });
      checkSeqs(nodes, `fault ${round}, ${name}`);
    }

    await Promise.all(loads.map((load) => load.stop()));
    const acknowledged = loads.flatMap((load) => load.acknowledged);
    await eventually(() => nodes.every(({ told }) => told.length === nodes[0]?.told.length));
    for (const node of nodes) {
      expect(node.told.map(({ id }) => id)).toEqual((nodes[0] as Node).told.map(({ id }) => id));
      const ids = new Set(node.told.map(({ id }) => id));
      expect(ids.size).toBe(node.told.length);
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    }
    process.stdout.write(`${acknowledged.length} events acknowledged\n`);
  },
  LIMIT_MS,
);

function checkSeqs(nodes: readonly Node[], what: string): void {
  for (const { told } of nodes) {
    const wrong = told.findIndex(({ seq }, index) => seq !== index + 1);
    if (wrong !== -1)
      throw new Error(`after ${what} a node told ${told[wrong]?.seq} in the place of ${wrong + 1}`);
  }
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
