/** One row per file that was read or changed. */
import { useMemo } from "preact/hooks";
import { lastSegment } from "../../../sessions/names.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Since } from "../../parts/since.tsx";
import { oneLine } from "../../parts/text.ts";
import { count } from "../../parts/words.ts";
import { linkTo, setParams } from "../../state/route.ts";
import type { FileFigures } from "../../state/tool-report.ts";

/** Who else touched a file is said when it is pointed at. */
const MAX_AGENTS = 3;

interface FileTableProps {
  files: readonly FileFigures[];
  narrowing: URLSearchParams;
  /** Part of a path or of a project's name. */
  q: string;
  sort: string;
}

export function FileTable({ files, narrowing, q, sort }: FileTableProps) {
  const found = useMemo(() => files.filter((file) => fits(file, q.toLowerCase())), [files, q]);
  return (
    <section class="block" aria-labelledby="files-title">
      <div class="block-head">
        <h2 id="files-title">Files</h2>
        <p class="muted" role={q === "" ? undefined : "status"}>
          {q === ""
            ? count(files.length, "file")
            : `${count(found.length)} of ${count(files.length, "file")}`}
        </p>
        <input
          type="search"
          aria-label="Search files"
          placeholder="Path or project  ( / )"
          value={q}
          onInput={({ currentTarget }) => setParams({ q: currentTarget.value })}
        />
      </div>
      {found.length > 0 ? (
        <DataTable
          caption="Files that were read or edited"
          columns={COLUMNS}
          rows={found}
          keyOf={keyOf}
          sort={sort}
          onSort={(chosen) => setParams({ files: chosen === "-last" ? "" : chosen })}
          linkOf={({ path }) => linkTo("events", { ...Object.fromEntries(narrowing), q: asInJson(path) })}
          linkTitle={({ path }) => `Events that name ${oneLine(path)}`}
        />
      ) : (
        <NoFiles isNarrowed={files.length > 0} />
      )}
    </section>
  );
}

const COLUMNS: Column<FileFigures>[] = [
  {
    key: "path",
    name: "File",
    sortBy: ({ shownPath }) => shownPath,
    cell: ({ shownPath }) => <code class="path">{oneLine(shownPath)}</code>,
  },
  {
    key: "project",
    name: "Project",
    sortBy: ({ project }) => (project === null ? null : lastSegment(project)),
    cell: ({ project }) =>
      project === null ? (
        <span class="muted">none</span>
      ) : (
        <span title={oneLine(project)}>{oneLine(lastSegment(project))}</span>
      ),
  },
  {
    key: "reads",
    name: "Reads",
    isNumber: true,
    sortBy: ({ reads }) => reads,
    cell: ({ reads }) => <span class={reads === 0 ? "muted" : ""}>{count(reads)}</span>,
  },
  {
    key: "edits",
    name: "Edits",
    isNumber: true,
    sortBy: ({ edits }) => edits,
    cell: ({ edits }) => <span class={edits === 0 ? "muted" : "edits"}>{count(edits)}</span>,
  },
  {
    key: "by",
    name: "By",
    title: "Types of agents, with how often they touched it",
    sortBy: ({ by }) => by[0]?.agent ?? null,
    cell: ({ by }) => <Agents by={by} />,
  },
  {
    key: "sessions",
    name: "Sessions",
    isNumber: true,
    sortBy: ({ sessions }) => sessions,
    cell: ({ sessions }) => count(sessions),
  },
  {
    key: "last",
    name: "Last touched",
    isNumber: true,
    sortBy: ({ lastAt }) => lastAt,
    cell: ({ lastAt }) => (
      <span class="since">
        <Since time={new Date(lastAt).toISOString()} /> ago
      </span>
    ),
  },
];

function Agents({ by }: Pick<FileFigures, "by">) {
  const names = by.map(({ agent, touches }) => `${oneLine(agent)} ${count(touches)}`);
  const rest = names.slice(MAX_AGENTS);
  return (
    <span title={rest.length > 0 ? names.join(", ") : undefined}>
      {by.slice(0, MAX_AGENTS).map(({ agent, touches }, index) => (
        <span key={agent}>
          {index > 0 && ", "}
          {oneLine(agent)} <span class="amount">{count(touches)}</span>
        </span>
      ))}
      {rest.length > 0 && ` and ${count(rest.length, "other")}`}
    </span>
  );
}

function NoFiles({ isNarrowed }: { isNarrowed: boolean }) {
  if (!isNarrowed) return <p class="muted">None of these calls read or changed a file.</p>;
  return (
    <div class="empty">
      <p>No file fits.</p>
      <button type="button" onClick={() => setParams({ q: "" })}>
        Show all
      </button>
    </div>
  );
}

function keyOf({ path, project }: FileFigures): string {
  return `${project ?? ""}\0${path}`;
}

function fits({ path, project }: FileFigures, wanted: string): boolean {
  return (
    wanted === "" || path.toLowerCase().includes(wanted) || project?.toLowerCase().includes(wanted) === true
  );
}

/** The search looks through events as they are stored. */
function asInJson(path: string): string {
  return JSON.stringify(path).slice(1, -1);
}
