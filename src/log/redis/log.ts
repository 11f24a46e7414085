/**
 * The event log on a Redis Stream, shared by any number of nodes. What a node appends goes to Redis; what it tells its
 * clients, its own events too, is what it reads there, in the one order there is (`reader.ts`). `mirror.ts` is its copy,
 * `join.ts` how it comes back after whatever happened to Redis.
 */
import { explain, RedisError } from "../../redis/connection.ts";
import { CodedError } from "../../protocol/errors.ts";
import { type PendingEvent, withSeq } from "../../protocol/event.ts";
import type { HealthCheck } from "../../protocol/messages.ts";
import { parseRedisUrl } from "../../protocol/redis-url.ts";
import { type AppendedEvent, type EventLog, locateIn } from "../log.ts";
import { importing } from "../restore.ts";
import { connectLog, type Fence, isFenced, type LogConnection, type LogState } from "./connection.ts";
import { encodeEvent, encodeStored } from "./entry.ts";
import { importPart } from "./import.ts";
import { joinLog } from "./join.ts";
import { msOf } from "./lineage.ts";
import { openMirror } from "./mirror.ts";
import { createPause } from "./pause.ts";
import { createReader, Rejoin } from "./reader.ts";

export interface RedisLogOptions {
  /** `redis_url`. */
  url: string;
  /** Of the mirror's file. */
  path: string;
  /** Told from all others that ever ran. */
  instance: string;
  /** Oldest events beyond this many are forgotten; of several nodes the least counts. Redis holds `MIN_HELD` at least. */
  maxEvents?: number;
  /** Seconds; 0 keeps events whatever their age. */
  maxAge?: number;
  /** Milliseconds within which Redis has to answer, and the copy to grow, when the log is opened. */
  startMs?: number;
  onHealthChange?: () => void;
  /** Told of what the log has done by itself to go on. */
  onRecovery?: (
    action: "redis_rejoined" | "events_restored" | "retention_tightened",
    message: string,
    fields: Record<string, string | number>,
  ) => void;
  /** Told of what people should know. */
  warn?: (message: string, fields: Record<string, string | number>) => void;
}

const START_MS = 10_000;
/** How long events wait for a Redis that has just gone away; later ones are refused at once. */
const PATIENCE_MS = 2000;
/** See `EventLog.settle`. */
const SETTLE_MS = 500;
const LOOK_MS = 1000;
/** Every node is back before a new epoch begins, with what it can put back (`GRACE_MS`). */
const RETRY = { firstMs: 50, mostMs: 300 };
/**
 * Of one call to Redis, where others wait meanwhile: 12 µs for an event. What comes in together is stored together, so it
 * is no less than what `hub/ingest.ts` hands over at a time.
 */
const APPEND = { events: 10_000, chars: 16 * 1024 * 1024 };

/** Events on Redis: nodes have to read them before they are trimmed. */
const MIN_HELD = 1000;

/** Larger than any there will be; Lua has no better numbers. */
const MAX_SEQ = Number.MAX_SAFE_INTEGER;

const KEEPS_FEWER =
  "Redis holds more events than this server keeps: its next one cuts the log, for all; give every server the same `max_history_size`";

/** Redis, while it can be reached and both agree on the epoch. */
interface Live {
  connection: LogConnection;
  fence: Fence;
  ms: number;
  /** Ends it. */
  fail(error: unknown): void;
}

/**
 * Opens the log, and makes this node's copy of it, for as long as that grows: a million events take a quarter of a
 * minute. Throws a `RedisError` when Redis does not answer in time.
 */
