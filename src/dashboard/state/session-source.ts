/** Where the events of one session come from: the server, or the file that the page itself is. */
import { effect } from "@preact/signals";
import { createContext } from "preact";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { Session } from "../../protocol/messages.ts";
import { ApiError, getEvent, getHistory, getSession } from "./api.ts";
import type { Feed } from "./feed.ts";

/** Events of a session, oldest first. */
export interface Page {
  events: JsonObject[];
  /** How many the source has of this session. */
  total: number;
}

export interface SessionSource {
  readonly id: string;
  /** What the page is an export of; null when it is a server's. */
  readonly exported: { at: number; masked: number } | null;
  /** The newest events first, then those before them. */
  pages(): AsyncGenerator<Page>;
  event(seq: number): Promise<JsonObject | null>;
  /** What is known of it beyond the events that are still there; null where nothing is. */
  session(): Promise<Session | null>;
  /** Resolves when no event can come between what `pages` gives and what `follow` tells. */
  ready(): Promise<void>;
  /** Tells of events as they come; the answer ends it. */
  follow(listener: (events: readonly JsonObject[]) => void): () => void;
}

/** An exported page leads nowhere else. */
export const StandsAlone = createContext(false);

const PAGE = 1000;

export function liveSource(id: string, feed: Feed): SessionSource {
  return {
    id,
    exported: null,
    event: getEvent,

    async session() {
      // Browsers write every refusal into their console.
      const { total_available: total } = await getHistory(
        new URLSearchParams({ session_id: id, limit: "1" }),
      );
      if (total === 0) return null;
      try {
        return await getSession(id);
      } catch (error) {
        if (error instanceof ApiError) return null;
        throw error;
      }
    },

    async *pages() {
      for (let before = 0; ;) {
        const query = new URLSearchParams({ session_id: id, limit: `${PAGE}` });
        if (before > 0) query.set("before", `${before}`);
        const { events: found, total_available: total, first_seq: first } = await getHistory(query);
        const events = found.filter(isObject);
        yield { events, total };
        before = Number(events[0]?.seq ?? 0);
        if (before <= first) return;
      }
    },

    /** Before the feed knows where it stands in the log, what it will tell of first is open. */
    ready() {
      return new Promise((resolve) => {
        const stop = effect(() => {
          if (feed.phase.value === "loading") return;
          resolve();
          queueMicrotask(() => stop());
        });
      });
    },

    follow(listener) {
      return feed.onArrivals((arrivals) => {
        const own = arrivals.filter(({ row }) => row.sessionId === id);
        if (own.length > 0) listener(own.map(({ event }) => event));
      });
    },
  };
}
