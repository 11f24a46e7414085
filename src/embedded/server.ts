/** A server in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../app.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import type { Key } from "../config/schema.ts";
import { localUrl, schemeOf } from "../protocol/hosts.ts";
import { IS_COMPILED } from "../version.ts";

export interface EmbeddedOptions {
  /** 0, when not given, is any free one. */
  port?: number;
  /** `localhost` when not given, whatever the configuration says. */
  host?: string;
  /** Where its events are kept; without it they are in memory, and gone with the server. */
  stateDir?: string;
  /** Any other configuration, as `--set` takes it. */
  settings?: Partial<Record<Key, string>>;
}

export interface EmbeddedServer {
  /** Without a path. */
  url: string;
  port: number;
  serverId: string;
  /** Lets in whom this program gives it, for everything; null where the server asks for none. */
  token: string | null;
  /** With TLS: PEM of the one it shows. */
  certificates?: readonly string[];
  /** Ends it in order; every call gets the same promise. */
  stop(): Promise<void>;
}

/**
 * Starts a server in this process, with everything a server of its own has but a log on the terminal and an instance
 * file. Rejects with Bun's listen error, or what is wrong with its directory or configuration.
 */
export async function startEmbeddedServer(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { port = 0, host = "localhost", stateDir, settings } = options;
  const directory = stateDir ?? mkdtempSync(join(tmpdir(), "claude-mpm-socketio-"));
  const removeDirectory = () => {
    if (stateDir === undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    const inMemory = stateDir === undefined ? { persistent: "false", redis_url: "null" } : {};
    const loaded = configOf({
      log_to_file: "false",
      ...inMemory,
      ...settings,
      port: `${port}`,
      host,
      state_dir: directory,
    });
    const app = await createApp({ config: loaded.values, stderr: false });
    const certificate = app.certificate();
    let stopped: Promise<void> | null = null;
    return {
      url: localUrl(host, app.port, schemeOf(app.url)),
      port: app.port,
      serverId: app.serverId,
      token: app.localToken,
      ...(certificate === null ? {} : { certificates: [certificate] }),
      stop: () => (stopped ??= app.stop().finally(removeDirectory)),
    };
  } catch (error) {
    removeDirectory();
    throw error;
  }
}

function configOf(settings: Partial<Record<Key, string>>): LoadedConfig {
  const flags = Object.fromEntries(
    Object.entries(settings).map(([key, raw]) => [key, { raw, flag: `the setting ${key}` }]),
  );
  return loadConfig({ flags, compiled: IS_COMPILED });
}
