/** Whether the Redis that is configured can hold the log. */
import type { LoadedConfig } from "../../config/load.ts";
import { openRedis, RedisError } from "../../redis/connection.ts";
import { parseRedisUrl } from "../../protocol/redis-url.ts";
import { failed, type Finding, ok, warning } from "./checks.ts";

/** Asks it, and writes nothing. */
export async function checkRedis({ values }: LoadedConfig): Promise<Finding[]> {
  const name = "redis";
  const { redis_url: url } = values;
  if (url === null) return [];
  const { shown } = parseRedisUrl(url);
  try {
    const redis = await openRedis(url, { name: "claude-mpm-socketio-doctor" });
    try {
      const [role] = (await redis.role()) as [string];
      return role === "master"
        ? [ok(name, `${shown} is there, and a master`)]
        : [warning(name, `${shown} is a replica, which takes no events`, "Name the master in `redis_url`")];
    } finally {
      redis.disconnect();
    }
  } catch (error) {
    const { message, hint } =
      error instanceof RedisError
        ? error
        : { message: `Redis at ${shown}: ${(error as Error).message}`, hint: "Its own log tells more" };
    return [failed(name, message, hint)];
  }
}
