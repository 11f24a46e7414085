/** All sessions, kept from the event log: the stored ones at the start, then those that are live. */
import { isObject, matchesProject, type StoredEvent } from "../protocol/event.ts";
import type { Session } from "../protocol/messages.ts";
import type { SessionQuery } from "../protocol/query.ts";
import type { Delivery } from "./delivery.ts";
import type { Subscriber, Subscription } from "./subscriber.ts";
import { readStep, type Step } from "../sessions/step.ts";
import { createTimeline, type Timeline } from "../sessions/timeline.ts";
import { shorten, viewSession } from "../sessions/view.ts";

export interface Sessions {
  /** Newest activity first, with long lists cut. */
  list(query: SessionQuery): Promise<Session[]>;
  /** One session whole, or null. */
  get(sessionId: string): Promise<Session | null>;
  /** Forgets everything and reads the log anew: what was taken from it may not be in it any more. */
  restart(): void;
  close(): void;
}

export interface SessionsOptions {
  delivery: Pick<Delivery, "subscribe" | "deliveredSeq" | "epoch">;
  onError: (error: unknown) => void;
  now?: () => number;
}

/** Those that were active last are kept. */
const MAX_SESSIONS = 1000;
/** Beyond it nothing more is expected to arrive late. */
const SETTLED_MS = 15 * 60_000;

/** Events are read in the pauses: so long at a time, and after so long a pause. */
const SLICE_MS = 2;
const PAUSE_MS = 5;
/** More than this coming in is a flood, in which others come first, and who asks has to wait for what is left. */
const FLOOD_EVENTS_PER_SECOND = 2000;
const FLOOD_PAUSE_MS = 500;
/** Before a log that could not be read is tried again. */
const RETRY_MS = 1000;

/** Stands in the queue for events that cannot be had. */
const NOTHING = { id: "", received_at: 0, type: null, session_id: null, project: null, json: "" };

/** Follows the live feed as any receiver does, so that it misses and repeats nothing, and costs no memory when behind. */
export function createSessions({ delivery, onError, now = Date.now }: SessionsOptions): Sessions {
  const timelines = new Map<string, Timeline>();
  let queue: StoredEvent[] = [];
  let chars = 0;
  let reachedSeq = 0;
  let timer: Timer | null = null;
  let onDrained = () => {};
  let closed = false;
  /** The log could not be read; what is known is told. */
  let broken = false;
  const lastSlice = { at: performance.now(), deliveredSeq: delivery.deliveredSeq() };

  const subscriber: Subscriber = {
    id: "sessions",
    internal: true,
    onEvent(event) {
      queue.push(event);
      chars += event.json.length;
      schedule();
    },
    // What came before the gap is still to be taken.
    onGap({ to_seq: seq }) {
      queue.push({ ...NOTHING, seq });
      schedule();
    },
    onFailure() {
      onError(new Error("the sessions are behind: the log could not be read"));
      broken = true;
      if (!closed) retry = setTimeout(() => (subscription = follow()), RETRY_MS);
    },
    buffered: () => chars,
    drained: () => new Promise((resolve) => (onDrained = resolve)),
  };
  let retry: Timer | undefined;
  let subscription = follow();

  function follow(): Subscription {
    broken = false;
    const seq = queue.at(-1)?.seq ?? reachedSeq;
    return delivery.subscribe(subscriber, { resume: { epoch: delivery.epoch(), seq } });
  }

  function schedule(): void {
    if (closed || timer !== null || queue.length === 0) return;
    timer = setTimeout(
      () => {
        timer = null;
        work();
        schedule();
      },
      isFlood() ? FLOOD_PAUSE_MS : PAUSE_MS,
    );
  }

  /** Since it was asked the last time. */
  function isFlood(): boolean {
    const [at, deliveredSeq] = [performance.now(), delivery.deliveredSeq()];
    const perSecond = ((deliveredSeq - lastSlice.deliveredSeq) / Math.max(1, at - lastSlice.at)) * 1000;
    Object.assign(lastSlice, { at, deliveredSeq });
    return perSecond > FLOOD_EVENTS_PER_SECOND;
  }

  function work(): void {
    const deadline = performance.now() + SLICE_MS;
    let done = 0;
    while (done < queue.length && performance.now() < deadline) {
      const event = queue[done] as StoredEvent;
      done += 1;
      chars -= event.json.length;
      reachedSeq = event.seq;
      take(event);
    }
    queue = queue.slice(done);
    onDrained();
  }

  function take({ session_id: sessionId, project, received_at: receivedAt, json }: StoredEvent): void {
    if (sessionId === null) return;
    try {
      const event: unknown = JSON.parse(json);
      if (!isObject(event)) return;
      const step = readStep(event, project, receivedAt);
      const timeline = timelines.get(sessionId) ?? begin(sessionId, step);
      timeline.add(step);
      // Set anew, so that the first in the map is the one that was active longest ago.
      timelines.delete(sessionId);
      timelines.set(sessionId, timeline);
      const [oldest = ""] = timelines.keys();
      if (timelines.size > MAX_SESSIONS) timelines.delete(oldest);
    } catch (error) {
      // One event that nobody foresaw must not cost the others their session.
      onError(error);
    }
  }

  function begin(sessionId: string, step: Step): Timeline {
    for (const timeline of timelines.values()) {
      if (timeline.lastEventAt < step.time - SETTLED_MS) timeline.settle();
    }
    return createTimeline(sessionId, step);
  }

  /** Whoever asks is told of everything that was delivered before. */
  async function catchUp(): Promise<void> {
    const target = delivery.deliveredSeq();
    // Some of it may be lost meanwhile.
    while (reachedSeq < Math.min(target, delivery.deliveredSeq()) && !closed && !broken) {
      const isIdle = queue.length === 0;
      work();
      // What is still to come may take its time.
      await new Promise((resolve) => (isIdle ? setTimeout(resolve, PAUSE_MS) : setImmediate(resolve)));
    }
  }

  return {
    async list({ state, project, limit }) {
      await catchUp();
      const asked = now();
      const found: Session[] = [];
      let sliceEnd = performance.now() + SLICE_MS;
      for (const timeline of [...timelines.values()].toSorted((a, b) => b.lastEventAt - a.lastEventAt)) {
        if (found.length === limit) break;
        // To put what came late in its place takes a millisecond and more for each session.
        if (performance.now() > sliceEnd) {
          await new Promise((resolve) => setImmediate(resolve));
          sliceEnd = performance.now() + SLICE_MS;
        }
        const session = timeline.session();
        if (project !== undefined && !matchesProject(session.project, project)) continue;
        const seen = viewSession(session, asked);
        if (state === undefined || seen.state === state) found.push(shorten(seen));
      }
      return found;
    },

    async get(sessionId) {
      await catchUp();
      const timeline = timelines.get(sessionId);
      return timeline ? viewSession(timeline.session(), now()) : null;
    },

    restart() {
      if (closed) return;
      clearTimeout(retry);
      subscription.close();
      timelines.clear();
      queue = [];
      chars = 0;
      reachedSeq = 0;
      onDrained();
      subscription = follow();
    },

    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      clearTimeout(retry);
      subscription.close();
      onDrained();
    },
  };
}
