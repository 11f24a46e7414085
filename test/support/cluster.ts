/** Servers that share one log on Redis, each a process of the compiled binary with a directory of its own. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "./binary.ts";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface NodeOptions {
  /** URL of Redis; one node without it has its own log on disk. */
  redis?: string | undefined;
  /** As `--set` takes them: `key=value`. */
  settings?: readonly string[];
  name?: string;
}

export interface ClusterNode {
  name: string;
  url: string;
  port: number;
  readonly pid: number;
  directory: string;
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and directory; resolves once it is ready. */
  restart(): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  get(path: string): Promise<any>;
  /** An answer that came, whatever its status. */
  post(path: string, body: unknown): Promise<{ status: number; body: any }>;
  /** Its check `log`, or null when it does not answer. */
  logCheck(): Promise<{ status: string; message: string } | null>;
  /** What it has written to stderr. */
  stderr(): string;
}

const START_LIMIT_MS = 30_000;

/** Nodes of one cluster, started at the very same moment. */
export function startCluster({
  nodes = 3,
  ...options
}: NodeOptions & { nodes?: number }): Promise<ClusterNode[]> {
  return Promise.all(
    Array.from({ length: nodes }, (_, index) => startNode({ ...options, name: `node-${index + 1}` })),
  );
}

/** Starts one; resolves once it is ready, and rejects with what it said when it ends before. */
export async function startNode({ redis, settings = [], name = "node" }: NodeOptions): Promise<ClusterNode> {
  const directory = join(temporaryDirectory(), name);
  mkdirSync(directory, { mode: 0o700 });
  const program = await binary();
  const errors = join(directory, "stderr.txt");

  const spawn = async (port: number) => {
    const child = Bun.spawn(
      [
        program,
        "serve",
        "--port",
        `${port}`,
        "--state-dir",
        directory,
        "--server-id",
        name,
        ...(redis === undefined ? [] : ["--redis-url", redis]),
        ...settings.flatMap((setting) => ["--set", setting]),
      ],
      {
        env: { HOME: directory, PATH: process.env.PATH ?? "/usr/bin:/bin" },
        cwd: directory,
        stdin: "ignore",
        stdout: "pipe",
        stderr: Bun.file(errors),
      },
    );
    onEnd(() => child.kill("SIGKILL"));
    let said = "";
    void (async () => {
      for await (const chunk of child.stdout) said += new TextDecoder().decode(chunk);
    })();
    const url = await eventually(
      () => {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`${name} ended with ${child.exitCode}: ${readFileSync(errors, "utf8")}`);
        return /^Ready at (\S+)$/m.exec(said)?.[1];
      },
      { limitMs: START_LIMIT_MS, what: `${name} ready` },
    );
    return { child, port: Number(new URL(url).port) };
  };

  let { child, port } = await spawn(0);
  const url = `http://127.0.0.1:${port}`;
  const ask = (path: string, init?: RequestInit) => fetch(new URL(path, url), init);

  return {
    name,
    url,
    port,
    get pid() {
      return child.pid;
    },
    directory,
    async stop() {
      child.kill("SIGTERM");
      return child.exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async restart() {
      ({ child, port } = await spawn(port));
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    get: async (path) => (await ask(path)).json(),
    async post(path, body) {
      const response = await ask(path, { method: "POST", body: JSON.stringify(body) });
      return { status: response.status, body: await response.json() };
    },
    async logCheck() {
      const answer = await ask("/health")
        .then((response) => response.json() as Promise<any>)
        .catch(() => null);
      return answer?.checks?.find((check: { name: string }) => check.name === "log") ?? null;
    },
    stderr: () => readFileSync(errors, "utf8"),
  };
}
