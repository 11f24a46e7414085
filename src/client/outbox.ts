/** Events on their way to a server: each stays here until the server has said that it is stored, or will never be. */
import { ERRORS, type ErrorCode } from "../protocol/errors.ts";
import type { JsonObject } from "../protocol/event.ts";
import type { Stored } from "./sender.ts";

/** The event will not be stored; `code` is the server's, or `event_too_large`, `buffer_full` or `stopped` from here. */
export class EventRefused extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.name = "EventRefused";
    this.code = code;
    this.hint = hint;
  }
}

export interface OutgoingEvent extends JsonObject {
  type: string;
  id: string;
}

interface Entry {
  event: OutgoingEvent;
  bytes: number;
  /** It was given to the connection that now is. */
  sent: boolean;
  resolve: (stored: Stored) => void;
  reject: (error: EventRefused) => void;
}

export interface OutboxLimits {
  maxEvents: number;
  maxBytes: number;
  onDropped: (event: OutgoingEvent) => void;
  onRefused: (event: OutgoingEvent, error: EventRefused) => void;
}

export function refusal(code: ErrorCode): EventRefused {
  return new EventRefused(code, ERRORS[code][1], ERRORS[code][2]);
}

export class Outbox {
  readonly #limits: OutboxLimits;
  /** In the order they were given. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  /** Ids of those the server refused for the moment. */
  readonly #postponed = new Set<string>();
  readonly #waiting = new Set<() => void>();

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Takes an event as it is now, whatever becomes of the objects it was made of. One that is by itself larger than all
   * that may wait is refused: to make room for it would cost the others their place and itself as well.
   */
  add(event: OutgoingEvent): Promise<Stored> {
    const promise = new Promise<Stored>((resolve, reject) => {
      const text = jsonOf(event);
      const bytes = new TextEncoder().encode(text).length;
      const entry = { event: JSON.parse(text), bytes, sent: false, resolve, reject };
      if (bytes > this.#limits.maxBytes) {
        const error = tooLarge();
        reject(error);
        this.#limits.onRefused(entry.event, error);
        return;
      }
      this.#entries.set(event.id, entry);
      this.#bytes += bytes;
      this.#dropBeyondLimits();
    });
    // Whoever sends and does not wait must not be ended by a rejection nobody handles.
    promise.catch(() => {});
    return promise;
  }

  /**
   * Marks the next events as sent, so that at most `most` are under way, and returns them. While any is postponed it is
   * one at a time: another that is postponed then has nothing behind it that could come before it.
   */
  take(most: number): { event: OutgoingEvent; bytes: number }[] {
    const window = this.#postponed.size > 0 ? 1 : most;
    const taken: Entry[] = [];
    let position = 0;
    for (const entry of this.#entries.values()) {
      if ((position += 1) > window) break;
      if (entry.sent) continue;
      entry.sent = true;
      taken.push(entry);
    }
    return taken;
  }

  /** It is stored. */
  stored(id: string, seq: number | null): void {
    this.#remove(id)?.resolve({ id, seq });
  }

  /** It will never be stored. */
  refused(id: string, error: EventRefused): void {
    const entry = this.#giveUp(id, error);
    if (entry) this.#limits.onRefused(entry.event, error);
  }

  /** All have to be sent again. */
  unsent(): void {
    for (const entry of this.#entries.values()) entry.sent = false;
  }

  /** The server does not take it at this moment: it has to be sent again. */
  postponed(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.sent = false;
    this.#postponed.add(id);
  }

  /** Gives up all of them. */
  clear(error: EventRefused): void {
    for (const id of this.#entries.keys()) this.#giveUp(id, error);
  }

  /** Calls back once nothing waits here, maybe at once; returns how to end that. */
  whenEmpty(act: () => void): () => void {
    if (this.size === 0) act();
    else this.#waiting.add(act);
    return () => void this.#waiting.delete(act);
  }

  /** The oldest goes first; of what is under way nobody knows yet whether it is lost. */
  #dropBeyondLimits(): void {
    const { maxEvents, maxBytes, onDropped } = this.#limits;
    while (this.size > maxEvents || this.#bytes > maxBytes) {
      const oldest = [...this.#entries.values()].find(({ sent }) => !sent);
      if (!oldest) return;
      const full = new EventRefused(
        "buffer_full",
        "No server took the event before too many others waited",
        "Start a server: claude-mpm-socketio start",
      );
      this.#giveUp(oldest.event.id, full);
      onDropped(oldest.event);
    }
  }

  #giveUp(id: string, error: EventRefused): Entry | null {
    const entry = this.#remove(id);
    entry?.reject(error);
    return entry;
  }

  #remove(id: string): Entry | null {
    const entry = this.#entries.get(id);
    if (!entry) return null;
    this.#entries.delete(id);
    this.#postponed.delete(id);
    this.#bytes -= entry.bytes;
    if (this.size === 0) {
      for (const resolve of this.#waiting) resolve();
      this.#waiting.clear();
    }
    return entry;
  }
}

function tooLarge(): EventRefused {
  const message = "The event is larger than `maxBufferedBytes`";
  return new EventRefused("event_too_large", message, "Shorten it, or raise `maxBufferedBytes`");
}

function jsonOf(event: OutgoingEvent): string {
  try {
    return JSON.stringify(event);
  } catch (error) {
    const message = `The event has no form in JSON: ${(error as Error).message}`;
    throw new EventRefused("invalid_event", message, "Send plain data");
  }
}
