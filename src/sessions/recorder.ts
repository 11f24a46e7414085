/** Takes a session through its steps, and writes down when its calls, agents and waits came and went. */
import { applyStep, endOfSilence } from "./machine.ts";
import { type Agent, type Call, createAgent, type Outcome, type Session, type Wait } from "./state.ts";
import type { Step } from "./step.ts";
import type { Entry, Mark, MarkKind, Span } from "./story.ts";

export interface Recorder {
  readonly session: Session;
  /** In the order in which they became known. */
  readonly spans: readonly Omit<Span, "row">[];
  readonly waits: readonly WaitRecord[];
  readonly marks: readonly Mark[];
  /** All sub-agents ever seen, those that the session has forgotten too. */
  readonly agents: ReadonlyMap<string, AgentRecord>;
  /** Entries come in the order of their times. */
  take(entry: Entry): void;
}

export interface AgentRecord {
  agent: Agent;
  firstSeen: number;
}

export interface WaitRecord {
  wait: Wait;
  from: number;
  to: number | null;
  seq: number;
}

interface CallRecord {
  call: Call;
  span: Omit<Span, "row">;
  isBeginningSeen: boolean;
}

const MARKS = new Map<string, MarkKind>(
  Object.entries({
    user_prompt_submit: "prompt",
    stop: "stop",
    stop_failure: "failure",
    session_start: "start",
    session_end: "end",
    notification: "notification",
    pre_compact: "compact",
  }),
);

export function createRecorder(session: Session): Recorder {
  const spans: Omit<Span, "row">[] = [];
  const calls = new Map<string, CallRecord>();
  const open = new Set<CallRecord>();
  const waits: WaitRecord[] = [];
  let openWaits = new Map<Wait, WaitRecord>();
  const marks: Mark[] = [];
  const agents = new Map<string, AgentRecord>();

  function noteAgents({ agentId, agentType, child, background, time }: Step): void {
    // Whom a step has brought in is one it names: an agent of claude-mpm's goes by its type.
    for (const id of [agentId, agentType, child?.agentId, ...(background ?? [])]) {
      const agent = session.agents.get(id ?? "");
      if (!agent) continue;
      const known = agents.get(id ?? "");
      if (known) known.agent = agent;
      else agents.set(id ?? "", { agent, firstSeen: time });
    }
  }

  /** Only calls that are open, or named by the step, can have changed with it. */
  function noteCalls(entry: Entry, end: number): void {
    const { step, seq } = entry;
    if (step.toolUseId !== null) follow(step.toolUseId, entry);
    else if (step.name === "pre_tool_use" && step.tool !== null) {
      const moment = { tool: step.tool, toolUseId: null, startedAt: step.time };
      spans.push({ ...spanOf({ ...step, ...moment }, seq), endedAt: step.time, endSeq: seq });
    }
    for (const { toolUseId } of step.batch) follow(toolUseId, entry);
    for (const record of open) {
      // Of too many that are open, the session forgets the oldest.
      const isForgotten = session.calls.get(record.call.toolUseId) !== record.call;
      const outcome = record.call.outcome ?? (isForgotten ? "unfinished" : null);
      if (outcome !== null) close(record, outcome, entry, end);
    }
  }

  function follow(toolUseId: string, { step, seq }: Entry): void {
    const call = session.calls.get(toolUseId);
    if (!call) return;
    const isOwn = step.toolUseId === toolUseId;
    const record = calls.get(toolUseId) ?? begin(call, seq);
    const { span } = record;
    record.call = call;
    if (span.outcome !== "success" && span.outcome !== "failure" && span.outcome !== call.outcome)
      open.add(record);
    if (isOwn) {
      // Input that a hook of the user's has changed is told by the end alone.
      span.path = step.path ?? span.path;
      span.argument ||= step.argument;
    }
    if (record.isBeginningSeen) return;
    record.isBeginningSeen = isOwn && step.name === "pre_tool_use";
    if (record.isBeginningSeen) span.seq = seq;
    else if (isOwn) span.startedAt = Math.min(span.startedAt, step.time - (step.durationMs ?? 0));
  }

  function begin(call: Call, seq: number): CallRecord {
    const record = { call, span: spanOf(call, seq), isBeginningSeen: false };
    calls.set(call.toolUseId, record);
    open.add(record);
    spans.push(record.span);
    // A straggler of a session that is over brings in no agent.
    const { agentId, startedAt } = call;
    if (agentId !== null && !agents.has(agentId)) {
      const agent: Agent = {
        ...createAgent(agentId, null, startedAt),
        state: "ended",
        endedAt: startedAt,
      };
      agents.set(agentId, { agent, firstSeen: startedAt });
    }
    return record;
  }

  function close(record: CallRecord, outcome: Outcome, { step, seq }: Entry, end: number): void {
    const { span, isBeginningSeen } = record;
    open.delete(record);
    const isItsOwnEnd = outcome === "success" || outcome === "failure";
    const tellsWhy = outcome === "failure" || step.name === "permission_denied";
    span.outcome = outcome;
    span.endedAt = end;
    span.endSeq = end === step.time ? seq : null;
    span.durationMs =
      (isItsOwnEnd ? step.durationMs : null) ?? (isBeginningSeen ? end - span.startedAt : null);
    span.message = (tellsWhy && (step.message || step.detail)) || null;
  }

  function noteWaits({ step, seq }: Entry, end: number): void {
    if (session.waits.length === 0 && openWaits.size === 0) return;
    const before = openWaits;
    openWaits = new Map();
    for (const wait of session.waits) {
      const known = before.get(wait) ?? replacedBy(wait, before);
      const record = known ?? { wait, from: step.time, to: null, seq };
      if (!known) waits.push(record);
      before.delete(record.wait);
      record.wait = wait;
      openWaits.set(wait, record);
    }
    for (const record of before.values()) record.to = end;
  }

  return {
    session,
    spans,
    waits,
    marks,
    agents,

    take(entry) {
      const { step, seq, text } = entry;
      const { failure } = session;
      const end = endOfSilence(session, step) ?? step.time;
      applyStep(session, step);
      noteAgents(step);
      noteCalls(entry, end);
      noteWaits(entry, end);
      const isFailure = session.failure !== null && session.failure !== failure;
      const kind = markOf(step) ?? (isFailure ? "failure" : null);
      if (kind !== null) marks.push({ kind, time: step.time, seq, text, agentId: step.agentId });
    },
  };
}

/** The same question asked again: a call that asks is told of twice. */
function replacedBy(wait: Wait, before: ReadonlyMap<Wait, WaitRecord>): WaitRecord | undefined {
  if (wait.toolUseId === null) return undefined;
  return [...before.values()].find((record) => record.wait.toolUseId === wait.toolUseId);
}

function markOf({ name, agentId, report, detail }: Step): MarkKind | null {
  // A sub-agent's are its lane's ends.
  if ((name === "user_prompt_submit" || name === "stop") && (agentId !== null || report !== null))
    return null;
  if (name === "session_start" && detail === "compact") return null;
  return MARKS.get(name) ?? null;
}

type Beginning = Pick<Span, "toolUseId" | "tool" | "argument" | "agentId" | "startedAt" | "path">;

function spanOf(
  { toolUseId, tool, argument, agentId, startedAt, path }: Beginning,
  seq: number,
): Omit<Span, "row"> {
  const open = { endedAt: null, endSeq: null, durationMs: null, outcome: null, message: null };
  return { toolUseId, tool, argument, agentId, startedAt, path, seq, ...open };
}
