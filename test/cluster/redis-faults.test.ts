/** Redis goes away in all the ways it can, under load: nodes keep their clients, lose nothing, and recover by themselves. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "bun:test";
import {
  allDegraded,
  allHealthy,
  expectKeptAndDegraded,
  type FaultOptions,
  type Scene,
  underLoad,
} from "../support/cluster-fault.ts";
import { startCluster, startNode } from "../support/cluster.ts";
import { readLog } from "../support/cluster-load.ts";
import { eventually } from "../support/eventually.ts";
import { REDIS, type RedisServer, startRedis, startReplica, startSentinel } from "../support/redis.ts";
import { SOAK } from "../support/soak.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

const AWAY_SECONDS = SOAK ? 15 : 1;
const SLEEP_SECONDS = SOAK ? 15 : 2.5;
const WIPES = SOAK ? 30 : 4;
const LIMIT_MS = 300_000;
const away = () => Bun.sleep(AWAY_SECONDS * 1000);

const withRedis = (name: string, run: (redis: RedisServer) => Promise<void>) =>
  testWith(REDIS, name, async () => run(await startRedis({ aof: true, debugCommand: true })), LIMIT_MS);

const say = (text: string) => void process.stdout.write(`${text}\n`);

describe("Redis", () => {
  const passing: [name: string, fault: (redis: RedisServer, scene: Scene) => Promise<void>][] = [
    [
      "shut down and started again",
      async (redis, scene) => {
        await redis.stop();
        await allDegraded(scene);
        await away();
        await redis.restart();
      },
    ],
    [
      "killed with SIGKILL and started again",
      async (redis, scene) => {
        await redis.kill();
        await allDegraded(scene);
        await away();
        await redis.restart();
      },
    ],
    [
      "stopped (SIGSTOP) and continued",
      async (redis, scene) => {
        redis.pause();
        await allDegraded(scene);
        await away();
        redis.resume();
      },
    ],
    ["asleep (DEBUG SLEEP)", (redis) => redis.freeze(SLEEP_SECONDS)],
  ];
  for (const [name, fault] of passing) {
    withRedis(`${name}: nothing acknowledged is lost, no client leaves`, async (redis) => {
      const scene = await underLoad({ redis: redis.url, fault: (inside) => fault(redis, inside) });
      expectKeptAndDegraded(scene);
      say(
        `${name}: healthy ${Math.round(scene.recoveredMs)} ms after, ${scene.outcome.acknowledged.size} events, refused ${JSON.stringify([...scene.outcome.refusals])}`,
      );
    });
  }

  withRedis("away: new events are refused at once, and what is stored can be read", async (redis) => {
    const scene = await underLoad({
      redis: redis.url,
      async fault({ nodes, health, load }) {
        await redis.stop();
        await allDegraded({ nodes, health });
        for (const node of nodes) {
          const late = { type: "late", id: `late-${node.name}` };
          // It may come back at once, so the first ones wait for it.
          expect((await node.post("/api/events", late)).status).toBe(503);
          const start = performance.now();
          const { status, body } = await node.post("/api/events", late);
          expect(performance.now() - start).toBeLessThan(500);
          expect([status, body.error.code]).toEqual([503, "log_unavailable"]);
          expect(body.error.hint).not.toBe("");
          const page = await node.get("/api/events?type=load&limit=5");
          expect(page.returned).toBe(5);
          expect(page.total_available).toBeGreaterThanOrEqual(load.outcome.acknowledged.size);
        }
        await redis.restart();
      },
    });
    for (const node of scene.nodes) {
      const { status, body } = await node.post("/api/events", { type: "late", id: `late-${node.name}` });
      expect([status, body.accepted]).toEqual([200, 1]);
    }
    expectKeptAndDegraded(scene);
  });

  withRedis("out of memory: events are refused and health says why, until it has more", async (redis) => {
    const scene = await underLoad({
      redis: redis.url,
      async fault(inside) {
        await redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
        await redis.cli("CONFIG", "SET", "maxmemory", "1mb");
        await allDegraded(inside);
        const { status, body } = await (inside.nodes[0] as Scene["nodes"][number]).post("/api/events", {});
        expect([status, body.error.code]).toEqual([503, "log_unavailable"]);
        expect([...inside.health.messages].join("; ")).toMatch(/memory/i);
        await redis.cli("CONFIG", "SET", "maxmemory", "0");
      },
    });
    expectKeptAndDegraded(scene);
  });

  withRedis(
    `wiped (FLUSHALL) ${WIPES} times while it runs: it is restored with the same seqs`,
    async (redis) => {
      const scene = await underLoad({
        redis: redis.url,
        load: { perSecond: 2000 },
        async fault({ nodes, load }) {
          for (let wipe = 0; wipe < WIPES; wipe += 1) {
            await redis.cli("FLUSHALL");
            await load.more(200);
            for (const node of nodes) expect((await node.get("/stats")).log.first_seq).toBe(1);
          }
        },
      });
      expect(scene.outcome.watchers.map(({ lost }) => lost)).toEqual(scene.outcome.watchers.map(() => 0));
    },
  );

  withRedis("put back to older files: what came since is restored with the same seqs", async (redis) => {
    const files = join(redis.directory, "appendonlydir");
    const older = join(temporaryDirectory(), "older");
    const scene = await underLoad({
      redis: redis.url,
      async fault({ nodes, load, health }) {
        // appendfsync everysec writes with each turn of its loop: what was acknowledged is in the file.
        cpSync(files, older, { recursive: true });
        await load.more(200);
        await redis.stop();
        await allDegraded({ nodes, health });
        rmSync(files, { recursive: true });
        cpSync(older, files, { recursive: true });
        await redis.restart();
      },
    });
    expect(scene.outcome.watchers.map(({ lost }) => lost)).toEqual(scene.outcome.watchers.map(() => 0));
  });

  withRedis("put back to nothing: all of it is restored with the same seqs", async (redis) => {
    const scene = await underLoad({
      redis: redis.url,
      async fault(inside) {
        await redis.kill();
        await allDegraded(inside);
        rmSync(join(redis.directory, "appendonlydir"), { recursive: true });
        await redis.restart();
      },
    });
    expect(scene.outcome.watchers.map(({ lost }) => lost)).toEqual(scene.outcome.watchers.map(() => 0));
  });

  withRedis(
    "put back to nothing while a new node starts: nothing acknowledged is lost, whichever is there first",
    async (redis) => {
      const nodes = await startCluster({ nodes: 2, redis: redis.url });
      const events = Array.from({ length: 500 }, (_, n) => ({ id: `early-${n}` }));
      expect((await nodes[0]?.post("/api/events", events))?.status).toBe(200);
      await redis.kill();
      rmSync(join(redis.directory, "appendonlydir"), { recursive: true });
      const late = startNode({ redis: redis.url, name: "late" });
      // By now the others try again every two seconds only.
      await Bun.sleep(SOAK ? 8000 : 3000);
      await redis.restart();
      const all = [...nodes, await late];
      await late.then((node) => node.post("/api/events", { id: "late" }));
      await allHealthy(all);
      for (const node of all) {
        await eventually(async () => (await readLog(node.url)).length === 501, {
          what: `all at ${node.name}`,
        });
        expect(new Set((await readLog(node.url)).map(({ id }) => id))).toEqual(
          new Set([...events.map(({ id }) => id), "late"]),
        );
      }
    },
  );

  withRedis(
    "failed over by a sentinel: the replica goes on, and nothing acknowledged is lost",
    async (redis) => {
      const replica = await startReplica(redis, { aof: true });
      const sentinel = await startSentinel(redis);
      let killedAt = 0;
      const scene = await underLoad({
        redis: sentinel.url,
        async fault({ load }) {
          killedAt = performance.now();
          await redis.kill();
          await eventually(async () => (await replica.cli("ROLE")).startsWith("master"), { limitMs: 30_000 });
          const promoted = performance.now();
          await load.more(100);
          say(
            `failover: promoted after ${Math.round(promoted - killedAt)} ms, events are stored again ${Math.round(performance.now() - promoted)} ms later`,
          );
        },
      });
      expectKeptAndDegraded(scene);
      say(`failover: longest time without an acknowledgement ${Math.round(scene.outcome.longestPauseMs)} ms`);
    },
  );
});

describe("the wire to Redis", () => {
  const cuts: [name: string, cut: "hold" | "reset" | "halfOpen"][] = [
    ["nothing passes", "hold"],
    ["every connection is reset", "reset"],
    ["connections are half open", "halfOpen"],
  ];
  for (const [name, cut] of cuts) {
    withRedis(`${name}, then does again: nothing acknowledged is lost, no client leaves`, async (redis) => {
      const proxy = await startTcpProxy(redis.port);
      const fault: FaultOptions["fault"] = async (inside) => {
        proxy[cut]();
        await allDegraded(inside);
        await away();
        proxy.heal();
      };
      const scene = await underLoad({ redis: `redis://127.0.0.1:${proxy.port}`, fault });
      expectKeptAndDegraded(scene);
      say(
        `${name}: healthy ${Math.round(scene.recoveredMs)} ms after, refused ${JSON.stringify([...scene.outcome.refusals])}`,
      );
    });
  }
});
