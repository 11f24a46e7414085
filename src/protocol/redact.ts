/**
 * Masks secrets in what agents send: `[redacted:KIND]` in their place. It knows the forms of common tokens, and values
 * whose names say what they are; a secret that looks like any other word, and is not called one, it cannot see.
 *
 * Every text is gone through in time that grows with its length alone, whatever is in it.
 */
import { isObject, type JsonObject } from "./event.ts";
import { parseExactJson } from "./json.ts";
import { createPatterns, type Patterns, readPatterns } from "./secret-patterns.ts";
import { type Group, redactBearers, redactPrivateKeys, TOKEN_GROUPS } from "./secret-tokens.ts";
import { isIdentity, isReference, kindOfName } from "./secret-names.ts";
import { type Mask, redactAssignments } from "./secret-values.ts";

/** Of the texts that can hold a secret and the name of it: `PWD=abc`. */
const SHORTEST = 7;

const GROUPS: Group[] = [
  ...TOKEN_GROUPS,
  {
    signs: [/oken|[sp]w[od]|[a-z_ -]key|izat/i, /ecret|earer/i, /sphra/i],
    redact: (text, mask) => redactAssignments(redactBearers(redactPrivateKeys(text, mask), mask), mask),
  },
];

export interface RedactOptions {
  /** Further forms, as `readPatterns` makes them. */
  patterns?: readonly RegExp[];
  /** Told of each secret that is masked. */
  onMask?: (kind: string) => void;
}

/**
 * Makes a copy of a value with its secrets masked; it is the value itself where nothing in it is one. Values are also
 * judged by their names.
 *
 * @param json the value's, for whoever has it: most of what is to be done is to look through it once
 */
export type Redact = <T>(value: T, json?: string) => T;

export function createRedact({ patterns = [], onMask = () => {} }: RedactOptions = {}): Redact {
  return (value, json = JSON.stringify(value) ?? "") => {
    // Most events: nothing is made for them.
    if (patterns.length === 0 && isClean(json)) return value;
    return redactAny(value, null, createPass(json, patterns, onMask)) as typeof value;
  };
}

export function redactText(text: string): { text: string; count: number } {
  const { value, count } = redactValue(text, text);
  return { text: value, count };
}

/** As `createRedact` does, with how many secrets there were. */
export function redactValue<T>(value: T, json?: string): { value: T; count: number } {
  let count = 0;
  const redact = createRedact({ onMask: () => (count += 1) });
  return { value: redact(value, json), count };
}

/** An event's JSON with its secrets masked, for what is written down before a server has seen it. */
export function redactJson(json: string, patterns: readonly string[]): string {
  const event = parseExactJson(json);
  const masked = createRedact({ patterns: readPatterns(patterns) })(event, json);
  return masked === event ? json : JSON.stringify(masked);
}

/** One value on its way through. */
interface Pass {
  /** Those whose signs are anywhere in the whole. */
  groups: Group[];
  patterns: Patterns | null;
  mask: Mask;
}

function createPass(whole: string, patterns: readonly RegExp[], onMask: (kind: string) => void): Pass {
  return {
    groups: GROUPS.filter((group) => hasSign(whole, group)),
    patterns: patterns.length === 0 ? null : createPatterns(patterns),
    mask(kind) {
      onMask(kind);
      return `[redacted:${kind}]`;
    },
  };
}

function redactString(text: string, { groups, patterns, mask }: Pass): string {
  let result = text;
  if (text.length >= SHORTEST) {
    for (const group of groups) if (hasSign(result, group)) result = group.redact(result, mask);
  }
  return patterns === null ? result : patterns.redact(result, mask);
}

/** Of what tells one thing from another: it does so still, and the same is masked the same. */
function redactIdentity(text: string, pass: Pass): string {
  const masked = redactString(text, pass);
  return masked === text ? text : `${masked}#${fingerprint(text)}`;
}

/** FNV-1a of 64 bits (RFC 9923), over UTF-16 code units. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index += 1) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

function isClean(text: string): boolean {
  for (const group of GROUPS) if (hasSign(text, group)) return false;
  return true;
}

function hasSign(text: string, { signs }: Group): boolean {
  for (const sign of signs) if (sign.test(text)) return true;
  return false;
}

/** @param kind what its name says the value is, or null */
function redactAny(value: unknown, kind: string | null, pass: Pass): unknown {
  if (typeof value === "string") {
    return kind === null || isReference(value) ? redactString(value, pass) : pass.mask(kind);
  }
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    const masked = items.map((item, index) => redactAny(item, kind ?? kindOfFlag(items[index - 1]), pass));
    return masked.some((item, index) => item !== items[index]) ? masked : value;
  }
  if (!isObject(value)) return value;
  let isChanged = false;
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => {
    const named = /^value$/i.test(name) ? kindOfPair(value) : kindOfName(name);
    const masked =
      typeof item === "string" && isIdentity(name)
        ? redactIdentity(item, pass)
        : redactAny(item, named, pass);
    const key = redactIdentity(name, pass);
    isChanged ||= masked !== item || key !== name;
    return [key, masked];
  });
  return isChanged ? Object.fromEntries(entries) : value;
}

/** `{name: "DB_PASSWORD", value: "…"}`, as containers and forms have it. */
function kindOfPair({ name, key, Name, Key }: JsonObject): string | null {
  const given = name ?? key ?? Name ?? Key;
  return typeof given === "string" ? kindOfName(given) : null;
}

/** A command's arguments one by one: what a flag names is the next of them. */
function kindOfFlag(argument: unknown): string | null {
  return typeof argument === "string" && /^--?\w[\w-]*$/.test(argument) ? kindOfName(argument) : null;
}
