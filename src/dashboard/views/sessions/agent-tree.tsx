/** The sub-agents of a session, below whoever started them. */
import type { Session, SessionAgent } from "../../../protocol/messages.ts";
import { Since } from "../../parts/since.tsx";
import { oneLine } from "../../parts/text.ts";
import { count, STATE_WORDS } from "../../parts/words.ts";
import { OpenTools } from "./open-tools.tsx";

/** Of those that are done, the newest so many are shown. */
const MAX_DONE = 3;

export function AgentTree({ session }: { session: Session }) {
  const agents = session.agents.filter(({ agent_id: id }) => id !== null);
  if (agents.length === 0) return null;
  const done = agents.filter(isDone);
  const hidden = new Set(done.slice(0, Math.max(0, done.length - MAX_DONE)));
  const shown = agents.filter((agent) => !hidden.has(agent));
  return (
    <div class="agents">
      <Children parent={null} agents={shown} session={session} label="Sub-agents" />
      {hidden.size > 0 && <p class="muted">and {count(hidden.size, "agent")} that ended earlier</p>}
    </div>
  );
}

interface ChildrenProps {
  parent: string | null;
  agents: readonly SessionAgent[];
  session: Session;
  label?: string;
}

function Children({ parent, agents, session, label }: ChildrenProps) {
  const known = new Set(agents.map(({ agent_id: id }) => id));
  // Whose parent is not among them stands below the main agent.
  const own = agents.filter(({ parent_agent_id: id }) => (known.has(id) ? id : null) === parent);
  if (own.length === 0) return null;
  return (
    <ul class="agent-tree" aria-label={label}>
      {own.map((agent) => (
        <li key={agent.agent_id} class={`agent state-${agent.state}`}>
          <span class="dot" aria-hidden="true" />
          <b>{oneLine(agent.agent_type ?? "") || "agent"}</b>{" "}
          <span class="id">{oneLine((agent.agent_id ?? "").slice(0, 7))}</span>{" "}
          <span class="muted">{isDone(agent) ? STATE_WORDS[agent.state] : <Running agent={agent} />}</span>
          <OpenTools tools={session.open_tools.filter(({ agent_id: id }) => id === agent.agent_id)} />
          <Children parent={agent.agent_id} agents={agents} session={session} />
        </li>
      ))}
    </ul>
  );
}

function Running({ agent: { state, started_at: startedAt } }: { agent: SessionAgent }) {
  return (
    <>
      {STATE_WORDS[state]} {startedAt !== null && <Since time={startedAt} />}
    </>
  );
}

function isDone({ state }: SessionAgent): boolean {
  return state === "ended" || state === "failed" || state === "idle";
}
