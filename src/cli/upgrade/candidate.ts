/** A newer program is looked at before anything is touched: whether it runs here, and with what is here. */
import { readdirSync } from "node:fs";
import { childEnv } from "../../config/env.ts";
import { serverPaths } from "../../config/paths.ts";
import { LOG_VERSION, logVersionOf } from "../../log/version.ts";
import { CommandError } from "../output.ts";
import type { RunningServer } from "./servers.ts";

export interface Expectation {
  version: string;
  stateDir: string;
  servers: readonly RunningServer[];
}

/** Throws a `CommandError` unless the program runs, is the version it should be, and takes the logs and configurations. */
export async function checkCandidate(
  path: string,
  { version, stateDir, servers }: Expectation,
): Promise<void> {
  const report = await reportOf(path);
  if (report.version !== version) {
    throw refusal(
      `The program in the release is version ${report.version}, not ${version}`,
      "Tell the makers of the release",
    );
  }
  const running = new Set(servers.map(({ port }) => port));
  for (const port of portsIn(stateDir)) {
    const log = running.has(port) ? LOG_VERSION : logVersionOf(serverPaths(stateDir, port).events);
    if (log !== null && log > report.log_version) {
      throw refusal(
        `Version ${version} cannot read the log of port ${port}: it knows logs up to ${report.log_version}, and this one is ${log}`,
        "Choose a newer version",
      );
    }
  }
  for (const { port, args } of servers) {
    const { exitCode, stderr } = await runProgram([path, "config", "check", ...args]);
    if (exitCode !== 0) {
      throw refusal(
        `Version ${version} does not take the configuration of the server on port ${port}: ${stderr.trim().split("\n")[0]}`,
        `Mend it, and try again; see what is in effect: claude-mpm-socketio config show`,
      );
    }
  }
}

/** Runs a program to its end, in this one's environment. */
export async function runProgram(
  command: readonly string[],
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([...command], {
    env: childEnv(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    windowsHide: true,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

async function reportOf(path: string): Promise<{ version: string; log_version: number }> {
  let why: string;
  try {
    const { exitCode, stdout, stderr } = await runProgram([path, "version", "--json"]);
    const report = exitCode === 0 ? JSON.parse(stdout) : null;
    if (typeof report?.version === "string" && Number.isSafeInteger(report.log_version)) return report;
    why = stderr.trim() || `it ended with exit code ${exitCode}`;
  } catch (error) {
    why = (error as Error).message;
  }
  throw refusal(`The program in the release does not run here: ${why}`, "Tell the makers of the release");
}

function refusal(message: string, hint: string): CommandError {
  return new CommandError(message, `${hint}; nothing was changed`);
}

/** Every port that something is kept for, whether a server runs or not. */
function portsIn(stateDir: string): number[] {
  try {
    return readdirSync(stateDir)
      .filter((name) => /^\d{1,5}$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