export async function openRedisLog(options: RedisLogOptions): Promise<EventLog> {
  const { log, opened, problem } = createRedisLog(options);
  const { startMs = START_MS } = options;
  const late = Promise.withResolvers<never>();
  let copied = 0;
  const timer = setInterval(() => {
    const { last_seq } = log.position();
    if (last_seq <= copied) late.reject(problem());
    copied = last_seq;
  }, startMs);
  try {
    await Promise.race([opened, late.promise]);
    return log;
  } catch (error) {
    await log.close();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

function createRedisLog({
  url,
  path,
  instance,
  maxEvents = 10_000,
  maxAge = 0,
  onHealthChange = () => {},
  onRecovery = () => {},
  warn = () => {},
}: RedisLogOptions) {
  const target = parseRedisUrl(url);
  /** Else events would be gone before they were read. */
  const heldOnRedis = Math.max(maxEvents, MIN_HELD);
  const opened = Promise.withResolvers<void>();
  opened.promise.catch(() => {});
  const pause = createPause();
  let live: Live | null = null;
  let onLive = Promise.withResolvers<void>();
  let closed = false;
  let isOpen = false;
  let awaySince = performance.now();
  /** Why there is nothing live. */
  let reason: Error = new Error("it has not been reached yet");
  /** Whether it could not be reached since it was live. */
  let isLost = false;
  /** Whether events are refused though Redis is there. */
  let isFull = false;
  let bytes = 0;
  let hints: string[] = [];
  const counted = { append_retries: 0, tail_lag: 0 };

  const mirror = openMirror(
    {
      path,
      maxEvents,
      maxAge,
      onHealthChange,
      onTightened(fields) {
        onRecovery("retention_tightened", "the disk is full: this node's copy of the log is cut", fields);
        onHealthChange();
      },
    },
    (error) => {
      warn("this node's copy of the log is damaged; it is made anew", { error: String(error) });
      reader.startOver();
      live?.fail(new Rejoin());
    },
  );
  const reader = createReader({
    mirror,
    instance,
    onLeft(from, to) {
      warn("events that Redis lost are left out: they are too many to be stored again", {
        from_seq: from,
        to_seq: to,
      });
    },
  });
  const epoch = () => reader.epochs().at(-1)?.epoch ?? "";
  /** Ends the connection that is there, or is being made. */
  let hangUp: (why: unknown) => void = () => {};
  const running = run();

  async function run(): Promise<void> {
    for (let tries = 0; !closed;) {
      try {
        await serve(() => (tries = 0));
      } catch (error) {
        if (closed) return;
        if (error instanceof Rejoin) {
          await pause.wait(RETRY.firstMs / 2);
          continue;
        }
        // Of the copy, where the disk is full.
        reason = error instanceof CodedError ? error : explain(error as Error, target);
        if (tries === 0) onHealthChange();
        // Who is waiting for a start need not wait for what does not come by itself.
        if (reason instanceof RedisError && reason.isFinal) opened.reject(reason);
        else if (tries === 0 && !isOpen) warn("Redis cannot be used yet", { why: reason.message });
        tries += 1;
        isLost = true;
        await pause.wait(Math.min(RETRY.mostMs, RETRY.firstMs * tries) * (0.75 + Math.random() / 2));
      }
    }
  }

  /** One connection, from its beginning to its end, which is always a failure. */
  async function serve(onServing: () => void): Promise<never> {
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {});
    const connecting = connectLog(url, `claude-mpm-socketio-${instance}`);
    const end = (why: unknown) => {
      ended.reject(why);
      connecting.then(
        (connection) => connection.close(),
        () => {},
      );
    };
    hangUp = end;
    try {
      const connection = await Promise.race([connecting, ended.promise]);
      if (!isLost) reason = new Error("Redis is there, and the log is being joined");
      const state = await joinLog({
        connection,
        mirror,
        epochs: reader.epochs(),
        ms: reader.ms(),
        forgotten: reader.forgotten(),
        onRestored(from, to) {
          const fields = { from_seq: from, to_seq: to };
          onRecovery("events_restored", "Redis had lost events; they were put back", fields);
        },
        onBegun({ epoch: name, start_seq }) {
          if (start_seq > 0) warn("Redis is not what it was: a new epoch begins", { epoch: name, start_seq });
        },
      });
      await reader.takeUp(state);
      await reader.readToEnd(connection);
      const now: Live = {
        connection,
        fence: { epoch: state.epoch, runId: connection.runId },
        ms: msOf(state.epoch),
        fail(error) {
          if (live === now) goAway();
          end(error);
        },
      };
      await storeOrphans(now);
      hints = await connection.warnings();
      isFull = await isOutOfRoom(connection);
      comeBack(now, state);
      onServing();
      return await Promise.race([ended.promise, reader.tail(connection), watch(now)]);
    } finally {
      goAway();
      end(new Error("it is over"));
    }
  }

  async function storeOrphans({ connection, fence, ms }: Live): Promise<void> {
    const orphans = reader.orphans();
    for (const [from, to] of chunksOf(orphans.map(({ json }) => json.length))) {
      await connection.append(fence, ms, heldOnRedis, orphans.slice(from, to).flatMap(encodeStored));
    }
    reader.forgetOrphans();
  }

  function goAway(): void {
    if (live === null) return;
    live = null;
    awaySince = performance.now();
    onLive = Promise.withResolvers();
    reader.giveUp();
  }

  function comeBack(now: Live, state: LogState): void {
    live = now;
    ({ bytes } = state);
    onLive.resolve();
    if (!isOpen) {
      for (const hint of hints) warn(hint, {});
      const held = state.first === null ? 0 : state.last - state.first + 1;
      if (held > heldOnRedis) warn(KEEPS_FEWER, { held, keeps: heldOnRedis });
    } else if (isLost) {
      const seconds = Math.round((performance.now() - awaySince) / 100) / 10;
      onRecovery("redis_rejoined", "Redis is there again", { seconds });
    }
    isLost = false;
    isOpen = true;
    opened.resolve();
    onHealthChange();
  }

  /** Looks every second whether Redis is still the master, takes events, and is in the same epoch. */
  async function watch({ connection, fence }: Live): Promise<never> {
    for (;;) {
      await pause.wait(LOOK_MS);
      if (maxAge > 0) await connection.trim(maxAge * 1000);
      const state = await connection.state();
      if (state.epoch !== fence.epoch || state.beganIn !== fence.runId) throw new Rejoin();
      await reader.forget(state.forgotten);
      if (state.first === null && state.last > reader.told()) {
        // A history of which nothing is left has been brought in, or all was forgotten before it could be read.
        reader.startOver();
        throw new Rejoin();
      }
      ({ bytes } = state);
      counted.tail_lag = Math.max(0, state.last - reader.told());
      setFull(await isOutOfRoom(connection));
    }
  }

  /** Throws where nothing can be written for another reason. */
  async function isOutOfRoom(connection: LogConnection): Promise<boolean> {
    try {
      await connection.probe();
      return false;
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      return true;
    }
  }

  function setFull(is: boolean): void {
    if (is === isFull) return;
    isFull = is;
    onHealthChange();
  }

  /** Redis when it is there, or comes back soon enough. */
  async function whenLive(deadline: number): Promise<Live> {
    for (;;) {
      if (live) return live;
      const left = Math.min(deadline, awaySince + PATIENCE_MS) - performance.now();
      if (left <= 0 || closed) throw unavailable(reason.message);
      await withinMs(left, onLive.promise);
    }
  }

  /**
   * Appends, and waits until this node has read what is stored: then it can put it back, should Redis lose it. Where
   * Redis goes away before, it is appended once more; what was stored the first time is known by its id.
   *
   * @returns seqs, negative for events that were there already
   */
  async function store(values: string[]): Promise<number[]> {
    const deadline = performance.now() + PATIENCE_MS;
    const earlier = new Set<number>();
    for (;;) {
      const { connection, fence, ms, fail } = await whenLive(deadline);
      try {
        const seqs = (await connection.append(fence, ms, heldOnRedis, values)).map((seq) =>
          earlier.has(-seq) ? -seq : seq,
        );
        if (live?.connection === connection && (await reader.reach(Math.max(...seqs.map(Math.abs)))))
          return seqs;
        for (const seq of seqs) earlier.add(seq);
      } catch (error) {
        if (isImporting(error)) throw importing();
        if (isOutOfMemory(error)) {
          setFull(true);
          throw unavailable(outOfMemory());
        }
        fail(isFenced(error) ? new Rejoin() : error);
      }
      counted.append_retries += 1;
    }
  }

  function unavailable(why: string): CodedError {
    return new CodedError("log_unavailable", `Events cannot be stored: ${why}`);
  }

  function outOfMemory(): string {
    return `Redis at ${target.shown} is out of memory (\`maxmemory\`)`;
  }

  const position = () => ({ epoch: epoch(), first_seq: mirror.firstSeq(), last_seq: mirror.lastSeq() });

  const log: EventLog = {
    position,
    epochs: reader.epochs,
    // While the copy is made anew it ends before what was told of.
    locate: (resume) => locateIn(reader.epochs(), Math.max(reader.told(), mirror.lastSeq()), resume),
    follow: reader.follow,

    async append(batch, origins = []) {
      const seqs: number[] = [];
      for (const [from, to] of chunksOf(batch.map(({ body }) => body.length))) {
        const values = batch.slice(from, to).flatMap((event, index) => {
          const origin = origins[from + index];
          return encodeEvent(event, origin === undefined ? "" : `${instance}:${origin}`);
        });
        seqs.push(...(await store(values)));
      }
      return batch.map((event, index) => toAppended(event, seqs[index] ?? 0));
    },

    async restore(part) {
      const deadline = performance.now() + PATIENCE_MS;
      const now = await whenLive(deadline);
      try {
        const plan = await importPart(part, {
          ...now,
          mirror,
          maxEvents: heldOnRedis,
          isCurrent: reader.reach,
        });
        // In an epoch of another name the log is joined anew, before the next part comes.
        if (plan.epochs.at(-1)?.epoch !== now.fence.epoch) now.fail(new Rejoin());
        await whenLive(deadline);
        await reader.reach(plan.last_seq);
        return { ...position(), stored: plan.events };
      } catch (error) {
        if (error instanceof CodedError) throw error;
        now.fail(new Rejoin());
        throw unavailable((error as Error).message);
      }
    },

    async forget(beforeSeq) {
      const { first_seq } = position();
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const { connection, fence, fail } = await whenLive(deadline);
        try {
          await reader.forget(await connection.forget(fence, Math.min(beforeSeq, MAX_SEQ)));
          const now = position();
          return { ...now, forgotten: Math.max(0, now.first_seq - first_seq) };
        } catch (error) {
          fail(isFenced(error) ? new Rejoin() : error);
        }
      }
    },

    async settle() {
      // What cannot be asked now is no reason to keep anybody waiting.
      const asked = live?.connection.state().then(({ last }) => reader.reach(last));
      if (asked) await withinMs(SETTLE_MS, asked).catch(() => {});
    },

    async readAfter(seq, maxChars) {
      await reader.whole();
      return mirror.ask((file) => file.readAfter(seq, maxChars));
    },

    async query(query) {
      await reader.whole();
      return { ...(await mirror.ask((file) => file.query(query))), epoch: epoch() };
    },

    remote: () => ({ up: live !== null && !isFull, ...counted, epochs: reader.epochsBegun() }),

    size: () => ({ ...mirror.askNow((file) => file.size()), bytes }),

    check(): HealthCheck {
      const degraded = (message: string): HealthCheck => ({ name: "log", status: "degraded", message });
      if (live === null) {
        const seconds = Math.round((performance.now() - awaySince) / 1000);
        return degraded(`events are refused, for ${seconds} s by now: ${reason.message}`);
      }
      if (isFull) return degraded(`events are refused: ${outOfMemory()}`);
      const copy = mirror.askNow((file) => file.check());
      if (copy.status !== "healthy") return { ...copy, message: `of this node's copy: ${copy.message}` };
      const { events } = mirror.askNow((file) => file.size());
      const where = `${events} events on Redis at ${target.shown}`;
      return { name: "log", status: "healthy", message: [where, ...hints].join("; ") };
    },

    async close() {
      closed = true;
      pause.end();
      hangUp(new Error("the log is closed"));
      reader.close();
      await running;
      mirror.close();
    },
  };

  return { log, opened: opened.promise, problem: (): RedisError => explain(reason, target) };
}

/** Resolves with a promise, or after so many milliseconds without it. */
async function withinMs<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function toAppended({ body, ...event }: PendingEvent, seq: number): AppendedEvent {
  const { id } = event;
  return seq < 0
    ? { id, seq: -seq, stored: null }
    : { id, seq, stored: { seq, ...event, json: withSeq(body, seq) } };
}

/** Ranges of events, of so many characters each, that go to Redis in one call. */
function* chunksOf(lengths: readonly number[]): Iterable<[from: number, to: number]> {
  let from = 0;
  let chars = 0;
  for (const [index, length] of lengths.entries()) {
    if (index > from && (index - from >= APPEND.events || chars + length > APPEND.chars)) {
      yield [from, index];
      from = index;
      chars = 0;
    }
    chars += length;
  }
  if (from < lengths.length) yield [from, lengths.length];
}

const isImporting = (error: unknown) => (error as Error).message.includes("IMPORTING");
const isOutOfMemory = (error: unknown) => (error as Error).message.includes("OOM ");
