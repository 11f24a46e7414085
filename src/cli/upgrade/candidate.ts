/** A newer program is looked at before anything is touched: whether it runs here, and with what is here. */
import { readdirSync } from "node:fs";
import { loadConfig } from "../../config/load.ts";
import { serverPaths } from "../../config/paths.ts";
import { readInstance } from "../../daemon/instance.ts";
import { LOG_VERSION, logVersionOf } from "../../log/version.ts";
import { IS_COMPILED } from "../../version.ts";
import { readServerFlags, withoutSecrets } from "../flags.ts";
import { lostSecrets } from "../lost-secrets.ts";
import { CommandError } from "../output.ts";
import { runProgram } from "./run-program.ts";
import type { RunningServer } from "./servers.ts";

export interface Expectation {
  version: string;
  /** Where logs may lie that it will have to read. */
  stateDirs: Iterable<string>;
  servers: readonly RunningServer[];
}

export interface CandidateReport {
  /** Whether it gives logs a newer form than this program's. */
  newLog: boolean;
}

/** Throws a `CommandError` unless the program runs, is the version it should be, and takes the logs and configurations. */
export async function checkCandidate(
  program: string,
  { version, stateDirs, servers }: Expectation,
): Promise<CandidateReport> {
  const report = await reportOf(program);
  if (report.version !== version) {
    throw refusal(
      `The program in the release is version ${report.version}, not ${version}`,
      "Tell the makers of the release",
    );
  }
  const open = new Set(servers.map(({ stateDir, port }) => serverPaths(stateDir, port).events));
  for (const path of logsIn(stateDirs)) {
    // A server keeps its log to itself; but it is a server of this program, so the log is of its form.
    const log = open.has(path) ? LOG_VERSION : logVersionOf(path);
    if (log !== null && log > report.log_version) {
      throw refusal(
        `Version ${version} cannot read ${path}: it knows logs up to version ${report.log_version}, and this one is ${log}`,
        "Choose a newer version",
      );
    }
  }
  for (const { port, args, stateDir, service } of servers) {
    const { exitCode, stderr } = await runProgram([program, "config", "check", ...args]);
    if (exitCode !== 0) {
      throw refusal(
        `Version ${version} does not take the configuration of the server on port ${port}: ${stderr.trim().split("\n")[0]}`,
        `Mend it, and try again; see what is in effect: claude-mpm-socketio config show`,
      );
    }
    if (service === null && losesRedis(stateDir, port, args)) {
      throw refusal(
        `The server on port ${port} was given its redis_url on the command line or by a variable, and would be restarted without`,
        "Set that variable for the upgrade, or put redis_url into the file",
      );
    }
  }
  return { newLog: report.log_version > LOG_VERSION };
}

/** Whether it would leave those it shares a history with. */
function losesRedis(stateDir: string, port: number, args: readonly string[]): boolean {
  const file = readInstance(stateDir, port);
  const loaded = loadConfig({ ...readServerFlags(withoutSecrets(args)), compiled: IS_COMPILED });
  return file.found === "instance" && lostSecrets(file.instance, loaded).includes("redis_url");
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

/** The log of every port that something is kept for, whether a server runs or not. */
function logsIn(stateDirs: Iterable<string>): string[] {
  return [...stateDirs].flatMap((stateDir) => {
    try {
      const ports = readdirSync(stateDir).filter((name) => /^\d{1,5}$/.test(name));
      return ports.map((port) => serverPaths(stateDir, Number(port)).events);
    } catch {
      // There is none, or it is another user's.
      return [];
    }
  });
}
