/** The kinds of log on one machine, which do the same alike. */
import { join } from "node:path";
import { openSqliteLog } from "../../src/log/durable.ts";
import type { EventLog } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface LogKindOptions {
  now?: () => number;
  maxEvents?: number;
  maxAge?: number;
}

export const LOG_KINDS: [kind: string, make: (options?: LogKindOptions) => EventLog][] = [
  ["in memory", (options) => createMemoryLog(options)],
  ["on disk", (options) => openSqliteLog({ path: join(temporaryDirectory(), "events.db"), ...options })],
];
