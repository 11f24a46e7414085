/** Commands and servers that share a Redis: what is shown of it, and that its password is not. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "bun:test";
import { type Account, account } from "../support/binary.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";

const testWithRedis = testWith.bind(null, ["redis-server", "redis-cli"]);
const PASSWORD = "p4ssw0rd-of-redis";

async function startGuarded(): Promise<RedisServer> {
  const redis = await startRedis();
  await redis.cli("CONFIG", "SET", "requirepass", PASSWORD);
  return redis;
}

/** Starts a server in the background as its user would, and returns what tells it from others. */
async function start(user: Account, id: string, flags: string[], env: Record<string, string> = {}) {
  const port = await freePort();
  const args = ["--port", `${port}`];
  const { exitCode, stdout, stderr } = await user.run(["start", ...args, "--server-id", id, ...flags], {
    env,
  });
  expect([exitCode, stderr]).toEqual([0, ""]);
  onEnd(async () => void (await user.run(["stop", ...args])));
  return { port, args, pid: Number(/PID (\d+)/.exec(stdout)?.[1]), said: stdout };
}

testWithRedis(
  "the password of Redis is in no command line, file or answer, and servers are shown",
  async () => {
    const plain = await startGuarded();
    const url = plain.url.replace("redis://", `redis://:${PASSWORD}@`);
    const [near, far] = [account(), account()];
    const one = await start(near, "one", ["--redis-url", url]);
    const two = await start(far, "two", [], { CLAUDE_MPM_SOCKETIO_REDIS_URL: url });

    expect(readFileSync(`/proc/${one.pid}/cmdline`, "utf8")).not.toContain(PASSWORD);
    const shown = await near.run(["config", "show", "--redis-url", url]);
    expect(shown.stdout).toMatch(/redis_url +"\(secret\)" +--redis-url/);
    // Each counts them once a second.
    const brief = await eventually(async () => {
      const status = await near.run(["status", ...one.args]);
      return status.stdout.includes("one of 2 servers") && status;
    });
    expect(brief.stdout).toMatch(/^ {2}cluster +one of 2 servers on its Redis$/m);
    const long = await near.run(["status", "-v", ...one.args]);
    for (const [id, { port }] of Object.entries({ one, two }))
      expect(long.stdout).toMatch(
        new RegExp(`^ +${id} +healthy +http://localhost:${port} +\\S+ +up .* 0 clients$`, "m"),
      );
    const json = await near.run(["status", "-v", "--json", ...one.args]);
    const { nodes, stats } = JSON.parse(json.stdout);
    expect(nodes.map(({ server_id }: { server_id: string }) => server_id)).toEqual(["one", "two"]);
    expect([stats.server_info.id, "nodes" in stats]).toEqual(["one", false]);
    const health = await (await fetch(`http://127.0.0.1:${one.port}/health`)).text();
    const doctor = await near.run(["doctor", ...one.args]);
    for (const { stdout, stderr } of [
      shown,
      brief,
      long,
      json,
      doctor,
      { stdout: one.said + two.said, stderr: health },
    ])
      expect(stdout + stderr).not.toContain(PASSWORD);
    for (const user of [near, far]) {
      const files = readdirSync(user.stateDir, { recursive: true }).map((name) =>
        join(user.stateDir, String(name)),
      );
      const texts = files
        .filter((path) => statSync(path).isFile())
        .map((path) => readFileSync(path, "latin1"));
      expect(texts.length).toBeGreaterThan(4);
      expect(texts.filter((text) => text.includes(PASSWORD))).toEqual([]);
    }
  },
);

testWithRedis("a Redis that cannot be used keeps a server from starting, which says why", async () => {
  const redis = await startGuarded();
  const user = account();
  const wrong = redis.url.replace("redis://", "redis://:another-password@");
  const { exitCode, stderr } = await user.run([
    "start",
    "--port",
    `${await freePort()}`,
    "--redis-url",
    wrong,
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/Redis at redis:\/\/127\.0\.0\.1:\d+: .*\n.*`redis_url`/);
  expect(stderr).not.toContain("another-password");
  const odd = await user.run(["start", "--redis-url", `http://:${PASSWORD}@h`]);
  expect([odd.exitCode, odd.stderr]).toEqual([
    78,
    expect.stringContaining("allowed is redis:// or rediss://"),
  ]);
  expect(odd.stderr).not.toContain(PASSWORD);
});

testWithRedis("doctor looks at Redis, and leaves nothing there", async () => {
  const redis = await startRedis();
  const user = account();
  const examine = async (url: string) => {
    const args = ["doctor", "--port", `${await freePort()}`];
    const { exitCode, stdout } = await user.run(args, { env: { CLAUDE_MPM_SOCKETIO_REDIS_URL: url } });
    return { exitCode, stdout };
  };
  const good = await examine(redis.url);
  expect(good.exitCode).toBe(0);
  expect(good.stdout).toMatch(/^log +ok +on Redis$/m);
  expect(good.stdout).toMatch(/^redis +ok +redis:\/\/127\.0\.0\.1:\d+ is there, and a master$/m);
  expect(good.stdout).toContain("on a trial server");
  expect(await redis.cli("DBSIZE")).toBe("0");
  const bad = await examine(`${redis.url}/99`);
  expect(bad.exitCode).toBe(1);
  expect(bad.stdout).toMatch(/^redis +failed +.*DB index is out of range$/m);
});

testWithRedis("a server says in its log that it is on Redis, and which history is not shown", async () => {
  const redis = await startRedis();
  const user = account();
  const port = await freePort();
  const args = ["--port", `${port}`];
  for (const env of [{}, { CLAUDE_MPM_SOCKETIO_REDIS_URL: redis.url }]) {
    expect((await user.run(["start", ...args], { env })).exitCode).toBe(0);
    await user.run(["stop", ...args]);
  }
  const log = readFileSync(join(user.stateDir, `${port}`, "server.log"), "utf8");
  expect(log).toContain(`redis=${redis.url}`);
  expect(log).toMatch(/what was kept on disk before is not part of it file=.*events\.db/);
});

testWithRedis("a restart without the Redis that the server has leaves it as it is", async () => {
  const redis = await startRedis();
  const user = account();
  const { args, pid } = await start(user, "one", ["--redis-url", redis.url]);
  const refused = await user.run(["restart", ...args]);
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("redis_url was given")]);
  expect((await user.run(["status", ...args])).stdout).toContain(`${pid}`);
  const again = await user.run(["restart", ...args, "--redis-url", redis.url]);
  expect([again.exitCode, again.stderr]).toEqual([0, ""]);
  const alone = await user.run(["restart", ...args, "--redis-url", "null"]);
  expect([alone.exitCode, alone.stderr]).toEqual([0, ""]);
  expect((await user.run(["status", ...args])).stdout).not.toContain("cluster");
});
