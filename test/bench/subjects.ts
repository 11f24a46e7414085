/** The servers that are measured side by side, each as a process of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";

export interface Subject {
  port: number;
  pid: number;
  /** Whether it answers the packet that joins a namespace, as all but the bare ones do. */
  greets: boolean;
  /** Seconds of CPU the process has used, user and system. */
  cpu(): number;
  stop(): void;
}

export type SubjectName =
  | "this server"
  | "bare Bun publish"
  | "bare Bun.serve, JSON parsed"
  | "Socket.IO on Node"
  | "stock Socket.IO on bun-engine"
  | "python-socketio";

const HERE = join(import.meta.dir, "subjects");
const TICKS_PER_SECOND = 100;

/** Makes a subject collect garbage on SIGUSR2; the one in Python does so by itself. */
const COLLECT = join(HERE, "collect.mjs");
const BUN = [process.execPath, "--preload", COLLECT];

export interface SubjectOptions {
  /** Characters of a frame the bare server publishes. */
  frameLength?: number;
  /** Further flags of this server. */
  settings?: string[];
  /** What runs as this server, in place of the product's binary. */
  program?: string;
  /** Whose server this one is, with its files where `hook` looks for them. */
  user?: Account;
}

export async function startSubject(
  name: SubjectName,
  { frameLength = 0, settings = [], program, user = account() }: SubjectOptions = {},
): Promise<Subject> {
  switch (name) {
    case "this server":
      return startServer(program ?? (await binary()), settings, user);
    case "bare Bun publish":
      return { ...(await spawnSubject([...BUN, join(HERE, "bare.ts"), `${frameLength}`])), greets: false };
    case "bare Bun.serve, JSON parsed":
      return { ...(await spawnSubject([...BUN, join(HERE, "bare-json.ts")])), greets: false };
    case "Socket.IO on Node":
      return spawnSubject(["node", "--expose-gc", "--import", COLLECT, join(HERE, "node.mjs")]);
    case "stock Socket.IO on bun-engine":
      return spawnSubject([...BUN, join(HERE, "bun-stock.ts")]);
    case "python-socketio":
      return spawnSubject(["/usr/bin/python3", join(HERE, "python_server.py")]);
  }
}

/** A compiled binary, with the durable log on, as everybody runs it. */
async function startServer(program: string, settings: string[], user: Account): Promise<Subject> {
  const port = await freePort();
  const child = Bun.spawn([program, "serve", "--port", `${port}`, ...settings], {
    env: user.env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  await child.stdout.getReader().read();
  return subjectOf(port, child);
}

async function spawnSubject(command: string[]): Promise<Subject> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
  const { value } = await child.stdout.getReader().read();
  return subjectOf(Number(new TextDecoder().decode(value).trim()), child);
}

function subjectOf(port: number, child: Bun.Subprocess): Subject {
  return {
    port,
    pid: child.pid,
    greets: true,
    cpu: () => cpuSeconds(child.pid),
    stop: () => child.kill("SIGKILL"),
  };
}

/** Fields 14 and 15 of proc(5)'s stat. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
