/** What a hook was given on its standard input, made into an object. */
import { checkEvent, isObject, type JsonObject } from "../protocol/event.ts";
import { parseExactJson } from "../protocol/json.ts";
import type { Input } from "./input.ts";

/** What places an event, and may still be found in JSON that was cut off. */
const SALVAGED = [
  "session_id",
  "hook_event_name",
  "tool_name",
  "tool_use_id",
  "agent_id",
  "agent_type",
  "cwd",
];

const UTF_8 = new TextDecoder();

/** The payload; of what is no JSON object the text as `_raw`, with what can be saved. Null for nothing. */
export function payloadOf({ head, tail, bytes, value }: Input): JsonObject | null {
  if (isPayload(value)) return value;
  const text = UTF_8.decode(head);
  if (text.trim() === "") return null;
  const whole = bytes === head.length && value === undefined ? parse(text) : undefined;
  if (isPayload(whole)) return whole;
  return { ...salvage(text, UTF_8.decode(tail)), _raw: text, ...(tail.length > 0 ? { _bytes: bytes } : {}) };
}

/** No object, or nested too deeply for an event, is none. */
function isPayload(value: unknown): value is JsonObject {
  try {
    return isObject(value) && checkEvent({ data: value }) !== null;
  } catch {
    return false;
  }
}

function parse(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    return undefined;
  }
}

/** In the beginning the first of a name is the payload's own, towards the end the last. */
function salvage(head: string, tail: string): JsonObject {
  const found: JsonObject = {};
  if (!head.trimStart().startsWith("{")) return found;
  for (const name of SALVAGED) {
    const field = new RegExp(`(?<!\\\\)"${name}"\\s*:\\s*("(?:[^"\\\\]|\\\\.){0,4096}")`, "g");
    const [, value] = field.exec(head) ?? [...tail.matchAll(field)].at(-1) ?? [];
    if (value !== undefined) found[name] = orText(value);
  }
  return found;
}

function orText(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
