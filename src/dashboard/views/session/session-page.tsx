/** The page of a session, whether it comes from the server or stands in a file. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Session } from "../../../protocol/messages.ts";
import type { Story } from "../../../sessions/story.ts";
import { Moment } from "../../parts/since.tsx";
import { useKeys } from "../../parts/shortcuts.ts";
import { count } from "../../parts/words.ts";
import { linkTo, route, setParams } from "../../state/route.ts";
import { MAX_EVENTS, SessionLog } from "../../state/session-log.ts";
import type { SessionSource } from "../../state/session-source.ts";
import { CallDetail } from "./call-detail.tsx";
import { ExportDialog } from "./export-dialog.tsx";
import { storyAt } from "./moment.ts";
import { ReplayBar, useReplay } from "./replay.tsx";
import { Sections } from "./sections.tsx";
import { SessionHead } from "./session-head.tsx";
import { busyIn, createAxis, idleBetween, isMostlyIdle } from "./time-axis.ts";
import { around, Timeline } from "./timeline.tsx";
import { useViewport } from "./viewport.ts";

export function SessionPage({ source }: { source: SessionSource }) {
  const log = useMemo(() => new SessionLog(source), [source]);
  useEffect(() => log.start(), [log]);
  switch (log.state.value) {
    case "ready":
      return <Loaded log={log} />;
    case "loading":
      return <Loading log={log} />;
    case "failed":
      return (
        <p class="problem" role="alert">
          The session cannot be read: {log.problem.value}. It is tried again.
        </p>
      );
    case "absent":
      return (
        <div class="empty">
          <h1>No such session</h1>
          <p>The log of this server holds no event of it: none has come, or they are no longer kept.</p>
          <a href={linkTo("sessions")}>All sessions</a>
        </div>
      );
  }
}

function Loading({ log }: { log: SessionLog }) {
  const [loaded, total] = log.progress.value;
  return (
    <p class="empty" role="status">
      {loaded === 0
        ? "Loading the session…"
        : `Loading ${count(loaded)} of ${count(Math.min(total, MAX_EVENTS), "event")}…`}
    </p>
  );
}

/** While a call is open, its bar grows so often. */
const TICK_MS = 250;

