/** Text that others wrote, made fit for a terminal: harmless, on one line, no wider than there is room. */

/**
 * What moves the cursor, recolours, reorders or hides text: control characters (C0, DEL, C1), format characters
 * (bidirectional overrides among them) and halves of surrogate pairs; not the line feed, nor the joiners that emoji
 * and Persian are written with.
 */
const HARMFUL = /(?![\n\u200C\u200D])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** On one line, each run of white space a space, and what would act on the terminal written out as `\x1b`. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().replace(HARMFUL, escape);
}

/** The same JSON value with nothing raw in it that would act on a terminal; JSON itself lets C1 and bidi through. */
export function harmlessJson(json: string): string {
  return json.replace(HARMFUL, (character) => {
    return [...Array(character.length).keys()].map((at) => `\\u${hex(character.charCodeAt(at), 4)}`).join("");
  });
}

/** The beginning of a text, with "…" where it had to be cut to fit into so many columns. */
export function fit(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text;
  let shown = "";
  let left = columns - 1;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    left -= Bun.stringWidth(segment);
    if (left < 0) break;
    shown += segment;
  }
  return `${shown}…`;
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${hex(code, 2)}`;
  return code <= 0xffff ? `\\u${hex(code, 4)}` : `\\u{${hex(code, 1)}}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
