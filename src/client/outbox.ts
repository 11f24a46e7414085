/** Events on their way to a server: each stays here until the server has said that it is stored, or will never be. */
import { ERRORS, type ErrorCode } from "../protocol/errors.ts";
import type { JsonObject } from "../protocol/event.ts";
import type { Stored } from "./sender.ts";

/** The event will not be stored; `code` is the server's, or `buffer_full` or `stopped`. */
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
}

export function refusal(code: ErrorCode): EventRefused {
  return new EventRefused(code, ERRORS[code][1], ERRORS[code][2]);
}

export class Outbox {
  readonly #limits: OutboxLimits;
  /** In the order they were given. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes an event as it is now, whatever becomes of the objects it was made of. */
  add(event: OutgoingEvent): Promise<Stored> {
    const promise = new Promise<Stored>((resolve, reject) => {
      const text = jsonOf(event);
      const bytes = new TextEncoder().encode(text).length;
      this.#entries.set(event.id, { event: JSON.parse(text), bytes, sent: false, resolve, reject });
      this.#bytes += bytes;
      this.#dropBeyondLimits();
    });
    // Whoever sends and does not wait must not be ended by a rejection nobody handles.
    promise.catch(() => {});
    return promise;
  }

  /** Marks the next events as sent, so that at most `window` are under way, and returns them. */
  take(window: number): { event: OutgoingEvent; bytes: number }[] {
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

  /** It will never be stored. Returns the event, where it was still here. */
  refused(id: string, error: EventRefused): OutgoingEvent | null {
    const entry = this.#remove(id);
    entry?.reject(error);
    return entry?.event ?? null;
  }

  /** It has to be sent again; without an id all have to. */
  unsent(id?: string): void {
    const entries = id === undefined ? [...this.#entries.values()] : [this.#entries.get(id)];
    for (const entry of entries) if (entry) entry.sent = false;
  }

  /** Gives up all of them. */
  clear(error: EventRefused): void {
    for (const id of this.#entries.keys()) this.refused(id, error);
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
      this.refused(oldest.event.id, full);
      onDropped(oldest.event);
    }
  }

  #remove(id: string): Entry | null {
    const entry = this.#entries.get(id);
    if (!entry) return null;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
    if (this.size === 0) {
      for (const resolve of this.#waiting) resolve();
      this.#waiting.clear();
    }
    return entry;
  }
}

function jsonOf(event: OutgoingEvent): string {
  try {
    return JSON.stringify(event);
  } catch (error) {
    const message = `The event has no form in JSON: ${(error as Error).message}`;
    throw new EventRefused("invalid_event", message, "Send plain data");
  }
}
