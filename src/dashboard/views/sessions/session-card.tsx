/** One session: what a colleague has to know of it without being told. */
import type { Session, SessionTool } from "../../../protocol/messages.ts";
import { useId } from "preact/hooks";
import { lastSegment, shortSession } from "../../../sessions/names.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Since } from "../../parts/since.tsx";
import { oneLine } from "../../parts/text.ts";
import { Waiting } from "../../parts/waiting.tsx";
import { count, endedWords } from "../../parts/words.ts";
import { linkTo } from "../../state/route.ts";
import { AgentTree } from "./agent-tree.tsx";
import { OpenTools } from "./open-tools.tsx";

const MAX_TOOLS = 6;

export function SessionCard({ session }: { session: Session }) {
  const { session_id: id, project, prompt, state, failure, ended_reason: endedReason } = session;
  const titleId = useId();
  const { waiting_for: wait } = session;
  const mainOpen = session.open_tools.filter(({ agent_id: agent, tool, argument }) => {
    // What is asked about is not being done, and is said above.
    return agent === null && !(wait?.tool === tool && wait.message === argument);
  });

  return (
    <article class={`card state-${state}`} aria-labelledby={titleId}>
      <header>
        <h2 id={titleId}>
          <a href={linkTo("session", {}, id)} data-item title={oneLine(project ?? "no project")}>
            {oneLine(project === null ? "no project" : lastSegment(project))}
          </a>
          <span class="id" title={oneLine(id)}>
            {oneLine(shortSession(id))}
          </span>
        </h2>
        <StateBadge state={state} since={session.state_since} />
      </header>
      {wait && <Waiting wait={wait} />}
      {state === "failed" && failure !== null && <p class="failure">{oneLine(failure)}</p>}
      {state === "ended" && endedReason !== null && (
        <p class="muted reason">{sentence(endedWords(endedReason))}</p>
      )}
      {prompt !== null && (
        <p class="prompt">
          <span class="hidden">Last prompt: </span>
          {oneLine(prompt)}
        </p>
      )}
      <OpenTools tools={mainOpen} />
      <AgentTree session={session} />
      <footer>
        <ToolCounts tools={session.tools} id={id} />
        <span class="card-end">
          <a href={linkTo("events", { session: id })}>{count(session.event_count, "event")}</a>
          <span>
            <Since time={session.last_event_at} /> ago
          </span>
        </span>
      </footer>
    </article>
  );
}

function ToolCounts({ tools, id }: { tools: readonly SessionTool[]; id: string }) {
  const sorted = tools.toSorted((a, b) => b.calls - a.calls);
  const failures = tools.reduce((sum, tool) => sum + tool.failures, 0);
  const rest = sorted.slice(MAX_TOOLS).reduce((sum, tool) => sum + tool.calls, 0);
  return (
    <ul class="tool-counts" aria-label="Calls by tool">
      {failures > 0 && (
        <li>
          <a class="failed-count" href={linkTo("events", { session: id, failed: "1" })}>
            {failures} failed
          </a>
        </li>
      )}
      {sorted.slice(0, MAX_TOOLS).map(({ tool, calls }) => (
        <li key={tool}>
          {oneLine(tool)} <span class="amount">{calls}</span>
        </li>
      ))}
      {rest > 0 && (
        <li>
          others <span class="amount">{rest}</span>
        </li>
      )}
    </ul>
  );
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
