/** The instance file: what a running server says of itself to the commands on this machine. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { serverPaths } from "../config/paths.ts";
import { type Instance, parseInstance } from "./instance-text.ts";

export type { Instance } from "./instance-text.ts";

export type InstanceFile =
  | { found: "nothing" }
  | { found: "unreadable"; text: string }
  | { found: "instance"; instance: Instance; text: string };

/** Reads the file of the server on a port; what is not wholly an instance is unreadable. */
export function readInstance(stateDir: string, port: number): InstanceFile {
  let text: string;
  try {
    text = readFileSync(serverPaths(stateDir, port).instance, "utf8");
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT"
      ? { found: "nothing" }
      : { found: "unreadable", text: "" };
  }
  const instance = parseInstance(text, port);
  return instance === null ? { found: "unreadable", text } : { found: "instance", instance, text };
}

/** Writes the file so that nobody ever reads half of it. */
export function writeInstance(instance: Instance): void {
  const path = serverPaths(instance.state_dir, instance.port).instance;
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(temporary, `${JSON.stringify(instance, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Removes the file if it still says what the caller read: a server that started meanwhile keeps its own. */
export function removeInstance(stateDir: string, port: number, text: string): boolean {
  const path = serverPaths(stateDir, port).instance;
  try {
    if (readFileSync(path, "utf8") !== text) return false;
    rmSync(path);
    return true;
  } catch {
    // It is gone, or not ours to remove.
    return false;
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
