/** A real redis-server on a free port in a temporary directory, and everything that can befall one. */
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { onEnd } from "./cleanup.ts";
import { output } from "./command.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";
import { temporaryDirectory } from "./temporary.ts";

/** What tests with a Redis need: for `testWith`. */
export const REDIS = ["redis-server", "redis-cli"];

export interface RedisOptions {
  /** Whether it keeps an append-only file, written to disk every second. */
  aof?: boolean;
  /** Whether `DEBUG` may be used, as `freeze` does. */
  debugCommand?: boolean;
  /** Further arguments of redis-server. */
  args?: readonly string[];
  port?: number;
  directory?: string;
}

export interface RedisServer {
  url: string;
  port: number;
  readonly pid: number;
  directory: string;
  /** SHUTDOWN, as a service manager does it. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and directory; resolves once it has loaded its files. */
  restart(): Promise<void>;
  /** SIGSTOP: its connections stay open, and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** What redis-cli prints. */
  cli(...args: string[]): Promise<string>;
  /** DEBUG SLEEP; resolves when it is over. */
  freeze(seconds: number): Promise<void>;
  /** Seconds of CPU it has used since it was started, its background work too. */
  cpu(): Promise<number>;
}

const LOADING_LIMIT_MS = 30_000;

export async function startRedis({
  aof = false,
  debugCommand = false,
  args = [],
  port,
  directory = temporaryDirectory(),
}: RedisOptions = {}): Promise<RedisServer> {
  const ownPort = port ?? (await freePort());
  const settings = {
    port: `${ownPort}`,
    bind: "127.0.0.1",
    dir: directory,
    logfile: join(directory, "redis.log"),
    save: "",
    appendonly: aof ? "yes" : "no",
    "enable-debug-command": debugCommand ? "local" : "no",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return run(["redis-server", ...flags, ...args], ownPort, directory);
}

/** A replica of another one, which follows it from now on. */
export async function startReplica(of: RedisServer, options: RedisOptions = {}): Promise<RedisServer> {
  const follows = ["--replicaof", "127.0.0.1", `${of.port}`];
  await of.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0");
  const replica = await startRedis({ ...options, args: [...follows, ...(options.args ?? [])] });
  await eventually(async () => (await replica.cli("INFO", "replication")).includes("master_link_status:up"), {
    limitMs: LOADING_LIMIT_MS,
    what: "the replica's first copy",
  });
  return replica;
}

/** Watches over `master`, and promotes a replica when it has been away for `downAfterMs`. */
export async function startSentinel(
  master: RedisServer,
  { name = "events", downAfterMs = 1000 }: { name?: string; downAfterMs?: number } = {},
): Promise<RedisServer> {
  const directory = join(temporaryDirectory(), "sentinel");
  mkdirSync(directory);
  const port = await freePort();
  const file = join(directory, "sentinel.conf");
  // It writes into this file what it finds out.
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${directory}`,
      `logfile ${join(directory, "redis.log")}`,
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
      `sentinel failover-timeout ${name} 10000`,
      "",
    ].join("\n"),
  );
  const sentinel = await run(["redis-server", file, "--sentinel"], port, directory);
  await eventually(async () => (await sentinel.cli("SENTINEL", "replicas", name)).includes("127.0.0.1:"), {
    limitMs: LOADING_LIMIT_MS,
    what: "a replica that the sentinel knows",
  });
  return { ...sentinel, url: `redis-sentinel://127.0.0.1:${port}/${name}` };
}

async function run(command: string[], port: number, directory: string): Promise<RedisServer> {
  const spawn = () => Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"] });
  let child = spawn();
  onEnd(() => child.kill("SIGKILL"));

  const cli = async (...words: string[]) =>
    (await output(["redis-cli", "-h", "127.0.0.1", "-p", `${port}`, ...words])).trimEnd();
  const loaded = () =>
    eventually(
      async () => {
        if (child.exitCode !== null)
          throw new Error(`redis-server ended: ${await Bun.file(join(directory, "redis.log")).text()}`);
        return (await ping(port)).startsWith("+PONG");
      },
      { limitMs: LOADING_LIMIT_MS, what: "redis-server's answer" },
    );
  await loaded();

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid;
    },
    directory,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async restart() {
      child = spawn();
      await loaded();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    cli,
    async freeze(seconds) {
      await cli("DEBUG", "SLEEP", `${seconds}`);
    },
    async cpu() {
      const info = await cli("INFO", "cpu");
      const value = (name: string) => Number(new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1]);
      return value("used_cpu_user") + value("used_cpu_sys");
    },
  };
}

/** The first bytes of the answer to PING: `-LOADING` until its files are read; empty when nobody answers. */
function ping(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => void socket.write("PING\r\n"));
    socket.on("data", (data) => {
      resolve(data.toString("latin1"));
      socket.destroy();
    });
    socket.on("error", () => resolve(""));
    socket.on("close", () => resolve(""));
  });
}
