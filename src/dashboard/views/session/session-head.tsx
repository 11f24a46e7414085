/** What one has to know of a session before anything else. */
import type { ComponentChildren } from "preact";
import type { Session } from "../../../protocol/messages.ts";
import { lastSegment, shortSession } from "../../../sessions/names.ts";
import type { Story } from "../../../sessions/story.ts";
import { CopyButton } from "../../parts/copy-button.tsx";
import { Since } from "../../parts/since.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { oneLine } from "../../parts/text.ts";
import { ViewLink } from "../../parts/view-link.tsx";
import { Waiting } from "../../parts/waiting.tsx";
import { age, count, endedWords } from "../../parts/words.ts";
import { linkTo } from "../../state/route.ts";
import { OpenTools } from "../sessions/open-tools.tsx";

interface SessionHeadProps {
  session: Session;
  story: Story;
  /** All events there are of it, those that are not shown too. */
  events: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
  actions: ComponentChildren;
}

export function SessionHead({ session, story, events, startedAt, actions }: SessionHeadProps) {
  const { session_id: id, project, state, prompt, failure } = session;
  return (
    <section class={`session-head card state-${state}`} aria-label="Session">
      <header>
        <h1 title={oneLine(project ?? "")}>
          {oneLine(project === null ? "no project" : lastSegment(project))}
        </h1>
        <StateBadge state={state} since={session.state_since} />
        <span class="session-id">
          <span class="id" title={oneLine(id)}>
            {oneLine(shortSession(id))}
          </span>
          <CopyButton label="Copy id" text={() => id} />
        </span>
        <div class="session-actions">{actions}</div>
      </header>
      {project !== null && <p class="session-path mono">{oneLine(project)}</p>}
      {session.waiting_for && <Waiting wait={session.waiting_for} since={session.state_since} />}
      {state === "failed" && failure !== null && <p class="failure">{oneLine(failure)}</p>}
      {prompt !== null && (
        <p class="prompt">
          <span class="hidden">Last prompt: </span>
          {oneLine(prompt)}
        </p>
      )}
      <OpenTools tools={session.open_tools} />
      <Figures session={session} story={story} events={events} startedAt={startedAt} />
    </section>
  );
}

function Figures({ session, story, events, startedAt }: Omit<SessionHeadProps, "actions">) {
  const sum = (key: "calls" | "failures" | "denied") => story.tools.reduce((all, row) => all + row[key], 0);
  const [calls, failures, denied] = [sum("calls"), sum("failures"), sum("denied")];
  const agents = story.lanes.filter((lane) => lane.agentId !== null && lane.startedAt <= story.to);
  const { session_id: id, state, ended_reason: reason } = session;
  return (
    <ul class="figures" aria-label="Counts">
      <li>
        <ViewLink href={linkTo("events", { session: id })}>
          <b>{count(events)}</b> {events === 1 ? "event" : "events"}
        </ViewLink>
      </li>
      <li>
        <b>{count(calls)}</b> {calls === 1 ? "call" : "calls"}
      </li>
      {failures > 0 && (
        <li>
          <ViewLink class="failed-count" href={linkTo("events", { session: id, failed: "1" })}>
            <b>{count(failures)}</b> failed
          </ViewLink>
        </li>
      )}
      {denied > 0 && (
        <li>
          <b>{count(denied)}</b> denied
        </li>
      )}
      {agents.length > 0 && (
        <li>
          <b>{count(agents.length)}</b> {agents.length === 1 ? "sub-agent" : "sub-agents"}
        </li>
      )}
      <li>
        <b>{age(story.to - startedAt)}</b> long
      </li>
      {state === "ended" && reason !== null && <li class="muted">{endedWords(reason)}</li>}
      <li class="muted">
        last event <Since time={session.last_event_at} /> ago
      </li>
    </ul>
  );
}
