/**
 * What the calls in memory add up to: by tool, and by file. What became of each is what the story of its session tells.
 * To go through 100,000 rows takes longer than a frame may, so it is done in pieces, and once: the stories grow with
 * the rows.
 */
import { matchesProject } from "../../protocol/event.ts";
import { EDIT_TOOLS } from "../../sessions/calls.ts";
import { percentileOfSorted } from "../../sessions/percentile.ts";
import { createRecorder, type Recorder } from "../../sessions/recorder.ts";
import { createSession, type Outcome } from "../../sessions/state.ts";
import { silentEnd } from "../../sessions/view.ts";
import { MAIN_AGENT } from "./filter.ts";
import { type Row, stepOf } from "./row.ts";

/** What is counted; empty texts narrow nothing. */
export interface Narrowing {
  project: string;
  session: string;
  /** An agent's id or type, or `main`. */
  agent: string;
}

export interface ToolFigures {
  tool: string;
  calls: number;
  running: number;
  failures: number;
  denied: number;
  /** Never heard of again. */
  unfinished: number;
  /** Of calls that came to an end of their own; null before the first that was timed. */
  medianMs: number | null;
  p95Ms: number | null;
  totalMs: number;
  /** `seq` is that of the event that ended it. */
  slowest: { durationMs: number; seq: number } | null;
  /** Of all calls, 0 to 1. */
  share: number;
}

/** Reads and edits that were successful. */
export interface FileFigures {
  /** As the tools were given it. */
  path: string;
  /** From the project's directory, where the file lies below it. */
  shownPath: string;
  project: string | null;
  reads: number;
  edits: number;
  /** By type of agent, `main` for the main one; who touched it most comes first. */
  by: { agent: string; touches: number }[];
  sessions: number;
  lastAt: number;
}

export interface ToolReport {
  tools: ToolFigures[];
  files: FileFigures[];
  calls: number;
  /** How many events it rests on, whatever was narrowed, and when the first of them happened. */
  events: number;
  from: number | null;
}

export interface ToolCounter {
  /**
   * Stops after each piece, and returns the report in the end.
   * @param rows must not change meanwhile; those it was given the last time are only looked at where others have come
   *   before them
   * @param since calls that were over before are not counted; milliseconds since the epoch, 0 for all
   */
  count(rows: readonly Row[], since: number, now: number): Generator<undefined, ToolReport>;
}

interface SessionCalls {
  /** In the order of their times, and then of their `seq`. */
  rows: Row[];
  /** Null before the first step is taken, and when one has come that belongs before others. */
  recorder: Recorder | null;
  recorded: number;
  /** Where each of the recorder's calls was made. */
  projects: (string | null)[];
}

interface Call {
  tool: string;
  project: string | null;
  sessionId: string | null;
  agentId: string | null;
  agentType: string | null;
  path: string | null;
  endedAt: number | null;
  durationMs: number | null;
  /** Null while it is open, and where nothing can tell. */
  outcome: Outcome | null;
  /** Of the event that ended it, or began it. */
  seq: number;
}

/** Rows, or calls, that are gone through at a time: well below a millisecond. */
const PIECE = 500;
/** A step of a session with many open calls takes longer. */
const STEPS_PIECE = 50;

export function createToolCounter(narrowing: Narrowing): ToolCounter {
  const isWanted = wantedBy(narrowing);
  let sessions = new Map<string | null, SessionCalls>();
  let taken: { count: number; first: Row | undefined; last: Row | undefined } = NOTHING_TAKEN;
  let events = 0;
  let from: number | null = null;

  function* take(rows: readonly Row[]): Generator<undefined, void> {
    const isGrown = rows[0] === taken.first && rows[taken.count - 1] === taken.last;
    if (!isGrown || taken.count > rows.length) {
      [sessions, taken, events, from] = [new Map(), NOTHING_TAKEN, 0, null];
    }
    for (let index = taken.count; index < rows.length; index += 1) {
      if (index % PIECE === PIECE - 1) yield;
      const row = rows[index] as Row;
      taken = { count: index + 1, first: rows[0], last: row };
      if (row.gap !== null) continue;
      events += 1;
      from ??= row.time;
      if (narrowing.session === "" || row.sessionId === narrowing.session) place(sessions, row);
    }
  }

  return {
    *count(rows, since, now) {
      yield* take(rows);
      for (const [sessionId, session] of sessions) yield* record(sessionId, session);

      const tools = new Map<string, ToolTally>();
      const files = new Map<string, FileTally>();
      let calls = 0;
      for (const [sessionId, session] of sessions) {
        for (const call of callsOf(sessionId, session, now)) {
          calls += 1;
          if (calls % PIECE === 0) yield;
          if ((call.endedAt !== null && call.endedAt < since) || !isWanted(call)) continue;
          countCall(tools, call);
          countFile(files, call);
        }
      }

      const total = [...tools.values()].reduce((sum, { figures }) => sum + figures.calls, 0);
      const report: ToolReport = { tools: [], files: [], calls: total, events, from };
      for (const tally of tools.values()) {
        yield;
        report.tools.push(toolFigures(tally, total));
      }
      for (const tally of files.values()) {
        if (report.files.length % PIECE === PIECE - 1) yield;
        report.files.push(fileFigures(tally));
      }
      return report;
    },
  };
}

const NOTHING_TAKEN = { count: 0, first: undefined, last: undefined };

/** Events may come late. */
function place(sessions: Map<string | null, SessionCalls>, row: Row): void {
  let session = sessions.get(row.sessionId);
  if (!session) {
    session = { rows: [], recorder: null, recorded: 0, projects: [] };
    sessions.set(row.sessionId, session);
  }
  const { rows } = session;
  let index = rows.length;
  while (index > 0 && (rows[index - 1] as Row).time > row.time) index -= 1;
  if (index === rows.length) rows.push(row);
  else rows.splice(index, 0, row);
  if (index < session.recorded) session.recorder = null;
}

