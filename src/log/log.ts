/** The event log behind its interface: what the hub asks of any log, in memory or on disk. */
import type { PendingEvent, StoredEvent } from "../protocol/event.ts";
import type { HealthCheck, LogPosition } from "../protocol/messages.ts";
import type { HistoryQuery } from "../protocol/query.ts";

export interface EventLog {
  /** The epoch and the range of sequence numbers held; dense, starting at 1 within an epoch. */
  position(): LogPosition;

  /**
   * Stores a batch in its order and gives every event its `seq`. Resolves once all of them are stored as
   * safely as the log promises; rejects when none of them is.
   */
  append(batch: readonly PendingEvent[]): Promise<AppendedEvent[]>;

  /** Reads one page, oldest first. */
  read(query: HistoryQuery): Promise<LogPage>;

  size(): { events: number; bytes: number };
  check(): HealthCheck;
  close(): Promise<void>;
}

/** What became of one event of a batch, in the batch's order. */
export interface AppendedEvent {
  id: string;
  seq: number;
  /** The event as stored, or null when its `id` was there already; `seq` is then the first one's. */
  stored: StoredEvent | null;
}

export interface LogPage extends LogPosition {
  events: StoredEvent[];
  /** How many events of the log match the filter, whatever the page. */
  total_available: number;
}
