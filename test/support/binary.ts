/** The compiled binary, built once for a test run, and ways to run it with a home directory of its own. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { compile } from "../../build/compile.ts";
import { onEnd } from "./cleanup.ts";
import { type Ended, run } from "./command.ts";
import { temporaryDirectory } from "./temporary.ts";

let built: Promise<string> | null = null;

/** Names the binary that `test/run.ts` has compiled for all the processes of its run. */
export const BINARY_VARIABLE = "CMS_TEST_BINARY";

/** Path of the binary for this machine, compiled from the sources as they are. */
export function binary(): Promise<string> {
  const shared = process.env[BINARY_VARIABLE];
  return (built ??= shared ? Promise.resolve(shared) : build());
}

async function build(): Promise<string> {
  // Not in `dist/`, where a developer's own server may be running from.
  const directory = mkdtempSync(join(tmpdir(), "cms-test-binary-"));
  onEnd(() => {
    built = null;
    rmSync(directory, { recursive: true, force: true });
  });
  const outfile = join(directory, "claude-mpm-socketio");
  await compile({ outfile });
  return outfile;
}

export type Finished = Ended;

/** A user's account on a machine: a home directory, and the binary with an environment that knows no other. */
export interface Account {
  home: string;
  stateDir: string;
  env: Record<string, string>;
  run(args: readonly string[], options?: RunOptions): Promise<Finished>;
  spawn(args: readonly string[], options?: RunOptions): Promise<Subprocess<"ignore", "pipe", "pipe">>;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string;
}

/** Makes an account; whatever servers still run from it when the run ends are ended by their PID. */
export function account(): Account {
  const home = temporaryDirectory();
  const stateDir = join(home, ".claude-mpm", "socketio");
  const env = { HOME: home, PATH: process.env.PATH ?? "/usr/bin:/bin" };
  onEnd(() => endServers(stateDir));

  return {
    home,
    stateDir,
    env,
    async run(args, { cwd = home, env: more = {}, stdin } = {}) {
      return run([await binary(), ...args], { cwd, env: { ...env, ...more }, stdin });
    },
    async spawn(args, { cwd = home, env: more = {} } = {}) {
      const child = Bun.spawn([await binary(), ...args], {
        cwd,
        env: { ...env, ...more },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      onEnd(() => child.kill("SIGKILL"));
      return child;
    },
  };
}

function endServers(stateDir: string): void {
  for (const port of existsSync(stateDir) ? readdirSync(stateDir) : []) {
    try {
      const { pid, executable } = JSON.parse(readFileSync(join(stateDir, port, "server.json"), "utf8"));
      if (String(executable).includes("cms-test-binary")) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}
