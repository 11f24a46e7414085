/** Everything that comes from the server by itself: history first, then live, over every loss of the connection. */
import { computed, signal } from "@preact/signals";
import { openConnection } from "../../client/connection.ts";
import { Position } from "../../client/position.ts";
import type { JsonObject } from "../../protocol/event.ts";
import type { ConnectionAck, HistoryGap } from "../../protocol/messages.ts";
import { count, gapWords } from "../parts/words.ts";
import { getHealth, getHistory, isReady } from "./api.ts";
import { type Arrival, EventList } from "./event-list.ts";
import { NO_FILTER } from "./filter.ts";
import { asked, currentToken, isRefusal, refused } from "./login.ts";
import { rowOf } from "./row.ts";

/** In "locked" somebody has to log in before it goes on. */
export type Phase = "loading" | "live" | "catching_up" | "reconnecting" | "locked";

/** Something about the connection that whoever looks at the page has to know. */
export interface Note {
  at: number;
  kind: "lost" | "resumed" | "gap" | "restarted" | "other_log";
  text: string;
}

export interface Feed {
  /** All events, unfiltered. */
  readonly all: EventList;
  /** Counts up when what was shown is not the server's log any more, and lists have to be made anew. */
  readonly log: { readonly value: number };
  /** Resolves with the first page of the history. */
  readonly ready: Promise<void>;
  /** It is live only when all that was missed is shown. */
  readonly phase: { readonly value: Phase };
  /** Since when nobody knows whether what is shown still holds, milliseconds since the epoch; null while it does. */
  readonly staleSince: { readonly value: number | null };
  /** When the next attempt comes, milliseconds since the epoch; null while there is none to come. */
  readonly nextAttempt: { readonly value: number | null };
  /** The newest last. */
  readonly notes: { readonly value: readonly Note[] };
  /** Told of what has come, some events at a time; the answer ends it. */
  onArrivals(listener: (arrivals: readonly Arrival[]) => void): () => void;
  /** Told of every connection; the answer ends it. */
  onConnected(listener: () => void): () => void;
  /** Tries at once, where it waits. */
  retryNow(): void;
}

/** Enough to fill a screen; the others follow when that one is drawn. */
const FIRST_PAGE = 200;
/** What is drawn first must not wait for what comes ahead. */
const AHEAD_DELAY_MS = 300;
/** Between pages that are loaded ahead, so that nobody else has to wait for them. */
const AHEAD_PAUSE_MS = 40;
const RETRY = { firstMs: 500, mostMs: 5000 };
const CONNECT_TIMEOUT_MS = 5000;
const MAX_NOTES = 100;
/** In a page that is not seen no frame is drawn. */
const UNSEEN_BATCH_MS = 250;
/** A server that hangs keeps its connections: after so long without an event it is asked. */
const QUIET_MS = 4000;
/** After this a connection is not told of a gap any more. */
const GAP_MS = 500;

