/** Texts out of events, made fit to be shown: all a page shows of them has to go through here. */

/**
 * What is not seen and changes what is: control characters, and marks that turn the direction of what follows
 * (https://www.unicode.org/reports/tr9/), which can make a text read as another one.
 */
const UNSEEN = /[\p{Cc}\p{Cs}\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/u;
const EACH_UNSEEN = new RegExp(UNSEEN.source, "gu");

/** The same text with what cannot be seen named: `⟨U+202E⟩`. Halves of characters are named too. */
export function visible(text: string): string {
  if (!UNSEEN.test(text)) return text;
  return text.replace(EACH_UNSEEN, (character) => {
    if (character === "\n" || character === "\t") return character;
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `⟨U+${code}⟩`;
  });
}

/** As `visible`, in one line. */
export function oneLine(text: string): string {
  return visible(text).replace(/\s+/g, " ");
}
