/** The log as one process of Redis has it, for as long as the connections to it last. */
import { explain, openRedis, type Redis, RedisError } from "../../redis/connection.ts";
import { parseRedisUrl } from "../../protocol/redis-url.ts";
import type { Epoch } from "../log.ts";
import type { RawEntry } from "./entry.ts";
import { APPEND, BEGIN, FORGET, IMPORT, KEYS, RESTORE, STATE, TRIM, TRIMMED_AT_ONCE } from "./scripts.ts";

/** What the log says of itself; all but `runId` are empty where there is none yet. */
export interface LogState {
  epoch: string;
  /** The process of Redis in which the epoch began. */
  beganIn: string;
  last: number;
  epochs: Epoch[];
  /** Seq of the oldest event held; null where there is none. */
  first: number | null;
  /** What stands before this seq was forgotten because somebody wanted it so; 1 where nobody did. */
  forgotten: number;
  bytes: number;
}

/** What a writer believes: see `scripts.ts`. */
export interface Fence {
  epoch: string;
  runId: string;
}

export interface ImportedPart {
  /** Of the log when it is done, and where it ends then. */
  epochs: readonly Epoch[];
  last: number;
  ms: number;
  firstSeq: number;
  values: string[];
  maxEvents: number;
  /** Milliseconds for which nothing else is stored; 0 when no other part follows. */
  holdMs: number;
}

export interface LogConnection {
  /** Of the process of Redis at the other end, since it is a master. */
  runId: string;
  state(): Promise<LogState>;
  /** Seqs, negative for events that were there already. */
  append(fence: Fence, ms: number, maxEvents: number, values: string[]): Promise<number[]>;
  /** The last seq. `epochs` are those that the log had when it held these events. */
  restore(
    fence: Fence,
    epochs: readonly Epoch[],
    ms: number,
    firstSeq: number,
    values: string[],
  ): Promise<number>;
  /** Forgets what stands before a seq; answers with what `LogState.forgotten` is then. */
  forget(fence: Fence, beforeSeq: number): Promise<number>;
  /** Stores a part of another log's history, where the log still ends at `last`; else it is fenced. */
  import(fence: Fence, last: number, part: ImportedPart): Promise<void>;
  /** Whether it has begun. */
  begin(fence: Fence, last: number, next: Fence & { epochs: readonly Epoch[] }): Promise<boolean>;
  /** Forgets events that are older, in milliseconds. */
  trim(maxAgeMs: number): Promise<void>;
  /** What follows an id, at once or, when there is nothing, after a while. */
  follow(streamId: string, count: number): Promise<RawEntry[]>;
  /** What follows an id and is there. */
  read(streamId: string, count: number): Promise<RawEntry[]>;
  /** Throws when it is no master any more, or cannot be written to. */
  probe(): Promise<void>;
  /** What people should know of how it is set up. */
  warnings(): Promise<string[]>;
  close(): void;
}

/** What was to be written rests on an epoch that is not, or a process of Redis that is another. */
export const isFenced = (error: unknown) => (error as Error).message.includes("FENCED");

/** Everything one log does is over sooner than this, or is given up. */
const BLOCK_MS = 1000;
/** XTRIM has MINID since then. */
const OLDEST_REDIS = [6, 2] as const;

const READ_ONLY = "it is a replica, which takes no events";

/** Opens two connections, one of which waits for events all the time; throws a `RedisError`. */
export async function connectLog(url: string, name: string): Promise<LogConnection> {
  const target = parseRedisUrl(url);
  const opened = await Promise.allSettled([
    openRedis(url, { name }),
    openRedis(url, { name: `${name}-tail`, commandTimeout: 2 * BLOCK_MS }),
  ]);
  const [writer, reader] = opened.map((result) => (result.status === "fulfilled" ? result.value : null));
  const close = () => {
    writer?.disconnect();
    reader?.disconnect();
  };
  try {
    for (const result of opened) if (result.status === "rejected") throw result.reason;
    const [runId, readerRunId] = await Promise.all([check(writer as Redis), check(reader as Redis)]);
    if (runId !== readerRunId) throw new Error("the two connections reach two processes");
    return createConnection(writer as Redis, reader as Redis, runId, close);
  } catch (error) {
    close();
    throw explain(error as Error, target);
  }

  /**
   * Returns by what this process is known, and how often it has become a master: one that was a replica for a while and
   * is the master again holds what another one had (`master_replid`).
   */
  async function check(redis: Redis): Promise<string> {
    const info = `${await redis.info("server")}${await redis.info("replication")}`;
    const version = /redis_version:(\d+)\.(\d+)/.exec(info);
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    if (major < OLDEST_REDIS[0] || (major === OLDEST_REDIS[0] && minor < OLDEST_REDIS[1])) {
      throw new RedisError(
        `Redis at ${target.shown} is version ${major}.${minor}`,
        "Version 6.2 is the oldest that has all that is needed: upgrade it",
        true,
      );
    }
    const runId = /^run_id:(\w+)/m.exec(info)?.[1];
    if (runId === undefined) throw new Error("it does not say its run_id");
    return `${runId}-${/^master_replid:(\w+)/m.exec(info)?.[1] ?? ""}`;
  }
}

