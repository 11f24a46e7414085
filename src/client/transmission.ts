/**
 * Sends what waits in the outbox over whatever connection there is, until each event is stored or refused. They are
 * stored in the order in which they were given, with one exception: an event that the server refuses for the moment is
 * overtaken by those that were sent right behind it, before its answer came. Each has an answer of its own, so nothing
 * can call them back.
 */
import { isCodeForGood } from "../protocol/errors.ts";
import type { EventAck } from "../protocol/messages.ts";
import type { Connection, Refusal } from "./connection.ts";
import { EventRefused, Outbox, type OutboxLimits, type OutgoingEvent, refusal } from "./outbox.ts";
import type { Stored } from "./sender.ts";

export interface TransmissionOptions extends OutboxLimits {
  /** The server said that it is stored; null where it does not number events. */
  onStored: (seq: number | null) => void;
  /** The server does not take events from this client; what waits is sent again after `pauseMs`. */
  onHeld: (refusal: Refusal) => void;
  pauseMs: number;
}

/** Events under way at once: enough to fill the line, few enough not to flood a server that has just started. */
const WINDOW = 100;
/** A message around an event: packet types, an acknowledgement's number, the event's name. */
const PACKET_BYTES = 64;
const SEND_AGAIN_MS = 1000;

export class Transmission {
  readonly outbox: Outbox;
  readonly #options: TransmissionOptions;
  #connection: Connection | null = null;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TransmissionOptions) {
    this.#options = options;
    this.outbox = new Outbox(options);
  }

  /** Takes an event, and sends it when its turn comes. */
  send(event: OutgoingEvent): Promise<Stored> {
    const stored = this.outbox.add(event);
    this.#pump();
    return stored;
  }

  /** Goes on over this connection, beginning with what has no answer yet; null is none. */
  use(connection: Connection | null): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.#connection = connection;
    this.outbox.unsent();
    this.#pump();
  }

  /** Sends what waits, as far as the window is open. */
  #pump(): void {
    const connection = this.#connection;
    if (!connection || this.#holdTimer) return;
    const tooLarge: string[] = [];
    for (const { event, bytes } of this.outbox.take(WINDOW)) {
      // Sent all the same it would cost the connection, and be sent again on the next one.
      if (bytes + PACKET_BYTES > connection.maxMessageBytes()) tooLarge.push(event.id);
      else connection.send(event, (answer) => this.#answered(event.id, answer));
    }
    if (tooLarge.length === 0) return;
    // Told only now: who hears of it may send, which must not come before what was taken already.
    for (const id of tooLarge) this.outbox.refused(id, refusal("event_too_large"));
    this.#pump();
  }

  #answered(id: string, answer: EventAck | undefined): void {
    if (answer?.ok === false) {
      const { code, message, hint } = answer.error;
      if (!isCodeForGood(code)) return this.#sendLater(id, { code, message, hint });
      this.outbox.refused(id, new EventRefused(code, message, hint));
    } else {
      const seq = answer?.seq ?? null;
      this.#options.onStored(seq);
      this.outbox.stored(id, seq);
    }
    this.#pump();
  }

  #sendLater(id: string, why: Refusal): void {
    this.outbox.postponed(id);
    if (this.#holdTimer !== undefined) return;
    const isAboutClient = why.code === "scope_missing";
    this.#holdTimer = setTimeout(
      () => {
        this.#holdTimer = undefined;
        this.#pump();
      },
      isAboutClient ? this.#options.pauseMs : SEND_AGAIN_MS,
    );
    if (isAboutClient) this.#options.onHeld(why);
  }
}
