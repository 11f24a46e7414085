/** How the page is connected, and all that has happened to the connection. */
import { useSignal } from "@preact/signals";
import { now } from "../state/clock.ts";
import type { Note, Phase } from "../state/feed.ts";
import { useStore } from "../state/store.ts";
import { Popover } from "./popover.tsx";
import { age, clock } from "./words.ts";

const PHASES: Record<Phase, string> = {
  loading: "Connecting",
  live: "Live",
  catching_up: "Catching up",
  reconnecting: "Reconnecting",
  locked: "Logged out",
};

/** A note that is only good news is shown beside the state for so long. */
const GOOD_NEWS_MS = 15_000;

export function ConnectionStatus() {
  const { feed } = useStore();
  const { value: phase } = feed.phase;
  const { value: staleSince } = feed.staleSince;
  const isSilent = phase === "live" && staleSince !== null;
  const { value: notes } = feed.notes;
  const readTo = useSignal(0);
  const bad = notes.filter(({ kind, at }) => at > readTo.value && isBad(kind));
  const sinceLost = notes.slice(notes.findLastIndex(({ kind }) => kind === "lost") + 1);
  const good = sinceLost.filter(({ kind, at }) => !isBad(kind) && at > now.value - GOOD_NEWS_MS);
  const news = bad.length > 0 ? bad.slice(-1) : good;

  return (
    <Popover
      name="Connection"
      class={`connection connection-${isSilent ? "silent" : phase}${bad.length > 0 ? " connection-noted" : ""}`}
      onClose={() => (readTo.value = notes.at(-1)?.at ?? 0)}
      label={
        <>
          <span class="dot" aria-hidden="true" />
          {isSilent ? (
            <span>
              <span aria-live="polite">No answer</span>
              <span aria-hidden="true"> for {age(now.value - staleSince)}</span>
            </span>
          ) : (
            <span>
              <span aria-live="polite">{PHASES[phase]}</span>
              {phase === "reconnecting" && <NextAttempt />}
            </span>
          )}
          {phase !== "reconnecting" && !isSilent && news.length > 0 && (
            <span class="connection-note">{news.map(({ text }) => text).join(" · ")}</span>
          )}
        </>
      }
    >
      <ConnectionDetail notes={notes} />
    </Popover>
  );
}

function NextAttempt() {
  const { feed } = useStore();
  const { value: next } = feed.nextAttempt;
  const seconds = next === null ? 0 : Math.ceil((next - now.value) / 1000);
  // Counted down for the eyes alone: read out every second it would be all that is heard.
  return <span aria-hidden="true">{seconds > 0 ? ` in ${seconds} s` : "…"}</span>;
}

function ConnectionDetail({ notes }: { notes: readonly Note[] }) {
  const { feed } = useStore();
  const lost =
    feed.phase.value === "reconnecting" ? notes.findLast(({ kind }) => kind === "lost") : undefined;
  return (
    <div class="connection-detail">
      {lost && (
        <p>
          Lost {age(now.value - lost.at)} ago. What is shown is as it was then; what comes meanwhile is kept
          by the server and caught up. <button onClick={feed.retryNow}>Try now</button>
        </p>
      )}
      {feed.phase.value === "live" && feed.staleSince.value !== null && (
        <p>The connection stands, but the server answers nothing. It may be busy, or be stopped.</p>
      )}
      {notes.length === 0 && (
        <p class="muted">Nothing has happened to this connection since the page was opened.</p>
      )}
      <ol class="notes">
        {notes.toReversed().map(({ at, kind, text }, index) => (
          <li key={notes.length - index} class={isBad(kind) ? "note-bad" : ""}>
            <time>{clock(at)}</time> {text}
          </li>
        ))}
      </ol>
    </div>
  );
}

function isBad(kind: Note["kind"]): boolean {
  return kind === "gap" || kind === "other_log";
}
