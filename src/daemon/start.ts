/** Starts a server in the background and waits until it answers. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { serverEnv } from "../config/env.ts";
import { serverPaths } from "../config/paths.ts";
import { type Endpoint, probe } from "../client/http.ts";
import type { Health } from "../protocol/messages.ts";
import { ensurePrivateDirectory, NotPrivateError, refuseLinks } from "../private-files.ts";
import { endpointOf } from "./endpoint.ts";
import { explainStartError, type Failure } from "./failure.ts";
import { findSettledServer, type Found, type ServerAddress } from "./find.ts";
import type { Instance } from "./instance.ts";

/** The one line a server in the background writes to its stdout, for whoever started it. */
export type BootReport =
  | { ok: true; pid: number; host: string; port: number; firstToken: string | null }
  | ({ ok: false } & Failure);

export interface StartOptions extends ServerAddress {
  /** How to run this program: the executable and, from a checkout, its entry file. */
  command: readonly string[];
  /** Flags for `serve`. */
  args: readonly string[];
  /** Variables for it besides those that are there, for what others must not see among its flags. */
  secrets?: Readonly<Record<string, string>>;
}

export type Started =
  /** `firstToken` is the one that was made on this start, and is nowhere else to be read. */
  | (Endpoint & { outcome: "started"; pid: number; health: Health; firstToken: string | null })
  | (Endpoint & { outcome: "already_running"; pid: number; health: Health; instance: Instance | null })
  | ({ outcome: "failed" } & Failure);

const START_LIMIT_MS = 15_000;

/**
 * Starts a server unless one runs already, and returns once it answers. Of several calls at the same instant one
 * starts it and all report it: the port decides.
 */
export async function startServer(options: StartOptions): Promise<Started> {
  const before = await findBehind(options);
  if (before.state === "running") return alreadyRunning(before);
  if (before.state === "hung") {
    return {
      outcome: "failed",
      exitCode: 1,
      message: `The server on port ${options.port} (PID ${before.pid}) does not answer`,
      hint: "Start it anew: claude-mpm-socketio restart",
    };
  }

  if (before.state === "guarded") {
    return { outcome: "failed", ...(await explainStartError({ code: "EADDRINUSE" }, options)) };
  }

  const report = await spawnServer(options);
  if (report?.ok) {
    const { pid, host, port, firstToken } = report;
    const endpoint = endpointOf({ ...options, host, port });
    const found = await probe(endpoint, START_LIMIT_MS);
    if (found.answer === "ours")
      return { outcome: "started", pid, ...endpoint, health: found.health, firstToken };
    if (found.answer === "untrusted") {
      return {
        outcome: "failed",
        exitCode: 1,
        message: `The server runs (PID ${pid}), but nobody will believe its certificate: ${found.why}`,
        hint: `Put a good one in its place, then: kill -HUP ${pid}`,
      };
    }
  }
  // It may have lost the race for the port to a server of ours.
  const after = await findBehind(options);
  if (after.state === "running") return alreadyRunning(after);
  if (report && !report.ok) {
    const { exitCode, message, hint } = report;
    return { outcome: "failed", exitCode, message, hint };
  }
  return {
    outcome: "failed",
    exitCode: 1,
    message: "The server ended before it answered",
    hint: "See what it said: claude-mpm-socketio logs; or run it in the foreground: claude-mpm-socketio serve",
  };
}

function alreadyRunning({ state: _is, ...server }: Found & { state: "running" }): Started {
  return { outcome: "already_running", ...server };
}

/** Port 0 is no port that something could be behind. */
function findBehind(address: ServerAddress): Promise<Found> {
  return address.port === 0 ? Promise.resolve({ state: "none", stale: null }) : findSettledServer(address);
}

/** Resolves with the server's report, or null when it ended without one. */
async function spawnServer({
  command,
  args,
  secrets,
  stateDir,
  port,
}: StartOptions): Promise<BootReport | null> {
  const [program = process.execPath, ...entry] = command;
  let stderr: number;
  try {
    stderr = openCrashLog(stateDir, port);
  } catch (error) {
    return {
      ok: false,
      exitCode: 1,
      message: `Cannot use the state directory ${stateDir}: ${(error as Error).message}`,
      hint:
        error instanceof NotPrivateError
          ? error.hint
          : "Mend its permissions, or name another one: --state-dir DIR",
    };
  }
  const child = spawn(program, [...entry, "serve", "--background", ...args], {
    detached: true,
    stdio: ["ignore", "pipe", stderr],
    env: { ...serverEnv(), ...secrets },
    windowsHide: true,
  });
  closeSync(stderr);
  const report = await readReport(child);
  child.unref();
  child.stdout?.destroy();
  return report;
}

/** What the runtime itself says at a crash goes where the log lines go. */
function openCrashLog(stateDir: string, port: number): number {
  const { directory, log } = serverPaths(stateDir, port);
  ensurePrivateDirectory(stateDir);
  if (port !== 0) {
    ensurePrivateDirectory(directory);
    refuseLinks(directory);
  }
  return openSync(port === 0 ? join(stateDir, "start.log") : log, "a", 0o600);
}

function readReport(child: ChildProcess): Promise<BootReport | null> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => resolve(null), START_LIMIT_MS);
    let text = "";
    const settle = (report: BootReport | null) => {
      clearTimeout(limit);
      resolve(report);
    };
    child.on("error", reject);
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.includes("\n")) settle(JSON.parse(text) as BootReport);
    });
    child.stdout?.on("end", () => settle(null));
  });
}
