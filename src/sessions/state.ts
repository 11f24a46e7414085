/** What is known of a session. */
import type { SessionState } from "../protocol/messages.ts";

export type Outcome = "success" | "failure" | "denied" | "unfinished";

export interface Call {
  toolUseId: string;
  tool: string;
  agentId: string | null;
  startedAt: number;
  input: string;
  argument: string;
  subagentType: string | null;
  path: string | null;
  /** Null while it is open. */
  outcome: Outcome | null;
}

export interface Wait {
  kind: "permission" | "input";
  agentId: string | null;
  tool: string | null;
  message: string | null;
  /** The call it is about, where that is known. */
  toolUseId: string | null;
}

export interface Agent {
  agentId: string | null;
  agentType: string | null;
  state: "working" | "idle" | "ended" | "failed";
  parentToolUseId: string | null;
  parentAgentId: string | null;
  startedAt: number | null;
  endedAt: number | null;
  /** It does not end with the call that started it. */
  isBackground: boolean;
  /** A Stop has named it among those that go on. */
  isListed: boolean;
}

export interface Tool {
  calls: number;
  failures: number;
  denied: number;
  unfinished: number;
  totalMs: number;
  /** Of the latest calls that were timed. */
  durations: number[];
}

/** Plain data, so that `structuredClone` copies it. */
export interface Session {
  sessionId: string;
  project: string | null;
  source: string | null;
  state: SessionState;
  stateSince: number;
  startedAt: number;
  lastEventAt: number;
  eventCount: number;
  prompt: string | null;
  /** Of the main agent's turn, as Claude Code numbers them. */
  promptId: string | null;
  endedReason: string | null;
  failure: string | null;
  main: Agent;
  agents: Map<string, Agent>;
  /** The open ones, and the latest of the closed: what is known of them may still be corrected. */
  calls: Map<string, Call>;
  waits: Wait[];
  tools: Map<string, Tool>;
  files: Map<string, { reads: number; edits: number }>;
}

export function createSession(sessionId: string, time: number): Session {
  return {
    sessionId,
    project: null,
    source: null,
    state: "idle",
    stateSince: time,
    startedAt: time,
    lastEventAt: time,
    eventCount: 0,
    prompt: null,
    promptId: null,
    endedReason: null,
    failure: null,
    main: createAgent(null, null, time),
    agents: new Map(),
    calls: new Map(),
    waits: [],
    tools: new Map(),
    files: new Map(),
  };
}

export function createAgent(
  agentId: string | null,
  agentType: string | null,
  startedAt: number | null,
): Agent {
  return {
    agentId,
    agentType,
    state: "idle",
    parentToolUseId: null,
    parentAgentId: null,
    startedAt,
    endedAt: null,
    isBackground: false,
    isListed: false,
  };
}

/** The oldest that may go, or else the oldest. */
export function forgetOldest<T>(map: Map<string, T>, most: number, mayGo: (value: T) => boolean): void {
  if (map.size <= most) return;
  for (const [key, value] of map) if (mayGo(value)) return void map.delete(key);
  const [oldest = ""] = map.keys();
  map.delete(oldest);
}

export function waitsOf(session: Session, agentId: string | null): Wait[] {
  return session.waits.filter((wait) => wait.agentId === agentId);
}

export function dropWaits(session: Session, isOver: (wait: Wait) => boolean): void {
  if (session.waits.length > 0) session.waits = session.waits.filter((wait) => !isOver(wait));
}