export function startFeed(): Feed {
  const all = new EventList(NO_FILTER, null);
  const log = signal(0);
  const phase = signal<Phase>("loading");
  const nextAttempt = signal<number | null>(null);
  const notes = signal<readonly Note[]>([]);
  const lostAt = signal<number | null>(null);
  const silentSince = signal<number | null>(null);
  const listeners = new Set<(arrivals: readonly Arrival[]) => void>();
  const onConnected = new Set<() => void>();
  let position = new Position(null);
  let pending: JsonObject[] = [];
  let scheduled = false;
  let startTime: string | null = null;
  let heardAt = Date.now();
  let endPause = () => {};
  let onFirstPage = () => {};
  const ready = new Promise<void>((resolve) => (onFirstPage = resolve));
  /** What was missed while there was no connection: up to which seq, and how much came of it. */
  let catchUp: { to: number; came: number; isAnotherLog: boolean } | null = null;

  function note(kind: Note["kind"], text: string): void {
    notes.value = [...notes.value, { at: Date.now(), kind, text }].slice(-MAX_NOTES);
  }

  function take(event: JsonObject): void {
    if (!position.takes(event.seq)) return;
    pending.push(event);
    schedule();
  }

  /** At most once a frame: drawing is what costs. */
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    if (document.visibilityState === "visible") requestAnimationFrame(flush);
    else setTimeout(flush, UNSEEN_BATCH_MS);
  }

  function flush(): void {
    if (!scheduled) return;
    scheduled = false;
    hear();
    const arrivals = pending.map((event) => ({ event, row: rowOf(event) }));
    pending = [];
    if (catchUp) catchUp.came += arrivals.length;
    all.append(arrivals);
    for (const listener of listeners) listener(arrivals);
    endCatchUp();
  }

  function endCatchUp(): void {
    const reached = position.current?.seq ?? 0;
    if (catchUp === null || reached < catchUp.to || pending.length > 0) return;
    const { came, isAnotherLog } = catchUp;
    if (isAnotherLog) note("resumed", `${count(came, "event")} of it loaded`);
    else if (came > 0) note("resumed", `${count(came, "event")} caught up`);
    else note("resumed", "connected again, nothing came meanwhile");
    catchUp = null;
    phase.value = "live";
  }

  function onGap(gap: HistoryGap): void {
    // What came before it stands before it.
    flush();
    position.gap(gap);
    note(gap.reason === "unknown_epoch" ? "other_log" : "gap", gapWords(gap));
    all.takeGap(gap);
    log.value += 1;
    if (catchUp && gap.reason === "unknown_epoch") catchUp.isAnotherLog = true;
    endCatchUp();
  }

  async function greeted(ack: Partial<ConnectionAck>): Promise<void> {
    nextAttempt.value = null;
    lostAt.value = null;
    hear();
    const isSameLog = position.current?.epoch === ack.epoch;
    position.greeted(ack);
    if (phase.value === "reconnecting") {
      phase.value = "catching_up";
      catchUp = { to: ack.last_seq ?? 0, came: 0, isAnotherLog: false };
      // Of another epoch a position says nothing before the gap is told, which comes at once if there is one.
      if (isSameLog) endCatchUp();
      else setTimeout(endCatchUp, GAP_MS);
    } else phase.value = "live";
    void loadAhead();
    for (const listener of onConnected) listener();
    try {
      const health = await getHealth();
      if (startTime !== null && startTime !== health.start_time) {
        note("restarted", `the server was restarted (version ${health.server_version}, PID ${health.pid})`);
      }
      startTime = health.start_time;
    } catch {
      // The connection is about to be lost.
    }
  }

  /** Resolves when the connection is lost again; true when there was one. */
  async function connectOnce(): Promise<boolean> {
    const token = await currentToken();
    return new Promise((resolve) => {
      const { current: resume } = position;
      const auth = {
        client_id: "dashboard",
        ...(token === null ? {} : { token }),
        ...(resume ? { resume } : {}),
      };
      let isGreeted = false;
      openConnection(
        location.origin,
        { auth, timeoutMs: CONNECT_TIMEOUT_MS },
        {
          onGreeting(ack) {
            isGreeted = true;
            void greeted(ack);
          },
          onEpoch: (ack) => position.renamed(ack),
          onEvent: take,
          onGap,
          onLost(_reason, refusal) {
            if (refusal !== null && isRefusal(refusal.code)) refused(token, refusal);
            resolve(isGreeted);
          },
        },
      );
    });
  }

  /** The newest page; what comes after it comes over the connection. */
  async function loadFirst(): Promise<void> {
    const page = await getHistory(new URLSearchParams({ limit: `${FIRST_PAGE}` }));
    position = new Position({ epoch: page.epoch, seq: page.last_seq });
    all.begin(page);
    log.value += 1;
    onFirstPage();
  }

  async function run(): Promise<never> {
    for (let failures = 0; ; failures += 1) {
      try {
        if (position.current === null) await loadFirst();
        if (await connectOnce()) failures = 0;
      } catch {
        // There is no server.
      }
      if (phase.value !== "reconnecting") {
        const isLocked = asked.peek() !== null;
        note("lost", isLocked ? "the log-in has ended" : "the connection to the server is lost");
        lostAt.value = silentSince.peek() ?? Date.now();
      }
      silentSince.value = null;
      catchUp = null;
      if (asked.peek() !== null) {
        phase.value = "locked";
        await currentToken();
        phase.value = "reconnecting";
        failures = -1;
        continue;
      }
      phase.value = "reconnecting";
      const delayMs = Math.min(RETRY.mostMs, RETRY.firstMs * 2 ** failures) * (0.75 + Math.random() / 2);
      nextAttempt.value = Date.now() + delayMs;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delayMs);
        endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async function loadAhead(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, AHEAD_DELAY_MS));
    while (await all.loadOlder()) await new Promise((resolve) => setTimeout(resolve, AHEAD_PAUSE_MS));
  }

  function hear(): void {
    heardAt = Date.now();
    silentSince.value = null;
  }

  async function askWhetherItAnswers(): Promise<void> {
    const isQuiet = phase.value === "live" && Date.now() - heardAt >= QUIET_MS;
    if (!isQuiet || document.visibilityState !== "visible") return;
    if (await isReady()) hear();
    else if (phase.value === "live") silentSince.value = heardAt;
  }

  const retryNow = () => endPause();
  globalThis.addEventListener("online", retryNow);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") retryNow();
    // The frame that was waited for does not come any more.
    else setTimeout(flush, UNSEEN_BATCH_MS);
  });
  setInterval(() => void askWhetherItAnswers(), QUIET_MS);
  void run();
  return {
    all,
    log,
    ready,
    phase,
    staleSince: computed(() => lostAt.value ?? silentSince.value),
    nextAttempt,
    notes,
    retryNow,
    onConnected(listener) {
      onConnected.add(listener);
      return () => void onConnected.delete(listener);
    },
    onArrivals(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