function* record(sessionId: string | null, session: SessionCalls): Generator<undefined, void> {
  const { rows } = session;
  if (session.recorder === null) {
    session.recorder = createRecorder(createSession(sessionId ?? "", rows[0]?.time ?? 0));
    [session.recorded, session.projects] = [0, []];
  }
  const { recorder, projects } = session;
  while (session.recorded < rows.length) {
    const row = rows[session.recorded] as Row;
    session.recorded += 1;
    recorder.take({ step: stepOf(row), seq: row.seq, text: "" });
    while (projects.length < recorder.spans.length) projects.push(row.project);
    if (session.recorded % STEPS_PIECE === 0) yield;
  }
}

function* callsOf(
  sessionId: string | null,
  { recorder, projects }: SessionCalls,
  now: number,
): Generator<Call> {
  if (recorder === null) return;
  const { session, agents, spans } = recorder;
  const over = silentEnd(session, now);
  for (const [index, span] of spans.entries()) {
    const { tool, agentId, path, durationMs, seq, endSeq } = span;
    const isSilenced = over !== null && span.endedAt === null;
    const agent = agentId === null ? session.main : agents.get(agentId)?.agent;
    yield {
      tool,
      project: projects[index] ?? null,
      sessionId,
      agentId,
      agentType: agent?.agentType ?? null,
      path,
      endedAt: isSilenced ? over : span.endedAt,
      durationMs,
      outcome: isSilenced ? "unfinished" : span.outcome,
      seq: endSeq ?? seq,
    };
  }
}

function wantedBy({ project, agent }: Narrowing): (call: Call) => boolean {
  const projects = new Map<string | null, boolean>();
  const fitsProject = (path: string | null) => {
    const known = projects.get(path) ?? matchesProject(path, project);
    projects.set(path, known);
    return known;
  };
  return (call) =>
    (agent === "" || (call.agentId ?? MAIN_AGENT) === agent || call.agentType === agent) &&
    (project === "" || fitsProject(call.project));
}

interface ToolTally {
  figures: ToolFigures;
  durations: number[];
}

function countCall(tools: Map<string, ToolTally>, call: Call): void {
  const { tool, outcome, endedAt, durationMs, seq } = call;
  let tally = tools.get(tool);
  if (!tally) tools.set(tool, (tally = { figures: noFigures(tool), durations: [] }));
  const { figures, durations } = tally;
  figures.calls += 1;
  if (endedAt === null) figures.running += 1;
  else if (outcome === "failure") figures.failures += 1;
  else if (outcome === "denied") figures.denied += 1;
  else if (outcome === "unfinished") figures.unfinished += 1;
  // What was denied or cut short took no time of the tool's.
  if (durationMs === null || (outcome !== "success" && outcome !== "failure")) return;
  durations.push(durationMs);
  figures.totalMs += durationMs;
  if (durationMs > (figures.slowest?.durationMs ?? -1)) figures.slowest = { durationMs, seq };
}

function noFigures(tool: string): ToolFigures {
  return {
    tool,
    calls: 0,
    running: 0,
    failures: 0,
    denied: 0,
    unfinished: 0,
    medianMs: null,
    p95Ms: null,
    totalMs: 0,
    slowest: null,
    share: 0,
  };
}

function toolFigures({ figures, durations }: ToolTally, total: number): ToolFigures {
  const sorted = Float64Array.from(durations).toSorted();
  return {
    ...figures,
    medianMs: percentileOfSorted(sorted, 0.5),
    p95Ms: percentileOfSorted(sorted, 0.95),
    share: figures.calls / total,
  };
}

interface FileTally {
  path: string;
  project: string | null;
  reads: number;
  edits: number;
  by: Map<string, number>;
  sessions: Set<string | null>;
  lastAt: number;
}

function countFile(files: Map<string, FileTally>, call: Call): void {
  const { path, tool, outcome, project, agentId, agentType, sessionId } = call;
  const isEdit = EDIT_TOOLS.has(tool);
  if (path === null || outcome !== "success" || (!isEdit && tool !== "Read")) return;
  // The same name means another file in another project, unless it is a whole path.
  const key = ABSOLUTE.test(path) ? path : `${project ?? ""}\0${path}`;
  let tally = files.get(key);
  if (!tally) {
    tally = { path, project, reads: 0, edits: 0, by: new Map(), sessions: new Set(), lastAt: 0 };
    files.set(key, tally);
  }
  if (isEdit) tally.edits += 1;
  else tally.reads += 1;
  const agent = agentId === null ? MAIN_AGENT : (agentType ?? "agent");
  tally.by.set(agent, (tally.by.get(agent) ?? 0) + 1);
  tally.sessions.add(sessionId);
  if (isBelow(path, project) && !isBelow(path, tally.project)) tally.project = project;
  tally.lastAt = Math.max(tally.lastAt, call.endedAt ?? 0);
}

function fileFigures({ by, sessions, ...tally }: FileTally): FileFigures {
  const { path, project } = tally;
  return {
    ...tally,
    shownPath: isBelow(path, project) ? path.slice((project ?? "").length + 1) : path,
    by: [...by].map(([agent, touches]) => ({ agent, touches })).toSorted((a, b) => b.touches - a.touches),
    sessions: sessions.size,
  };
}

const ABSOLUTE = /^([/\\]|[a-z]:[/\\])/i;

function isBelow(path: string, project: string | null): boolean {
  return project !== null && /^[/\\]$/.test(path.charAt(project.length)) && path.startsWith(project);
}
