/** Sends on what waits in a spool, in order, by one process at a time. */
import { acquireLock } from "../log/lock.ts";
import { CodedError, ERRORS } from "../protocol/errors.ts";
import { checkEvent } from "../protocol/event.ts";
import { exceedsBytes } from "../protocol/json.ts";
import { shortenToFit } from "../protocol/shorten.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import { bytesOf, lockFile, type Spool, type SpooledEvent } from "./spool.ts";

export interface ReplayOptions {
  spool: Spool;
  send: (events: readonly SpooledEvent[]) => Promise<Outcome>;
  /** Larger ones are shortened: nobody knew of the receiver's limit when they were written. */
  maxEventBytes?: number;
  /** Asked between two batches. */
  isOver?: () => boolean;
}

const LOOK_MS = 1000;
const MAX_BATCH_EVENTS = 100;
/** A server reads so much in a few milliseconds, in which it does nothing else. */
const MAX_BATCH_BYTES = 1024 * 1024;

/**
 * Empties the spool as far as its events are accepted; true when nothing is left. Events keep their ids, so what was
 * sent twice is stored once. Returns at once where another process is at it already: that one looks again after it
 * has let go, so an event written before this call is seen by one of the two.
 */
export async function replay(options: ReplayOptions): Promise<boolean> {
  const { spool } = options;
  while (!spool.isEmpty()) {
    const release = acquireLock(lockFile(spool.directory), 0);
    if (release === null) return false;
    try {
      // Nothing to be had from a spool that is not empty: the clock was set back, and time will tell.
      if (!(await drain(options))) return false;
    } finally {
      release();
    }
  }
  spool.tidy();
  return true;
}

export interface KeepOptions {
  spool: Spool;
  /** Stores a batch or throws. */
  publish: (events: unknown[]) => Promise<unknown>;
  maxEventBytes: number;
  /** Told why the spool cannot be read; once, until it is another reason. */
  onError: (error: unknown) => void;
}

/**
 * Replays a server's own spool into it, from now on and for as long as it runs: hooks that found no server, or that it
 * refused, may be the last of their session.
 *
 * @returns ends it, once what is being stored is stored
 */
export function keepReplaying({ spool, publish, maxEventBytes, onError }: KeepOptions): () => Promise<void> {
  let said = "";
  let stopped = false;
  let running: Promise<unknown> | null = null;
  const send: ReplayOptions["send"] = (events) =>
    publish(events.map(({ event }) => event)).then(
      () => "stored",
      (error: unknown) => (error instanceof CodedError ? outcomeOf(statusOf(error, events.length)) : "later"),
    );
  const look = () => {
    running ??= replay({ spool, send, maxEventBytes, isOver: () => stopped })
      .then(
        () => (said = ""),
        (error: unknown) => {
          if (said !== String(error)) onError(error);
          said = String(error);
        },
      )
      .finally(() => (running = null));
  };
  const timer = setInterval(look, LOOK_MS);
  look();
  return async () => {
    stopped = true;
    clearInterval(timer);
    await running;
  };
}

/** A batch of one is refused for what is wrong with the one. */
function statusOf({ status, items }: CodedError, count: number): number {
  const [item] = items ?? [];
  return count === 1 && item ? ERRORS[item.code][0] : status;
}

/** As it is where it fits, and where it is nothing that can be stored. */
function shortened(spooled: SpooledEvent, maxBytes: number): SpooledEvent {
  if (!exceedsBytes(spooled.text, maxBytes)) return spooled;
  try {
    const event = shortenToFit(checkEvent(spooled.event), maxBytes);
    return { ...spooled, event, text: JSON.stringify(event) };
  } catch {
    return spooled;
  }
}

/** False when it stopped before the end. */
async function drain({
  spool,
  send,
  maxEventBytes = Infinity,
  isOver = () => false,
}: ReplayOptions): Promise<boolean> {
  for (let done = false; ; done = true) {
    const names = spool.next();
    if (names.length === 0) return done;
    for (const batch of batches(names)) {
      if (isOver()) return false;
      const events = batch.flatMap((name) => {
        const event = spool.read(name);
        return event === null ? [] : [shortened(event, maxEventBytes)];
      });
      if (events.length > 0 && !(await settle(events))) return false;
    }
  }

  async function settle(events: readonly SpooledEvent[]): Promise<boolean> {
    const outcome = await send(events);
    if (outcome === "later") return false;
    const names = events.map(({ name }) => name);
    if (outcome === "stored") for (const name of names) spool.remove(name);
    else if (events.length === 1) spool.drop(names, `refused_${outcome.refused}`);
    else for (const event of events) if (isOver() || !(await settle([event]))) return false;
    return true;
  }
}

function* batches(names: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const name of names) {
    const more = bytesOf(name);
    if (batch.length === MAX_BATCH_EVENTS || (batch.length > 0 && bytes + more > MAX_BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(name);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
