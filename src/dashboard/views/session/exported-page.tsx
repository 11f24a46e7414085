/** What the page is when it is the export of a session: that session, and nothing else. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { lastSegment } from "../../../sessions/names.ts";
import { Help } from "../../parts/help.tsx";
import { useKeys } from "../../parts/shortcuts.ts";
import { oneLine } from "../../parts/text.ts";
import { count, dayAndClock } from "../../parts/words.ts";
import { type ExportedSession, exportedSource } from "../../state/exported.ts";
import { StandsAlone } from "../../state/session-source.ts";
import { SessionPage } from "./session-page.tsx";

export function ExportedPage({ exported }: { exported: ExportedSession | "unreadable" }) {
  if (exported === "unreadable") {
    return (
      <main class="view">
        <p class="problem">This file does not hold a session that this page can read.</p>
      </main>
    );
  }
  return <Exported exported={exported} />;
}

function Exported({ exported }: { exported: ExportedSession }) {
  const { session } = exported;
  const source = useMemo(() => exportedSource(exported), [exported]);
  const at = source.exported?.at ?? 0;
  const project = session.project === null ? "no project" : lastSegment(session.project);
  const help = useSignal(false);
  useKeys({ "?": () => (help.value = true) });
  useEffect(() => {
    document.title = `${oneLine(project)} · exported session`;
  }, []);
  return (
    <StandsAlone.Provider value>
      <div class="app">
        <header class="top exported-head">
          <strong>Exported session</strong>
          <span>
            {dayAndClock(at, 0)} · {count(source.exported?.masked ?? 0, "secret")} masked
          </span>
          <span class="muted">by claude-mpm-socketio {oneLine(exported.server_version ?? "")}</span>
          <button type="button" onClick={() => (help.value = true)}>
            Keys <kbd>?</kbd>
          </button>
        </header>
        <main id="main" tabIndex={-1} class="view view-session" aria-label="Session">
          <SessionPage source={source} />
        </main>
        <Help isOpen={help} only="Timeline" />
      </div>
    </StandsAlone.Provider>
  );
}
