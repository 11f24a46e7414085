/** JSON texts: parsed so that nothing is lost on the way through the server, and measured. */

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON?(text: string): unknown;
  isRawJSON?(value: unknown): boolean;
};

/** Whether a value is a number that `parseExactJson` kept as it was written; Node 20 has none to keep. */
export const isRawJson: (value: unknown) => boolean = isRawJSON ?? (() => false);

/**
 * Sixteen digits or a three-digit exponent: only there can a number be more than a double holds. They count where a
 * number can begin: of a UUID's digits every third one looks like an exponent.
 */
const SUSPECT = /(?:^|[\s:,[])-?(?:[\d.]{16}|[\d.]+[eE][+-]?\d{3})/;

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

/** Whether a text is longer than so many bytes of UTF-8, counted only where its length leaves that open. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  if (text.length > maxBytes) return true;
  return text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes;
}

const keepExact: Reviver = (_key, value, context) => {
  const source = context?.source;
  return typeof value === "number" && source !== undefined && String(value) !== source
    ? rawJSON?.(source)
    : value;
};
