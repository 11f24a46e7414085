/** Secrets that are known by the name they are given in a text: `PASSWORD=…`, `--token …`, `"apiKey": "…"`. */
import { isPlaceholder, isReference, kindOfName, looksRandom, MAX_NAME_CHARS } from "./secret-names.ts";

/** Counts a secret, and makes what stands in its place. */
export type Mask = (kind: string) => string;

/** Every name ends in one of these; they are cut so that they are found fast. */
const NAME_END = /oken|[sp]wd|sword|hrase|ecret|[a-z_-]key|zation/gi;

/** Between a name and its value: what closes the name, and a sign. */
const SEPARATOR = /(\\*["'`]\]?)?([ \t]{0,4})(=>|:=|=|:(?!:))([ \t]{0,8})/y;
/** Between a flag and its value, which is no flag itself. */
const BLANK = /[ \t]{1,4}(?!-)/y;
const QUOTE = /\\{0,7}["'`]/y;
/** Behind `Authorization`. */
const SCHEME = /(?:basic|token|apikey)[ \t]{1,4}/iy;
const UNQUOTED = /[^\s"'`;&|<>\\]+/y;
const UNQUOTED_IN_CODE = /[^\s"'`;&|<>\\()[\]{},]+/y;
const LINE_END = /[ \t]*(?:$|["'`#\r\n]|\\+[nr])/y;
const NEXT_PAIR = /; ?[A-Za-z][\w ]{0,40}=/y;

/** What follows a flag's name where it is written about. */
const PROSE = new Set(
  "a an and are argument arguments as be by can file flag flags for from has if in instead is may must not of on option options or parameter prompt should stdin that the to using via was when which will with".split(
    " ",
  ),
);

export function redactAssignments(text: string, mask: Mask): string {
  let result = "";
  let done = 0;
  NAME_END.lastIndex = 0;
  while (NAME_END.test(text)) {
    const assigned = readAssignment(text, NAME_END.lastIndex);
    if (assigned === null) continue;
    const isFound = isSecret(text, assigned);
    NAME_END.lastIndex = isFound ? assigned.to : assigned.goOn;
    if (!isFound) continue;
    result += text.slice(done, assigned.from) + mask(assigned.kind);
    done = assigned.to;
  }
  return done === 0 ? text : result + text.slice(done);
}

interface Assignment {
  /** Of secret, as its name says. */
  kind: string;
  /** A flag of a command, a variable of its environment, one of several pairs in a line, a header, or anything else. */
  style: "flag" | "environment" | "pair" | "header" | "code";
  isQuoted: boolean;
  /** Without blanks around the sign. */
  isTight: boolean;
  from: number;
  to: number;
  /** Where the next name may begin, if this value is no secret: what is long is not read twice. */
  goOn: number;
}

function readAssignment(text: string, nameEnd: number): Assignment | null {
  const separator = execAt(SEPARATOR, text, nameEnd) ?? execAt(BLANK, text, nameEnd);
  if (!separator) return null;
  const name = nameBefore(text, nameEnd);
  const kind = kindOfName(name);
  const isFlag = name.startsWith("-");
  const [between, closed, before, sign, after] = separator;
  if (kind === null || (sign === undefined && !isFlag) || (sign === "=>" && closed === undefined))
    return null;

  let from = nameEnd + between.length;
  const quote = execAt(QUOTE, text, from)?.[0] ?? "";
  from += quote.length;
  const scheme = kind === "authorization" ? (execAt(SCHEME, text, from)?.[0] ?? "") : "";
  from += scheme.length;

  const isTight = sign === "=" && before === "" && after === "";
  const isVariable = isTight && !/[a-z]/.test(name);
  // What a shell runs there gives the value.
  if (isVariable && quote.endsWith("`")) return null;
  const unquoted = isFlag || isVariable ? UNQUOTED : UNQUOTED_IN_CODE;
  const to = quote === "" ? endOf(unquoted, text, from) : closing(text, quote, from);
  if (to === null || to === from) return null;
  const isPair = isTight && quote === "" && isAmongPairs(text, nameEnd - name.length, to);
  const style = scheme ? "header" : isFlag ? "flag" : isVariable ? "environment" : isPair ? "pair" : "code";
  return { kind, style, isQuoted: quote !== "", isTight, from, to, goOn: quote === "" ? to : from };
}

function isSecret(text: string, { kind, style, isQuoted, isTight, from, to }: Assignment): boolean {
  const value = text.slice(from, to);
  if (isReference(value)) return false;
  /** By a human: it may look like any word. */
  const isChosen = kind === "password" || kind === "secret";
  const isLong = isChosen ? value.length >= 3 : value.length >= 6 && !/^\d{1,7}$/.test(value);
  if (style === "environment") return isLong;
  if (style === "header") return isLong && /[\d=]|[a-z][A-Z]/.test(value);
  if (isPlaceholder(value)) return false;
  if (style === "flag") return isChosen ? isLong && !PROSE.has(value.toLowerCase()) : looksRandom(value);
  if (isQuoted) return !/\s/.test(value) && (isChosen ? isLong : looksRandom(value));
  if (style === "pair") return isLong && !isAt("(.[", text, to);
  return looksRandom(value) && (isTight ? !isAt("),.([{", text, to) : execAt(LINE_END, text, to) !== null);
}

/** `?token=…&`, `;Password=…;` */
function isAmongPairs(text: string, from: number, to: number): boolean {
  const before = text.slice(Math.max(0, from - 2), from).trim();
  return /[?&;]$/.test(before) || text[to] === "&" || execAt(NEXT_PAIR, text, to) !== null;
}

function nameBefore(text: string, end: number): string {
  let start = end;
  while (start > 0 && end - start < MAX_NAME_CHARS && /[\w.-]/.test(text[start - 1] as string)) start -= 1;
  return text.slice(start, end);
}

/** Where a quoted text ends, or null when it does not on its line. */
function closing(text: string, quote: string, from: number): number | null {
  let to = text.indexOf(quote, from);
  while (quote.length === 1 && to > from && text[to - 1] === "\\") to = text.indexOf(quote, to + 1);
  return to === -1 || /[\r\n]/.test(text.slice(from, to)) ? null : to;
}

function endOf(pattern: RegExp, text: string, from: number): number {
  return from + (execAt(pattern, text, from)?.[0].length ?? 0);
}

function execAt(sticky: RegExp, text: string, index: number): RegExpExecArray | null {
  sticky.lastIndex = index;
  return sticky.exec(text);
}

function isAt(characters: string, text: string, index: number): boolean {
  return index < text.length && characters.includes(text[index] as string);
}
