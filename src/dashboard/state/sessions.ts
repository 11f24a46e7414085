/** The sessions as the server tells them, asked for anew when something has happened in one. */
import { computed, signal } from "@preact/signals";
import type { Session } from "../../protocol/messages.ts";
import { getSessions, problemText } from "./api.ts";
import type { Feed } from "./feed.ts";

/** At most so often. */
const REFRESH_MS = 500;
const REFRESH_UNSEEN_MS = 2000;
/** Without any event: silence ends sessions too. */
const IDLE_REFRESH_MS = 30_000;
const FIRST_SESSIONS = 60;
/** The server keeps no more. */
const MAX_SESSIONS = 1000;

export interface SessionList {
  readonly all: { readonly value: readonly Session[] };
  readonly waiting: { readonly value: readonly Session[] };
  /** Null until the first answer. */
  readonly error: { readonly value: string | null };
  readonly isLoaded: { readonly value: boolean };
  /** There may be more than are shown. */
  readonly hasMore: { readonly value: boolean };
  showMore(): void;
}

export function followSessions(feed: Feed): SessionList {
  const all = signal<readonly Session[]>([]);
  const error = signal<string | null>(null);
  const isLoaded = signal(false);
  const limit = signal(FIRST_SESSIONS);
  let askedAt = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isAsking = false;
  let askAgain = false;

  async function ask(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (isAsking) return void (askAgain = true);
    isAsking = true;
    askAgain = false;
    askedAt = Date.now();
    try {
      all.value = await getSessions(limit.value);
      isLoaded.value = true;
      error.value = null;
    } catch (failure) {
      error.value = problemText(failure);
    }
    isAsking = false;
    if (askAgain) refresh();
  }

  function refresh(): void {
    if (timer !== null) return;
    const pause = document.visibilityState === "visible" ? REFRESH_MS : REFRESH_UNSEEN_MS;
    timer = setTimeout(() => void ask(), Math.max(0, askedAt + pause - Date.now()));
  }

  feed.onArrivals((arrivals) => {
    if (arrivals.some(({ row }) => row.sessionId !== null)) refresh();
  });
  feed.onConnected(refresh);
  setInterval(refresh, IDLE_REFRESH_MS);
  void ask();

  return {
    all,
    error,
    isLoaded,
    waiting: computed(() => all.value.filter(({ state }) => state === "waiting")),
    hasMore: computed(() => all.value.length >= limit.value && limit.value < MAX_SESSIONS),
    showMore() {
      limit.value = Math.min(MAX_SESSIONS, limit.value + FIRST_SESSIONS);
      void ask();
    },
  };
}
