/** What doctor looks at, one function per concern. Each says what it found, and how to mend it. */
import { accessSync, constants, existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError, loadConfig, type LoadedConfig, type LoadOptions } from "../../config/load.ts";
import { processEnv } from "../../config/env.ts";
import { checkConfigFiles } from "../config-files.ts";
import { serverPaths } from "../../config/paths.ts";
import { describeHolder, GIVE_TOKEN } from "../../daemon/failure.ts";
import { isOverheard } from "../../daemon/endpoint.ts";
import { findServer, type Found } from "../../daemon/find.ts";
import { instancePorts, readInstance, temporaryFiles } from "../../daemon/instance.ts";
import { isSameProcess } from "../../daemon/process.ts";
import { addressOf, overheard } from "../reach.ts";
import { isLocked } from "../../log/lock.ts";
import { problemOfDirectory } from "../../private-files.ts";
import { COMPATIBILITY_MATRIX } from "../../protocol/compatibility.ts";
import { BUN_VERSION, RELEASE_VERSION, SERVER_VERSION, SOCKETIO_VERSION } from "../../version.ts";

export interface Finding {
  name: string;
  status: "ok" | "warning" | "failed";
  message: string;
  /** What to do about it. */
  hint?: string;
}

const MIN_FREE_BYTES = 16 * 1024 * 1024;

export const ok = (name: string, message: string): Finding => ({ name, status: "ok", message });
export const warning = (name: string, message: string, hint: string): Finding => ({
  name,
  status: "warning",
  message,
  hint,
});
export const failed = (name: string, message: string, hint: string): Finding => ({
  name,
  status: "failed",
  message,
  hint,
});

/** What this program is, and whom it serves. */
export function checkVersions(): Finding[] {
  const range = COMPATIBILITY_MATRIX[SERVER_VERSION]?.claude_mpm_versions.join(", ");
  const parts = [
    `release ${RELEASE_VERSION}`,
    `server ${SERVER_VERSION}`,
    `Socket.IO ${SOCKETIO_VERSION}`,
    `Bun ${BUN_VERSION}`,
    `for claude-mpm ${range}`,
  ];
  return [ok("versions", parts.join(", "))];
}

/** Returns null in place of the configuration when it is invalid: nothing else can be looked at then. */
export function checkConfiguration(options: LoadOptions): {
  findings: Finding[];
  loaded: LoadedConfig | null;
} {
  const name = "configuration";
  try {
    const loaded = loadConfig(options);
    checkConfigFiles(loaded);
    const { environment, file, warnings } = loaded;
    const findings = [
      ok(name, `valid; ${file ?? "no file"}; environment ${environment.value}, ${environment.because}`),
      ...warnings.map((text) => warning(name, text, "Mend the name, or remove it")),
    ];
    return { findings, loaded };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint = "What each key takes: claude-mpm-socketio config schema";
    return { findings: error.problems.map((problem) => failed(name, problem, hint)), loaded: null };
  }
}

/** Whether the state directory, and in it that of the server on this port, can be used, and by nobody else. */
export function checkStateDir({ values }: LoadedConfig): Finding[] {
  const name = "state directory";
  const path = values.state_dir;
  const { directory, lock } = serverPaths(path, values.port);
  const place = nearestExisting(directory);
  try {
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
    if (!statSync(place).isDirectory()) throw new Error(`${place} is no directory`);
    isLocked(lock);
  } catch (error) {
    const hint = `Mend ${place}, or name another directory: --state-dir DIR`;
    return [failed(name, `${directory} cannot be used: ${(error as Error).message}`, hint)];
  }
  const findings: Finding[] = [];
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES) {
    const left = `${Math.round(free / 1024 / 1024)} MiB`;
    findings.push(
      failed(name, `only ${left} are left on the disk of ${place}`, "Make room, or name another directory"),
    );
  }
  for (const own of [path, directory]) {
    const problem = problemOfDirectory(own);
    if (problem !== null) findings.push(failed(name, problem.message, problem.hint));
  }
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o700;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    findings.push(
      warning(name, `${path} can be read by other users (mode ${mode.toString(8)})`, `chmod 700 ${path}`),
    );
  }
  if (findings.length > 0) return findings;
  return [ok(name, existsSync(path) ? path : `${path} will be made at the first start`)];
}

