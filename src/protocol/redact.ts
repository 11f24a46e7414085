/**
 * Masks secrets in what agents send: `[redacted:KIND]` in their place. It knows the forms of common tokens, and values
 * whose names say what they are; a secret that looks like any other word, and is not called one, it cannot see.
 *
 * Every text is gone through in time that grows with its length alone, whatever is in it.
 */
import { isObject } from "./event.ts";
import { type Group, redactBearers, redactPrivateKeys, TOKEN_GROUPS } from "./secret-tokens.ts";
import { isReference, kindOfName } from "./secret-names.ts";
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

export function redactText(text: string): { text: string; count: number } {
  const pass = createPass(text);
  return { text: redactString(text, pass), count: pass.count };
}

/**
 * The value itself where nothing in it is a secret, else a copy with all that had to change. Values are also judged by
 * their names.
 *
 * @param json the value's, for whoever has it: most of what is to be done is to look through it once
 */
export function redactValue<T>(value: T, json = JSON.stringify(value) ?? ""): { value: T; count: number } {
  const pass = createPass(json);
  return { value: pass.groups.length === 0 ? value : (redactAny(value, null, pass) as T), count: pass.count };
}

interface Pass {
  /** Those whose signs are anywhere in the whole. */
  groups: Group[];
  count: number;
  mask: Mask;
}

function createPass(whole: string): Pass {
  const groups = GROUPS.filter((group) => hasSign(whole, group));
  const pass: Pass = {
    groups,
    count: 0,
    mask(kind) {
      pass.count += 1;
      return `[redacted:${kind}]`;
    },
  };
  return pass;
}

function redactString(text: string, { groups, mask }: Pass): string {
  if (text.length < SHORTEST) return text;
  let result = text;
  for (const group of groups) if (hasSign(result, group)) result = group.redact(result, mask);
  return result;
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
    const masked = redactAny(item, kindOfName(name), pass);
    isChanged ||= masked !== item;
    return [name, masked];
  });
  return isChanged ? Object.fromEntries(entries) : value;
}

/** A command's arguments one by one: what a flag names is the next of them. */
function kindOfFlag(argument: unknown): string | null {
  return typeof argument === "string" && /^--?\w[\w-]*$/.test(argument) ? kindOfName(argument) : null;
}
