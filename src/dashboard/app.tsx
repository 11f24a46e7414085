/** What is around every view: where one is, how the connection does, who waits. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Boundary } from "./parts/boundary.tsx";
import { ConnectionStatus } from "./parts/connection-status.tsx";
import { Help } from "./parts/help.tsx";
import { LoginDialog } from "./parts/login-dialog.tsx";
import { useShortcuts } from "./parts/shortcuts.ts";
import { Settings } from "./parts/settings.tsx";
import { useAttention } from "./state/attention.ts";
import { linkTo, route, type View, VIEWS } from "./state/route.ts";
import { useStore } from "./state/store.ts";
import { Moment } from "./parts/since.tsx";
import { count, dayAndClock } from "./parts/words.ts";
import { now } from "./state/clock.ts";
import { EventsView } from "./views/events/events.tsx";
import { ServerView } from "./views/server/server.tsx";
import { SessionView } from "./views/session/session.tsx";
import { SessionsView } from "./views/sessions/sessions.tsx";
import { ToolsView } from "./views/tools/tools.tsx";

const TITLES: Record<View, string> = {
  sessions: "Sessions",
  session: "Session",
  events: "Events",
  tools: "Tools and files",
  server: "Server",
};

/** Where each view was left, for whoever comes back to it. */
const scrolled = new Map<string, number>();

export function App() {
  const { feed, sessions } = useStore();
  const help = useSignal(false);
  const { view, id } = route.value;
  useShortcuts(help);
  useAttention(sessions, TITLES[view]);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = main.current;
    if (!element) return;
    element.scrollTop = scrolled.get(`${view} ${id}`) ?? 0;
    // The keys that scroll, scroll what has the focus. A view may have given it to a part of its own.
    if (!element.contains(document.activeElement)) element.focus({ preventScroll: true });
  }, [view, id]);
  const { value: staleSince } = feed.staleSince;

  return (
    <div class="app">
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href={linkTo("sessions")} aria-label="claude-mpm-socketio: sessions">
          <Logo />
          <span class="brand-name">claude-mpm</span>
        </a>
        <nav aria-label="Views">
          {VIEWS.map((name, index) => (
            <a
              key={name}
              href={linkTo(name)}
              aria-current={isCurrent(name, view) ? "page" : undefined}
              title={`${TITLES[name]} (${index + 1})`}
            >
              {TITLES[name]}
            </a>
          ))}
        </nav>
        <div class="top-end">
          <WaitingLink />
          <ConnectionStatus />
          <Settings onHelp={() => (help.value = true)} />
        </div>
      </header>
      <main
        id="main"
        ref={main}
        tabIndex={-1}
        aria-label={TITLES[view]}
        class={`view view-${view}${staleSince === null ? "" : " is-stale"}`}
        onScroll={({ currentTarget }) => void scrolled.set(`${view} ${id}`, currentTarget.scrollTop)}
      >
        {staleSince !== null && view !== "server" && (
          <p class="stale" role="status">
            As of {dayAndClock(staleSince, now.peek())}:{" "}
            {feed.phase.value === "locked" ? "nobody is logged in." : "the server does not answer."}
          </p>
        )}
        <Boundary place={`${view} ${id}`}>
          <Moment.Provider value={staleSince}>
            <CurrentView view={view} id={id} />
          </Moment.Provider>
        </Boundary>
      </main>
      <Help isOpen={help} />
      <LoginDialog />
    </div>
  );
}

function CurrentView({ view, id }: { view: View; id: string }) {
  switch (view) {
    case "session":
      return <SessionView key={id} id={id} />;
    case "events":
      return <EventsView />;
    case "tools":
      return <ToolsView />;
    case "server":
      return <ServerView />;
    case "sessions":
      return <SessionsView />;
  }
}

/** There on every view: who waits must not be overlooked. */
function WaitingLink() {
  const { sessions } = useStore();
  const { length } = sessions.waiting.value;
  return (
    <span role="status">
      {length > 0 && (
        <a class="waiting-link" href={linkTo("sessions", { state: "waiting" })}>
          <span class="wide">{count(length, "session waits", "sessions wait")} for you</span>
          <span class="narrow" aria-hidden="true">
            {count(length, "waits", "wait")}
          </span>
        </a>
      )}
    </span>
  );
}

function isCurrent(name: View, view: View): boolean {
  return name === view || (name === "sessions" && view === "session");
}

/** The address holds the view, so the link must not change it. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Logo() {
  return (
    <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
      <rect width="20" height="20" rx="5" fill="currentColor" />
      <path d="M4 6.5h7M7 10h9M4 13.5h5" stroke="var(--surface)" stroke-width="2.2" stroke-linecap="round" />
    </svg>
  );
}
