/** What an event says of changes to files, made into lines. */
import { diffLines } from "diff";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import { fieldsOf, firstText, textOf } from "../../protocol/event-fields.ts";

export interface DiffLine {
  kind: "same" | "added" | "removed" | "skipped";
  /** Of the file before and after; null where it is not in there, or nobody said. */
  before: number | null;
  after: number | null;
  text: string;
}

export interface FileDiff {
  path: string;
  lines: DiffLine[];
}

/** Beyond it comparing takes longer than anybody waits; then all old lines go and all new ones come. */
const TIMEOUT_MS = 100;
/** Lines around a change that are shown with it. */
const CONTEXT = 3;

/** Of edits of Claude Code: its own patch where it gives one, else what is found by comparing; else nothing. */
export function diffsOf(event: JsonObject): FileDiff[] {
  const fields = fieldsOf(event);
  const { tool_input: input, tool_response: response } = fields;
  if (!isObject(input)) return [];
  const path = firstText(input, ["file_path", "notebook_path", "path"]);
  const patch = isObject(response) ? response.structuredPatch : undefined;
  if (Array.isArray(patch) && patch.length > 0) return [{ path, lines: patch.flatMap(linesOfHunk) }];
  return editsOf(input).map(([before, after]) => ({ path, lines: compare(before, after) }));
}

function editsOf(input: JsonObject): [before: string, after: string][] {
  if (typeof input.old_string === "string" && typeof input.new_string === "string") {
    return [[input.old_string, input.new_string]];
  }
  if (Array.isArray(input.edits)) return input.edits.filter(isObject).flatMap(editsOf);
  const isWrite = textOf(input.file_path) !== "" && typeof input.content === "string";
  return isWrite ? [["", String(input.content)]] : [];
}

/** A hunk as unified diffs have it: where it begins in both files, and lines that begin with " ", "+" or "-". */
function linesOfHunk(hunk: unknown): DiffLine[] {
  if (!isObject(hunk) || !Array.isArray(hunk.lines)) return [];
  let before = Number(hunk.oldStart) || 1;
  let after = Number(hunk.newStart) || 1;
  const lines: DiffLine[] = before > 1 ? [SKIPPED] : [];
  for (const line of hunk.lines) {
    if (typeof line !== "string") continue;
    const text = line.slice(1);
    if (line.startsWith("+")) lines.push({ kind: "added", before: null, after: after++, text });
    else if (line.startsWith("-")) lines.push({ kind: "removed", before: before++, after: null, text });
    else if (line.startsWith(" ")) lines.push({ kind: "same", before: before++, after: after++, text });
  }
  return lines;
}

const SKIPPED: DiffLine = { kind: "skipped", before: null, after: null, text: "" };

function compare(before: string, after: string): DiffLine[] {
  const parts = diffLines(before, after, { timeout: TIMEOUT_MS }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  // Numbers would be those of the piece that was given, not the file's.
  return parts.flatMap(({ value, added, removed }, index) => {
    const kind = added ? "added" : removed ? "removed" : "same";
    const lines = splitLines(value).map((text): DiffLine => ({ kind, before: null, after: null, text }));
    return kind === "same" ? shortened(lines, index === 0, index === parts.length - 1) : lines;
  });
}

function shortened(lines: DiffLine[], isFirst: boolean, isLast: boolean): DiffLine[] {
  const head = isFirst ? 0 : CONTEXT;
  const tail = isLast ? 0 : CONTEXT;
  if (lines.length <= head + tail + 1) return lines;
  return [...lines.slice(0, head), SKIPPED, ...lines.slice(lines.length - tail)];
}

function splitLines(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}
