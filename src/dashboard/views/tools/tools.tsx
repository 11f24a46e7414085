/** What the agents' tool calls add up to, and which files they read and changed. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { agentOptions, Choice, type Option, projectOptions, sessionOptions } from "../../parts/choice.tsx";
import { count, dayAndClock, span } from "../../parts/words.ts";
import { now } from "../../state/clock.ts";
import { MAX_ROWS } from "../../state/event-list.ts";
import { linkTo, route, setParams } from "../../state/route.ts";
import { useStore } from "../../state/store.ts";
import { type CountedTools, followTools, type ToolFiguresSource } from "../../state/tool-figures.ts";
import type { ToolReport } from "../../state/tool-report.ts";
import { FileTable } from "./file-table.tsx";
import { ToolTable } from "./tool-table.tsx";

/** As the address has them. */
const PERIODS: Record<string, { text: string; ms: number }> = {
  "15m": { text: "last 15 minutes", ms: 900_000 },
  "1h": { text: "last hour", ms: 3_600_000 },
  "1d": { text: "last day", ms: 86_400_000 },
};
const PERIOD_OPTIONS = Object.entries(PERIODS).map(([value, { text }]): Option => [value, text]);
/** What an event list is narrowed by as well. */
const SHARED = ["session", "project", "agent"] as const;

export function ToolsView() {
  const { feed } = useStore();
  const { params } = route.value;
  const [session = "", project = "", agent = ""] = SHARED.map((name) => params.get(name) ?? "");
  const since = params.get("since") ?? "";
  const period = Object.hasOwn(PERIODS, since) ? PERIODS[since] : undefined;
  const { value: log } = feed.log;
  const [figures, setFigures] = useState<ToolFiguresSource | null>(null);
  useLayoutEffect(() => {
    const source = followTools(feed.all, { session, project, agent, lastMs: period?.ms ?? null });
    setFigures(source);
    return () => source.stop();
  }, [feed, session, project, agent, period, log]);
  // What was counted before stays until there is something else.
  const last = useRef<CountedTools | null>(null);
  const report = figures?.report.value ?? last.current;
  last.current = report;
  const isNarrowed = session !== "" || project !== "" || agent !== "" || period !== undefined;
  const narrowing = useMemo(
    () =>
      new URLSearchParams(Object.entries({ session, project, agent }).filter(([, value]) => value !== "")),
    [session, project, agent],
  );

  return (
    <>
      <div class="toolbar">
        <h1>Tools and files</h1>
        <Narrowings session={session} project={project} agent={agent} since={since} isNarrowed={isNarrowed} />
      </div>
      <p class="rests muted">
        {report === null ? "Adding up…" : <RestsOn report={report} period={period?.text} />}
      </p>
      {report !== null && report.calls === 0 && <NoCalls isNarrowed={isNarrowed} />}
      {report !== null && report.calls > 0 && (
        <>
          <section class="block" aria-labelledby="tools-title">
            <div class="block-head">
              <h2 id="tools-title">Tools</h2>
              <Totals report={report} />
            </div>
            <ToolTable tools={report.tools} narrowing={narrowing} sort={params.get("sort") ?? "-calls"} />
          </section>
          <FileTable
            files={report.files}
            narrowing={narrowing}
            q={params.get("q") ?? ""}
            sort={params.get("files") ?? "-last"}
          />
        </>
      )}
    </>
  );
}

interface NarrowingsProps {
  session: string;
  project: string;
  agent: string;
  since: string;
  isNarrowed: boolean;
}

function Narrowings({ session, project, agent, since, isNarrowed }: NarrowingsProps) {
  const { facets } = useStore();
  return (
    <form class="filters" aria-label="What is counted" onSubmit={(event) => event.preventDefault()}>
      <Choice name="project" label="Project" value={project} options={projectOptions(facets.value)} />
      <Choice name="session" label="Session" value={session} options={sessionOptions(facets.value)} />
      <Choice name="agent" label="Agent" value={agent} options={agentOptions(facets.value)} />
      <Choice name="since" label="Time" value={since} options={PERIOD_OPTIONS} />
      {isNarrowed && (
        <button type="button" onClick={showAll}>
          Clear
        </button>
      )}
    </form>
  );
}

function showAll(): void {
  setParams({ project: "", session: "", agent: "", since: "" });
}

interface RestsOnProps {
  report: CountedTools;
  period: string | undefined;
}

/** What the figures are of: the page does not hold everything the log does. */
function RestsOn({ report: { events, from, state }, period }: RestsOnProps) {
  if (from === null) return <>No event yet.</>;
  const isAll = state === "complete";
  const older =
    events >= MAX_ROWS
      ? "; this page keeps no more"
      : state === "failed"
        ? "; older ones could not be loaded"
        : "; older ones are being loaded";
  return (
    <>
      {period !== undefined && `Calls of the ${period}. `}
      From {isAll ? "all" : "the newest"} {count(events, "event")}
      {isAll && " in the log"}, since {dayAndClock(from, now.peek())}
      {!isAll && older}.
    </>
  );
}

function Totals({ report: { tools, calls } }: { report: ToolReport }) {
  const sum = (of: (tool: ToolReport["tools"][number]) => number) =>
    tools.reduce((total, tool) => total + of(tool), 0);
  const [running, failures] = [sum((tool) => tool.running), sum((tool) => tool.failures)];
  return (
    <p class="muted">
      {count(calls, "call")} of {count(tools.length, "tool")}, {span(sum((tool) => tool.totalMs))} in all
      {running > 0 && (
        <>
          , <span class="running-count">{count(running)} running now</span>
        </>
      )}
      {failures > 0 && (
        <>
          , <span class="failed-count">{count(failures)} failed</span>
        </>
      )}
    </p>
  );
}

function NoCalls({ isNarrowed }: { isNarrowed: boolean }) {
  if (isNarrowed) {
    return (
      <div class="empty">
        <p>No tool call fits.</p>
        <button type="button" onClick={showAll}>
          Show all
        </button>
      </div>
    );
  }
  return (
    <div class="empty">
      <h2>No tool call yet</h2>
      <p>They are counted here as agents make them. Let Claude Code tell this server what it does:</p>
      <pre>claude-mpm-socketio hooks install</pre>
      <p>
        What has come so far is under <a href={linkTo("events")}>Events</a>.
      </p>
    </div>
  );
}
