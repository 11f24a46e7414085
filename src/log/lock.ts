/** The exclusive lock that makes one server the owner of its directory. */
import { Database } from "bun:sqlite";
import { existsSync, rmSync } from "node:fs";

/** A server that stops gives up its port first and its lock last; who starts meanwhile waits for it. */
const WAIT_MS = 6000;

/**
 * Takes the lock and returns its release, or null when somebody else goes on holding it for as long.
 *
 * SQLite's file lock is the kernel's, on every platform: it ends with the process however that ends,
 * so a crash leaves nothing stale behind.
 */
export function acquireLock(path: string, waitMs = WAIT_MS): (() => void) | null {
  // It holds nothing but the lock: what is no database can go.
  if (isDamaged(path)) rmSync(path);
  const database = new Database(path, { create: true });
  try {
    database.run(`PRAGMA busy_timeout = ${waitMs}`);
    // It writes nothing, and so can be taken on a disk that is full.
    database.run("PRAGMA journal_mode = MEMORY");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code === "SQLITE_BUSY") return null;
    throw error;
  }
  return () => database.close();
}

/** Whether some process holds the lock, looked at without taking it; false where there is none. Throws when it is no lock file. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    using database = new Database(path, { readonly: true });
    database.query("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if ((error as { code?: string }).code === "SQLITE_BUSY") return true;
    throw error;
  }
}

function isDamaged(path: string): boolean {
  try {
    isLocked(path);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "SQLITE_NOTADB";
  }
}
