/** Reads the stream into this node's copy, and tells its follower of everything in order and once. */
import type { StoredEvent } from "../../protocol/event.ts";
import type { Epoch, LogFollower } from "../log.ts";
import type { LogConnection, LogState } from "./connection.ts";
import { decodeEntry, type Entry, IMPORTED, type RawEntry } from "./entry.ts";
import { commonWith, msOf } from "./lineage.ts";
import type { Mirror } from "./mirror.ts";

/** Nothing is wrong: the log has to be joined anew, for it is in another epoch, or the copy is gone. */
export class Rejoin extends Error {}

export interface ReaderOptions {
  mirror: Mirror;
  /** Whose events get their origin back. */
  instance: string;
  /** Told of events that are lost, as they are more than can be kept until they are stored again. */
  onLeft: (from: number, to: number) => void;
}

export interface Reader {
  epochs(): readonly Epoch[];
  /** How far the follower has been told. */
  told(): number;
  /** The first part of the stream's id of the last event that was read. */
  ms(): number;
  /** The first seq that is not known to be forgotten because somebody wanted it so. */
  forgotten(): number;
  /** Forgets what stands before a seq, as the log has; resolves once nothing of it is left here, and that has been told of. */
  forget(beforeSeq: number): Promise<void>;
  /** How often an epoch has begun while it was reading. */
  epochsBegun(): number;
  follow(follower: LogFollower): void;
  /** Takes up what the log says of itself; to be called before anything is read from a connection. */
  takeUp(state: LogState): Promise<void>;
  /** Reads on until there is nothing left; throws a `Rejoin`. */
  readToEnd(connection: LogConnection): Promise<void>;
  /** Reads on for ever. */
  tail(connection: LogConnection): Promise<never>;
  /** The copy is of no use: it is made anew with the next connection. */
  startOver(): void;
  /** Resolves when the copy is whole. */
  whole(): Promise<void>;
  /**
   * Events that were told of and the log goes on without, as no node could put them back before its new epoch began.
   */
  orphans(): readonly StoredEvent[];
  forgetOrphans(): void;
  /** Waits until a seq has been told of; false when `giveUp` was called before. After a while it is taken for granted. */
  reach(seq: number): Promise<boolean>;
  giveUp(): void;
  close(): void;
}

const BEGINNING = "0-0";
/** As nothing is known of how large they are, nor how fast the wire is: what does not come in time is never read. */
const FIRST_BATCH = 4;
/** What is read in one go, about. */
const READ = { events: 250, chars: 4 * 1024 * 1024 };
/** Kept in memory until they are stored again. */
const ORPHAN_CHARS = 64 * 1024 * 1024;
/**
 * How long an event that is stored waits to be read by this very node before its sender is told: longer than it takes to
 * notice that Redis was emptied meanwhile.
 */
const REACH_MS = 3000;

/**
 * Whether it was begun by a node that found Redis empty before any other could put back what had been there. Of another
 * log nothing belongs to this one.
 */
function isNew({ epochs }: LogState): boolean {
  return epochs.length === 1 && epochs[0]?.start_seq === 0;
}

