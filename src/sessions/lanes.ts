/** The agents of a session one below the other, each with its calls. */
import type { AgentRecord, Recorder } from "./recorder.ts";
import type { Agent } from "./state.ts";
import type { Lane, Span } from "./story.ts";
import { seenAgent } from "./view.ts";

/** @param over when the session ended by silence, or null */
export function layLanes(
  { session, agents }: Pick<Recorder, "session" | "agents">,
  spans: readonly Span[],
  over: number | null,
): Lane[] {
  const callOf = new Map(spans.map((span) => [span.toolUseId, span]));
  const spansOf = grouped(spans, ({ agentId }) => agentId);

  function lane({ agent, firstSeen }: AgentRecord, depth: number): Lane {
    const { agentId, agentType, parentToolUseId } = agent;
    const own = (spansOf.get(agentId) ?? []).toSorted((a, b) => a.startedAt - b.startedAt);
    return {
      agentId,
      agentType,
      task: (parentToolUseId !== null && callOf.get(parentToolUseId)?.argument) || "",
      parentAgentId: agents.has(agent.parentAgentId ?? "") ? agent.parentAgentId : null,
      parentToolUseId,
      depth,
      startedAt: Math.min(firstSeen, own[0]?.startedAt ?? firstSeen),
      ...seenAgent(agent, session, over),
      rows: packRows(own),
      spans: own,
    };
  }

  const main = { agent: session.main, firstSeen: session.startedAt };
  return [lane(main, 0), ...inTreeOrder(agents).map(({ record, depth }) => lane(record, depth))];
}

/** Each behind whoever started it, and among its own as they were first seen. */
function inTreeOrder(agents: ReadonlyMap<string, AgentRecord>): { record: AgentRecord; depth: number }[] {
  const knownParent = ({ parentAgentId }: Agent) => (agents.has(parentAgentId ?? "") ? parentAgentId : null);
  const childrenOf = grouped([...agents.values()], ({ agent }) => knownParent(agent));
  const depths = new Map<AgentRecord, number>();

  function visit(roots: readonly AgentRecord[]): void {
    const waiting = roots.map((record) => ({ record, depth: 1 })).toReversed();
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { record, depth } = next;
      if (depths.has(record)) continue;
      depths.set(record, depth);
      for (const child of (childrenOf.get(record.agent.agentId) ?? []).toReversed()) {
        waiting.push({ record: child, depth: depth + 1 });
      }
    }
  }

  visit(childrenOf.get(null) ?? []);
  // Those that are told to have started each other hang from nobody.
  for (const record of agents.values()) if (!depths.has(record)) visit([record]);
  return [...depths].map(([record, depth]) => ({ record, depth }));
}

/** Puts each span, given by their beginnings, into the first row that is free; tells how many rows there are. */
function packRows(spans: readonly Span[]): number {
  const freeFrom: number[] = [];
  for (const span of spans) {
    const free = freeFrom.findIndex((time) => time <= span.startedAt);
    span.row = free === -1 ? freeFrom.length : free;
    // What takes no time still takes room.
    freeFrom[span.row] = Math.max(span.endedAt ?? Number.POSITIVE_INFINITY, span.startedAt + 1);
  }
  return freeFrom.length;
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
