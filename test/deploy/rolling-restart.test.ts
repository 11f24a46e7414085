/** Nodes behind a load balancer are killed and restarted under load: nothing is lost, doubled, or out of order. */
import { describe, expect } from "bun:test";
import { type BalancedLoad, balancedLoad } from "../support/balanced-load.ts";
import { BALANCERS, startBalancer } from "../support/balancer.ts";
import { type ClusterNode, startCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { SOAK } from "../support/soak.ts";
import { testWith } from "../support/tools.ts";

const EACH = SOAK ? 6 : 2;
const PER_SECOND = SOAK ? 500 : 200;
const ROUNDS = SOAK ? 5 : 1;
const LIMIT_MS = 600_000;
/** Seconds; nginx does not look whether a node is ready. */
const DRAINS = { nginx: [0], haproxy: [0, 3] };

async function start(kind: (typeof BALANCERS)[number], settings: readonly string[] = []) {
  const redis = await startRedis();
  const nodes = await startCluster({ redis: redis.url, settings: ["max_history_size=200000", ...settings] });
  const url = await startBalancer(kind, nodes);
  return { nodes, url, load: await balancedLoad(url, { each: EACH, perSecond: PER_SECOND }) };
}

/** Resolves once the balancer sends requests to a node. */
async function isUsed(url: string, { name }: ClusterNode): Promise<void> {
  const server = async () => ((await (await fetch(`${url}/version`)).json()) as any).server_id;
  await eventually(async () => (await server().catch(() => null)) === name, {
    what: `${name} behind ${url}`,
  });
}

/** Resolves once so many more events are acknowledged. */
async function more({ acknowledged }: BalancedLoad, events: number): Promise<void> {
  const wanted = acknowledged.size + events;
  await eventually(() => acknowledged.size >= wanted, { limitMs: 60_000, what: "more events" });
}

/** Looks whether all saw everything, and the log holds each event once; says what senders and followers met. */
async function judge(load: BalancedLoad, url: string, title: string): Promise<void> {
  await load.finish();
  const { followers, acknowledged, refused } = load;
  expect(followers.flatMap(({ name, wrong }) => wrong.slice(0, 3).map((one) => `${name}: ${one}`))).toEqual(
    [],
  );
  const { last } = followers[0] as (typeof followers)[number];
  expect(followers.map((one) => one.last)).toEqual(followers.map(() => last));
  const ids = await storedIds(url);
  expect([ids.length, new Set(ids).size]).toEqual([acknowledged.size, acknowledged.size]);
  expect(ids.filter((id) => !acknowledged.has(id))).toEqual([]);
  if (!SOAK) return;
  const returns = followers.map(({ name, returns: times }) => `${name} ${times}`).join(", ");
  const failed = [...refused].map(([status, times]) => `${times} with ${status}`).join(", ") || "none";
  process.stdout.write(
    `${title}: ${acknowledged.size} events, POSTs that failed: ${failed}; connected again: ${returns}\n`,
  );
}

async function storedIds(url: string): Promise<string[]> {
  const ids: string[] = [];
  for (let after = 0; ;) {
    const { events, next } = (await (
      await fetch(`${url}/api/events?after=${after}&limit=1000`)
    ).json()) as any;
    ids.push(...events.map(({ id }: { id: string }) => id));
    if (next === null) return ids;
    after = next;
  }
}

for (const kind of BALANCERS) {
  describe(`through ${kind}`, () => {
    for (const drain of DRAINS[kind]) {
      const title = `a rolling restart of three nodes, drain_seconds ${drain}`;
      testWith(
        [kind, ...REDIS],
        title,
        async () => {
          const { nodes, url, load } = await start(kind, [`drain_seconds=${drain}`]);
          await more(load, PER_SECOND / 4);
          for (let round = 0; round < ROUNDS; round += 1) {
            for (const node of nodes) {
              expect(await node.stop()).toBe(0);
              await more(load, PER_SECOND / 4);
              await node.restart();
              await isUsed(url, node);
            }
          }
          await judge(load, url, `${kind}, ${title}`);
          // Not even who sends nothing twice has lost anything.
          if (drain > 0) expect([...load.refused]).toEqual([]);
        },
        LIMIT_MS,
      );
    }

    testWith(
      [kind, ...REDIS],
      "a node that is killed: others take over",
      async () => {
        const { nodes, url, load } = await start(kind);
        await more(load, PER_SECOND / 4);
        for (let round = 0; round < ROUNDS; round += 1) {
          const node = nodes[round % nodes.length] as ClusterNode;
          await node.kill();
          await more(load, PER_SECOND);
          await node.restart();
          await isUsed(url, node);
        }
        await judge(load, url, `${kind}, killed`);
      },
      LIMIT_MS,
    );
  });
}
