/**
 * The event log on a Redis Stream, shared by any number of nodes. What a node appends goes to Redis; what it tells its
 * clients, its own events too, is what it reads there, in the one order there is. `mirror.ts` is its copy, `join.ts` how
 * it comes back after whatever happened to Redis.
 */
import { explain, RedisError } from "../../redis/connection.ts";
import { CodedError } from "../../protocol/errors.ts";
import { type PendingEvent, type StoredEvent, withSeq } from "../../protocol/event.ts";
import type { HealthCheck } from "../../protocol/messages.ts";
import { parseRedisUrl } from "../../protocol/redis-url.ts";
import { type AppendedEvent, type Epoch, type EventLog, locateIn, type LogFollower } from "../log.ts";
import { importing } from "../restore.ts";
import type { SqliteFileOptions } from "../sqlite.ts";
import { connectLog, type Fence, isFenced, type LogConnection, type LogState } from "./connection.ts";
import { decodeEntry, encodeEvent, encodeStored, type Entry, IMPORTED, type RawEntry } from "./entry.ts";
import { importPart } from "./import.ts";
import { joinLog } from "./join.ts";
import { commonWith, msOf } from "./lineage.ts";
import { openMirror } from "./mirror.ts";

export interface RedisLogOptions {
  /** `redis_url`. */
  url: string;
  /** Of the mirror's file. */
  path: string;
  /** Told from all others that ever ran. */
  instance: string;
  /** Oldest events beyond this many are forgotten; of several nodes the least counts. */
  maxEvents?: number;
  /** Seconds; 0 keeps events whatever their age. */
  maxAge?: number;
  /** Milliseconds within which Redis has to answer when the log is opened. */
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
/**
 * How long an event that is stored waits to be read by this very node before its sender is told: longer than it takes to
 * notice that Redis was emptied meanwhile.
 */
const READ_BACK_MS = 3000;
/** See `EventLog.settle`. */
const SETTLE_MS = 500;
const LOOK_MS = 1000;
const RETRY = { firstMs: 100, mostMs: 2000 };
/** What is read in one go, about. */
const READ = { events: 250, chars: 4 * 1024 * 1024 };
/** Of one call to Redis, where others wait meanwhile. */
const APPEND = { events: 1000, chars: 4 * 1024 * 1024 };
const ORPHAN_CHARS = 16 * 1024 * 1024;
const BEGINNING = "0-0";

/** Redis, while it can be reached and both agree on the epoch. */
interface Live {
  connection: LogConnection;
  fence: Fence;
  ms: number;
  /** Ends it. */
  fail(error: unknown): void;
}

/** Nothing is wrong: the log has to be joined anew, for it is in another epoch or the copy is gone. */
class Rejoin extends Error {}

/** Opens the log, and makes this node's copy of it; throws a `RedisError` when Redis does not answer in time. */
export async function openRedisLog(options: RedisLogOptions): Promise<EventLog> {
  const log = createRedisLog(options);
  const { startMs = START_MS } = options;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(log.problem()), startMs);
  try {
    await Promise.race([log.opened, late.promise]);
    return log.log;
  } catch (error) {
    await log.log.close();
    throw error;
  } finally {
    clearTimeout(timer);
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
  const mirrorOptions: SqliteFileOptions = {
    path,
    maxEvents,
    maxAge,
    onHealthChange,
    onTightened(fields) {
      onRecovery("retention_tightened", "the disk is full: this node's copy of the log is cut", fields);
      onHealthChange();
    },
  };
  const mirror = openMirror(mirrorOptions, (error) => {
    warn("this node's copy of the log is damaged; it is made anew", { error: String(error) });
    rebuild = true;
    live?.fail(new Rejoin());
  });
  const opened = Promise.withResolvers<void>();
  opened.promise.catch(() => {});

  let epochs: readonly Epoch[] = [];
  let follower: LogFollower | null = null;
  let live: Live | null = null;
  let closed = false;
  let awaySince = performance.now();
  /** Why there is nothing live. */
  let reason: Error = new Error("it has not been reached yet");
  /** Whether it could not be reached since it was live. */
  let isLost = false;
  /** Why events are refused though Redis is there. */
  let refusal: string | null = null;
  let bytes = 0;
  let hints: string[] = [];
  /** The stream's id of the last event in the mirror. */
  let cursor = BEGINNING;
  /** How far the follower has been told. */
  let told = 0;
  let batchSize = 16;
  /** Whether the mirror has to be filled again from the beginning. */
  let rebuild = true;
  let filled = Promise.withResolvers<void>();
  /**
   * Events that this node has told of and the log goes on without, as no node could put them back before its new epoch
   * began. They are appended once more, where they are not known.
   */
  let orphans: StoredEvent[] = [];
  const counted = { append_retries: 0, epochs: 0, tail_lag: 0 };
  let waiting: { seq: number; resolve: (isRead: boolean) => void }[] = [];
  let onLive = Promise.withResolvers<void>();
  const pause = createPause();

  const epoch = () => epochs.at(-1)?.epoch ?? "";
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
        tries += 1;
        isLost = true;
        await pause.wait(Math.min(RETRY.mostMs, RETRY.firstMs * tries) * (0.75 + Math.random() / 2));
      }
    }
  }

  /** One connection, from its beginning to its end, which is always a failure. */
  async function serve(onServing: () => void): Promise<never> {
    const connection = await connectLog(url, `claude-mpm-socketio-${instance}`);
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {});
    try {
      const state = await joinLog({
        connection,
        mirror,
        epochs,
        ms: msOf(cursor) || 1,
        onRestored(from, to) {
          onRecovery("events_restored", "Redis had lost events; they were put back", {
            from_seq: from,
            to_seq: to,
          });
        },
        onBegun({ epoch: name, start_seq }) {
          if (start_seq > 0) warn("Redis has been away: a new epoch begins", { epoch: name, start_seq });
        },
      });
      await take(state);
      await readToEnd(connection);
      const fence = { epoch: state.epoch, runId: connection.runId };
      const now: Live = {
        connection,
        fence,
        ms: msOf(state.epoch),
        fail(error) {
          if (live === now) goAway();
          ended.reject(error);
        },
      };
      await storeOrphans(now);
      hints = await connection.warnings();
      comeBack(now, state);
      onServing();
      return await Promise.race([ended.promise, tail(connection), watch(now)]);
    } finally {
      goAway();
      connection.close();
    }
  }

  function goAway(): void {
    if (live === null) return;
    live = null;
    awaySince = performance.now();
    for (const { resolve } of waiting) resolve(false);
    waiting = [];
    onLive = Promise.withResolvers();
  }

  function comeBack(now: Live, state: LogState): void {
    live = now;
    bytes = state.bytes;
    refusal = null;
    const seconds = (performance.now() - awaySince) / 1000;
    filled.resolve();
    onLive.resolve();
    if (isLost && follower !== null) {
      onRecovery("redis_rejoined", "Redis is there again", { seconds: Math.round(seconds * 10) / 10 });
    }
    isLost = false;
    if (follower === null) for (const hint of hints) warn(hint, {});
    opened.resolve();
    onHealthChange();
  }

  /** Takes up what the log says of itself. */
  async function take(state: LogState): Promise<void> {
    const mine = epoch();
    if (mine !== "" && state.epoch !== mine) {
      const common = commonWith(state.epochs, mine);
      if (common < mirror.lastSeq()) {
        if (common > 0) orphans.push(...(await eventsAfter(common)));
        rebuild = true;
      }
      if (common < told) told = common;
      epochs = state.epochs;
      counted.epochs += 1;
      follower?.onEpoch({ epoch: state.epoch, start_seq: Math.min(common, state.last) });
    }
    epochs = state.epochs;
    if (!rebuild) return;
    rebuild = false;
    filled = Promise.withResolvers();
    mirror.clear((state.first ?? state.last + 1) - 1);
    if (mine === "") told = mirror.lastSeq();
    else if (state.first === null && state.last > told) {
      told = state.last;
      follower?.onSkipped(told);
    }
    cursor = BEGINNING;
  }

  async function storeOrphans({ connection, fence, ms }: Live): Promise<void> {
    for (const [from, to] of chunksOf(orphans.map(({ json }) => json.length))) {
      await connection.append(fence, ms, maxEvents, orphans.slice(from, to).flatMap(encodeStored));
    }
    orphans = [];
  }

  /** No more than one page: it is what came in the moments in which Redis was lost. */
  async function eventsAfter(seq: number): Promise<readonly StoredEvent[]> {
    const { events } = await mirror.ask((file) => file.readAfter(seq, ORPHAN_CHARS));
    return events;
  }

  async function readToEnd(connection: LogConnection): Promise<void> {
    for (;;) {
      const asked = batchSize;
      const entries = await connection.read(cursor, asked);
      await advance(entries, connection);
      if (entries.length < asked) return;
    }
  }

  async function tail(connection: LogConnection): Promise<never> {
    for (;;) await advance(await connection.follow(cursor, batchSize), connection);
  }

  /** Redis counts entries, not bytes: after large events fewer are asked for, so that memory stays bounded. */
  function adjustBatch(entries: readonly Entry[]): void {
    const chars = entries.reduce((sum, { event }) => sum + event.json.length, 0);
    const fits = Math.floor((READ.chars * entries.length) / chars);
    batchSize = Math.max(1, Math.min(READ.events, 2 * batchSize, fits));
  }

  /** Takes entries into the mirror, and tells of them. */
  async function advance(raw: RawEntry[], connection: LogConnection): Promise<void> {
    const entries = raw.map(decodeEntry);
    const newest = entries.at(-1);
    if (newest === undefined) return;
    adjustBatch(entries);
    if (entries.some(({ ms }) => ms > msOf(epoch()))) throw new Rejoin();
    const fresh = entries.filter(({ event }) => event.seq > mirror.lastSeq());
    const [first] = fresh;
    if (first && first.event.seq > mirror.lastSeq() + 1 && cursor !== BEGINNING) {
      // Trimmed, or put back under ids that lie before this node's place: what there is tells.
      cursor = BEGINNING;
      return readToEnd(connection);
    }
    // Their epochs came with them; the name of the one the log is in may be the same.
    if (fresh.some(({ origin }) => origin === IMPORTED)) ({ epochs } = await connection.state());
    if (first) {
      mirror.take(fresh.map(({ event }) => event));
      tell(fresh);
    }
    cursor = newest.streamId;
  }

  function tell(entries: readonly Entry[]): void {
    const news = entries.filter(({ event }) => event.seq > told);
    const [first] = news;
    const skipped = (first?.event.seq ?? 0) - 1;
    if (first === undefined) return;
    if (follower && skipped > told) follower.onSkipped(skipped);
    told = news.at(-1)?.event.seq ?? told;
    follower?.onStored(
      news.map(({ event }) => event),
      news.map(({ origin }) => ownOrigin(origin)),
    );
    const reached = waiting.filter(({ seq }) => seq <= told);
    if (reached.length === 0) return;
    waiting = waiting.filter(({ seq }) => seq > told);
    for (const { resolve } of reached) resolve(true);
  }

  function ownOrigin(origin: string): string | undefined {
    return origin.startsWith(`${instance}:`) ? origin.slice(instance.length + 1) : undefined;
  }

  /** Looks every second whether Redis is still the master, takes events, and is in the same epoch. */
  async function watch({ connection, fence }: Live): Promise<never> {
    for (;;) {
      await pause.wait(LOOK_MS);
      if (maxAge > 0) await connection.trimBefore(Date.now() - maxAge * 1000);
      const state = await connection.state();
      if (state.epoch !== fence.epoch || state.beganIn !== fence.runId) throw new Rejoin();
      // A history of which nothing is left has been brought in.
      if (state.first === null && state.last > told) {
        rebuild = true;
        throw new Rejoin();
      }
      ({ bytes, epochs } = state);
      counted.tail_lag = Math.max(0, state.last - told);
      try {
        await connection.probe();
        refuse(null);
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        refuse((error as Error).message);
      }
    }
  }

  function refuse(why: string | null): void {
    const isNew = (why === null) !== (refusal === null);
    refusal = why;
    if (isNew) onHealthChange();
  }

  /** Redis when it is there, or comes back soon enough. */
  async function whenLive(deadline: number): Promise<Live> {
    for (;;) {
      if (live) return live;
      const left = Math.min(deadline, awaySince + PATIENCE_MS) - performance.now();
      if (left <= 0 || closed) throw unavailable(reason.message);
      const timer = Promise.withResolvers<void>();
      const clock = setTimeout(timer.resolve, left);
      await Promise.race([onLive.promise, timer.promise]);
      clearTimeout(clock);
    }
  }

  /**
   * Appends, and waits until this node has read what is stored: then it can put it back, should Redis lose it. Where
   * Redis goes away before, it is appended once more; what was stored the first time is known by its id.
   */
  async function store(values: string[]): Promise<number[]> {
    const deadline = performance.now() + PATIENCE_MS;
    const earlier = new Set<number>();
    for (;;) {
      const now = await whenLive(deadline);
      const { connection, fence, ms, fail } = now;
      try {
        const seqs = await connection.append(fence, ms, maxEvents, values);
        const own = seqs.map((seq) => (earlier.has(-seq) ? -seq : seq));
        if (await readBack(Math.max(...seqs.map(Math.abs)), now)) {
          return own;
        }
        for (const seq of own) earlier.add(seq);
      } catch (error) {
        if (isImporting(error)) throw importing();
        if (isOutOfMemory(error)) {
          refuse((error as Error).message);
          throw unavailable(outOfMemory());
        }
        counted.append_retries += 1;
        fail(isFenced(error) ? new Rejoin() : error);
      }
    }
  }

  function unavailable(why: string): CodedError {
    return new CodedError("log_unavailable", `Events cannot be stored: ${why}`);
  }

  function outOfMemory(): string {
    return `Redis at ${target.shown} is out of memory (\`maxmemory\`)`;
  }

  /**
   * Waits until this node has told of a seq; false when Redis has gone away before. It is no reason to refuse anything
   * that it takes very long.
   */
  async function readBack(seq: number, now: Live): Promise<boolean> {
    if (live !== now) return false;
    if (seq <= told) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, READ_BACK_MS, true);
    waiting.push({ seq, resolve });
    const isRead = await promise;
    clearTimeout(timer);
    return isRead;
  }

  const log: EventLog = {
    position: () => ({ epoch: epoch(), first_seq: mirror.firstSeq(), last_seq: mirror.lastSeq() }),
    epochs: () => epochs,
    locate: (resume) => locateIn(epochs, mirror.lastSeq(), resume),

    async restore(part) {
      const now = await whenLive(performance.now() + PATIENCE_MS);
      try {
        const plan = await importPart(part, {
          ...now,
          mirror,
          maxEvents,
          isCurrent: (seq) => readBack(seq, now),
        });
        // In an epoch of another name the log is joined anew.
        await readBack(plan.last_seq, await whenLive(performance.now() + PATIENCE_MS));
        return { ...log.position(), stored: plan.events };
      } catch (error) {
        if (error instanceof CodedError) throw error;
        now.fail(new Rejoin());
        throw unavailable((error as Error).message);
      }
    },

    follow(next) {
      follower = next;
      told = mirror.lastSeq();
    },

    async settle() {
      const now = live;
      const asked = now?.connection.state().then(({ last }) => readBack(last, now));
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, SETTLE_MS);
      // What cannot be asked now is no reason to keep anybody waiting.
      await Promise.race([asked?.catch(() => {}), late.promise]);
      clearTimeout(timer);
    },

    async append(batch, origins = []) {
      const seqs: number[] = [];
      for (const [from, to] of chunksOf(batch.map(({ body }) => body.length))) {
        const values = batch
          .slice(from, to)
          .flatMap((event, index) => encodeEvent(event, originOf(origins[from + index])));
        seqs.push(...(await store(values)));
      }
      return batch.map((event, index) => toAppended(event, seqs[index] ?? 0));
    },

    async readAfter(seq, maxChars) {
      await filled.promise;
      return mirror.ask((file) => file.readAfter(seq, maxChars));
    },

    async query(query) {
      await filled.promise;
      return { ...(await mirror.ask((file) => file.query(query))), epoch: epoch() };
    },

    remote: () => ({ up: live !== null && refusal === null, ...counted }),

    size: () => ({ ...mirror.askNow((file) => file.size()), bytes }),

    check(): HealthCheck {
      if (live === null) {
        const seconds = Math.round((performance.now() - awaySince) / 1000);
        const message = `events are refused, for ${seconds} s by now: ${reason.message}`;
        return { name: "log", status: "degraded", message };
      }
      if (refusal !== null) {
        return { name: "log", status: "degraded", message: `events are refused: ${outOfMemory()}` };
      }
      const copy = mirror.askNow((file) => file.check());
      if (copy.status !== "healthy") return { ...copy, message: `of this node's copy: ${copy.message}` };
      const { events } = mirror.askNow((file) => file.size());
      const where = `${events} events on Redis at ${target.shown}`;
      return { name: "log", status: "healthy", message: [where, ...hints].join("; ") };
    },

    async close() {
      closed = true;
      pause.end();
      live?.fail(new Error("the log is closed"));
      filled.resolve();
      await running;
      mirror.close();
    },
  };

  function originOf(origin: string | undefined): string {
    return origin === undefined ? "" : `${instance}:${origin}`;
  }

  return {
    log,
    opened: opened.promise,
    problem: (): RedisError => explain(reason, target),
  };
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

/** Pauses that end early when everything ends. */
function createPause() {
  let ended = false;
  const waiting = new Set<() => void>();
  return {
    wait(ms: number): Promise<void> {
      if (ended) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting.add(done);
      });
    },
    end(): void {
      ended = true;
      for (const done of waiting) done();
    },
  };
}
