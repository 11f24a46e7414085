/** Makes an event fit: its longest strings are shortened, each with a mark that says by how much. */
import { isObject, type JsonObject } from "./event.ts";
import { exceedsBytes } from "./json.ts";

/** Bytes of JSON below which a string is never shortened: a mark and a little of the text. */
const SHORTEST_CUT = 256;

const UTF_8 = new TextEncoder();

/**
 * The event itself where its JSON has at most so many bytes, otherwise a copy in which no string is longer than it may
 * be for the whole to fit. Where the size is not in its strings, fields of `data` become their JSON text, and at last
 * `data` itself does, as `_raw`. What is then still too large comes back too large.
 */
export function shortenToFit<T extends JsonObject>(event: T, maxBytes: number): T {
  const { data } = event;
  return (
    shortenStrings(event, maxBytes) ??
    (isObject(data) ? shortenStrings({ ...event, data: fieldsAsText(data) }, maxBytes) : null) ??
    shortenStrings({ ...event, data: { _raw: JSON.stringify(data) } }, maxBytes) ??
    event
  );
}

/** Null when shortening strings alone does not do. */
function shortenStrings<T extends JsonObject>(event: T, maxBytes: number): T | null {
  const text = JSON.stringify(event);
  if (!exceedsBytes(text, maxBytes)) return event;
  const sizes = longStrings(event).toSorted((a, b) => b - a);
  const limit = lengthLimit(sizes, UTF_8.encode(text).length - maxBytes);
  return limit < SHORTEST_CUT ? null : (mapStrings(event, (value) => cut(value, limit)) as T);
}

/** How long a string may be at most, so that together they give up so many bytes; 0 when they do not have that many. */
function lengthLimit(descending: readonly number[], excess: number): number {
  let sum = 0;
  for (const [index, size] of descending.entries()) {
    sum += size;
    const limit = Math.floor((sum - excess) / (index + 1));
    if (limit >= (descending[index + 1] ?? 0)) return limit;
  }
  return 0;
}

/** Sizes of the strings that can be shortened, in bytes of JSON. */
function longStrings(event: JsonObject): number[] {
  const sizes: number[] = [];
  mapStrings(event, (value) => {
    const size = jsonBytes(value);
    if (size > SHORTEST_CUT) sizes.push(size);
    return value;
  });
  return sizes;
}

/** The longest beginning that fits into so many bytes of JSON together with its mark. */
function cut(value: string, maxBytes: number): string {
  if (value.length <= maxBytes && jsonBytes(value) <= maxBytes) return value;
  const room = maxBytes - UTF_8.encode(mark(value.length)).length;
  // No character takes less than a byte, so the rest cannot be needed; +1 is the quote in front.
  const escaped = JSON.stringify(value.slice(0, maxBytes));
  const { read } = UTF_8.encodeInto(escaped, new Uint8Array(room + 1));
  const head = unescapeHead(escaped.slice(0, read));
  return head + mark(value.length - head.length);
}

/** Reads a JSON string that was cut off at any place, without what an escape sequence has left there. */
function unescapeHead(text: string): string {
  for (let end = text.length; ; end -= 1) {
    try {
      const head = JSON.parse(`${text.slice(0, end)}"`) as string;
      // Half of a pair that was written as two escapes.
      return head.isWellFormed() ? head : head.replace(/[\uD800-\uDBFF]$/, "");
    } catch (error) {
      if (end <= 1) throw error;
    }
  }
}

function mark(characters: number): string {
  return `… [${String(characters).replace(/\B(?=(\d{3})+$)/g, ",")} characters left out]`;
}

/** Bytes a string takes in JSON, without its quotes. */
function jsonBytes(value: string): number {
  // Six bytes is the most one character takes.
  if (value.length * 6 <= SHORTEST_CUT) return value.length;
  return UTF_8.encode(JSON.stringify(value)).length - 2;
}

function mapStrings(value: unknown, change: (value: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapStrings(item, change)]));
}

function fieldsAsText(data: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => {
      const text = typeof value === "object" && value !== null ? JSON.stringify(value) : "";
      return [name, text.length > SHORTEST_CUT ? text : value];
    }),
  );
}
