/** The instance file: what a running server says of itself to the commands on this machine. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../config/paths.ts";

export interface Instance {
  pid: number;
  process_start_time: string;
  /** See `ProcessIdentity.token`. */
  process_token: string;
  server_id: string;
  server_version: string;
  host: string;
  port: number;
  url: string;
  state_dir: string;
  started_at: string;
  executable: string;
  /** The flags it was started with, for `restart`. */
  args: string[];
  /** Its effective configuration without secrets, for telling what differs. */
  settings: Record<string, unknown>;
  /** Where each setting comes from that is not a built-in default. */
  sources: Record<string, string>;
}

export type InstanceFile =
  | { found: "nothing" }
  | { found: "unreadable"; text: string }
  | { found: "instance"; instance: Instance; text: string };

export function readInstance(stateDir: string, port: number): InstanceFile {
  let text: string;
  try {
    text = readFileSync(serverPaths(stateDir, port).instance, "utf8");
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT"
      ? { found: "nothing" }
      : { found: "unreadable", text: "" };
  }
  try {
    const instance = JSON.parse(text) as Instance;
    const fits =
      Number.isSafeInteger(instance.pid) &&
      instance.pid > 0 &&
      typeof instance.url === "string" &&
      instance.port === port;
    return fits ? { found: "instance", instance, text } : { found: "unreadable", text };
  } catch {
    return { found: "unreadable", text };
  }
}

/** Writes the file so that nobody ever reads half of it. */
export function writeInstance(instance: Instance): void {
  const path = serverPaths(instance.state_dir, instance.port).instance;
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(instance, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Removes the file if it still says what the caller read: a server that started meanwhile keeps its own. */
export function removeInstance(stateDir: string, port: number, text: string): void {
  const path = serverPaths(stateDir, port).instance;
  try {
    if (readFileSync(path, "utf8") === text) rmSync(path);
  } catch {
    // It is gone, or not ours to remove.
  }
}

/** The ports that have an instance file, whatever it says. */
export function instancePorts(stateDir: string): number[] {
  try {
    return readdirSync(stateDir)
      .filter((name) => /^\d{1,5}$/.test(name))
      .map(Number)
      .filter((port) => readInstance(stateDir, port).found !== "nothing")
      .toSorted((a, b) => a - b);
  } catch {
    return [];
  }
}

/** Left-overs of writes that were cut short. */
export function temporaryFiles(stateDir: string, port: number): string[] {
  const { directory } = serverPaths(stateDir, port);
  try {
    return readdirSync(directory)
      .filter((name) => /^server\.json\.\d+\.tmp$/.test(name))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}
