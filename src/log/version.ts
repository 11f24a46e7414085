/** The version of a log's form, looked at without opening the log. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";

export { LOG_VERSION } from "./migrations.ts";

/** The version of the log in a file; null where there is no log, or one that a server has open: it keeps it to itself. */
export function logVersionOf(path: string): number | null {
  if (!existsSync(path)) return null;
  try {
    using database = new Database(path, { readonly: true });
    const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
    return version;
  } catch {
    return null;
  }
}