function createConnection(writer: Redis, reader: Redis, runId: string, close: () => void): LogConnection {
  const keys = [KEYS.log, KEYS.meta, KEYS.ids, KEYS.gate];
  const script = async <T>(lua: string, args: (string | number)[] = []) =>
    (await evaluate(writer, lua, keys, args)) as T;
  return {
    runId,
    close,

    async state() {
      const [epoch, beganIn, last, epochs, first, bytes, forgotten] =
        await script<[string, string, string, string, string, number, string]>(STATE);
      return {
        epoch,
        beganIn,
        last: Number(last),
        epochs: epochs === "" ? [] : (JSON.parse(epochs) as Epoch[]),
        first: first === "" ? null : Number(first.split("-")[1]),
        forgotten: Number(forgotten || 1),
        bytes,
      };
    },

    append: ({ epoch, runId: process }, ms, maxEvents, values) =>
      script(APPEND, [epoch, process, ms, maxEvents, ...values]),

    restore: async ({ epoch, runId: process }, epochs, ms, firstSeq, values) => {
      const then = [epochs.at(-1)?.epoch ?? "", JSON.stringify(epochs)];
      return Number(await script(RESTORE, [epoch, process, ...then, ms, firstSeq, ...values]));
    },

    forget: ({ epoch, runId: process }, beforeSeq) => script(FORGET, [epoch, process, beforeSeq]),

    import: async ({ epoch, runId: process }, last, part) => {
      const then = [part.epochs.at(-1)?.epoch ?? "", JSON.stringify(part.epochs), part.ms, part.last];
      const how = [part.maxEvents, part.holdMs, part.firstSeq];
      await script(IMPORT, [epoch, process, last, ...then, ...how, ...part.values]);
    },

    begin: async ({ epoch, runId: process }, last, next) =>
      (await script(BEGIN, [epoch, process, last, next.epoch, next.runId, JSON.stringify(next.epochs)])) ===
      1,

    async trim(maxAgeMs) {
      while ((await script<number>(TRIM, [maxAgeMs])) >= TRIMMED_AT_ONCE);
    },

    async follow(streamId, count) {
      const answer = await reader.xread("COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", KEYS.log, streamId);
      return (answer?.[0]?.[1] ?? []) as RawEntry[];
    },

    read: async (streamId, count) =>
      (await reader.xrange(
        KEYS.log,
        streamId === "0-0" ? "-" : `(${streamId}`,
        "+",
        "COUNT",
        count,
      )) as RawEntry[],

    async probe() {
      const [role] = (await writer.role()) as [string];
      if (role !== "master") throw new Error(READ_ONLY);
      await writer.set(KEYS.probe, "1", "PX", BLOCK_MS);
    },

    async warnings() {
      const asked = await Promise.all(
        ["appendonly", "maxmemory", "maxmemory-policy"].map((name) =>
          // Whoever offers Redis as a service may not let it be asked.
          writer.config("GET", name).catch(() => []),
        ),
      );
      const [appendonly, maxmemory, policy] = asked.map((answer) => (answer as string[])[1]);
      return [
        ...(appendonly === "no"
          ? [
              "Redis keeps no append-only file: when it dies while no node runs, events are lost (`appendonly yes`)",
            ]
          : []),
        ...(maxmemory !== "0" && policy !== undefined && policy !== "noeviction"
          ? [
              `Redis may throw the whole log away when its memory is full (\`maxmemory-policy\` is ${policy}, not noeviction)`,
            ]
          : []),
      ];
    },
  };
}

/** By its SHA-1, which Redis knows after the first time. */
async function evaluate(
  redis: Redis,
  lua: string,
  keys: string[],
  args: (string | number)[],
): Promise<unknown> {
  const hash = hashes.get(lua) ?? new Bun.CryptoHasher("sha1").update(lua).digest("hex");
  hashes.set(lua, hash);
  try {
    // As a list: a call takes fewer arguments than a batch may have.
    return await redis.call("EVALSHA", [hash, keys.length, ...keys, ...args]);
  } catch (error) {
    if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
    return redis.call("EVAL", [lua, keys.length, ...keys, ...args]);
  }
}

const hashes = new Map<string, string>();
