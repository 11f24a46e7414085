/** A node dies, stands still, starts at a bad moment, or is cut off alone: the others and the log do not mind. */
import { describe, expect, test } from "bun:test";
import { connect } from "../support/clients.ts";
import { type ClusterNode, startCluster, startNode } from "../support/cluster.ts";
import { allHealthy, underLoad } from "../support/cluster-fault.ts";
import { clusterLoad, faultsOf, watchHealth } from "../support/cluster-load.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { SOAK } from "../support/soak.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { testWith } from "../support/tools.ts";

const KILLS = SOAK ? 20 : 3;
const LIMIT_MS = 600_000;

const post = (node: ClusterNode, count: number) =>
  node.post(
    "/api/events",
    Array.from({ length: count }, (_, n) => ({ type: "batch", n })),
  );

describe("a node", () => {
  testWith(
    REDIS,
    `killed with SIGKILL ${KILLS} times under load: nothing acknowledged is lost, the others notice nothing`,
    async () => {
      const redis = await startRedis();
      const { outcome, health } = await underLoad({
        redis: redis.url,
        async fault({ nodes, load }) {
          for (let kill = 0; kill < KILLS; kill += 1) {
            const node = nodes[kill % 2] as ClusterNode;
            await node.kill();
            await load.more(100);
            await node.restart();
            await load.more(100);
          }
        },
      });
      const others = outcome.watchers.filter(({ name }) => name.startsWith("node-3"));
      expect(others.map(({ lost }) => lost)).toEqual(others.map(() => 0));
      expect(health.states.get("node-3")).toEqual(["healthy"]);
    },
    LIMIT_MS,
  );

  testWith(
    REDIS,
    "stopped (SIGSTOP) and continued: its clients get what came meanwhile",
    async () => {
      const redis = await startRedis();
      await underLoad({
        redis: redis.url,
        async fault({ nodes, load }) {
          nodes[0]?.pause();
          await load.more(200);
          await Bun.sleep(SOAK ? 20_000 : 1500);
          nodes[0]?.resume();
        },
      });
    },
    LIMIT_MS,
  );

  testWith(
    REDIS,
    "stopped for longer than the log holds: its clients are told what they missed, and go on",
    async () => {
      const redis = await startRedis();
      const nodes = await startCluster({
        nodes: 2,
        redis: redis.url,
        settings: ["max_history_size=200", "ping_timeout=60"],
      });
      const [still, busy] = nodes as [ClusterNode, ClusterNode];
      const client = await connect(still.url);
      const stream = await fetch(`${still.url}/api/events/stream`);
      let streamed = "";
      void (async () => {
        for await (const chunk of stream.body ?? []) streamed += new TextDecoder().decode(chunk);
      })().catch(() => {});
      await post(busy, 10);
      await eventually(() => client.events().length === 10);

      still.pause();
      for (let n = 0; n < 20; n += 1) expect((await post(busy, 100)).status).toBe(200);
      still.resume();

      const gap = await client.next("history_gap");
      expect(gap.reason).toBe("trimmed");
      // What was on its way to it already is not lost.
      const before = gap.from_seq - 1;
      expect(before).toBeLessThanOrEqual(210);
      const { last_seq } = (await busy.get("/stats")).log;
      expect(last_seq).toBe(2010);
      // Redis holds a thousand, however few the nodes keep.
      expect(gap.to_seq).toBe(last_seq - 1000);
      await eventually(() => client.events().at(-1)?.seq === last_seq);
      await post(busy, 1);
      await eventually(() => client.events().at(-1)?.seq === last_seq + 1);
      const seqs = client.events().map(({ seq }) => seq);
      expect(seqs.slice(0, before)).toEqual(Array.from({ length: before }, (_, n) => n + 1));
      expect(seqs.slice(before)).toEqual(
        Array.from({ length: last_seq + 1 - gap.to_seq }, (_, n) => gap.to_seq + 1 + n),
      );
      expect(client.socket.connected).toBe(true);
      await eventually(() => streamed.includes(`:${last_seq + 1}\n`));
      expect(streamed).toContain("event: history_gap");
      const pages = await Promise.all(nodes.map((node) => node.get("/api/events?limit=1000")));
      expect(pages[0]).toEqual(pages[1]);
    },
    LIMIT_MS,
  );

  testWith(
    REDIS,
    "cut off alone: it says so and refuses, the others go on, and it catches up",
    async () => {
      const redis = await startRedis();
      const proxy = await startTcpProxy(redis.port);
      const settings = ["max_history_size=100000"];
      const [alone, ...others] = await Promise.all([
        startNode({ redis: `redis://127.0.0.1:${proxy.port}`, settings, name: "alone" }),
        startNode({ redis: redis.url, settings, name: "other-1" }),
        startNode({ redis: redis.url, settings, name: "other-2" }),
      ]);
      const nodes = [alone, ...others] as ClusterNode[];
      const load = await clusterLoad(nodes);
      const health = watchHealth(nodes);
      await load.more(100);
      proxy.halfOpen();
      await eventually(() => health.states.get("alone")?.includes("degraded"), {
        what: "its being degraded",
      });
      await load.more(300);
      proxy.heal();
      await allHealthy(nodes);
      await load.more(100);
      const outcome = await load.finish();
      health.stop();
      expect(await faultsOf(outcome, nodes)).toEqual([]);
      expect(outcome.watchers.map(({ lost }) => lost)).toEqual(outcome.watchers.map(() => 0));
      expect(health.states.get("other-1")).toEqual(["healthy"]);
      expect(health.states.get("other-2")).toEqual(["healthy"]);
    },
    LIMIT_MS,
  );
});

