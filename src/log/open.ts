/** The log as the configuration has it: on disk, or in memory alone. */
import { type DurableLogOptions, openSqliteLog } from "./durable.ts";
import type { EventLog } from "./log.ts";
import { createMemoryLog } from "./memory.ts";

export interface LogSettings {
  persistent: boolean;
  max_history_size: number;
  max_history_age: number;
  durability: "normal" | "full";
}

/** Opens it; see `openSqliteLog`. */
export function openLog(
  { persistent, max_history_size, max_history_age, durability }: LogSettings,
  options: Pick<DurableLogOptions, "path" | "onHealthChange" | "onRecovery" | "warn">,
): EventLog {
  const limits = { maxEvents: max_history_size, maxAge: max_history_age };
  return persistent ? openSqliteLog({ ...options, ...limits, durability }) : createMemoryLog(limits);
}
