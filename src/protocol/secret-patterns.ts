/** Secrets of forms that only a user knows, given as regular expressions. */
import type { Mask } from "./secret-values.ts";

/** Longer texts are gone through in pieces, for a pattern such as `\w+@` takes the square of what it goes through. */
const PIECE_CHARS = 2000;
/** A match may be as long as this to be found wherever it lies. */
const OVERLAP_CHARS = 500;
/** For one event. What is left then is masked whole: it may hold a secret, and looking on would hold up everybody. */
const LIMIT_MS = 250;

/** The patterns on their way through one event. */
export interface Patterns {
  redact(text: string, mask: Mask): string;
}

/** @param now milliseconds */
export function createPatterns(patterns: readonly RegExp[], now = () => performance.now()): Patterns {
  let end: number | null = null;
  return {
    redact(text, mask) {
      end ??= now() + LIMIT_MS;
      let found: Range[] = [];
      for (let from = 0; from < text.length; from += PIECE_CHARS - OVERLAP_CHARS) {
        if (now() > end) {
          found.push([from, text.length]);
          break;
        }
        const piece = text.slice(from, from + PIECE_CHARS);
        for (const pattern of patterns) {
          for (const match of piece.matchAll(pattern)) {
            if (match[0] !== "") found.push([from + match.index, from + match.index + match[0].length]);
          }
        }
        if (from + PIECE_CHARS >= text.length) break;
      }
      // What is masked already stays as it is, even where a pattern fits the mask.
      const masks = [...text.matchAll(MASK)].map(({ 0: { length }, index }): Range => [
        index,
        index + length,
      ]);
      found = found.filter(([from, to]) => !masks.some((other) => other[0] <= from && to <= other[1]));
      return found.length === 0 ? text : maskRanges(text, found, mask);
    },
  };
}

type Range = [from: number, to: number];

const MASK = /\[redacted:[\w-]+\]/g;

function maskRanges(text: string, ranges: Range[], mask: Mask): string {
  let result = "";
  let done = 0;
  for (const [from, to] of ranges.toSorted(([a], [b]) => a - b)) {
    if (to <= done) continue;
    // One that overlaps with the one before is one with it.
    if (from >= done) result += text.slice(done, from) + mask("custom");
    done = to;
  }
  return result + text.slice(done);
}

/** Those that can be used; `problemOf` says what is wrong with the others. */
export function readPatterns(sources: readonly string[]): RegExp[] {
  return sources.filter((source) => problemOf(source) === null).map((source) => new RegExp(source, "g"));
}

/** Texts in which nothing that is to be masked is empty. */
const PROBES = ["", "a1 _-"];

/** Why a text cannot be a pattern, or null. */
export function problemOf(source: string): string | null {
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, "g");
  } catch (error) {
    return (error as Error).message;
  }
  if (PROBES.some((probe) => [...probe.matchAll(pattern)].some(([match]) => match === "")))
    return "it matches the empty text";
  return repeatsItself(source)
    ? "it repeats what repeats already, which can take for ever; see that something fixed stands between, as in (\\d+-)+"
    : null;
}

/** An atom of a pattern, escaped characters and classes whole; what opens a group; what closes it; a quantifier. */
const TOKEN =
  /\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?(?:<?[=!]|:|<\w+>|[a-z-]*:))?|\)|\||[*+?]\??|\{\d+(?:,\d*)?\}\??|[\s\S]/g;

interface Branch {
  /** Something in it is repeated without end. */
  repeats: boolean;
  /** Something in it is there exactly so often, and keeps its repetitions apart. */
  isApart: boolean;
}

/** Whether a group is repeated without end that holds nothing but what is itself repeated, or may be absent: `(a+)+`. */
function repeatsItself(source: string): boolean {
  const tokens = source.match(TOKEN) ?? [];
  const open: { branch: Branch; isAmbiguous: boolean }[] = [];
  let current = { branch: { repeats: false, isApart: false }, isAmbiguous: false };
  const endBranch = () => {
    current.isAmbiguous ||= current.branch.repeats && !current.branch.isApart;
    current.branch = { repeats: false, isApart: false };
  };
  for (const [index, token] of tokens.entries()) {
    if (token.startsWith("(")) {
      open.push(current);
      current = { branch: { repeats: false, isApart: false }, isAmbiguous: false };
      continue;
    }
    if (token === "|") {
      endBranch();
      continue;
    }
    if (isQuantifier(token)) continue;
    const next = tokens[index + 1] ?? "";
    const isEndless = isQuantifier(next) && /^[*+]|,\}/.test(next);
    const isOptional = isQuantifier(next) && /^[?*]|^\{0,/.test(next);
    let [repeats, isAmbiguous] = [isEndless, false];
    if (token === ")") {
      repeats ||= current.branch.repeats;
      endBranch();
      ({ isAmbiguous } = current);
      if (isAmbiguous && isEndless) return true;
      current = open.pop() ?? current;
    }
    current.branch.repeats ||= repeats;
    current.branch.isApart ||= !repeats && !isOptional;
    current.isAmbiguous ||= isAmbiguous;
  }
  return false;
}

function isQuantifier(token: string): boolean {
  return /^(?:[*+?]\??|\{\d+(?:,\d*)?\}\??)$/.test(token);
}