export function createReader({ mirror, instance, onLeft }: ReaderOptions): Reader {
  let epochs: readonly Epoch[] = [];
  let follower: LogFollower | null = null;
  let told = 0;
  /** The epoch in which the follower believes to be. */
  let toldEpoch = "";
  let begun = 0;
  let forgotten = 1;
  let forgetting: Promise<unknown> = Promise.resolve();
  /** The stream's id of the last event in the copy. */
  let cursor = BEGINNING;
  let batchSize = FIRST_BATCH;
  /** It has read from the beginning, and what is missing is nowhere. */
  let mayJump = false;
  let isStartingOver = true;
  let whole = Promise.withResolvers<void>();
  let orphans: StoredEvent[] = [];
  let waiting: { seq: number; resolve: (isRead: boolean) => void }[] = [];
  const epoch = () => epochs.at(-1)?.epoch ?? "";

  function startOver(): void {
    if (!isStartingOver) whole = Promise.withResolvers();
    isStartingOver = true;
  }

  async function takeUp(state: LogState): Promise<void> {
    const before = toldEpoch;
    const isFirst = before === "";
    batchSize = FIRST_BATCH;
    epochs = state.epochs;
    toldEpoch = state.epoch;
    if (!isFirst && state.epoch !== before) await takeUpEpoch(state, commonWith(epochs, before));
    if (isFirst) ({ forgotten } = state);
    else await forget(state.forgotten);
    if (!isStartingOver) return;
    mirror.clear((state.first ?? state.last + 1) - 1);
    cursor = BEGINNING;
    if (isFirst) told = mirror.lastSeq();
    else if (state.first === null) skipTo(state.last);
  }

  /** @param common up to which seq the log is the one this node has read */
  async function takeUpEpoch(state: LogState, common: number): Promise<void> {
    if (common < mirror.lastSeq()) {
      if (common > 0 || isNew(state)) await keepOrphans(common);
      startOver();
    }
    told = Math.min(told, common);
    forgotten = Math.min(forgotten, common + 1);
    begun += 1;
    follower?.onEpoch({ epoch: state.epoch, start_seq: Math.min(common, state.last) });
  }

  function forget(beforeSeq: number): Promise<void> {
    if (beforeSeq > forgotten) {
      forgotten = beforeSeq;
      forgetting = Promise.all([forgetting, forgetHere(beforeSeq)]);
    }
    return forgetting.then(() => {});
  }

  async function forgetHere(beforeSeq: number): Promise<void> {
    try {
      await mirror.forget(beforeSeq);
      follower?.onForgotten();
    } catch (error) {
      // The copy that is made then is one of what is left.
      forgetting = Promise.resolve();
      startOver();
      throw error;
    }
  }

  async function keepOrphans(after: number): Promise<void> {
    let chars = 0;
    let seq = after;
    while (seq < mirror.lastSeq() && chars < ORPHAN_CHARS) {
      const { events } = await mirror.ask((file) => file.readAfter(seq, ORPHAN_CHARS - chars));
      orphans.push(...events);
      for (const { json } of events) chars += json.length;
      seq = events.at(-1)?.seq ?? mirror.lastSeq();
    }
    if (seq < mirror.lastSeq()) onLeft(seq + 1, mirror.lastSeq());
  }

  async function readToEnd(connection: LogConnection): Promise<void> {
    for (let isMore = true; isMore;) {
      const asked = batchSize;
      const entries = await connection.read(cursor, asked);
      await advance(entries, connection);
      isMore = entries.length === asked;
    }
    isStartingOver = false;
    whole.resolve();
  }

  /** Takes entries into the copy, and tells of them. */
  async function advance(raw: RawEntry[], connection: LogConnection): Promise<void> {
    const entries = raw.map(decodeEntry);
    const newest = entries.at(-1);
    if (newest === undefined) return;
    adjustBatch(entries);
    if (entries.some(({ ms }) => ms > msOf(epoch()))) throw new Rejoin();
    const fresh = entries.filter(({ event }) => event.seq > mirror.lastSeq());
    const [first] = fresh;
    if (first && first.event.seq > mirror.lastSeq() + 1 && cursor !== BEGINNING && !mayJump) {
      // Trimmed, or put back under ids that lie before this node's place: what there is tells.
      cursor = BEGINNING;
      mayJump = true;
      return readToEnd(connection);
    }
    // Their epochs came with them; the name of the one the log is in may be the same.
    if (fresh.some(({ origin }) => origin === IMPORTED)) ({ epochs } = await connection.state());
    if (first) {
      mayJump = false;
      mirror.take(fresh.map(({ event }) => event));
      tell(fresh.filter(({ event }) => event.seq > told));
    }
    cursor = newest.streamId;
  }

  /** Redis counts entries, not bytes: after large events fewer are asked for, so that memory stays bounded. */
  function adjustBatch(entries: readonly Entry[]): void {
    const chars = entries.reduce((sum, { event }) => sum + event.json.length, 0);
    const fits = Math.floor((READ.chars * entries.length) / chars);
    batchSize = Math.max(1, Math.min(READ.events, 2 * batchSize, fits));
  }

  function tell(news: readonly Entry[]): void {
    const [first] = news;
    if (first === undefined) return;
    skipTo(first.event.seq - 1);
    told = news.at(-1)?.event.seq ?? told;
    follower?.onStored(
      news.map(({ event }) => event),
      news.map(({ origin }) => ownOrigin(origin)),
    );
    resolveWaiting();
  }

  function skipTo(seq: number): void {
    if (seq <= told) return;
    told = seq;
    follower?.onSkipped(seq);
    resolveWaiting();
  }

  function resolveWaiting(): void {
    const reached = waiting.filter(({ seq }) => seq <= told);
    if (reached.length === 0) return;
    waiting = waiting.filter(({ seq }) => seq > told);
    for (const { resolve } of reached) resolve(true);
  }

  function ownOrigin(origin: string): string | undefined {
    return origin.startsWith(`${instance}:`) ? origin.slice(instance.length + 1) : undefined;
  }

  return {
    epochs: () => epochs,
    told: () => told,
    ms: () => msOf(cursor) || 1,
    forgotten: () => forgotten,
    forget,
    epochsBegun: () => begun,

    follow(next) {
      follower = next;
      told = mirror.lastSeq();
    },

    takeUp,
    readToEnd,

    async tail(connection) {
      for (;;) await advance(await connection.follow(cursor, batchSize), connection);
    },

    startOver,
    whole: () => whole.promise,

    orphans: () => orphans,
    forgetOrphans: () => void (orphans = []),

    async reach(seq) {
      if (seq <= told) return true;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(resolve, REACH_MS, true);
      waiting.push({ seq, resolve });
      const isRead = await promise;
      clearTimeout(timer);
      return isRead;
    },

    giveUp() {
      for (const { resolve } of waiting) resolve(false);
      waiting = [];
    },

    close: () => whole.resolve(),
  };
}
