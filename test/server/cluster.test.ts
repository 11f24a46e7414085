/** Servers on one Redis answer for all of them, and say who is missing. */
import { describe, expect } from "bun:test";
import type { ClientList, Stats } from "../../src/protocol/messages.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { parseMetrics } from "../support/metrics.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { testWith } from "../support/tools.ts";

const testWithRedis = testWith.bind(null, ["redis-server", "redis-cli"]);

/** Servers named `a`, `b` and so on. */
async function startServers(redis: RedisServer, count: number): Promise<TestServer[]> {
  const names = Array.from({ length: count }, (_, index) => String.fromCodePoint(97 + index));
  const start = (name: string) => startTestServer({ redis_url: redis.url, server_id: name, auth: "off" });
  return Promise.all(names.map(start));
}

const statsOf = async (server: TestServer, query = "") => {
  const { status, body } = await server.get(`/stats${query}`);
  expect(status).toBe(200);
  return body as Stats;
};
const clientsOf = async (server: TestServer) => {
  const { status, body } = await server.get("/api/clients");
  expect([status, body.total]).toEqual([200, body.clients.length]);
  return body as ClientList;
};

/** Writes down one that is there and will not answer. */
async function addSilent(redis: RedisServer, name: string): Promise<void> {
  const about = { instance: name, server_id: name, url: `http://${name}:1`, version: "0.0.1" };
  const text = JSON.stringify({ ...about, uptime: 7, clients: 3, status: "healthy" });
  const [time = ""] = (await redis.cli("TIME")).split("\n");
  const key = "{claude-mpm-socketio}:nodes";
  await redis.cli("HSET", key, name, text);
  await redis.cli("ZADD", `${key}:seen`, `${Number(time)}000`, name);
}

