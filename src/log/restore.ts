/** Whether a part of another log's history continues a log, and what becomes of its epochs. */
import { CodedError } from "../protocol/errors.ts";
import type { StoredEvent } from "../protocol/event.ts";
import { newEpoch } from "./epochs.ts";
import type { Epoch, HistoryPart } from "./log.ts";

/** What is asked of the log that a part is for. */
export interface Held {
  epochs: readonly Epoch[];
  first_seq: number;
  last_seq: number;
  /** The id of an event that is held. */
  idAt(seq: number): string | null | undefined;
}

export interface RestorePlan {
  /** The events to be stored, which follow each other; perhaps none. */
  events: readonly StoredEvent[];
  /** Of the log when that is done; more than it was without events too, where the other log has forgotten them all. */
  last_seq: number;
  /** Of the log when that is done; `Held.epochs` itself where nothing is to be changed. */
  epochs: readonly Epoch[];
}

/** After the last part for so long no events are taken; then whoever brings them has gone away. */
export const IMPORT_PAUSE_MS = 30_000;

/**
 * A log takes what follows its own last event in the same history, as long as nothing has been stored in an epoch that
 * the history does not have. So an empty log takes any; one that holds the beginning of the same history takes the
 * rest, be it of an import that was interrupted or of one made later; any other takes none.
 *
 * Throws `history_refused`.
 */
export function planRestore(part: HistoryPart, held: Held, now: number): RestorePlan {
  const { events, more } = part;
  const { epochs, first_seq, last_seq } = held;
  const differs = epochs.findIndex((own, index) => !isSame(own, part.epochs[index]));
  const common = differs === -1 ? epochs.length : differs;
  const own = epochs.slice(common);
  // Up to here the two are one history, if their events are the same.
  const end = own[0]?.start_seq ?? last_seq;
  const next = part.epochs[common]?.start_seq ?? Infinity;

  for (const { seq, id } of events) {
    if (seq > end || seq < first_seq) continue;
    if (held.idAt(seq) !== id) throw refused(part, held, `there the event ${seq} is another`);
  }
  const unchanged = { events: [], last_seq, epochs };
  if (part.last_seq <= end) return unchanged;
  if (end < last_seq || next < last_seq) throw refused(part, held, "which are others");
  if (part.first_seq > last_seq + 1 && first_seq <= last_seq) {
    throw refused(part, held, `those from ${last_seq + 1} to ${part.first_seq - 1} would be missing`);
  }
  if (events.length === 0 && more) return unchanged;

  const fresh = events.filter(({ seq }) => seq > last_seq);
  const reached = fresh.at(-1)?.seq ?? Math.max(last_seq, part.first_seq - 1);
  const names = new Set(part.epochs.map(({ epoch }) => epoch));
  const current = own.filter(({ epoch }) => !names.has(epoch));
  // Where the history has them all, the other log may give seqs in the last of them as well.
  if (current.length === 0) current.push({ epoch: newEpoch(now), start_seq: reached });
  return {
    events: fresh,
    last_seq: reached,
    epochs: [
      ...part.epochs.filter(({ start_seq }) => start_seq <= reached),
      ...current.map(({ epoch }) => ({ epoch, start_seq: reached })),
    ],
  };
}

function isSame(one: Epoch, other: Epoch | undefined): boolean {
  return one.epoch === other?.epoch && one.start_seq === other.start_seq;
}

function refused(part: HistoryPart, held: Held, why: string): CodedError {
  const holds =
    held.first_seq > held.last_seq
      ? `the log has given the seqs up to ${held.last_seq}`
      : `the log holds the events ${held.first_seq} to ${held.last_seq}`;
  return new CodedError(
    "history_refused",
    `The history from ${part.first_seq} to ${part.last_seq} does not continue what this server holds: ${holds}, ${why}`,
  );
}

/** Keeps events from being stored while a history is brought in: they would take its seqs. */
export interface ImportGate {
  /** Throws `log_unavailable` while it is closed. */
  pass(): void;
  /** A part has been stored; one without events that others are to follow has only asked. */
  taken(part: Pick<HistoryPart, "events" | "more">): void;
}

export function createImportGate(now: () => number = Date.now): ImportGate {
  let closedUntil = 0;
  return {
    pass() {
      if (closedUntil === 0) return;
      if (now() < closedUntil) throw importing();
      closedUntil = 0;
    },
    taken({ events, more }) {
      if (more && events.length === 0) return;
      closedUntil = more ? now() + IMPORT_PAUSE_MS : 0;
    },
  };
}

/** What a log tells whose events come while a history is brought in. */
export function importing(): CodedError {
  return new CodedError("log_unavailable", "A history is being imported; nothing was stored", {
    retryAfter: 1,
  });
}
