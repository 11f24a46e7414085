/** Connections to Redis. This folder alone imports its client. */
import { Redis, type RedisOptions } from "ioredis";
import { HintedError } from "../protocol/hinted-error.ts";
import { parseRedisUrl, type RedisTarget } from "../protocol/redis-url.ts";

export type { Redis } from "ioredis";

/** Redis cannot be reached or used; the message says why. */
export class RedisError extends HintedError {
  /** Whether it is so for good, until somebody changes something. */
  readonly isFinal: boolean;

  constructor(message: string, hint: string, isFinal = false) {
    super(message, hint);
    this.isFinal = isFinal;
  }
}

export interface ConnectionOptions {
  /** As `CLIENT LIST` shows it. */
  name: string;
  /** Milliseconds until a command without an answer fails. */
  commandTimeout?: number;
}

/** Until a connection is there and has said what it is. */
const CONNECT_MS = 2000;
const COMMAND_MS = 1000;
const RETRY = { firstMs: 100, mostMs: 2000 };

/**
 * Opens one connection, which does not come again by itself: whoever holds it knows that it is always the same process
 * it talks to. Throws a `RedisError`.
 */
export async function openRedis(url: string, options: ConnectionOptions): Promise<Redis> {
  const target = parseRedisUrl(url);
  const redis = new Redis({
    ...optionsFor(target, options),
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    enableOfflineQueue: false,
  });
  // Without a listener the client prints; what it tells is met by whoever waits for an answer.
  let reason: Error | null = null;
  redis.on("error", (error: Error) => (reason ??= error));
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
  });
  try {
    await Promise.race([redis.connect(), late]);
    return redis;
  } catch (error) {
    redis.disconnect();
    throw explain(reason ?? (error as Error), target);
  } finally {
    clearTimeout(timer);
  }
}

/** A connection that comes again for ever. Commands given while it is away fail at once. */
export function connectRedis(
  url: string,
  { onError = () => {}, ...options }: ConnectionOptions & { onError?: (error: RedisError) => void },
): Redis {
  const target = parseRedisUrl(url);
  const delay = (times: number) => Math.min(RETRY.mostMs, RETRY.firstMs * times);
  const redis = new Redis({
    ...optionsFor(target, options),
    lazyConnect: false,
    retryStrategy: delay,
    sentinelRetryStrategy: delay,
    enableOfflineQueue: false,
    // A master that has become a replica takes no more writes. Redis 6.2 says so of a script in the middle of its error.
    reconnectOnError: ({ message }: Error) => message.includes("READONLY"),
  });
  redis.on("error", (error: Error) => onError(explain(error, target)));
  return redis;
}

/** Channels of Redis know no databases: what several clusters on one Redis say is told apart by this. */
export function channelPrefix(url: string): string {
  return `{claude-mpm-socketio}:${parseRedisUrl(url).db}:`;
}

function optionsFor(
  { hosts, master, tls, username, password, db }: RedisTarget,
  { name, commandTimeout = COMMAND_MS }: ConnectionOptions,
): Omit<RedisOptions, "replyMapping"> {
  const [first] = hosts;
  return {
    ...(master === null
      ? { host: first?.host ?? "localhost", port: first?.port ?? 6379 }
      : { sentinels: hosts, name: master }),
    ...(tls ? { tls: {} } : {}),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    db,
    connectionName: name,
    disableClientInfo: true,
    // Redis 6.2 answers the same in both; the newer protocol has nothing we need.
    protocol: 2,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    keepAlive: 10_000,
  };
}

/** What failed, and what to do next. */
export function explain(error: Error, { shown, master }: Pick<RedisTarget, "shown" | "master">): RedisError {
  const { message } = error;
  const say = (what: string, hint: string, isFinal = false) =>
    new RedisError(`Redis at ${shown}: ${what}`, hint, isFinal);
  if (error instanceof RedisError) return error;
  if (/NOAUTH|WRONGPASS|invalid password|NOPERM/.test(message)) {
    return say(message, "Put a user and password that may use it into `redis_url`", true);
  }
  if (/ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT|no answer|Connection is closed/.test(message)) {
    return say(
      /Connection is closed/.test(message) ? "it closes the connection" : message || "no answer",
      "Start it, or correct `redis_url`; `redis-cli -u URL ping` says whether it answers",
    );
  }
  if (/certificate|altnames|self.signed/i.test(message)) {
    return say(
      message,
      "Name it in `redis_url` as its certificate does; NODE_EXTRA_CA_CERTS=FILE adds an authority to believe",
      true,
    );
  }
  if (message.includes("WRONGTYPE")) {
    return say(
      message,
      "Something else has the keys of the log: take another database (`/1` at the end)",
      true,
    );
  }
  if (master !== null && /sentinel/i.test(message)) {
    return say(
      message,
      `Ask a sentinel for the master: redis-cli -p 26379 sentinel get-master-addr-by-name ${master}`,
    );
  }
  return say(message, "Its own log tells more");
}
