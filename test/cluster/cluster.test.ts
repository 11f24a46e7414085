/** What servers on one Redis know of each other, and what they answer each other. */
import { describe, expect, test } from "bun:test";
import { type Cluster, type ClusterOptions, type NodeAbout, openCluster } from "../../src/cluster/cluster.ts";
import { pack, unpack } from "../../src/cluster/envelope.ts";
import { readNode } from "../../src/cluster/node.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";

const testWithRedis = testWith.bind(null, ["redis-server", "redis-cli"]);

const about = (name: string): NodeAbout => ({
  instance: `${name}-1`,
  server_id: name,
  url: `http://${name}:8765`,
  version: "1.2.3",
  uptime: 5,
  clients: 2,
  status: "healthy",
});

async function join(
  { url }: Pick<RedisServer, "url">,
  name: string,
  answer: ClusterOptions["answer"] = (topic, payload) => (topic === "echo" ? { name, payload } : undefined),
): Promise<Cluster> {
  const cluster = await openCluster({ url, about: () => about(name), answer });
  onEnd(() => cluster.close());
  return cluster;
}

const names = (nodes: readonly NodeAbout[]) => nodes.map(({ server_id }) => server_id).toSorted();

describe("servers on one Redis", () => {
  testWithRedis("know of each other, and answer", async () => {
    const redis = await startRedis();
    const [a] = [await join(redis, "a"), await join(redis, "b"), await join(redis, "c")];
    const { answers, silent, reachable } = await a.ask("echo", { x: 1 });
    expect([names(answers.map(({ node }) => node)), silent, reachable]).toEqual([["b", "c"], [], true]);
    expect(answers.map(({ answer }) => answer)).toContainEqual({ name: "b", payload: { x: 1 } });
    await eventually(() => a.figures().nodes === 3);
    expect(a.check()).toEqual({
      name: "cluster",
      status: "healthy",
      message: "one of 3 servers on its Redis",
    });
  });

  testWithRedis("say when they do not keep the same number of events", async () => {
    const { url } = await startRedis();
    const joined = [];
    for (const keeps of [15_000, 200]) {
      const node = { ...about(`keeps-${keeps}`), keeps };
      const cluster = await openCluster({ url, about: () => node, answer: () => undefined });
      onEnd(() => cluster.close());
      joined.push(cluster);
    }
    const [more, fewer] = joined as [Cluster, Cluster];
    for (const one of joined) await eventually(() => one.check().status === "degraded");
    expect(more.check().message).toMatch(/`max_history_size` of 200, .* up to 15000: give all the same/);
    await fewer.close();
    await eventually(() => more.check().status === "healthy");
  });

  testWithRedis("are told apart by the number of the database", async () => {
    const { url } = await startRedis();
    const here = await join({ url }, "here");
    await join({ url: `${url}/1` }, "elsewhere");
    expect(await here.ask("echo")).toEqual({ answers: [], silent: [], reachable: true });
    expect(here.figures()).toEqual({ nodes: 1, up: true });
  });

  testWithRedis("need no more of Redis than its own keys and channels, and leave nothing there", async () => {
    const redis = await startRedis();
    const allowed = "+@hash +@sortedset +@scripting +@connection +@pubsub +info +time".split(" ");
    const own = ["~{claude-mpm-socketio}:*", "resetchannels", "&{claude-mpm-socketio}:*"];
    await redis.cli("ACL", "SETUSER", "events", "on", ">secret", ...own, ...allowed);
    const url = redis.url.replace("//", "//events:secret@");
    const [a, b] = [await join({ url }, "a"), await join({ url }, "b")];
    expect((await a.ask("echo")).answers.length).toBe(1);
    await Promise.all([a.close(), b.close()]);
    expect(await redis.cli("DBSIZE")).toBe("0");
  });

  testWithRedis("send each other as much as ten thousand clients are", async () => {
    const redis = await startRedis({ args: ["--client-output-buffer-limit", "pubsub 1mb 512kb 1"] });
    const asker = await join(redis, "asker");
    const clients = Array.from({ length: 10_000 }, (_, index) => {
      return {
        sid: `some-socket-id-${index}`,
        version: "4.1.0",
        connected_at: new Date(index).toISOString(),
      };
    });
    await Promise.all(["b", "c", "d"].map((name) => join(redis, name, () => clients)));
    const { answers, silent } = await asker.ask("clients", null, { timeoutMs: 5000 });
    expect([answers.length, silent]).toEqual([3, []]);
    for (const { answer } of answers) expect(answer).toEqual(clients);
  });

  testWithRedis("name who does not answer, and wait no longer than that", async () => {
    const redis = await startRedis();
    const a = await join(redis, "a");
    await join(redis, "b");
    await join(redis, "mute", () => undefined);
    await join(redis, "faulty", () => {
      throw new Error("no");
    });
    const from = performance.now();
    const { answers, silent } = await a.ask("echo");
    const took = performance.now() - from;
    expect([names(answers.map(({ node }) => node)), names(silent)]).toEqual([["b"], ["faulty", "mute"]]);
    expect(took).toBeGreaterThan(490);
    expect(took).toBeLessThan(1500);
    const until = await a.ask("echo", null, { timeoutMs: 20_000, until: () => true });
    expect(until.answers.length).toBe(1);
  });

  testWithRedis("forget at once who leaves, and within five seconds who is gone", async () => {
    const redis = await startRedis();
    const stays = await join(redis, "stays");
    const leaves = await join(redis, "leaves");
    await leaves.close();
    expect(await stays.ask("echo")).toEqual({ answers: [], silent: [], reachable: true });
    const [time = ""] = (await redis.cli("TIME")).split("\n");
    const key = "{claude-mpm-socketio}:nodes";
    const write = async (name: string, age: number) => {
      await redis.cli("HSET", key, `${name}-1`, JSON.stringify(about(name)));
      await redis.cli("ZADD", `${key}:seen`, `${Number(time) * 1000 - age}`, `${name}-1`);
    };
    await write("paused", 1000);
    await write("dead", 60_000);
    expect(names((await stays.ask("echo")).silent)).toEqual(["paused"]);
    const kept = async () => (await redis.cli("HKEYS", key)).split("\n").toSorted();
    await eventually(async () => !(await kept()).includes("dead-1"));
    await eventually(async () => !(await kept()).includes("paused-1"), { limitMs: 10_000 });
    expect(await kept()).toEqual(["stays-1"]);
    expect((await redis.cli("ZCARD", `${key}:seen`)).trim()).toBe("1");
  });

  for (const [what, away, back] of [
    ["has died", (redis: RedisServer) => redis.kill(), (redis: RedisServer) => redis.restart()],
    ["hangs", (redis: RedisServer) => redis.pause(), (redis: RedisServer) => redis.resume()],
  ] as const) {
    testWithRedis(`are alone while Redis ${what}, say so, and find each other again`, async () => {
      const redis = await startRedis();
      onEnd(() => redis.resume());
      const [a, b] = [await join(redis, "a"), await join(redis, "b")];
      await away(redis);
      const asked = await a.ask("echo");
      expect([asked.answers, asked.reachable && asked.silent.length === 0]).toEqual([[], false]);
      await eventually(() => !a.figures().up && !b.figures().up);
      expect(a.check().status).toBe("degraded");
      // Known to be away it costs no time.
      const from = performance.now();
      expect(await a.ask("echo")).toEqual({ answers: [], silent: [], reachable: false });
      expect(performance.now() - from).toBeLessThan(100);
      await back(redis);
      for (const one of [a, b])
        await eventually(async () => (await one.ask("echo")).answers.length === 1, { limitMs: 15_000 });
      expect(a.check().status).toBe("healthy");
    });
  }

  testWithRedis("say once that they are heard of again", async () => {
    const redis = await startRedis();
    let rejoined = 0;
    const { url } = redis;
    const cluster = await openCluster({
      url,
      about: () => about("a"),
      answer: () => undefined,
      onRejoined: () => (rejoined += 1),
    });
    onEnd(() => cluster.close());
    expect(rejoined).toBe(1);
    await redis.kill();
    await eventually(() => !cluster.figures().up);
    await redis.restart();
    await eventually(() => rejoined === 2 && cluster.check().status === "healthy");
  });

  testWithRedis("start without Redis, and join when it is there", async () => {
    const redis = await startRedis();
    await redis.stop();
    const a = await join(redis, "a");
    expect([a.figures(), (await a.ask("echo")).reachable]).toEqual([{ nodes: 1, up: false }, false]);
    await redis.restart();
    await eventually(() => a.figures().up, { limitMs: 10_000 });
  });
});

test("what another release may write is read where it can be used", () => {
  const node = about("a");
  expect(readNode(JSON.stringify({ ...node, more: 1 }))).toMatchObject(node);
  for (const text of [
    "",
    "null",
    "[]",
    "{",
    JSON.stringify({ ...node, uptime: "5" }),
    '{"status":"healthy"}',
  ])
    expect([text, readNode(text)]).toEqual([text, null]);
  const large = { text: "x".repeat(100_000) };
  expect([unpack(pack(large)), unpack(pack(null))]).toEqual([large, null]);
  expect(pack(large).length).toBeLessThan(10_000);
  for (const bad of [Buffer.alloc(0), Buffer.of(0), Buffer.of(1, 2, 3), Buffer.from("\u0002{}")])
    expect(unpack(bad)).toBeUndefined();
});
