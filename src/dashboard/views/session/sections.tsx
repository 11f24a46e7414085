/** What a session adds up to: its tools, files, agents and prompts. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { FileRow, Lane, Mark, Span, Story, ToolRow } from "../../../sessions/story.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { oneLine, visible } from "../../parts/text.ts";
import { age, count, dayAndClock, span as spanWords, STATE_WORDS } from "../../parts/words.ts";
import { route, setParams } from "../../state/route.ts";
import { callTitle, inProject, laneName, shortAgent } from "./call-words.ts";

interface SectionsProps {
  story: Story;
  project: string | null;
  /** The last prompt, where no event that is shown tells of it. */
  earlierPrompt: string | null;
  onSelect: (span: Pick<Span, "seq" | "startedAt">) => void;
}

const TABS = ["tools", "files", "agents", "prompts"] as const;
type Tab = (typeof TABS)[number];

const NAMES: Record<Tab, string> = { tools: "Tools", files: "Files", agents: "Agents", prompts: "Prompts" };

export function Sections(props: SectionsProps) {
  const { story, earlierPrompt } = props;
  const id = useId();
  const chosen = TABS.find((tab) => tab === route.value.params.get("tab")) ?? "tools";
  const prompts = story.marks.filter(({ kind }) => kind === "prompt");
  const amounts: Record<Tab, number> = {
    tools: story.tools.length,
    files: story.files.length,
    agents: story.lanes.filter(({ startedAt }) => startedAt <= story.to).length,
    prompts: prompts.length + (earlierPrompt === null ? 0 : 1),
  };
  const choose = (tab: Tab) => setParams({ tab: tab === "tools" ? "" : tab });
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = TABS[(TABS.indexOf(chosen) + step + TABS.length) % TABS.length] ?? "tools";
    event.preventDefault();
    choose(next);
    event.currentTarget.querySelector<HTMLElement>(`[data-tab=${next}]`)?.focus();
  };
  return (
    <section class="session-sections" aria-label="Details of the session">
      <div class="tabs" role="tablist" aria-label="Details of the session" onKeyDown={onKeyDown}>
        {TABS.map((tab) => (
          <button
            key={tab}
            type="button"
            role="tab"
            id={`${id}${tab}`}
            data-tab={tab}
            aria-selected={tab === chosen}
            aria-controls={`${id}panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => choose(tab)}
          >
            {NAMES[tab]} <span class="amount">{count(amounts[tab])}</span>
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}panel`} aria-labelledby={`${id}${chosen}`}>
        {chosen === "tools" && <Tools {...props} />}
        {chosen === "files" && <Files {...props} />}
        {chosen === "agents" && <Agents {...props} />}
        {chosen === "prompts" && (
          <Prompts prompts={prompts} earlier={earlierPrompt} to={story.to} onSelect={props.onSelect} />
        )}
      </div>
    </section>
  );
}

const inTime = (milliseconds: number | null) => (milliseconds === null ? "–" : spanWords(milliseconds));
const orNothing = (value: number) => (value === 0 ? <span class="muted">0</span> : count(value));
const badCount = (value: number) =>
  value === 0 ? <span class="muted">0</span> : <span class="failed-count">{count(value)}</span>;

function Tools({ story, project, onSelect }: SectionsProps) {
  if (story.tools.length === 0) return <p class="empty">No tool was called.</p>;
  const columns: Column<ToolRow>[] = [
    { key: "tool", name: "Tool", cell: ({ tool }) => oneLine(tool), sortBy: ({ tool }) => tool },
    {
      key: "calls",
      name: "Calls",
      isNumber: true,
      cell: ({ calls }) => count(calls),
      sortBy: ({ calls }) => calls,
    },
    {
      key: "failures",
      name: "Failures",
      isNumber: true,
      cell: ({ failures }) => badCount(failures),
      sortBy: ({ failures }) => failures,
    },
    {
      key: "denied",
      name: "Denied",
      isNumber: true,
      cell: ({ denied }) => orNothing(denied),
      sortBy: ({ denied }) => denied,
    },
    {
      key: "unfinished",
      name: "Unfinished",
      title: "Calls of which nothing more was heard",
      isNumber: true,
      cell: ({ unfinished }) => orNothing(unfinished),
      sortBy: ({ unfinished }) => unfinished,
    },
    {
      key: "median",
      name: "Median",
      isNumber: true,
      cell: ({ medianMs }) => inTime(medianMs),
      sortBy: ({ medianMs }) => medianMs,
    },
    {
      key: "p95",
      name: "p95",
      title: "95 of 100 calls took no longer",
      isNumber: true,
      cell: ({ p95Ms }) => inTime(p95Ms),
      sortBy: ({ p95Ms }) => p95Ms,
    },
    {
      key: "total",
      name: "Total",
      isNumber: true,
      cell: ({ totalMs }) => inTime(totalMs),
      sortBy: ({ totalMs }) => totalMs,
    },
    {
      key: "slowest",
      name: "Slowest",
      cell: ({ slowest }) =>
        slowest && (
          <button
            type="button"
            class="as-link"
            onClick={() => onSelect(slowest)}
            title="Show it in the timeline"
          >
            {inTime(slowest.durationMs)}
            <span class="slowest-argument">{callTitle({ ...slowest, tool: "" }, project)}</span>
          </button>
        ),
      sortBy: ({ slowest }) => slowest?.durationMs ?? null,
    },
  ];
  return (
    <DataTable
      caption="Calls by tool"
      columns={columns}
      rows={story.tools}
      keyOf={({ tool }) => tool}
      sort="-total"
    />
  );
}

function Files({ story, project }: SectionsProps) {
  if (story.files.length === 0) return <p class="empty">No file was read or edited.</p>;
  const byWhom = ({ by }: FileRow) =>
    by.map((agent) => [laneName(agent), shortAgent(agent.agentId)].filter(Boolean).join(" ")).join(", ");
  const columns: Column<FileRow>[] = [
    {
      key: "path",
      name: "File",
      cell: ({ path }) => <code title={oneLine(path)}>{oneLine(inProject(path, project))}</code>,
      sortBy: ({ path }) => path,
    },
    {
      key: "reads",
      name: "Reads",
      isNumber: true,
      cell: ({ reads }) => orNothing(reads),
      sortBy: ({ reads }) => reads,
    },
    {
      key: "edits",
      name: "Edits",
      isNumber: true,
      cell: ({ edits }) => orNothing(edits),
      sortBy: ({ edits }) => edits,
    },
    { key: "by", name: "By", cell: byWhom, sortBy: byWhom },
    {
      key: "last",
      name: "Last touched",
      isNumber: true,
      cell: ({ lastAt }) => dayAndClock(lastAt, story.to),
      sortBy: ({ lastAt }) => lastAt,
    },
  ];
  return (
    <DataTable
      caption="Files of the session"
      columns={columns}
      rows={story.files}
      keyOf={({ path }) => path}
      sort="-last"
    />
  );
}

function Agents({ story, onSelect }: SectionsProps) {
  return (
    <div class="table-box table-scroll">
      <table class="data-table">
        <caption class="hidden">Agents of the session, below whoever started them</caption>
        <thead>
          <tr>
            {["Agent", "State", "Task", "Calls", "Failures", "Began", "Took"].map((name, index) => (
              <th key={name} scope="col" class={index > 2 ? "number" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {story.lanes
            .filter(({ startedAt }) => startedAt <= story.to)
            .map((lane) => (
              <AgentRow key={lane.agentId ?? ""} lane={lane} to={story.to} onSelect={onSelect} />
            ))}
        </tbody>
      </table>
    </div>
  );
}

interface AgentRowProps {
  lane: Lane;
  to: number;
  onSelect: SectionsProps["onSelect"];
}

function AgentRow({ lane, to, onSelect }: AgentRowProps) {
  const { agentId, spans, state, task, depth, startedAt, endedAt } = lane;
  const [first] = spans;
  const name = (
    <>
      {laneName(lane)} <span class="id">{shortAgent(agentId)}</span>
    </>
  );
  return (
    <tr>
      <th scope="row" style={{ paddingLeft: `${0.625 + depth}rem` }}>
        {depth > 0 && <span class="muted">└ </span>}
        {first ? (
          <button type="button" class="as-link" onClick={() => onSelect(first)} title="Show its first call">
            {name}
          </button>
        ) : (
          name
        )}
      </th>
      <td class={`state-${state}`}>
        <span class="agent-state">{STATE_WORDS[state]}</span>
      </td>
      <td class="agent-task">{oneLine(task.slice(0, 300))}</td>
      <td class="number">{count(spans.length)}</td>
      <td class="number">{badCount(spans.filter(({ outcome }) => outcome === "failure").length)}</td>
      <td class="number">{dayAndClock(startedAt, to)}</td>
      <td class="number">{age((endedAt ?? to) - startedAt)}</td>
    </tr>
  );
}

const PROMPTS = 100;

interface PromptsProps {
  prompts: readonly Mark[];
  earlier: string | null;
  to: number;
  onSelect: SectionsProps["onSelect"];
}

function Prompts({ prompts, earlier, to, onSelect }: PromptsProps) {
  const shown = useSignal(PROMPTS);
  if (prompts.length === 0 && earlier === null) return <p class="empty">No prompt was seen.</p>;
  return (
    <>
      {earlier !== null && (
        <p class="prompt-earlier">
          <span class="muted">Before what is shown:</span> {visible(earlier)}
        </p>
      )}
      <ol class="prompts">
        {prompts.slice(-shown.value).map(({ seq, time, text }) => (
          <li key={seq}>
            <button type="button" onClick={() => onSelect({ seq, startedAt: time })}>
              <time>{dayAndClock(time, to)}</time>
              <span>{visible(text)}</span>
            </button>
          </li>
        ))}
      </ol>
      {prompts.length > shown.value && (
        <p class="more">
          <button type="button" onClick={() => (shown.value += 5 * PROMPTS)}>
            Show earlier ones ({count(prompts.length - shown.value)} are not shown)
          </button>
        </p>
      )}
    </>
  );
}
