/** The log as the configuration has it: on Redis, on disk, or in memory alone. */
import { type DurableLogOptions, openSqliteLog } from "./durable.ts";
import type { EventLog } from "./log.ts";
import { createMemoryLog } from "./memory.ts";
import type { RedisLogOptions } from "./redis/log.ts";

export interface LogSettings {
  redis_url: string | null;
  persistent: boolean;
  max_history_size: number;
  max_history_age: number;
  durability: "normal" | "full";
}

export interface OpenLogOptions extends Pick<DurableLogOptions, "path" | "onHealthChange" | "warn"> {
  onRecovery: NonNullable<DurableLogOptions["onRecovery"] & RedisLogOptions["onRecovery"]>;
  /** Where a log on Redis keeps its copy while it is open. */
  mirror: string;
  /** Names this run of the server among all that ever write to the same Redis. */
  instance: string;
}

/** Opens it; see `openSqliteLog` and `openRedisLog`. */
export async function openLog(settings: LogSettings, options: OpenLogOptions): Promise<EventLog> {
  const { redis_url: url, max_history_size, max_history_age, persistent, durability } = settings;
  const limits = { maxEvents: max_history_size, maxAge: max_history_age };
  const { mirror, instance, ...local } = options;
  if (url !== null) {
    // Most servers need none of it, and would load it for nothing.
    const { openRedisLog } = await import("./redis/log.ts");
    return openRedisLog({ ...local, ...limits, path: mirror, url, instance });
  }
  return persistent ? openSqliteLog({ ...local, ...limits, durability }) : createMemoryLog(limits);
}