/** Logs that were damaged, and are kept for whoever wants to save what is in them. */
export function checkDamagedLogs({ values }: LoadedConfig): Finding[] {
  const name = "log";
  const { directory, events } = serverPaths(values.state_dir, values.port);
  const damaged = existsSync(directory)
    ? readdirSync(directory).filter((file) => /\.damaged-.*Z$/.test(file))
    : [];
  if (damaged.length === 0 && values.redis_url !== null) {
    if (!existsSync(events)) return [ok(name, "on Redis")];
    const rest = "is of before, and stays as it is; a server with --redis-url null shows it, and exports it";
    return [ok(name, `on Redis; ${events} ${rest}`)];
  }
  if (damaged.length === 0) return [ok(name, existsSync(events) ? events : "none on disk yet")];
  return [
    warning(
      name,
      `damaged and set aside: ${damaged.map((file) => join(directory, file)).join(", ")}`,
      "The history began anew then; remove the file when nothing in it is wanted",
    ),
  ];
}

/** Files that dead servers left behind, on any port. */
export function checkStaleFiles({ values }: LoadedConfig): Finding[] {
  const name = "stale files";
  const stale = instancePorts(values.state_dir).flatMap((port) => {
    const { instance } = serverPaths(values.state_dir, port);
    const file = readInstance(values.state_dir, port);
    const dead = file.found === "unreadable" || (file.found === "instance" && !isSameProcess(file.instance));
    return [...(dead ? [instance] : []), ...temporaryFiles(values.state_dir, port)];
  });
  if (stale.length === 0) return [ok(name, "none")];
  return [
    warning(name, stale.join(", "), "Nothing trusts them; the next start or stop on that port removes them"),
  ];
}

/** Who holds the port, and whether our server answers on it. */
export async function checkPort(loaded: LoadedConfig): Promise<{ findings: Finding[]; found: Found }> {
  const name = "port";
  const found = await findServer(addressOf(loaded));
  if (found.state === "guarded" && found.token === null && isOverheard(found.url, addressOf(loaded))) {
    const { message, hint } = overheard(found.url);
    return { findings: [warning(name, message, hint)], found };
  }
  return { findings: [portFinding(name, loaded.values.port, found)], found };
}

function portFinding(name: string, port: number, found: Found): Finding {
  switch (found.state) {
    case "running": {
      const { health, pid } = found;
      const what = `${port} is held by our server (PID ${pid}, ${health.server_id}), ${health.status}`;
      if (health.status !== "healthy") return warning(name, what, "See why: claude-mpm-socketio health");
      const release = found.instance?.release_version ?? RELEASE_VERSION;
      if (release !== RELEASE_VERSION || health.server_version !== SERVER_VERSION) {
        return warning(
          name,
          `${what}, of release ${release} (server ${health.server_version})`,
          "Take up this version: claude-mpm-socketio restart",
        );
      }
      return ok(name, what);
    }
    case "guarded":
      return warning(
        name,
        `${port} is held by a server of ours (${found.status}) that asks for a token, and none here is good for it`,
        GIVE_TOKEN,
      );
    case "none":
      return ok(name, `${port} is free`);
    case "busy":
      return warning(name, `our server on ${port} is starting or stopping`, "Look again in a moment");
    case "hung":
      return failed(
        name,
        `our server on ${port} (PID ${found.pid}) does not answer`,
        "Start it anew: claude-mpm-socketio restart",
      );
    case "untrusted":
      return failed(
        name,
        `the certificate shown at ${found.url} is not believed: ${found.why}`,
        found.instance === null
          ? "Name the server's certificate: --tls-cert FILE; or use another port"
          : "Put a new one in its place, then: claude-mpm-socketio restart",
      );
    case "foreign":
      return failed(
        name,
        `${port} is held by ${describeHolder(found.holder)}`,
        `Use another port: --port ${port + 1}`,
      );
  }
}

/** Proxies that clients might send loopback requests through. */
export function checkProxy(): Finding[] {
  const name = "proxy";
  const env = processEnv();
  const proxy = env.HTTP_PROXY ?? env.http_proxy;
  if (!proxy) return [ok(name, "none set")];
  const exceptions = (env.NO_PROXY ?? env.no_proxy ?? "").split(",").map((host) => host.trim());
  if (exceptions.includes("*") || (exceptions.includes("localhost") && exceptions.includes("127.0.0.1"))) {
    return [ok(name, "set, with an exception for loopback")];
  }
  return [
    warning(
      name,
      "HTTP_PROXY is set and NO_PROXY lacks localhost or 127.0.0.1: curl and others will not reach the server",
      "export NO_PROXY=localhost,127.0.0.1",
    ),
  ];
}

/** The path, or of the directories it lies in the nearest that is there. */
function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}
