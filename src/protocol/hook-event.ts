/** Claude Code's hook payloads (https://code.claude.com/docs/en/hooks) as events of ours. */
import type { JsonObject } from "./event.ts";

/** A hook's payload made into an event. */
export interface HookEvent extends JsonObject {
  /** `hook.` and the hook's name in snake case; `hook.unknown` where it has none. */
  type: string;
  /** See `hookEventId`. */
  id: string;
  /** When the hook ran, ISO 8601. */
  timestamp: string;
  source: "claude-code";
  session_id?: string;
  cwd?: string;
  /** The tool call's `tool_use_id`. */
  correlation_id?: string;
  /** Present inside a sub-agent only. */
  agent_id?: string;
  agent_type?: string;
  /** The payload as Claude Code sent it, whole. */
  data: JsonObject;
}

/** The very same payload again within this time is a hook that is registered twice, and counts once. */
export const SAME_HOOK_MS = 2000;

/** In snake case it may become twice as long, and a type has 256 characters. */
const MAX_NAME_LENGTH = 120;

/** @param time when the hook ran, milliseconds since the epoch */
export function hookEvent(payload: JsonObject, time: number): HookEvent {
  const event: HookEvent = {
    type: `hook.${hookName(payload.hook_event_name)}`,
    id: hookEventId(payload, time),
    timestamp: new Date(time).toISOString(),
    source: "claude-code",
    data: payload,
  };
  const lifted = {
    session_id: payload.session_id,
    cwd: payload.cwd,
    correlation_id: payload.tool_use_id,
    agent_id: payload.agent_id,
    agent_type: payload.agent_type,
  };
  for (const [name, value] of Object.entries(lifted)) {
    if (typeof value === "string" && value !== "") event[name] = value;
  }
  return event;
}

/**
 * Made of what is in the payload and when the hook ran: two ids with the same content and less than `SAME_HOOK_MS`
 * between them are one event (`parseHookEventId`).
 */
export function hookEventId(payload: JsonObject, time: number): string {
  const content = Bun.hash(JSON.stringify(payload)).toString(16).padStart(16, "0");
  return `cc-${content}-${time.toString(36)}`;
}

/** The parts of an id made by `hookEventId`, or null for any other. */
export function parseHookEventId(id: string): { content: string; time: number } | null {
  const [, content, time] = /^cc-([0-9a-f]{16})-([0-9a-z]{1,11})$/.exec(id) ?? [];
  return content === undefined || time === undefined ? null : { content, time: Number.parseInt(time, 36) };
}

/** `PreToolUse` → `pre_tool_use`. */
function hookName(name: unknown): string {
  if (typeof name !== "string" || name === "") return "unknown";
  return name
    .slice(0, MAX_NAME_LENGTH)
    .replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "_")
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .toLowerCase();
}
