/** Removing what servers have kept: what is ours by its name, and nothing else, whatever directory was named. */
import { existsSync, lstatSync, readdirSync, readlinkSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { serverPaths } from "../config/paths.ts";

const OWN_FILES = ["tokens.json", "local-token", "start.log"];

/**
 * Removes the directories of servers, and the state directory when nothing else is left in it; returns what went.
 * Links are removed, and what they lead to stays.
 */
export function purgeStateDir(stateDir: string): string[] {
  const stats = lstatSync(stateDir, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (stats.isSymbolicLink()) {
    // systemd's own form of a dynamic user's directory (systemd.exec(5), DynamicUser).
    const real = join(dirname(stateDir), "private", basename(stateDir));
    const purged = readlinkSync(stateDir) === join("private", basename(stateDir)) ? purgeStateDir(real) : [];
    unlinkSync(stateDir);
    return [...purged, stateDir];
  }
  const own = namesIn(stateDir)
    .filter((name) => OWN_FILES.includes(name) || isServerDirectory(stateDir, name))
    .map((name) => join(stateDir, name));
  for (const path of own) rmSync(path, { recursive: true, force: true });
  return removeIfEmpty(stateDir) ? [stateDir] : own;
}

/** Removes a directory that holds nothing; whether it is gone. */
export function removeIfEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") return false;
  }
  return true;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
}

function isServerDirectory(stateDir: string, name: string): boolean {
  if (!/^\d{1,5}$/.test(name)) return false;
  const { directory, lock, spool } = serverPaths(stateDir, Number(name));
  return lstatSync(directory).isSymbolicLink() || existsSync(lock) || existsSync(spool);
}