function Loaded({ log }: { log: SessionLog }) {
  const { source } = log;
  const pace = useSignal<number | null>(TICK_MS);
  const present = useNow(log, pace.value);
  const { value: version } = log.version;
  // Silence ends sessions too: read anew with the clock, but not as often as bars grow.
  const second = Math.floor(present / 1000);
  const [whole, session] = useMemo((): [Story, Session | null] => {
    const now = source.exported ? present : Date.now();
    return [log.read(now), log.sessionAt(Math.max(now, log.lastTime))];
  }, [log, version, second]);
  const isLive = source.exported === null && session !== null && session.state !== "ended";
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  useEffect(() => {
    const isGrowing = session !== null && session.open_tools.length > 0 && !isCalm;
    pace.value = !isLive ? null : isGrowing ? TICK_MS : 1000;
  }, [session]);
  const end = isLive ? Math.max(whole.to, present) : whole.to;

  const { params } = route.value;
  const busy = useMemo(() => busyIn(whole), [whole]);
  const idle = idleBetween(busy, end);
  const fold = params.get("fold");
  const isFolding =
    idle.length > 0 && (fold === null ? isMostlyIdle(idle, { from: whole.from, to: end }) : fold === "1");
  const replay = useReplay(log.firstTime, log.lastTime, idle);
  useEffect(() => (replay.isOn ? () => focusNext("#open-replay") : undefined), [replay.isOn]);
  const axis = useMemo(
    () => createAxis({ from: whole.from, to: end }, isFolding ? idle : []),
    [whole, end, isFolding],
  );
  const viewport = useViewport(axis, isLive);

  const now = replay.isOn ? replay.moment : isLive ? present : end;
  const shownSession = (replay.isOn ? log.sessionAt(now) : session) ?? session;
  const story = replay.isOn ? storyAt(whole, now, shownSession) : whole;
  useEffect(() => {
    if (replay.isOn && replay.isPlaying) viewport.reveal(now);
  }, [replay.isOn && replay.isPlaying ? now : 0]);

  const isExporting = useSignal(false);
  const selected = Number(params.get("call")) || null;
  const select = (seq: number | null) => {
    setParams({ call: seq === null ? "" : `${seq}` });
    if (seq === null && selected !== null) {
      focusNext(...["", "m", "w"].map((kind) => `.lanes [data-keys~="${kind}${selected}"]`));
    }
  };
  const showInTimeline = ({ seq, startedAt }: { seq: number; startedAt: number }) => {
    viewport.reveal(startedAt);
    select(seq);
    document.getElementById("timeline-title")?.scrollIntoView({ block: "start" });
  };
  useKeys({
    Escape: () => {
      if (selected !== null) select(null);
      else if (replay.isOn) replay.close();
    },
  });
  if (shownSession === null) return null;
  const { project } = session ?? shownSession;

  return (
    <Moment.Provider value={replay.isOn ? now : source.exported && present}>
      <div class={replay.isOn ? "session session-replay" : "session"}>
        <SessionHead
          session={shownSession}
          story={story}
          events={replay.isOn ? shownSession.event_count : log.cut.value + log.entries.length}
          startedAt={Math.min(story.from, Date.parse(shownSession.started_at))}
          actions={
            <>
              {!replay.isOn && (
                <button type="button" id="open-replay" onClick={replay.open}>
                  ▶ Replay
                </button>
              )}
              {source.exported === null && (
                <button type="button" onClick={() => (isExporting.value = true)}>
                  Export…
                </button>
              )}
            </>
          }
        />
        {log.cut.value > 0 && (
          <p class="notice">
            This session has {count(log.cut.value + log.entries.length, "event")}. The newest{" "}
            {count(log.entries.length)} are shown
            {log.gone.value > 0 && <>, and {count(log.gone.value)} are no longer in the log</>}; what began
            before them may be missing or incomplete.
          </p>
        )}
        {replay.isOn && (
          <ReplayBar
            replay={replay}
            entries={log.entries}
            from={log.firstTime}
            end={log.lastTime}
            hasIdle={idle.length > 0}
            exitLabel={isLive ? "Back to live" : "End replay"}
          />
        )}
        <div class={selected === null ? "session-main" : "session-main session-open"}>
          <Timeline
            story={story}
            whole={whole}
            axis={axis}
            viewport={viewport}
            now={now}
            project={project}
            isLive={isLive}
            isReplay={replay.isOn}
            selected={selected}
            onSelect={select}
            folding={{
              isOn: isFolding,
              isPossible: idle.length > 0,
              onChange: (isOn) => setParams({ fold: isOn ? "1" : "0" }),
            }}
          />
          {selected !== null && (
            <CallDetail
              key={selected}
              seq={selected}
              story={story}
              source={source}
              project={project}
              now={now}
              onSelect={(seq) => {
                const span = story.lanes.flatMap(({ spans }) => spans).find((own) => own.seq === seq);
                if (span) viewport.reveal(span.startedAt);
                select(seq);
              }}
              onZoom={(span) => viewport.show(around([span], axis, now))}
            />
          )}
        </div>
        {source.exported === null && <ExportDialog isOpen={isExporting} source={source} />}
        <Sections
          story={story}
          project={project}
          earlierPrompt={log.earlierPrompt}
          onSelect={showInTimeline}
        />
      </div>
    </Moment.Provider>
  );
}

/** Where the focus goes from what has just been closed. */
function focusNext(...selectors: string[]): void {
  requestAnimationFrame(() => {
    for (const selector of selectors) {
      const element = document.querySelector<HTMLElement>(selector);
      if (element) return element.focus({ preventScroll: true });
    }
  });
}

/** The present, as often as something moves with it; in a file, the moment of its export. */
function useNow({ source, lastTime }: SessionLog, everyMs: number | null): number {
  const present = useSignal(Date.now());
  useEffect(() => {
    if (everyMs === null || source.exported !== null) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") present.value = Date.now();
    }, everyMs);
    return () => clearInterval(timer);
  }, [source, everyMs]);
  return source.exported ? Math.max(source.exported.at, lastTime) : present.value;
}
