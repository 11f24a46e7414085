/** Which nodes there are: each writes itself down every second, and who has not for five is gone. */
import type { Redis } from "../redis/connection.ts";
import { type NodeAbout, readNode } from "./node.ts";

export interface Members {
  count: number;
  /** The least and the most events that one of them keeps. */
  keeps: { least: number; most: number };
}

export interface Membership {
  /** Writes this node down and forgets those that are gone. */
  beat(about: NodeAbout): Promise<Members>;
  /** All that are there, this one too. */
  list(): Promise<NodeAbout[]>;
  leave(): Promise<void>;
}

const NODES = "{claude-mpm-socketio}:nodes";
const SEEN = "{claude-mpm-socketio}:nodes:seen";
const KEEPS = "{claude-mpm-socketio}:nodes:keeps";
const GONE_AFTER_MS = 5000;

/** By the clock of Redis alone: those of the machines may differ. */
const NOW = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)";

/** Costs the same however many nodes there are. */
const BEAT = `${NOW}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[1])
local limit = string.format('%.0f', now - ARGV[3])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', limit)) do
  redis.call('HDEL', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
local least, most = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES'), redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
return {redis.call('ZCARD', KEYS[2]), least[2], most[2]}`;

const LIST = `${NOW}
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', now - ARGV[1]), '+inf')) do
  local about = redis.call('HGET', KEYS[1], node)
  if about then found[#found + 1] = about end
end
return found`;

const LEAVE =
  "redis.call('HDEL', KEYS[1], ARGV[1]) redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('ZREM', KEYS[3], ARGV[1])";

export function createMembership(redis: Redis, instance: string): Membership {
  return {
    async beat(about) {
      const text = JSON.stringify(about);
      const answer = await redis.eval(
        BEAT,
        3,
        NODES,
        SEEN,
        KEEPS,
        instance,
        text,
        GONE_AFTER_MS,
        about.keeps ?? 0,
      );
      const [count = 1, least = 0, most = 0] = (answer as unknown[]).map(Number);
      return { count, keeps: { least, most } };
    },
    async list() {
      const texts = (await redis.eval(LIST, 2, NODES, SEEN, GONE_AFTER_MS)) as string[];
      return texts.map(readNode).filter((node) => node !== null);
    },
    async leave() {
      await redis.eval(LEAVE, 3, NODES, SEEN, KEEPS, instance);
    },
  };
}