describe("servers on one Redis", () => {
  testWithRedis("add up their figures, and each tells its own when asked for them", async () => {
    const redis = await startRedis();
    const [a, b, c] = (await startServers(redis, 3)) as [TestServer, TestServer, TestServer];
    const one = await connect(a.url, { claude_mpm_version: "4.1.0" });
    const two = await connect(b.url);
    await b.post("/api/events", [{ type: "x", password: "hunter2hunter2" }, { type: "y" }]);
    await c.post("/api/events", [{ type: "z", password: "hunter2hunter2" }]);
    await c.post("/api/events", "{");
    await eventually(() => one.events().length === 3 && two.events().length === 3);

    const all = await Promise.all([a, b, c].map((server) => statsOf(server)));
    const own = await Promise.all([a, b, c].map((server) => statsOf(server, "?scope=node")));
    for (const [index, stats] of all.entries()) {
      expect(stats.server_info.id).toBe(["a", "b", "c"][index] as string);
      expect(stats.connections).toEqual({
        current_clients: 2,
        total_served: 2,
        client_versions: { [one.socket.id ?? ""]: "4.1.0", [two.socket.id ?? ""]: "unknown" },
      });
      expect([stats.events.total_processed, stats.events.history_size, stats.errors]).toEqual([3, 3, 1]);
      expect(stats.redacted).toEqual({ password: 2 });
      expect([stats.log.first_seq, stats.log.last_seq, stats.partial]).toEqual([1, 3, false]);
      const status = expect.stringMatching(/^(healthy|degraded)$/);
      expect(stats.nodes).toEqual(
        [a, b, c].map(({ url, serverId }, at) => ({
          server_id: serverId,
          url,
          version: expect.any(String),
          uptime: expect.any(Number),
          clients: [1, 1, 0][at] as number,
          status,
        })),
      );
    }
    expect(own.map(({ connections }) => connections.current_clients)).toEqual([1, 1, 0]);
    expect(own.map(({ errors }) => errors)).toEqual([0, 0, 1]);
    expect(own.every((stats) => !("nodes" in stats) && !("partial" in stats))).toBe(true);
    const bad = await a.get("/stats?scope=planet");
    expect([bad.status, bad.body.error.code, bad.body.error.message]).toEqual([
      400,
      "invalid_query",
      "`scope` must be one of cluster, node",
    ]);
  });

  testWithRedis("list the clients of all, and end the connection of any", async () => {
    const [a, b] = (await startServers(await startRedis(), 2)) as [TestServer, TestServer];
    const [one, two] = [await connect(a.url), await connect(b.url)];
    const { clients, silent, partial } = await clientsOf(a);
    expect(clients.map(({ sid, server_id }) => [sid, server_id])).toEqual([
      [one.socket.id ?? "", "a"],
      [two.socket.id ?? "", "b"],
    ]);
    expect([silent, partial]).toEqual([[], false]);
    const near = await a.get("/api/clients?scope=node");
    expect([near.body.total, Object.keys(near.body)]).toEqual([1, ["clients", "total"]]);

    const sid = two.socket.id ?? "";
    const ended = await a.post(`/api/clients/${sid}/disconnect`, "");
    expect([ended.status, ended.body]).toEqual([200, { disconnected: sid }]);
    await eventually(() => !two.socket.connected);
    expect((await two.next("event_error")).code).toBe("dismissed");
    expect(one.socket.connected).toBe(true);
    const again = await a.post(`/api/clients/${sid}/disconnect`, "");
    expect([again.status, again.body.error.code]).toEqual([404, "client_not_found"]);
  });

  testWithRedis(
    "name the one that does not answer, and wait no longer for it than half a second",
    async () => {
      const redis = await startRedis();
      const [a] = (await startServers(redis, 2)) as [TestServer];
      await connect(a.url);
      await addSilent(redis, "mute");
      const from = performance.now();
      const [stats, list, ended] = await Promise.all([
        statsOf(a),
        clientsOf(a),
        a.post("/api/clients/nobody/disconnect", ""),
      ]);
      expect(performance.now() - from).toBeLessThan(1500);
      expect(stats.partial).toBe(true);
      expect(stats.connections.current_clients).toBe(1);
      expect(stats.nodes?.map(({ server_id, status }) => [server_id, status === "silent"])).toEqual([
        ["a", false],
        ["b", false],
        ["mute", true],
      ]);
      expect(list).toMatchObject({
        total: 1,
        silent: [{ server_id: "mute", url: "http://mute:1" }],
        partial: true,
      });
      expect([ended.status, ended.body.error.message]).toEqual([
        404,
        "No server that answers has it; no answer came from mute",
      ]);
    },
  );

  testWithRedis("answer for themselves while Redis is away", async () => {
    const redis = await startRedis();
    const [a, b] = (await startServers(redis, 2)) as [TestServer, TestServer];
    await connect(a.url);
    await redis.kill();
    const [stats, list] = await Promise.all([statsOf(a), clientsOf(a)]);
    expect([stats.partial, stats.connections.current_clients, stats.nodes?.length]).toEqual([true, 1, 1]);
    expect([list.partial, list.total, list.silent]).toEqual([true, 1, []]);
    const ended = await a.post("/api/clients/nobody/disconnect", "");
    expect([ended.status, ended.body.error.message]).toEqual([
      404,
      "It is not connected to this server, and Redis is away",
    ]);
    const check = async () => {
      const { body } = await a.get("/health");
      return body.checks.find(({ name }: { name: string }) => name === "cluster")?.status;
    };
    await eventually(async () => (await check()) === "degraded");
    expect((await a.get("/health")).status).toBe(200);
    await redis.restart();
    await eventually(async () => (await statsOf(b)).nodes?.length === 2);
    await eventually(async () => (await check()) === "healthy");
  });

  testWithRedis("no longer count one that has stopped", async () => {
    const [a, b] = (await startServers(await startRedis(), 2)) as [TestServer, TestServer];
    expect((await statsOf(a)).nodes?.length).toBe(2);
    await b.stop();
    const stats = await statsOf(a);
    expect([stats.nodes?.map(({ server_id }) => server_id), stats.partial]).toEqual([["a"], false]);
  });

  testWithRedis("tell Prometheus of Redis and of each other", async () => {
    const redis = await startRedis();
    const [a] = (await startServers(redis, 2)) as [TestServer];
    const read = async () => {
      const samples = parseMetrics((await a.get("/metrics")).body);
      return (name: string, use?: string) =>
        samples.find((one) => one.name === `claude_mpm_socketio_${name}` && one.labels.use === use)?.value;
    };
    await eventually(async () => (await read())("cluster_nodes") === 2);
    const before = await read();
    expect(["log", "cluster"].map((use) => before("redis_up", use))).toEqual([1, 1]);
    expect(before("log_tail_lag_events")).toBe(0);
    const epochs = before("log_epochs_total") as number;
    await redis.kill();
    onEnd(() => redis.kill());
    const post = a.post("/api/events", { type: "late" });
    await eventually(async () => {
      const now = await read();
      return now("redis_up", "log") === 0 && now("redis_up", "cluster") === 0;
    });
    await redis.restart();
    await post;
    await eventually(async () => {
      const now = await read();
      return now("redis_up", "log") === 1 && now("redis_up", "cluster") === 1;
    });
    expect((await read())("log_epochs_total")).toBeGreaterThan(epochs);
  });
});
