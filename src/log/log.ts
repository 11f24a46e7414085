/** The event log behind its interface: what the hub asks of any log, in memory or on disk. */
import type { PendingEvent, StoredEvent } from "../protocol/event.ts";
import type { HealthCheck, HistoryGap, LogPosition } from "../protocol/messages.ts";
import type { HistoryQuery, ResumePosition } from "../protocol/query.ts";

export interface EventLog {
  /** The epoch and the range of sequence numbers held; dense, and never given twice in one epoch. */
  position(): LogPosition;

  /**
   * Where a client that saw `resume` has to read on from. A position of an earlier epoch is good up to the seq at
   * which the next one began; what lies between it and this log is said in `gap`.
   */
  locate(resume: ResumePosition): { after: number; gap: HistoryGap | null };

  /**
   * Stores a batch in its order and gives every event its `seq`. Resolves once all of them are stored as
   * safely as the log promises; rejects when none of them is, with `log_unavailable` when it may be tried again.
   *
   * @param origins for each event the subscriber it came from, which a log with `follow` brings back with it
   */
  append(batch: readonly PendingEvent[], origins?: readonly (string | undefined)[]): Promise<AppendedEvent[]>;

  /** All epochs of the log, oldest first; the last is the one of `position`. */
  epochs(): readonly Epoch[];

  /**
   * Stores a part of what another log held, every event as it was there: its seq, its id, its text. Part follows part;
   * what is there already is passed over, so that whoever was interrupted begins anew. Each part is stored whole, with
   * the epochs that are good up to it, or not at all: a log whose import ended halfway is a sound one.
   *
   * Only what continues this log is taken: see `planRestore`, by which all logs decide. The current epoch stays the
   * current one under its name, and its `start_seq` is from then on the last seq that was brought in: nothing was ever
   * given in it, both houses may go on, and positions of the old one are good up to there. Where the history has that
   * epoch itself, a new one begins at that seq.
   *
   * Between a part with events and `more` and one without, and for `IMPORT_PAUSE_MS` after the last one when none follows, `append`
   * refuses with `log_unavailable`, on every node of a log with several. Retention holds as ever: what goes beyond it is
   * trimmed. A log with `follow` tells of the events as of any others, without an origin, before `restore` resolves, and
   * of an epoch only where the current one has another name then; its other nodes answer `locate` and `epochs` by the
   * new list once they have told of the events.
   *
   * Rejects with `history_refused` when it does not continue this log, `log_unavailable` when it may be tried again.
   */
  restore(part: HistoryPart): Promise<Restored>;

  /**
   * Forgets every event before a seq, for good: when it resolves none of them is told of, found or counted, their ids are
   * unknown, and nothing of them is left in the files of this log, of a damaged one set aside neither where no event at
   * all is left. It is only trimming: seqs go on where they were, every position stays good, and who resumes from behind
   * it is told `trimmed`. A seq beyond the end is the end. A log with several nodes tells their followers, and whatever
   * becomes of Redis, no node that has heard of it puts any of them back.
   *
   * Rejects with `log_unavailable` when it may be tried again; events may be forgotten then, and still be in the files.
   */
  forget(beforeSeq: number): Promise<Forgotten>;

  /**
   * A log that others write to as well tells its one follower of everything that is stored; one without it is written
   * to by nobody else, and what `append` returns is all there is. To be called at once, before anything is appended.
   */
  follow?(follower: LogFollower): void;

  /**
   * Resolves once all that anybody had stored when it was asked has been told to the follower, and in any case within
   * half a second: clients wait for it, whose position another node has reached and this one maybe not yet.
   */
  settle?(): Promise<void>;

  /** The events that follow a seq, oldest first, up to so many characters of JSON; at least one if there is any. */
  readAfter(seq: number, maxChars: number): Promise<{ first_seq: number; events: StoredEvent[] }>;

  /** Answers a question about the past; its cost may grow with what matches. */
  query(query: HistoryQuery): Promise<LogPage>;

  /** How a log on another server gets on with that; one on this machine has nothing to tell. */
  remote?(): RemoteFigures;

  size(): LogSize;
  check(): HealthCheck;
  close(): Promise<void>;
}

