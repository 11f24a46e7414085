/** Which hook payloads are kept as they are, and what is kept of the others. */
import { checkEvent, isObject, type JsonObject } from "./event.ts";

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

/** No object, or nested too deeply for an event, is none. */
export function isPayload(value: unknown): value is JsonObject {
  try {
    return isObject(value) && checkEvent({ data: value }) !== null;
  } catch {
    return false;
  }
}

/**
 * Of what is no payload the text as `_raw`, with what can be saved.
 *
 * @param tail what it ends with, where the text is only its beginning
 */
export function rawPayload(text: string, tail = ""): JsonObject {
  return { ...salvage(text, tail), _raw: text };
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
