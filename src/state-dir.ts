/** A server's own directory: made, locked, and with the server's name in it. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { serverPaths, type ServerPaths, tokenPaths } from "./config/paths.ts";
import { SCHEMA } from "./config/schema.ts";
import { acquireLock } from "./log/lock.ts";
import {
  closeDirectory,
  ensurePrivateDirectory,
  ensurePrivateFile,
  mayOthersWrite,
  refuseLinks,
} from "./private-files.ts";
import { HintedError } from "./protocol/hinted-error.ts";

export interface StateDir {
  paths: ServerPaths;
  serverId: string;
  release(): void;
}

/** The directory cannot be used; the message says why and what to do. */
export class StateDirError extends HintedError {}

export interface StateDirOptions {
  /** The configured name; null keeps the one in the directory, or makes one. */
  serverId: string | null;
  /** Whether the log is kept in it. */
  persistent: boolean;
}

/** Opens `<stateDir>/<port>/` for one server; throws a `StateDirError`, or a `NotPrivateError` when others have a hand in it. */
export function openStateDir(
  stateDir: string,
  port: number,
  { serverId, persistent }: StateDirOptions,
): StateDir {
  const paths = serverPaths(stateDir, port);
  try {
    ensurePrivateDirectory(stateDir);
    ensurePrivateDirectory(paths.directory);
    closeDirectory(paths.directory);
    refuseLinks(stateDir);
    refuseLinks(paths.directory);
    // SQLite gives the files beside a database its own mode.
    ensurePrivateFile(paths.lock);
    if (persistent) ensurePrivateFile(paths.events);
    // What others may have written is left to be refused.
    for (const path of Object.values(tokenPaths(stateDir)))
      if (existsSync(path) && !mayOthersWrite(path)) ensurePrivateFile(path);
    const release = acquireLock(paths.lock);
    if (release === null) {
      throw new StateDirError(
        `${paths.directory} belongs to a server that is running`,
        "Give this one a directory of its own: --state-dir DIR",
      );
    }
    return { paths, serverId: serverId ?? keptServerId(paths.serverId), release };
  } catch (error) {
    if (error instanceof HintedError) throw error;
    throw new StateDirError(
      `Cannot use the state directory ${paths.directory}: ${(error as Error).message}`,
      "Make sure there is room and it may be written, or name another one: --state-dir DIR",
    );
  }
}

function keptServerId(path: string): string {
  try {
    const kept = readFileSync(path, "utf8").trim();
    if (new RegExp(SCHEMA.server_id.pattern.expression).test(kept)) return kept;
  } catch {
    // The first start.
  }
  const made = `socketio-${randomBytes(4).toString("hex")}`;
  writeFileSync(path, `${made}\n`, { mode: 0o600 });
  return made;
}
