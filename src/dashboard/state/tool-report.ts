/**
 * What the calls in memory add up to: by tool, and by file. A pass over 100,000 rows takes longer than a frame may, so
 * it is made in pieces. How a call ends is read as the state machine of a session reads it (`sessions/machine.ts`), as
 * far as rows hold what that takes.
 */
import { matchesProject } from "../../protocol/event.ts";
import { EDIT_TOOLS } from "../../sessions/calls.ts";
import { SILENCE_MS } from "../../sessions/machine.ts";
import type { Outcome } from "../../sessions/state.ts";
import { MAIN_AGENT } from "./filter.ts";
import type { Row } from "./row.ts";

/** What is counted; empty texts narrow nothing. */
export interface Narrowing {
  project: string;
  session: string;
  /** An agent's id or type, or `main`. */
  agent: string;
  /** Calls that were over before are not counted; milliseconds since the epoch, 0 for all. */
  since: number;
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

interface Call {
  tool: string;
  project: string | null;
  sessionId: string | null;
  agentId: string | null;
  agentType: string | null;
  path: string | null;
  startedAt: number | null;
  endedAt: number | null;
  durationMs: number | null;
  /** Null while it is open. */
  outcome: Outcome | null;
  isAsked: boolean;
  seq: number;
}

interface SessionCalls {
  calls: Map<string, Call>;
  /** By agent, in the order of their beginnings. */
  open: Map<string | null, Set<Call>>;
  lastAt: number;
}

/** Rows, or calls, that are gone through at a time: well below a millisecond. */
const PIECE = 500;
/** Of one agent: whoever opens more never closes any. */
const MAX_OPEN = 200;

/** At once, whatever it takes. */
export function reportOf(rows: readonly Row[], narrowing: Narrowing, now: number): ToolReport {
  const report = makeReport(rows, narrowing, now);
  for (;;) {
    const step = report.next();
    if (step.done) return step.value;
  }
}

/**
 * Stops after each piece, and returns the report in the end.
 * @param rows must not change meanwhile
 */
export function* makeReport(
  rows: readonly Row[],
  narrowing: Narrowing,
  now: number,
): Generator<undefined, ToolReport> {
  const sessions = new Map<string | null, SessionCalls>();
  let events = 0;
  let from: number | null = null;
  for (const [index, row] of rows.entries()) {
    if (index % PIECE === PIECE - 1) yield;
    if (row.gap !== null) continue;
    events += 1;
    from ??= row.time;
    if (narrowing.session === "" || row.sessionId === narrowing.session) readRow(sessions, row);
  }

  const tools = new Map<string, ToolTally>();
  const files = new Map<string, FileTally>();
  const isWanted = wantedBy(narrowing);
  let calls = 0;
  for (const session of sessions.values()) {
    const isSilent = session.lastAt + SILENCE_MS < now;
    for (const call of session.calls.values()) {
      calls += 1;
      if (calls % PIECE === 0) yield;
      if (isSilent && call.outcome === null) finish(call, "unfinished", session.lastAt);
      if (!isWanted(call)) continue;
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
}

function readRow(sessions: Map<string | null, SessionCalls>, row: Row): void {
  const { name, agentId, sessionId, time } = row;
  let session = sessions.get(sessionId);
  if (!session) sessions.set(sessionId, (session = { calls: new Map(), open: new Map(), lastAt: time }));
  session.lastAt = Math.max(session.lastAt, time);
  switch (name) {
    case "pre_tool_use":
      return begin(session, row);
    case "post_tool_use":
      return end(session, row, "success");
    case "post_tool_use_failure":
      return end(session, row, "failure");
    case "permission_denied":
      return end(session, row, "denied");
    case "permission_request":
      return ask(session, row);
    // The batch is over: what of it was not heard of was refused by a rule.
    case "post_tool_batch":
      return abandon(session, agentId, time, "denied");
    case "stop":
    case "stop_failure":
    case "subagent_stop":
    case "user_prompt_submit":
      return abandon(session, agentId, time, "unfinished");
    case "session_end":
      for (const agent of session.open.keys()) abandon(session, agent, time, "unfinished");
  }
}

function begin(session: SessionCalls, row: Row): void {
  const { tool, agentId, path, time } = row;
  if (tool === null) return;
  const key = keyOf(row);
  const known = session.calls.get(key);
  if (known && row.toolUseId !== null) {
    // Its end came first.
    known.startedAt ??= time;
    known.path ??= path;
    if (known.endedAt !== null) known.durationMs ??= Math.max(0, known.endedAt - time);
    return;
  }
  if (known) {
    if (known.outcome === null) close(session, known, "unfinished", time);
    session.calls.set(`${key} ${known.seq}`, known);
  }
  const call = newCall(row, tool, time);
  session.calls.set(key, call);
  let open = session.open.get(agentId);
  if (!open) session.open.set(agentId, (open = new Set()));
  open.add(call);
  const [oldest] = open;
  if (open.size > MAX_OPEN && oldest) close(session, oldest, "unfinished", time);
}

function end(session: SessionCalls, row: Row, outcome: Outcome): void {
  const { tool, time, durationMs, seq } = row;
  const key = keyOf(row);
  let call = session.calls.get(key);
  if (!call || (row.toolUseId === null && call.outcome !== null)) {
    if (tool === null) return;
    if (call) session.calls.set(`${key} ${call.seq}`, call);
    // A call nobody saw begin counts all the same.
    call = newCall(row, tool, null);
    session.calls.set(key, call);
  }
  // What the call itself tells is the truth of it.
  if (call.outcome === "success" || call.outcome === "failure") return;
  close(session, call, outcome, time);
  call.path ??= row.path;
  call.seq = seq;
  if (outcome === "denied") return;
  call.durationMs = durationMs ?? (call.startedAt === null ? null : Math.max(0, time - call.startedAt));
}

function newCall(row: Row, tool: string, startedAt: number | null): Call {
  const { project, sessionId, agentId, agentType, path, seq } = row;
  return {
    tool,
    project,
    sessionId,
    agentId,
    agentType,
    path,
    startedAt,
    endedAt: null,
    durationMs: null,
    outcome: null,
    isAsked: false,
    seq,
  };
}

/** The question names no call: the newest one with this tool that nobody has been asked about is meant. */
function ask(session: SessionCalls, { agentId, tool }: Row): void {
  const open = [...(session.open.get(agentId) ?? [])];
  const call = open.findLast((one) => one.tool === tool && !one.isAsked);
  if (call) call.isAsked = true;
}

/** Nothing more will be heard of the agent's calls. Events may come late: what began after this one goes on. */
function abandon(session: SessionCalls, agentId: string | null, time: number, outcome: Outcome): void {
  for (const call of session.open.get(agentId) ?? []) {
    if (call.startedAt !== null && call.startedAt > time) continue;
    close(session, call, call.isAsked ? "denied" : outcome, time);
  }
}

function close(session: SessionCalls, call: Call, outcome: Outcome, time: number): void {
  session.open.get(call.agentId)?.delete(call);
  finish(call, outcome, time);
}

function finish(call: Call, outcome: Outcome, time: number): void {
  call.outcome = outcome;
  call.endedAt = time;
}

/** Calls without an id are told apart as long as an agent makes one after the other. */
function keyOf({ toolUseId, agentId, tool }: Row): string {
  return toolUseId ?? `\0${agentId ?? ""} ${tool}`;
}

function wantedBy({ project, agent, since }: Narrowing): (call: Call) => boolean {
  const projects = new Map<string | null, boolean>();
  const fitsProject = (path: string | null) => {
    const known = projects.get(path) ?? matchesProject(path, project);
    projects.set(path, known);
    return known;
  };
  return (call) =>
    (call.endedAt === null || call.endedAt >= since) &&
    (agent === "" || (call.agentId ?? MAIN_AGENT) === agent || call.agentType === agent) &&
    (project === "" || fitsProject(call.project));
}

interface ToolTally {
  figures: ToolFigures;
  durations: number[];
}

function countCall(tools: Map<string, ToolTally>, { tool, outcome, durationMs, seq }: Call): void {
  let tally = tools.get(tool);
  if (!tally) tools.set(tool, (tally = { figures: noFigures(tool), durations: [] }));
  const { figures, durations } = tally;
  figures.calls += 1;
  if (outcome === null) figures.running += 1;
  else if (outcome === "failure") figures.failures += 1;
  else if (outcome === "denied") figures.denied += 1;
  else if (outcome === "unfinished") figures.unfinished += 1;
  if (durationMs === null) return;
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

/** By nearest rank; null of nothing. */
export function percentileOfSorted(sorted: ArrayLike<number>, share: number): number | null {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? null;
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
