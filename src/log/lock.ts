/** The exclusive lock that makes one server the owner of its directory. */
import { Database } from "bun:sqlite";

/**
 * Takes the lock and returns its release, or null when another process holds it.
 *
 * SQLite's file lock is the kernel's, on every platform: it ends with the process however that ends,
 * so a crash leaves nothing stale behind.
 */
export function acquireLock(path: string): (() => void) | null {
  const database = new Database(path, { create: true });
  try {
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code === "SQLITE_BUSY") return null;
    throw error;
  }
  return () => database.close();
}
