/** A server in a process of its own, which can be stopped, continued and killed. */
import { join } from "node:path";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");

export interface ServerProcess {
  url: string;
  pid: number;
  signal(name: NodeJS.Signals): void;
  exited: Promise<unknown>;
}

/** Runs `serve` from the sources; resolves once it answers. */
export async function startServerProcess(
  stateDir: string,
  port: number,
  settings: readonly string[] = [],
): Promise<ServerProcess> {
  const flags = ["--port", `${port}`, "--state-dir", stateDir, "--log-level", "ERROR"];
  const child = Bun.spawn(
    [process.execPath, MAIN, "serve", ...flags, ...settings.flatMap((setting) => ["--set", setting])],
    {
      env: { HOME: stateDir, PATH: process.env.PATH ?? "" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    },
  );
  onEnd(() => child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => child.exitCode !== null || (await fetch(`${url}/ready`).catch(() => null))?.ok === true,
    { what: "the server's answer" },
  );
  return { url, pid: child.pid, signal: (name) => child.kill(name), exited: child.exited };
}
