/** JSON that loses nothing on its way through the server. */

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Sixteen digits or a three-digit exponent: only there can a number be more than a double holds. */
const SUSPECT = /\d{16}|[eE][+-]?\d{3}/;

/**
 * Parses JSON so that serialising it again gives every number as it was written. Python's `time.time_ns()` has more
 * digits than a double: such a number becomes a raw JSON value
 * (https://github.com/tc39/proposal-json-parse-with-source), which is an object to code that looks at it. Throws a
 * `SyntaxError`.
 */
export function parseExactJson(text: string): unknown {
  return SUSPECT.test(text)
    ? JSON.parse(text, keepExact as Parameters<typeof JSON.parse>[1])
    : JSON.parse(text);
}

const keepExact: Reviver = (_key, value, context) => {
  const source = context?.source;
  return typeof value === "number" && source !== undefined && String(value) !== source
    ? rawJSON(source)
    : value;
};
