/** A session as it is told to those who ask. */
import type * as wire from "../protocol/messages.ts";
import { SILENCE_MS } from "./machine.ts";
import { percentile } from "./percentile.ts";
import type { Agent, Call, Session, Tool, Wait } from "./state.ts";

/** At most so many agents, tools and files in a list of sessions; one session alone comes whole. */
const MAX_LISTED = 50;

/** When a session of which nothing has been heard for an hour was over; null while it goes on, or has an end of its own. */
export function silentEnd(session: Session, now: number): number | null {
  const over = session.lastEventAt + SILENCE_MS;
  return session.endedReason === null && now > over ? over : null;
}

/** @param now after an hour without an event a session is shown as over */
export function viewSession(session: Session, now: number): wire.Session {
  const over = silentEnd(session, now);
  const silent = over !== null;
  const calls = [...session.calls.values()].filter(({ outcome }) => outcome === null);
  const agents = [session.main, ...session.agents.values()];
  const [wait] = silent ? [] : session.waits;
  return {
    session_id: session.sessionId,
    project: session.project,
    source: session.source,
    state: silent ? "ended" : session.state,
    state_since: isoTime(over ?? session.stateSince),
    waiting_for: wait ? viewWait(wait) : null,
    ended_reason: silent ? "silence" : session.endedReason,
    failure: session.failure,
    started_at: isoTime(session.startedAt),
    last_event_at: isoTime(session.lastEventAt),
    event_count: session.eventCount,
    prompt: session.prompt,
    agents: agents.map((agent) => viewAgent(agent, session, over)),
    open_tools: silent ? [] : calls.map(viewCall),
    tools: [...session.tools].map(([name, tool]) => viewTool(name, tool, silent ? calls : [])),
    files: [...session.files].map(([path, counts]) => ({ path, ...counts })),
  };
}

/** The same with long lists cut: those at work, and the newest of the others. */
export function shorten(session: wire.Session): wire.Session {
  const { agents, tools, files } = session;
  const [main, ...others] = agents;
  const active = others.filter(({ state }) => state === "working" || state === "waiting");
  const rest = others.filter((agent) => !active.includes(agent)).slice(-MAX_LISTED);
  return {
    ...session,
    agents: [...(main ? [main] : []), ...rest, ...active],
    tools: tools.slice(-MAX_LISTED),
    files: files.slice(-MAX_LISTED),
  };
}

function viewWait({ kind, tool, message }: Wait): wire.SessionWait {
  return { kind, tool, message };
}

function viewAgent(agent: Agent, session: Session, over: number | null): wire.SessionAgent {
  const { state, endedAt } = seenAgent(agent, session, over);
  return {
    agent_id: agent.agentId,
    agent_type: agent.agentType,
    state,
    parent_tool_use_id: agent.parentToolUseId,
    parent_agent_id: agent.parentAgentId,
    started_at: agent.startedAt === null ? null : isoTime(agent.startedAt),
    ended_at: endedAt === null ? null : isoTime(endedAt),
  };
}

/** What is told of an agent: one that nobody saw end has ended with its session. */
export function seenAgent(
  agent: Agent,
  session: Session,
  over: number | null,
): { state: wire.SessionState; endedAt: number | null } {
  const isOver = agent.state === "ended" || agent.state === "failed";
  if (over !== null && !isOver) return { state: "ended", endedAt: over };
  return { state: stateOf(agent, session), endedAt: agent.endedAt };
}

function stateOf({ agentId, state }: Agent, { waits, failure }: Session): wire.SessionState {
  if (waits.some((wait) => wait.agentId === agentId)) return "waiting";
  return agentId === null && state !== "ended" && failure !== null ? "failed" : state;
}

function viewCall({ toolUseId, tool, agentId, startedAt, argument }: Call): wire.SessionOpenTool {
  return {
    tool_use_id: toolUseId,
    tool,
    agent_id: agentId,
    started_at: isoTime(startedAt),
    argument,
  };
}

/** @param abandoned open calls of which nothing more is expected */
function viewTool(name: string, tool: Tool, abandoned: readonly Call[]): wire.SessionTool {
  const { calls, failures, denied, unfinished, totalMs, durations } = tool;
  return {
    tool: name,
    calls,
    failures,
    denied,
    unfinished: unfinished + abandoned.filter((call) => call.tool === name).length,
    total_ms: totalMs,
    p95_ms: percentile(durations, 0.95),
  };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
