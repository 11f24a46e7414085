/** The log on Redis Streams. */
import { HintedError } from "../../protocol/hinted-error.ts";
import type { SqliteLogOptions } from "../sqlite.ts";
import type { DurableLogOptions } from "../durable.ts";
import type { EventLog } from "../log.ts";

export interface RedisLogOptions
  extends
    Pick<SqliteLogOptions, "maxEvents" | "maxAge">,
    Pick<DurableLogOptions, "onHealthChange" | "onRecovery" | "warn"> {
  url: string;
  /** The mirror, made anew with every start. */
  path: string;
  /** Names this run of the server among all that ever write to the same Redis. */
  instance: string;
}

export async function openRedisLog(_options: RedisLogOptions): Promise<EventLog> {
  throw new HintedError("A log on Redis is not there yet", "Leave `redis_url` out");
}
