/** What a hook was given on its standard input, made into an object. */
import type { JsonObject } from "../protocol/event.ts";
import { isPayload, rawPayload } from "../protocol/hook-payload.ts";
import { parseExactJson } from "../protocol/json.ts";
import type { Input } from "./input.ts";

const UTF_8 = new TextDecoder();

/** The payload; of what is no JSON object the text as `_raw`, with what can be saved. Null for nothing. */
export function payloadOf({ head, tail, bytes, value }: Input): JsonObject | null {
  if (isPayload(value)) return value;
  const text = UTF_8.decode(head);
  if (text.trim() === "") return null;
  const whole = bytes === head.length && value === undefined ? parse(text) : undefined;
  if (isPayload(whole)) return whole;
  return { ...rawPayload(text, UTF_8.decode(tail)), ...(tail.length > 0 ? { _bytes: bytes } : {}) };
}

function parse(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    return undefined;
  }
}