/** Who is told what becomes of a log that others write to as well. Its functions must not throw. */
export interface LogFollower {
  /**
   * Events as they follow each other, without a hole, each once, and readable from the log. What was appended here is
   * told of before `append` resolves.
   *
   * @param origins what `append` was given, for events that were appended here
   */
  onStored(events: readonly StoredEvent[], origins: readonly (string | undefined)[]): void;
  /** Events up to this seq were trimmed before they could be read: `onStored` goes on behind it. */
  onSkipped(seq: number): void;
  /**
   * A later epoch has begun. When its `start_seq` is less than what was told, what came after it is lost for good, and
   * those seqs come again with other events; else every position stays good, and only its name is another.
   */
  onEpoch(epoch: Epoch): void;
  /** Somebody wanted events to be forgotten, and they are: nothing is to be kept of any that the log no longer holds. */
  onForgotten(): void;
}

/** Counted since it was opened. */
export interface RemoteFigures {
  /** Whether it takes events. */
  up: boolean;
  /** Times a batch was sent once more, as no answer had come. */
  append_retries: number;
  /** Epochs that have begun meanwhile, whoever began them. */
  epochs: number;
  /** Events that are stored there and have not been read here, as of the last look. */
  tail_lag: number;
}

export interface LogSize {
  events: number;
  bytes: number;
  /** Events that the index of filters and search still has to take in or out. */
  index_backlog: number;
}

/** A part of the history of another log. */
export interface HistoryPart {
  /** All epochs of that log, oldest first. */
  epochs: readonly Epoch[];
  /** Of its first event; without events, of the first that is to come. */
  first_seq: number;
  /** Of its last event; without events, of the last that is to come, or `first_seq - 1` when none are held. */
  last_seq: number;
  /** Dense. Without any, and with `more`, the part only asks whether the others would be taken. */
  events: readonly StoredEvent[];
  /** Others follow. */
  more: boolean;
}

export interface Restored extends LogPosition {
  /** The events that were not there yet, oldest first. */
  stored: readonly StoredEvent[];
}

export interface Forgotten extends LogPosition {
  /** How many events there were. */
  forgotten: number;
}

/** What became of one event of a batch, in the batch's order. */
export interface AppendedEvent {
  id: string;
  seq: number;
  /** The event as stored, or null when its `id` was there already; `seq` is then the first one's. */
  stored: StoredEvent | null;
}

export interface LogPage extends LogPosition {
  /** Oldest first. */
  events: StoredEvent[];
  /** How many events of the log match the filter, whatever the page. */
  total_available: number;
}

/** Characters of JSON in one answer at most: of three bytes each still below the 4 MiB at which aiohttp's WebSocket gives up. */
export const MAX_PAGE_CHARS = 1024 * 1024;

/** The leading events whose texts fit into so many characters; at least one, so that paging always advances. */
export function withinChars(events: Iterable<StoredEvent>, maxChars = MAX_PAGE_CHARS): StoredEvent[] {
  const page: StoredEvent[] = [];
  let sum = 0;
  for (const event of events) {
    sum += event.json.length;
    if (sum > maxChars && page.length > 0) break;
    page.push(event);
  }
  return page;
}

/** An epoch and the last seq that the one before it still had in common with it; the first epoch starts at 0. */
export interface Epoch {
  epoch: string;
  start_seq: number;
}

/** `EventLog.locate` for a log with these epochs, oldest first, that ends at `last_seq`. */
export function locateIn(
  epochs: readonly Epoch[],
  last_seq: number,
  resume: ResumePosition,
): ReturnType<EventLog["locate"]> {
  const index = epochs.findIndex(({ epoch }) => epoch === resume.epoch);
  if (index === -1) {
    // Positions of two logs cannot be compared: all this one holds is new to the client.
    const to_seq = Math.max(resume.seq + 1, last_seq);
    return { after: 0, gap: { from_seq: resume.seq + 1, to_seq, reason: "unknown_epoch" } };
  }
  const end = epochs[index + 1]?.start_seq ?? last_seq;
  if (resume.seq <= end) return { after: resume.seq, gap: null };
  return { after: end, gap: { from_seq: end + 1, to_seq: resume.seq, reason: "beyond_end" } };
}
