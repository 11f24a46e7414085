/** JSON as text: values are put in and taken out, and every other byte stays as it is. */
import {
  createScanner,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
  visit,
} from "jsonc-parser";
import { SettingsError } from "./error.ts";

export interface JsonText {
  /** A byte order mark, or nothing. */
  mark: string;
  body: string;
  root: Node;
}

export interface Edit {
  start: number;
  end: number;
  text: string;
}

/** What refusals advise. */
export const MEND_HINT = "Mend it there, and try again; nothing was changed";

/**
 * Reads JSON, comments and trailing commas allowed, with an object on top; blank text is `{}`, as it is to Claude
 * Code. Anything else throws a `SettingsError` with line and column.
 */
export function openText(text: string, path: string): JsonText {
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const body = text.trim() === "" ? "{}\n" : text.slice(mark.length);
  const mistakes: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(body, mistakes, { allowTrailingComma: true });
  } catch {
    throw new SettingsError(`${path} is nested too deeply`, MEND_HINT);
  }
  const [first] = mistakes;
  if (first) throw refusal(path, body, first.offset, describe(first));
  if (root?.type !== "object") throw refusal(path, body, root?.offset ?? 0, "this is no JSON object");
  return { mark, body, root };
}

/** Says what is wrong at a place of the text. */
export function refusal(path: string, body: string, offset: number, what: string): SettingsError {
  const lines = body.slice(0, offset).split(/\r\n|\n|\r/);
  const column = (lines.at(-1) ?? "").length + 1;
  return new SettingsError(`${path}, line ${lines.length}, column ${column}: ${what}`, MEND_HINT);
}

/** Of a key that stands twice the last one counts, as for every JSON parser. */
export function propertyOf(object: Node, name: string): Node | undefined {
  return object.type === "object" ? object.children?.findLast((child) => keyOf(child) === name) : undefined;
}

export function keyOf(property: Node): unknown {
  return property.children?.[0]?.value;
}

export function valueOf(property: Node | undefined): Node | undefined {
  return property?.children?.[1];
}

/** An edit that puts members behind those there are: `[key, value]` into an object, `[null, value]` into an array. */
export function insertion(
  { body, root }: JsonText,
  container: Node,
  members: readonly [key: string | null, value: unknown][],
): Edit {
  const { eol, unit } = layoutOf(body, root);
  const children = container.children ?? [];
  const last = children.at(-1);
  const oneLine = isOneLine(body, container, root) || unit === "";
  const outer = indentAt(body, container.offset);
  const inner = firstIndent(body, children) ?? outer + unit;
  const before = oneLine ? "" : eol + inner;
  const texts = members.map(([key, value]) => {
    const json = oneLine
      ? JSON.stringify(value)
      : JSON.stringify(value, null, unit).replaceAll("\n", eol + inner);
    const separator = oneLine ? ":" : ": ";
    return before + (key === null ? json : JSON.stringify(key) + separator + json);
  });
  const text = texts.join(",");
  if (last) return { start: endOf(last), end: endOf(last), text: `,${text}` };
  const start = container.offset + 1;
  const breaks = /[\r\n]/.test(body.slice(start, endOf(container)));
  return { start, end: start, text: oneLine || breaks ? text : text + eol + outer };
}

/** Edits that take members out, with their commas; comments stay. */
export function removal({ body }: JsonText, container: Node, gone: ReadonlySet<Node>): Edit[] {
  const edits: Edit[] = [];
  const ends = lineCommentEnds(body);
  const cut = (start: number, end: number) => edits.push({ start, end, text: "" });
  let kept: Node | null = null;
  for (const child of container.children ?? []) {
    if (!gone.has(child)) {
      kept = child;
      continue;
    }
    const spaceStart = body.slice(0, child.offset).trimEnd().length;
    // The line break that ends a comment is needed.
    cut(ends.has(spaceStart) ? child.offset : spaceStart, endOf(child));
    const comma = commaAfter(body, child) ?? (kept ? commaAfter(body, kept) : null);
    if (comma !== null) cut(comma, comma + 1);
  }
  const inside = { start: container.offset + 1, end: endOf(container) - 1 };
  const left = applyEdits(body.slice(inside.start, inside.end), edits, inside.start);
  return edits.length > 0 && left.trim() === "" ? [{ ...inside, text: "" }] : edits;
}

/** @param base the offset of the text's beginning, as the edits count */
export function applyEdits(text: string, edits: readonly Edit[], base = 0): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((result, { start, end, text: put }) => {
      return result.slice(0, start - base) + put + result.slice(end - base);
    }, text);
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

/** The file's own line break, and what it indents by: as the members on top, or two spaces. */
function layoutOf(body: string, root: Node): { eol: string; unit: string } {
  const eol = /\r\n|\n|\r/.exec(body)?.[0] ?? "\n";
  return { eol, unit: firstIndent(body, root.children ?? []) ?? "  " };
}

/** Whether what is put in goes on the same line, because all that is there does. */
function isOneLine(body: string, container: Node, root: Node): boolean {
  const holder = (container.children ?? []).length > 0 ? container : root;
  if ((holder.children ?? []).length === 0) return false;
  return !/[\r\n]/.test(body.slice(holder.offset, endOf(holder)));
}

/** The indent of the first of these that begins a line. */
function firstIndent(body: string, nodes: readonly Node[]): string | null {
  for (const { offset } of nodes) {
    const start = lineStart(body, offset);
    const space = body.slice(start, offset);
    if (start > 0 && space.trim() === "") return space;
  }
  return null;
}

/** The indent of the line on which this stands. */
function indentAt(body: string, offset: number): string {
  return /^[ \t]*/.exec(body.slice(lineStart(body, offset), offset))?.[0] ?? "";
}

function lineStart(body: string, offset: number): number {
  return offset === 0
    ? 0
    : Math.max(body.lastIndexOf("\n", offset - 1), body.lastIndexOf("\r", offset - 1)) + 1;
}

function commaAfter(body: string, node: Node): number | null {
  const scanner = createScanner(body, true);
  scanner.setPosition(endOf(node));
  scanner.scan();
  const offset = scanner.getTokenOffset();
  return body[offset] === "," ? offset : null;
}

function lineCommentEnds(body: string): Set<number> {
  const ends = new Set<number>();
  visit(body, {
    onComment(offset, length) {
      if (body.startsWith("//", offset)) ends.add(offset + length);
    },
  });
  return ends;
}

function describe({ error }: ParseError): string {
  const words = printParseErrorCode(error).replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ");
  return words.toLowerCase();
}
