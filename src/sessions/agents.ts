/** The agents of a session: who is at it, who has stopped, and which call started whom. */
import type { AgentReport } from "../protocol/event-fields.ts";
import { abandonCalls, closeCall, openCalls } from "./calls.ts";
import { type Agent, type Call, createAgent, dropWaits, forgetOldest, type Session } from "./state.ts";
import { AGENT_TOOLS, type Step } from "./step.ts";

const MAX_AGENTS = 500;

export function setMain(session: Session, state: Agent["state"]): void {
  if (session.endedReason !== null && state !== "ended") return;
  session.main.state = state;
  if (state === "working") session.failure = null;
}

/** The step's agent is at it. What it asked before, about no call that is known, has been answered. */
export function startWork(session: Session, { agentId, agentType, time }: Step): void {
  if (session.endedReason !== null) return;
  dropWaits(session, (wait) => wait.agentId === agentId && wait.toolUseId === null);
  if (agentId === null) return setMain(session, "working");
  const agent = ensureAgent(session, agentId, agentType, time);
  agent.startedAt ??= time;
  agent.agentType ??= agentType;
  agent.state = "working";
  agent.endedAt = null;
}

/** A call's end shows its agent at work, but brings none back that has stopped. */
export function startWorkUnlessOver(session: Session, step: Step): void {
  const agent = step.agentId === null ? session.main : session.agents.get(step.agentId);
  const isOver = agent?.state === "ended" || agent?.state === "failed";
  const isStopped = step.agentId === null && agent?.state === "idle" && !isKnownOpen(session, step);
  if (!isOver && !isStopped) startWork(session, step);
}

export function endSubagent(
  session: Session,
  { agentId, agentType, time }: Step,
  state: "ended" | "failed",
): void {
  if (agentId === null) return;
  // One that was never seen to start: when it did is not known.
  endAgent(session, ensureAgent(session, agentId, agentType, null), state, time);
}

/** The main agent's turn is over: its calls are, too, and what it asked has been refused where nothing else was heard. */
export function endTurn(session: Session): void {
  abandonCalls(session, null);
  dropWaits(session, ({ agentId }) => agentId === null);
}

/** The turn was cut short: sub-agents that the main agent was waiting for have gone with it. */
export function interrupt(session: Session, time: number): void {
  for (const call of openCalls(session, null)) endForeground(session, call, time);
  endTurn(session);
}

export function endEverything(session: Session, time: number): void {
  for (const call of openCalls(session)) closeCall(session, call, "unfinished");
  for (const agent of session.agents.values()) endAgent(session, agent, "ended", time);
  session.waits = [];
  session.failure = null;
}

/** A call for a sub-agent that is cut short takes along whom it has started and was waiting for. */
export function endForeground(session: Session, call: Call, time: number): void {
  for (const agent of foregroundOf(session, call)) endAgent(session, agent, "ended", time);
}

/** A call for a sub-agent that fails by itself: of several that it may have started, nobody knows which it was. */
export function failForeground(session: Session, call: Call, time: number): void {
  const agents = foregroundOf(session, call);
  if (agents.length === 1) endAgent(session, agents[0] as Agent, "failed", time);
}

/** Whom the call has started and waits for, as far as that can be known before it names one. */
function foregroundOf({ agents }: Session, call: Call): Agent[] {
  if (!AGENT_TOOLS.has(call.tool)) return [];
  return [...agents.values()].filter((agent) => {
    const isAtIt = agent.state === "working" && !agent.isBackground;
    const isOfAnother = agent.parentToolUseId !== null && agent.parentToolUseId !== call.toolUseId;
    const fits = call.subagentType === null || agent.agentType === call.subagentType;
    return isAtIt && !isOfAnother && fits && (agent.startedAt ?? 0) >= call.startedAt;
  });
}

/**
 * What a Stop says of sub-agents: who is on the list goes on, also unseen so far; who was on an earlier list and is
 * not on this one has ended without a SubagentStop.
 */
export function matchBackground(session: Session, running: readonly string[], time: number): void {
  if (session.endedReason !== null) return;
  for (const agent of session.agents.values()) {
    const isGone = agent.isListed && !running.includes(agent.agentId ?? "");
    if (isGone) endAgent(session, agent, "ended", time);
  }
  for (const agentId of running) {
    const known = session.agents.get(agentId);
    const agent = known ?? ensureAgent(session, agentId, null, null);
    agent.isBackground = true;
    agent.isListed = true;
    if (!known) agent.state = "working";
  }
}

export function linkChild(
  session: Session,
  agentId: string,
  toolUseId: string | null,
  isBackground: boolean,
  time: number,
): void {
  if (session.endedReason !== null) return;
  const call = session.calls.get(toolUseId ?? "");
  const known = session.agents.get(agentId);
  const agent = known ?? ensureAgent(session, agentId, call?.subagentType ?? null, null);
  agent.parentToolUseId = toolUseId;
  agent.parentAgentId = call?.agentId ?? null;
  if (!isBackground) return endAgent(session, agent, "ended", time);
  agent.isBackground = true;
  if (!known) agent.state = "working";
}

/** A sub-agent's result names the call that started it, and is its end where that was not seen. */
export function takeReport(
  session: Session,
  { agentId, toolUseId, status }: AgentReport,
  time: number,
): void {
  const agent = session.agents.get(agentId);
  if (!agent) return;
  if (toolUseId !== "") agent.parentToolUseId ??= toolUseId;
  if (status !== "") endAgent(session, agent, status === "failed" ? "failed" : "ended", time);
}

function ensureAgent(
  session: Session,
  agentId: string,
  agentType: string | null,
  startedAt: number | null,
): Agent {
  const known = session.agents.get(agentId);
  if (known) return known;
  const agent = createAgent(agentId, agentType, startedAt);
  session.agents.set(agentId, agent);
  forgetOldest(session.agents, MAX_AGENTS, ({ state }) => state !== "working");
  return agent;
}

function endAgent(session: Session, agent: Agent, state: "ended" | "failed", time: number): void {
  if (agent.state === "ended" || agent.state === "failed") return;
  agent.state = state;
  agent.endedAt = time;
  for (const call of openCalls(session, agent.agentId)) endForeground(session, call, time);
  abandonCalls(session, agent.agentId);
  dropWaits(session, ({ agentId }) => agentId === agent.agentId);
}

/** Whether the step tells the end of a call that is open, or of one that nobody saw begin. */
function isKnownOpen(session: Session, { toolUseId, batch }: Step): boolean {
  const ids = batch.length > 0 ? batch.map((call) => call.toolUseId) : [toolUseId ?? ""];
  return ids.some((id) => (session.calls.get(id)?.outcome ?? null) === null);
}
