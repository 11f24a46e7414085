/** One row per tool. */
import { useMemo } from "preact/hooks";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { oneLine } from "../../parts/text.ts";
import { count, span } from "../../parts/words.ts";
import { linkTo, setParams } from "../../state/route.ts";
import type { ToolFigures } from "../../state/tool-report.ts";

interface ToolTableProps {
  tools: readonly ToolFigures[];
  /** What the calls are narrowed by, for links to their events. */
  narrowing: URLSearchParams;
  sort: string;
}

export function ToolTable({ tools, narrowing, sort }: ToolTableProps) {
  const columns = useMemo(() => columnsWith(narrowing), [narrowing]);
  return (
    <DataTable
      caption="Tool calls by tool"
      columns={columns}
      rows={tools}
      keyOf={({ tool }) => tool}
      sort={sort}
      onSort={(chosen) => setParams({ sort: chosen === "-calls" ? "" : chosen })}
      linkOf={({ tool }) => eventsOf(narrowing, { tool })}
      linkTitle={({ tool }) => `Events of ${oneLine(tool)}`}
    />
  );
}

function columnsWith(narrowing: URLSearchParams): Column<ToolFigures>[] {
  return [
    {
      key: "tool",
      name: "Tool",
      sortBy: ({ tool }) => tool,
      cell: ({ tool }) => (
        <span class="tool-name" title={oneLine(tool)}>
          {oneLine(tool)}
        </span>
      ),
    },
    {
      key: "calls",
      name: "Calls",
      isNumber: true,
      sortBy: ({ calls }) => calls,
      cell: ({ calls, share }) => (
        <span class="share" title={`${percent(share)} of all calls`}>
          <span class="share-bar" aria-hidden="true">
            <span style={{ width: `${share * 100}%` }} />
          </span>
          <span class="share-count">{count(calls)}</span>
        </span>
      ),
    },
    {
      key: "running",
      name: "Running",
      isNumber: true,
      sortBy: ({ running }) => running,
      cell: ({ running }) => <Amount value={running} class="running-count" />,
    },
    {
      key: "failures",
      name: "Failed",
      title: "Of the calls that came to an end of their own",
      isNumber: true,
      sortBy: ({ failures }) => failures,
      cell: ({ tool, calls, failures, running, denied, unfinished }) =>
        failures === 0 ? (
          <Amount value={0} />
        ) : (
          <a class="failed-count" href={eventsOf(narrowing, { tool, failed: "1" })}>
            {count(failures)}{" "}
            <span class="rate">{percent(failures / (calls - running - denied - unfinished))}</span>
          </a>
        ),
    },
    {
      key: "denied",
      name: "Denied",
      title: "Refused, by a person or a rule",
      isNumber: true,
      sortBy: ({ denied }) => denied,
      cell: ({ denied }) => <Amount value={denied} />,
    },
    {
      key: "unfinished",
      name: "Unfinished",
      title: "Nothing was heard of its end",
      isNumber: true,
      sortBy: ({ unfinished }) => unfinished,
      cell: ({ unfinished }) => <Amount value={unfinished} />,
    },
    {
      key: "median",
      name: "Median",
      title: "Half of the calls took no longer",
      isNumber: true,
      sortBy: ({ medianMs }) => medianMs,
      cell: ({ medianMs }) => <Time value={medianMs} />,
    },
    {
      key: "p95",
      name: "p95",
      title: "19 of 20 calls took no longer",
      isNumber: true,
      sortBy: ({ p95Ms }) => p95Ms,
      cell: ({ p95Ms }) => <Time value={p95Ms} />,
    },
    {
      key: "slowest",
      name: "Slowest",
      title: "Leads to the event that ended it",
      isNumber: true,
      sortBy: ({ slowest }) => slowest?.durationMs ?? null,
      cell: ({ tool, slowest }) =>
        slowest === null ? (
          <Time value={null} />
        ) : (
          <a
            href={eventsOf(narrowing, { tool, seq: `${slowest.seq}` })}
            aria-label={`${span(slowest.durationMs)}, event ${slowest.seq}`}
          >
            {span(slowest.durationMs)}
          </a>
        ),
    },
    {
      key: "total",
      name: "Total time",
      isNumber: true,
      sortBy: ({ totalMs }) => totalMs,
      cell: ({ totalMs, medianMs }) => <Time value={medianMs === null ? null : totalMs} />,
    },
  ];
}

function eventsOf(narrowing: URLSearchParams, more: Record<string, string>): string {
  return linkTo("events", { ...Object.fromEntries(narrowing), ...more });
}

/** None is worth no attention. */
function Amount({ value, class: extra = "" }: { value: number; class?: string }) {
  return <span class={value === 0 ? "muted" : extra}>{count(value)}</span>;
}

function Time({ value }: { value: number | null }) {
  if (value !== null) return <>{span(value)}</>;
  return (
    <span class="muted">
      <span aria-hidden="true">–</span>
      <span class="hidden">not known</span>
    </span>
  );
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 1 ? "<1" : Math.round(value)} %`;
}
