/** What a session's calls add up to: by tool, and by file. */
import { EDIT_TOOLS } from "./calls.ts";
import { percentile } from "./percentile.ts";
import type { FileRow, Lane, Span, ToolRow } from "./story.ts";

/** In the order of their first calls. */
export function countTools(spans: readonly Span[]): ToolRow[] {
  const rows = new Map<string, { row: ToolRow; durations: number[] }>();
  for (const span of spans) {
    const { tool, outcome, durationMs } = span;
    const entry = rows.get(tool) ?? { row: emptyRow(tool), durations: [] };
    rows.set(tool, entry);
    const { row, durations } = entry;
    row.calls += 1;
    if (outcome === "failure") row.failures += 1;
    else if (outcome === "denied") row.denied += 1;
    else if (outcome === "unfinished") row.unfinished += 1;
    if (durationMs === null || (outcome !== "success" && outcome !== "failure")) continue;
    durations.push(durationMs);
    row.totalMs += durationMs;
    if (durationMs > (row.slowest?.durationMs ?? -1)) row.slowest = span;
  }
  return [...rows.values()].map(({ row, durations }) => {
    return { ...row, medianMs: percentile(durations, 0.5), p95Ms: percentile(durations, 0.95) };
  });
}

/** Those touched last come last. */
export function countFiles(spans: readonly Span[], lanes: readonly Lane[]): FileRow[] {
  const typeOf = new Map(lanes.map(({ agentId, agentType }) => [agentId, agentType]));
  const rows = new Map<string, FileRow>();
  for (const { path, tool, agentId, outcome, endedAt } of spans) {
    const isEdit = EDIT_TOOLS.has(tool);
    if (path === null || endedAt === null || outcome !== "success" || (!isEdit && tool !== "Read")) continue;
    const row = rows.get(path) ?? { path, reads: 0, edits: 0, by: [], lastAt: endedAt };
    rows.set(path, row);
    let own = row.by.find((agent) => agent.agentId === agentId);
    if (!own) {
      own = { agentId, agentType: typeOf.get(agentId) ?? null, reads: 0, edits: 0 };
      row.by.push(own);
    }
    for (const counts of [row, own]) {
      if (isEdit) counts.edits += 1;
      else counts.reads += 1;
    }
    row.lastAt = Math.max(row.lastAt, endedAt);
  }
  return [...rows.values()].toSorted((a, b) => a.lastAt - b.lastAt);
}

function emptyRow(tool: string): ToolRow {
  return {
    tool,
    calls: 0,
    failures: 0,
    denied: 0,
    unfinished: 0,
    medianMs: null,
    p95Ms: null,
    totalMs: 0,
    slowest: null,
  };
}