describe("the start", () => {
  testWith(
    REDIS,
    "of several nodes at the very same moment on an empty Redis gives one log",
    async () => {
      for (let round = 0; round < (SOAK ? 20 : 2); round += 1) {
        const redis = await startRedis();
        const nodes = await startCluster({ nodes: 3, redis: redis.url });
        const answers = await Promise.all(nodes.map((node) => post(node, 10)));
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
        expect(answers.map(({ body }) => body.first_seq).toSorted((a, b) => a - b)).toEqual([1, 11, 21]);
        await eventually(async () => {
          const logs = await Promise.all(nodes.map(async (node) => (await node.get("/stats")).log));
          return (
            new Set(logs.map(({ epoch, first_seq, last_seq }) => `${epoch} ${first_seq} ${last_seq}`))
              .size === 1
          );
        });
        for (const node of nodes) await node.kill();
        await redis.kill();
      }
    },
    LIMIT_MS,
  );

  testWith(
    REDIS,
    "of a node beside others under load: it has all of the log at once, and all that follows",
    async () => {
      const redis = await startRedis();
      const settings = ["max_history_size=100000"];
      const nodes = await startCluster({ nodes: 2, redis: redis.url, settings });
      const load = await clusterLoad(nodes, { perSecond: SOAK ? 2000 : 600 });
      await load.more(500);
      const late = await startNode({ redis: redis.url, settings, name: "late" });
      const beside = await clusterLoad([late], { perSecond: 100 });
      await load.more(300);
      const [first, second] = [await load.finish(), await beside.finish()];
      expect(await faultsOf(first, [...nodes, late])).toEqual([]);
      expect(await faultsOf(second, [...nodes, late])).toEqual([]);
    },
    LIMIT_MS,
  );

  test("without a Redis to reach: it gives up within seconds, and says what to do", async () => {
    const port = await freePort();
    const start = performance.now();
    const failure = await startNode({ redis: `redis://127.0.0.1:${port}` }).catch((error: Error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(performance.now() - start).toBeLessThan(15_000);
    expect((failure as Error).message).toContain("ended with 1");
    expect((failure as Error).message).toContain(`127.0.0.1:${port}`);
    // That it waits, why it ends, and what to do.
    expect((failure as Error).message).toContain("cannot be used yet");
    expect((failure as Error).message.trim().split("\n").length).toBeLessThanOrEqual(4);
  }, 30_000);

  testWith(
    REDIS,
    "while Redis is not there yet: it waits some seconds for it",
    async () => {
      const port = await freePort();
      const starting = startNode({ redis: `redis://127.0.0.1:${port}` });
      starting.catch(() => {});
      await Bun.sleep(1500);
      await startRedis({ port });
      const node = await starting;
      expect((await post(node, 1)).status).toBe(200);
    },
    LIMIT_MS,
  );
});
