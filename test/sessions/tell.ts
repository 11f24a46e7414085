/** Tells a session's hooks in the shapes Claude Code sends them, and what a person watching would say after each. */
import { createTimeline, type Timeline } from "../../src/sessions/timeline.ts";
import { readStep, type Step } from "../../src/sessions/step.ts";
import { viewSession } from "../../src/sessions/view.ts";
import type { JsonObject } from "../../src/protocol/event.ts";
import { hookEvent } from "../../src/protocol/hook-event.ts";
import type { Session } from "../../src/protocol/messages.ts";

export const SESSION = "5c1d0000-0000-4000-8000-000000000001";
export const START = Date.UTC(2026, 0, 31, 12);

export interface Told {
  name: string;
  fields: JsonObject;
  /** Seconds after the start. */
  at: number;
}

/** A hook `name` at a time in seconds, with its own fields. */
export const hook = (at: number, name: string, fields: JsonObject = {}): Told => ({ at, name, fields });

const call = (tool: string, id: string, input: JsonObject): JsonObject => ({
  tool_name: tool,
  tool_input: input,
  tool_use_id: id,
});

/** The hooks that occur in most stories. */
export const tell = {
  prompt: (at: number, prompt: string) => hook(at, "UserPromptSubmit", { prompt }),
  pre: (at: number, tool: string, id: string, input: JsonObject = {}, agent: JsonObject = {}) =>
    hook(at, "PreToolUse", { ...agent, ...call(tool, id, input) }),
  post: (at: number, tool: string, id: string, more: JsonObject = {}, agent: JsonObject = {}) =>
    hook(at, "PostToolUse", { ...agent, ...call(tool, id, {}), tool_response: {}, ...more }),
  fail: (at: number, tool: string, id: string, more: JsonObject = {}, agent: JsonObject = {}) =>
    hook(at, "PostToolUseFailure", {
      ...agent,
      ...call(tool, id, {}),
      error: "it failed",
      is_interrupt: false,
      ...more,
    }),
  batch: (at: number, ids: string[], tool = "Bash", agent: JsonObject = {}) =>
    hook(at, "PostToolBatch", {
      ...agent,
      tool_calls: ids.map((id) => ({ ...call(tool, id, {}), tool_response: "text" })),
    }),
  ask: (at: number, tool: string, input: JsonObject = {}, agent: JsonObject = {}) =>
    hook(at, "PermissionRequest", { ...agent, tool_name: tool, tool_input: input }),
  notify: (at: number, type: string, message = "a message") =>
    hook(at, "Notification", { message, notification_type: type }),
  agentStart: (at: number, id: string, type = "Explore") =>
    hook(at, "SubagentStart", { agent_id: id, agent_type: type }),
  agentStop: (at: number, id: string, type = "Explore") =>
    hook(at, "SubagentStop", { agent_id: id, agent_type: type, last_assistant_message: "done" }),
  stop: (at: number, running: string[] = []) =>
    hook(at, "Stop", {
      background_tasks: running.map((id) => ({ id, type: "subagent", status: "running" })),
    }),
  end: (at: number, reason = "other") => hook(at, "SessionEnd", { reason }),
};

export const inside = (id: string, type = "Explore"): JsonObject => ({ agent_id: id, agent_type: type });

/** As `hook` makes an event, and the server reads it. */
export function stepOf({ at, name, fields }: Told): Step {
  const time = START + at * 1000;
  const payload = { session_id: SESSION, cwd: "/w/app", hook_event_name: name, ...fields };
  return readStep(hookEvent(payload, time), "/w/app", Date.now());
}

/** What is seen after all of it, at so many seconds after the start; by default when the last hook comes. */
export function seen(story: readonly Told[], at?: number): Session {
  const [first, ...rest] = story.map(stepOf);
  if (!first) throw new Error("a story without hooks");
  const timeline: Timeline = createTimeline(SESSION, first);
  for (const step of [first, ...rest]) timeline.add(step);
  return viewSession(timeline.session(), START + (at ?? Math.max(...story.map((told) => told.at))) * 1000);
}

/** In short: "working open a:Read,b agents x=working", without what there is none of. */
export function brief(session: Session): string {
  const { state, waiting_for: wait, open_tools: open, agents } = session;
  const subagents = agents.filter(({ agent_id: id }) => id !== null);
  return [
    state,
    wait && `(${[wait.kind, wait.tool].filter(Boolean).join(" ")})`,
    open.length > 0 && `open ${open.map(({ tool_use_id: id }) => id).join(",")}`,
    subagents.length > 0 &&
      `agents ${subagents.map(({ agent_id: id, state: its }) => `${id}=${its}`).join(",")}`,
  ]
    .filter(Boolean)
    .join(" ");
}
