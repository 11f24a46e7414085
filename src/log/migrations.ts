/** The schema of the log's database, as numbered steps; `user_version` says how many have been taken. */
import type { Database } from "bun:sqlite";

const STEPS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  -- An epoch, and the last seq that the one before it had in common with it.
  CREATE TABLE epochs (number INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, start_seq INTEGER NOT NULL);
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT,
    session_id TEXT,
    project TEXT,
    json TEXT NOT NULL
  );
  -- Filled behind the events, in the pauses: an index on the table itself would slow every insert.
  CREATE TABLE by_session (session_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (session_id, seq)) WITHOUT ROWID;
  CREATE TABLE by_type (type TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (type, seq)) WITHOUT ROWID;
  CREATE TABLE by_project (project TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (project, seq)) WITHOUT ROWID;
  -- Trigrams find fragments of words; without content, as the events are stored already.
  CREATE VIRTUAL TABLE search USING fts5(json, content='', contentless_delete=1, tokenize='trigram');
  `,
  `
  -- Events too large for the search's index, which are looked through one by one.
  CREATE TABLE unsearched (seq INTEGER PRIMARY KEY);
  `,
];

/** The newest form of a log that this release knows; it brings every older one up to it. */
export const LOG_VERSION = STEPS.length;

/** A log written by a newer release; nothing has been touched. */
export class NewerLogError extends Error {
  constructor(version: number) {
    super(`the log has schema version ${version}, and this release knows ${LOG_VERSION}`);
    this.name = "NewerLogError";
  }
}

/** Brings a database up to this release's schema, each step in a transaction of its own. */
export function migrate(database: Database): void {
  const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
  if (version > LOG_VERSION) throw new NewerLogError(version);
  for (const [index, step] of STEPS.entries()) {
    if (index < version) continue;
    database.transaction(() => {
      database.run(step);
      database.run(`PRAGMA user_version = ${index + 1}`);
    })();
  }
}
