/** All sessions at a glance: who is at what, and who waits. */
import { useRef } from "preact/hooks";
import { type Session, SESSION_STATES, type SessionState } from "../../../protocol/messages.ts";
import { STATE_WORDS } from "../../parts/words.ts";
import { linkTo, route, setParams } from "../../state/route.ts";
import { useStore } from "../../state/store.ts";
import { SessionCard } from "./session-card.tsx";

/** In the order in which somebody has to know of them. */
const ORDER = ["waiting", "working", "failed", "idle", "ended"] as const satisfies readonly SessionState[];

export function SessionsView() {
  const { feed, sessions } = useStore();
  const { params } = route.value;
  const state = SESSION_STATES.find((known) => known === params.get("state")) ?? null;
  const q = params.get("q") ?? "";
  const all = useSteadyOrder(sessions.all.value);
  const found = all.filter((session) => fits(session, q));
  const shown = found.filter((session) => state === null || session.state === state);

  return (
    <>
      <div class="toolbar">
        <h1>Sessions</h1>
        <div class="chips" role="group" aria-label="State">
          <StateChip
            label="All"
            amount={found.length}
            isChosen={state === null}
            onChoose={() => setParams({ state: "" })}
          />
          {ORDER.map((name) => (
            <StateChip
              key={name}
              label={STATE_WORDS[name]}
              state={name}
              amount={found.filter((session) => session.state === name).length}
              isChosen={state === name}
              onChoose={() => setParams({ state: state === name ? "" : name })}
            />
          ))}
        </div>
        <input
          type="search"
          aria-label="Search sessions"
          placeholder="Project, prompt or id  ( / )"
          value={q}
          onInput={({ currentTarget }) => setParams({ q: currentTarget.value })}
        />
      </div>
      {sessions.error.value !== null && feed.staleSince.value === null && (
        <p class="problem" role="alert">
          The sessions cannot be read, and what is shown may be old. {sessions.error.value}
        </p>
      )}
      {shown.length > 0 ? (
        <ul class="cards" data-hold-order>
          {shown.map((session) => (
            <li key={session.session_id}>
              <SessionCard session={session} />
            </li>
          ))}
        </ul>
      ) : (
        sessions.isLoaded.value && <NoSessions isNarrowed={all.length > 0} />
      )}
      {sessions.hasMore.value && (
        <p class="more">
          <button type="button" onClick={sessions.showMore}>
            Show older sessions
          </button>
        </p>
      )}
    </>
  );
}

interface StateChipProps {
  label: string;
  state?: SessionState;
  amount: number;
  isChosen: boolean;
  onChoose: () => void;
}

function StateChip({ label, state, amount, isChosen, onChoose }: StateChipProps) {
  return (
    <button
      type="button"
      class={`chip ${state ? `state-${state}` : ""}`}
      aria-pressed={isChosen}
      onClick={onChoose}
    >
      {state && <span class="dot" aria-hidden="true" />}
      {label} <span class="amount">{amount}</span>
    </button>
  );
}

function NoSessions({ isNarrowed }: { isNarrowed: boolean }) {
  if (isNarrowed) {
    return (
      <div class="empty">
        <p>No session fits.</p>
        <button type="button" onClick={() => setParams({ state: "", q: "" })}>
          Show all
        </button>
      </div>
    );
  }
  return (
    <div class="empty">
      <h2>No session yet</h2>
      <p>Let Claude Code tell this server what it does, then work as always:</p>
      <pre>claude-mpm-socketio hooks install</pre>
      <p>Or send an event by hand:</p>
      <pre>claude-mpm-socketio emit hello</pre>
      <p>
        Events without a session are under <a href={linkTo("events")}>Events</a>.
      </p>
    </div>
  );
}

function fits({ project, prompt, session_id: id, agents }: Session, q: string): boolean {
  const wanted = q.toLowerCase();
  const texts = [project, prompt, id, ...agents.map(({ agent_type: type }) => type)];
  return wanted === "" || texts.some((text) => text?.toLowerCase().includes(wanted));
}

/**
 * Newest activity first, but nothing moves from under a pointer that is about to press it, nor away from who reads it
 * by keyboard: while the list is held, those that are there stay where they are.
 */
function useSteadyOrder(sessions: readonly Session[]): readonly Session[] {
  const shown = useRef<readonly string[]>([]);
  const isHeld = document.querySelector("[data-hold-order]:is(:hover, :focus-within)") !== null;
  const byId = new Map(sessions.map((session) => [session.session_id, session]));
  const kept = isHeld ? shown.current.filter((id) => byId.has(id)) : [];
  const keptIds = new Set(kept);
  const others = sessions.filter(({ session_id: id }) => !keptIds.has(id)).map(({ session_id: id }) => id);
  // New ones come in front, as they would.
  shown.current = [...others, ...kept];
  return shown.current.flatMap((id) => byId.get(id) ?? []);
}
