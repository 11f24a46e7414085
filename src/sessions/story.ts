/**
 * The story of one session: what each agent did and when, for a timeline and the tables beside it. What the steps mean
 * is the state machine's to say; here is written down what it makes of each.
 */
import type * as wire from "../protocol/messages.ts";
import { layLanes } from "./lanes.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import { countUpTo, createReplay } from "./replay.ts";
import { createSession, type Outcome } from "./state.ts";
import type { Step } from "./step.ts";
import { countFiles, countTools } from "./tables.ts";
import { silentEnd } from "./view.ts";

/** All times are milliseconds since the epoch. */
export interface Story {
  from: number;
  /** The moment it is read at, for a session that goes on; else the last one anything is told of. */
  to: number;
  /** The main agent's, then the others', each behind whoever started it. */
  lanes: Lane[];
  waits: WaitSpan[];
  marks: Mark[];
  tools: ToolRow[];
  files: FileRow[];
}

/** One agent's. */
export interface Lane {
  /** Null is the main agent. */
  agentId: string | null;
  agentType: string | null;
  /** What the call that started it asked for, in a few words; empty where that was not seen. */
  task: string;
  /** Null is the main agent, or not known. */
  parentAgentId: string | null;
  parentToolUseId: string | null;
  /** 0 is the main agent. */
  depth: number;
  /** When it was first seen. */
  startedAt: number;
  endedAt: number | null;
  state: wire.SessionState;
  /** How many calls lie above each other where most do. */
  rows: number;
  /** In the order of their beginnings. */
  spans: Span[];
}

/** A tool call. */
export interface Span {
  /** Without an id nothing can tell its end: it is a moment whose outcome nobody knows. */
  toolUseId: string | null;
  tool: string;
  /** What it is called on, in a few words. */
  argument: string;
  agentId: string | null;
  startedAt: number;
  /** Null while it is open. */
  endedAt: number | null;
  /** As its hook says, else the time between its two ends; null while it is open, or its beginning was not seen. */
  durationMs: number | null;
  outcome: Outcome | null;
  /** Of the event that began it, or of the first that tells of it. */
  seq: number;
  /** Of the event that ended it; null while it is open, or when silence did. */
  endSeq: number | null;
  /** Why it failed or was denied. */
  message: string | null;
  /** The file it reads or writes. */
  path: string | null;
  /** Within its lane, so that calls side by side do not cover each other. */
  row: number;
}

/** A time in which a person was asked. */
export interface WaitSpan {
  kind: wire.SessionWait["kind"];
  agentId: string | null;
  tool: string | null;
  toolUseId: string | null;
  message: string | null;
  from: number;
  to: number | null;
  seq: number;
}

export type MarkKind = "prompt" | "stop" | "failure" | "start" | "end" | "notification" | "compact";

/** What happened at one moment. Prompts are those of humans. */
export interface Mark {
  kind: MarkKind;
  time: number;
  seq: number;
  text: string;
  agentId: string | null;
}

/** Durations are those of calls that came to an end of their own. */
export interface ToolRow {
  tool: string;
  calls: number;
  failures: number;
  denied: number;
  unfinished: number;
  medianMs: number | null;
  p95Ms: number | null;
  totalMs: number;
  slowest: Span | null;
}

/** Reads and edits that were successful. */
export interface FileRow {
  path: string;
  reads: number;
  edits: number;
  by: { agentId: string | null; agentType: string | null; reads: number; edits: number }[];
  lastAt: number;
}

/** An event as a story takes it. */
export interface Entry {
  step: Step;
  seq: number;
  /** What a mark says, as of `summarise`. */
  text: string;
}

export interface LiveStory {
  /** Takes events in any order, the same one twice too: they count where their times put them, and then their `seq`. */
  add(entry: Entry): void;
  /**
   * Steps are gone through as far as they are new; after an event that came late, all of them. The answer is a copy, in
   * which every call is copied, sorted into its lane and counted: what a frame of a replay shows is cut out of one.
   */
  read(now: number): Story;
  /** The session as it stood at a moment, or null before it began. Playing forward is cheap. */
  sessionAt(time: number): wire.Session | null;
}

export function createStory(sessionId: string): LiveStory {
  /** In the order of their times. */
  const entries: Entry[] = [];
  const replay = createReplay(sessionId, entries);
  let recorder: Recorder | null = null;
  let recorded = 0;

  return {
    add(entry) {
      const index = countUpTo(entries, entry.step.time, entry.seq);
      const before = entries[index - 1];
      if (before?.seq === entry.seq) return;
      if (index === entries.length) entries.push(entry);
      else entries.splice(index, 0, entry);
      if (index < recorded) [recorder, recorded] = [null, 0];
      replay.forget(index);
    },

    read(now) {
      const [first] = entries;
      if (!first) return tell(createRecorder(createSession(sessionId, now)), now);
      recorder ??= createRecorder(createSession(sessionId, first.step.time));
      for (; recorded < entries.length; recorded += 1) recorder.take(entries[recorded] as Entry);
      return tell(recorder, now);
    },

    sessionAt: (time) => replay.sessionAt(time),
  };
}

function tell({ session, spans, waits, marks, agents }: Recorder, now: number): Story {
  const over = silentEnd(session, now);
  const isLive = over === null && session.endedReason === null;
  const copies = spans.map((span): Span => {
    const copy = { ...span, row: 0 };
    if (over === null || span.endedAt !== null) return copy;
    return { ...copy, endedAt: over, durationMs: over - span.startedAt, outcome: "unfinished" };
  });
  const told = waits.map(({ wait, from, to, seq }): WaitSpan => {
    const { kind, agentId, tool, toolUseId, message } = wait;
    return { kind, agentId, tool, toolUseId, message, from, to: to ?? over, seq };
  });
  const lanes = layLanes({ session, agents }, copies, over);
  let [from, to] = [session.startedAt, isLive ? Math.max(now, session.lastEventAt) : session.lastEventAt];
  // The main agent of a session that fell silent has done nothing since.
  const [, ...subagents] = lanes;
  for (const { startedAt, endedAt } of [...copies, ...subagents]) {
    from = Math.min(from, startedAt);
    to = Math.max(to, endedAt ?? to);
  }
  for (const wait of told) to = Math.max(to, wait.to ?? to);
  return {
    from,
    to,
    lanes,
    waits: told,
    marks: [...marks],
    tools: countTools(copies),
    files: countFiles(copies, lanes),
  };
}
