/** Masks what looks like a secret in texts that leave the machine. It knows the usual forms only. */
import { isObject } from "./event.ts";

const MASK = "[masked]";

const TOKENS = new RegExp(
  [
    "\\bgh[pousr]_\\w{20,}",
    "\\bgithub_pat_\\w{20,}",
    "\\bsk-[\\w-]{20,}",
    "\\bAKIA[0-9A-Z]{16}\\b",
    "\\bxox[abprs]-[\\w-]{10,}",
    "\\beyJ[\\w-]{10,}\\.[\\w-]{10,}\\.[\\w-]{5,}",
    "-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
  ].join("|"),
  "g",
);

export function redactText(text: string): { text: string; count: number } {
  let count = 0;
  const masked = text.replace(TOKENS, () => {
    count += 1;
    return MASK;
  });
  return { text: masked, count };
}

/** A copy, with the texts in it masked, and how many secrets there were. */
export function redactValue<T>(value: T): { value: T; count: number } {
  let count = 0;
  function copy(from: unknown): unknown {
    if (typeof from === "string") {
      const masked = redactText(from);
      count += masked.count;
      return masked.text;
    }
    if (Array.isArray(from)) return from.map(copy);
    if (!isObject(from)) return from;
    return Object.fromEntries(Object.entries(from).map(([key, item]) => [redactText(key).text, copy(item)]));
  }
  return { value: copy(value) as T, count };
}
