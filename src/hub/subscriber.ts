/** Who gets events, and what is known of each while it does. */
import type { CodedError } from "../protocol/errors.ts";
import type { StoredEvent } from "../protocol/event.ts";
import type { HistoryGap } from "../protocol/messages.ts";
import type { EventFilter } from "../protocol/query.ts";
import type { ClientIdentity } from "./clients.ts";

/**
 * A way to many receivers at once. A subscriber with a channel is on it while it is live and wants everything;
 * filtered or behind, it gets its events one by one like any other.
 */
export interface Channel {
  join(id: string): void;
  leave(id: string): void;
  has(id: string): boolean;
  /**
   * Gives an event to all on the channel but one.
   *
   * @returns whether it is time to look who has fallen behind
   */
  publish(event: StoredEvent, exceptId: string | undefined): boolean;
}

/** One receiver of the live feed: a socket, a stream. */
export interface Subscriber {
  id: string;
  /** A part of this server and no client: it is not counted. */
  internal?: boolean;
  channel?: Channel;
  /** Who it is; without it, it is not shown among the receivers. */
  identify?(): ClientIdentity;
  /** The part of it that costs nothing to ask. */
  transport?(): ClientIdentity["transport"];
  onEvent(event: StoredEvent): void;
  onGap(gap: HistoryGap): void;
  /**
   * Positions carry another epoch's name from now on; all that it was given, up to `seq`, is good in that one too.
   */
  onEpoch?(epoch: string, seq: number): void;
  /** Bytes that were given to the receiver and have not left the process. */
  buffered(): number;
  /** Resolves when some of them may have left; it need not be true. */
  drained(): Promise<void>;
  /**
   * The feed has ended, because the log could not be read or has lost what was given already: the receiver has to
   * connect again.
   */
  onFailure(): void;
  /** Ends it for good, as somebody with the right to has asked. */
  dismiss?(reason: CodedError): void;
  /** The server stops; for receivers that nothing else would tell. */
  onEnd?(): void;
}

export interface Subscription {
  /** While it reads from the log: it is done with everything up to this seq. Null while it is live, where the hub is. */
  readonly catchingUpFrom: number | null;
  /** Narrows what arrives from now on; null is everything. */
  setFilter(filter: EventFilter | null): void;
  close(): void;
}

/** A client's place in the feed at one moment. */
export interface Receiver extends ClientIdentity {
  id: string;
  /** Null is everything. */
  filter: EventFilter | null;
  /** Events of the log it has not been taken past yet; 0 while it is live. */
  lag: number;
  /** As `Subscriber.buffered`. */
  buffered: number;
}
