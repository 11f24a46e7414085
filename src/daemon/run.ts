/** Runs a server in this process until a signal ends it. The only file of the daemon that loads the server. */
import { createApp, type App } from "../app.ts";
import { processEnv } from "../config/env.ts";
import type { LoadedConfig } from "../config/load.ts";
import { type Config, fieldOf, type Key, KEYS } from "../config/schema.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import { RELEASE_VERSION, SERVER_VERSION } from "../version.ts";
import { readInstance, removeInstance, temporaryFiles, writeInstance, type Instance } from "./instance.ts";
import { identifyProcess } from "./process.ts";
import { type ServiceManager, serviceManager } from "./sd-notify.ts";
import { rmSync } from "node:fs";

export interface RunOptions {
  loaded: LoadedConfig;
  /** Reads the configuration anew, for SIGHUP; throws when it is invalid. */
  reload: () => LoadedConfig;
  /** The server flags of this process, kept for `restart`. */
  args: string[];
  /** Whether log lines also go to stderr. */
  stderr: boolean;
  /**
   * Called once, when the server takes requests and its instance file is written.
   *
   * @param firstToken the token that was made on this first start, which nobody can read again
   */
  onReady: (instance: Instance, firstToken: string | null) => void;
}

/** A graceful stop takes at most this long; the contract allows 5 seconds. */
const STOP_LIMIT_MS = 4500;

/** Resolves when the server has stopped; rejects when it cannot start. */
export async function runServer({ loaded, reload, args, stderr, onReady }: RunOptions): Promise<void> {
  const { values: config } = loaded;
  // Whatever file is made by whatever library: what events hold is nobody else's.
  process.umask(0o077);
  // From the first moment on: a SIGHUP that nobody handles ends the process.
  let takeUp = () => {};
  process.on("SIGHUP", () => takeUp());
  let stop = () => {};
  let notTakenUp: string | null = null;
  const app = await createApp({
    config,
    stderr,
    shutDown: () => stop(),
    checks: { configuration: () => configurationCheck(notTakenUp) },
  });
  let live = config;
  let sources = sourcesOf(loaded);
  const record = (): Instance => ({ ...instanceOf(app, live, args), sources });
  const manager = managerOf(app);
  writeInstance(record());
  for (const path of temporaryFiles(config.state_dir, app.port)) rmSync(path, { force: true });

  const stopped = new Promise<void>((resolve) => {
    let drained: ReturnType<typeof setTimeout> | undefined;
    const stopNow = () => {
      clearTimeout(drained);
      // From here on it is no server to be found; its lock, released last, makes a successor wait.
      removeOwnFile(config.state_dir, app.port);
      setTimeout(resolve, STOP_LIMIT_MS);
      app.stop().then(resolve, (error: unknown) => {
        app.logger.error("stopping failed", { error: String(error) });
        resolve();
      });
    };
    stop = () => {
      const seconds = live.drain_seconds;
      manager?.stopping(seconds);
      // Who asks again does not want to wait.
      if (seconds === 0 || drained !== undefined) return stopNow();
      app.drain();
      drained = setTimeout(stopNow, seconds * 1000);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  });

  takeUp = () => {
    try {
      const again = reload();
      const next = again.values;
      const changed = KEYS.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(live[key]));
      const waiting = changed.filter((key) => !fieldOf(key).reloadable);
      live = { ...next, ...pick(live, waiting) };
      sources = sourcesOf(again);
      app.reload(live);
      notTakenUp = null;
      app.logger.info("configuration read again", { changed: changed.join(" ") || "nothing" });
      if (waiting.length > 0)
        app.logger.warn("these take effect with a restart", { keys: waiting.join(" ") });
    } catch (error) {
      notTakenUp = (error as Error).message;
      app.logger.error("configuration not taken up, the old one stays", { error: notTakenUp });
      return;
    }
    try {
      writeInstance(record());
    } catch (error) {
      app.logger.warn("the instance file cannot be written", { error: (error as Error).message });
    }
  };

  // One client's malformed packet must not end the server for all; what nobody foresaw is logged.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      app.logger.error(event, {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    });
  }

  onReady(record(), app.firstToken);
  manager?.ready();
  await stopped;
}

/** One that cannot be told would take the service for one that never came up, and says so itself. */
function managerOf(app: App): ServiceManager | null {
  try {
    return serviceManager(processEnv());
  } catch (error) {
    app.logger.error("systemd cannot be told that the server is ready", { error: (error as Error).message });
    return null;
  }
}

function configurationCheck(notTakenUp: string | null): HealthCheck {
  const name = "configuration";
  if (notTakenUp === null) return { name, status: "healthy", message: "taken up as it was last read" };
  const message = `not taken up, the old one stays until SIGHUP finds it mended: ${notTakenUp}`;
  return { name, status: "degraded", message };
}

function removeOwnFile(stateDir: string, port: number): void {
  const file = readInstance(stateDir, port);
  if (file.found === "instance" && file.instance.pid === process.pid)
    removeInstance(stateDir, port, file.text);
}

function instanceOf(app: App, config: Config, args: string[]): Omit<Instance, "sources"> {
  const identity = identifyProcess(process.pid);
  return {
    pid: process.pid,
    process_start_time: identity?.startTime ?? new Date(app.startedAt).toISOString(),
    process_token: identity?.token ?? "",
    server_id: app.serverId,
    server_version: SERVER_VERSION,
    release_version: RELEASE_VERSION,
    host: config.host,
    port: app.port,
    url: app.url,
    certificate: app.certificate(),
    state_dir: config.state_dir,
    started_at: new Date(app.startedAt).toISOString(),
    executable: process.execPath,
    args,
    settings: publicSettings(config),
  };
}

/** The effective configuration without its secrets. */
function publicSettings(config: Config): Record<string, unknown> {
  return Object.fromEntries(KEYS.filter((key) => !fieldOf(key).secret).map((key) => [key, config[key]]));
}

function sourcesOf({ origins }: LoadedConfig): Record<string, string> {
  const named = KEYS.filter((key) => origins[key].kind !== "default");
  return Object.fromEntries(named.map((key) => [key, origins[key].source]));
}

function pick(config: Config, keys: readonly Key[]): Partial<Config> {
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}
