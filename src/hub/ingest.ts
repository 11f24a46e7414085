/** Group commit: events that arrive in one turn of the event loop go into the log as one batch. */
import type { AppendedEvent, EventLog } from "../log/log.ts";
import { CodedError } from "../protocol/errors.ts";
import type { PendingEvent } from "../protocol/event.ts";
import { countReceived, createMeasures, type Measures, type Way } from "./measures.ts";

export interface IngestOptions {
  log: EventLog;
  /** Called with each batch once it is stored, in order, before its senders learn of it; must not throw. */
  onStored: (appended: readonly AppendedEvent[], origins: readonly (string | undefined)[]) => void;
  measures?: Measures;
  /** Characters of JSON waiting at most; beyond it senders are told to come again. */
  maxWaiting?: number;
}

export interface Ingest {
  /** @param origin the subscriber that sent these events, and so does not get them back */
  enqueue(events: PendingEvent[], origin: string | undefined, way?: Way): Promise<AppendedEvent[]>;
  /** Does something to the log while no batch is on its way into it, or out of it. */
  alone<T>(act: () => Promise<T>): Promise<T>;
  /** How many wait for the next commit. */
  pending(): number;
  /** Takes nothing more; resolves once everything enqueued so far is stored. */
  close(): Promise<void>;
}

interface Waiting {
  events: PendingEvent[];
  origin: string | undefined;
  way: Way;
  /** On the clock of `performance.now`. */
  arrivedAt: number;
  resolve: (appended: AppendedEvent[]) => void;
  reject: (error: unknown) => void;
}

const MAX_GATHER_MS = 2;
/** Of one commit; a single batch may be larger. */
const MAX_GROUP = { events: 10_000, chars: 8 * 1024 * 1024 };

/** Collects events and hands them to the log in batches, one at a time and in order. */
export function createIngest({
  log,
  onStored,
  measures = createMeasures(),
  maxWaiting = 64 * 1024 * 1024,
}: IngestOptions): Ingest {
  const queue: Waiting[] = [];
  let waiting = 0;
  let pending = 0;
  let closed = false;
  let running: Promise<void> | null = null;
  /** Ends with what has the log at the moment. */
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = turn.then(act);
    turn = done.catch(() => {});
    return done;
  }

  async function run(): Promise<void> {
    while (queue.length > 0) {
      await gather();
      const group = takeGroup();
      await inTurn(() => commit(group));
    }
    running = null;
  }

  /** Those that came first, up to so much as a log stores in one go. */
  function takeGroup(): Waiting[] {
    let [events, chars, end] = [0, 0, 0];
    for (const one of queue) {
      events += one.events.length;
      chars += weigh(one.events);
      if (end > 0 && (events > MAX_GROUP.events || chars > MAX_GROUP.chars)) break;
      end += 1;
      pending -= one.events.length;
    }
    return queue.splice(0, end);
  }

  /**
   * Waits for the end of the turn, and on for as long as every further turn brings more: a commit costs as much as
   * many events. A lone event waits for one turn and no timer.
   */
  async function gather(): Promise<void> {
    const deadline = performance.now() + MAX_GATHER_MS;
    for (let before = 0; before < queue.length && performance.now() < deadline;) {
      before = queue.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function commit(group: Waiting[]): Promise<void> {
    const batch = group.flatMap(({ events }) => events);
    const origins = group.flatMap(({ events, origin }) => events.map(() => origin));
    let appended: AppendedEvent[];
    const startedAt = performance.now();
    try {
      appended = await log.append(batch, origins);
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    } finally {
      waiting -= weigh(batch);
    }
    const storedAt = performance.now();
    // They are stored: whatever happens on their way to others is no failure of their senders.
    onStored(appended, origins);
    const deliveredAt = performance.now();
    measures.commitSeconds.observe((storedAt - startedAt) / 1000);
    measures.batchEvents.observe(batch.length);
    let offset = 0;
    for (const { events, way, arrivedAt, resolve } of group) {
      const own = appended.slice(offset, offset + events.length);
      offset += events.length;
      countReceived(measures, own, way);
      measures.ingestSeconds.observe((storedAt - arrivedAt) / 1000, own.length);
      measures.deliverySeconds.observe((deliveredAt - arrivedAt) / 1000, own.length);
      resolve(own);
    }
  }

  return {
    enqueue(events, origin, way = "http") {
      if (closed) return Promise.reject(new CodedError("not_ready"));
      const weight = weigh(events);
      // One batch alone is always taken, however large: it could never be sent again in a better moment.
      if (waiting > 0 && waiting + weight > maxWaiting) return Promise.reject(new CodedError("overloaded"));
      waiting += weight;
      pending += events.length;
      return new Promise((resolve, reject) => {
        queue.push({ events, origin, way, arrivedAt: performance.now(), resolve, reject });
        running ??= run();
      });
    },

    alone: (act) => (closed ? Promise.reject(new CodedError("not_ready")) : inTurn(act)),
    pending: () => pending,

    async close() {
      closed = true;
      while (running) await running;
      await turn;
    },
  };
}

function weigh(events: readonly PendingEvent[]): number {
  return events.reduce((sum, { body }) => sum + body.length, 0);
}
