/** Reads an event into a step of its session: what the state machine looks at, and nothing else of it. */
import {
  type AgentReport,
  agentReportIn,
  commandText,
  fieldsOf,
  firstText,
  textOf,
  toolArgument,
} from "../protocol/event-fields.ts";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { kept } from "./kept.ts";

export interface Step {
  /** A hook's name in snake case (`pre_tool_use`), or another sender's kind of event (`claude.status`). */
  name: string;
  /** When it happened at its sender, milliseconds since the epoch. */
  time: number;
  project: string | null;
  source: string | null;
  /** Null is the main agent. */
  agentId: string | null;
  agentType: string | null;

  toolUseId: string | null;
  tool: string | null;
  /** Tells calls with the same tool and input from others; empty where there is no input. */
  input: string;
  argument: string;
  /** The kind of sub-agent a call asks for. */
  subagentType: string | null;
  /** The file a call reads or writes. */
  path: string | null;
  durationMs: number | null;
  interrupted: boolean;
  /** The sub-agent this call has started, and whether that one goes on by itself. */
  child: { agentId: string; isBackground: boolean } | null;
  /** The calls of a batch. */
  batch: { toolUseId: string; tool: string }[];
  /** The sub-agents that go on while the main agent pauses; null where nothing is said of them. */
  background: string[] | null;

  prompt: string;
  promptId: string | null;
  /** The result of a sub-agent, which comes back as a prompt. */
  report: AgentReport | null;
  message: string;
  /** A command ended, and not well. */
  isFailure: boolean;
  /** A notification's type, a session's reason or source, a compaction's trigger, a status. */
  detail: string;
}

/** Tools that start sub-agents. */
export const AGENT_TOOLS: ReadonlySet<string> = new Set(["Agent", "Task"]);

/** Beyond it a time is not the sender's clock but a mistake. */
const MAX_AHEAD_MS = 60_000;
export const MAX_PROMPT_CHARS = 4000;
const MAX_TEXT_CHARS = 500;
const CALL_IDS = ["tool_use_id", "tool_call_id", "correlation_id"];
const DETAILS = ["notification_type", "reason", "source", "trigger", "status"];
const MAX_NAME_CHARS = 256;
const MAX_PATH_CHARS = 4096;

/** Claude-mpm's names of what Claude Code's hooks tell. */
const ALIASES = new Map(
  Object.entries({
    user_prompt: "user_prompt_submit",
    pre_tool: "pre_tool_use",
    post_tool: "post_tool_use",
    "session.start": "session_start",
    "session.started": "session_start",
    "session.end": "session_end",
    "session.ended": "session_end",
  }),
);

/** @param receivedAt milliseconds since the epoch: the time of events that have none, and the bound of those that do */
export function readStep(event: JsonObject, project: string | null, receivedAt: number): Step {
  const fields = fieldsOf(event);
  const input = fields.tool_input ?? fields.tool_parameters;
  const response = fields.tool_response;
  const name = nameOf(event, fields);
  const prompt = firstText(fields, ["prompt", "prompt_text"]) || commandText(fields.command);
  const tool = orNull(textOf(fields.tool_name));
  const toolUseId = orNull(firstText(fields, CALL_IDS));
  const exit = exitOf(fields);
  return {
    name,
    time: timeOf(event, fields, receivedAt),
    project,
    source: orNull(textOf(event.source)),
    agentId: orNull(textOf(fields.agent_id)),
    agentType: orNull(firstText(fields, ["agent_type", "agent"])),
    toolUseId,
    tool,
    input: isObject(input) && isCompared(name, toolUseId) ? fingerprint(input) : "",
    argument: kept(toolArgument(input), MAX_TEXT_CHARS),
    subagentType: isObject(input) ? orNull(textOf(input.subagent_type)) : null,
    path: isObject(input) ? orNull(firstText(input, ["file_path", "notebook_path"]), MAX_PATH_CHARS) : null,
    durationMs: typeof fields.duration_ms === "number" && fields.duration_ms >= 0 ? fields.duration_ms : null,
    interrupted: fields.is_interrupt === true,
    child: isObject(response) && AGENT_TOOLS.has(tool ?? "") ? childOf(response) : null,
    batch: Array.isArray(fields.tool_calls) ? fields.tool_calls.flatMap(callOf) : [],
    background: Array.isArray(fields.background_tasks) ? runningAgents(fields.background_tasks) : null,
    prompt: kept(prompt, MAX_PROMPT_CHARS),
    promptId: orNull(textOf(fields.prompt_id)),
    report: reportIn(prompt),
    message: kept(firstText(fields, ["message", "error"]) || question(input), MAX_TEXT_CHARS),
    isFailure: exit !== "",
    detail: kept(exit || firstText(fields, DETAILS), MAX_NAME_CHARS),
  };
}

function nameOf(event: JsonObject, fields: JsonObject): string {
  const type = textOf(event.type);
  const hook = type.startsWith("hook.") ? type.slice("hook.".length) : undefined;
  const name = hook ?? (type === "hook" || type === "" ? textOf(event.subtype) : type);
  const known = ALIASES.get(name) ?? name;
  // Claude-mpm tells a call that failed by its exit code; a hook of Claude Code has a name for it.
  const failed = textOf(fields.status) === "error" || fields.success === false;
  if (known === "post_tool_use" && hook === undefined && failed) return "post_tool_use_failure";
  return known;
}

function timeOf(event: JsonObject, fields: JsonObject, receivedAt: number): number {
  const value = event.timestamp ?? fields.timestamp;
  let time = Number.NaN;
  // Without a zone it is the sender's local time, and nobody knows where that is.
  if (typeof value === "string") time = /(Z|[+-]\d\d:?\d\d)$/i.test(value) ? Date.parse(value) : time;
  // Python's time() is in seconds.
  else if (typeof value === "number") time = value < 1e11 ? value * 1000 : value;
  return Number.isFinite(time) && time > 0 && time <= receivedAt + MAX_AHEAD_MS ? time : receivedAt;
}

function orNull(text: string, maxChars = MAX_NAME_CHARS): string | null {
  return text === "" ? null : kept(text, maxChars);
}

/** Copies, for the prompt around it can be a megabyte. */
function reportIn(prompt: string): AgentReport | null {
  const report = agentReportIn(prompt);
  return report && structuredClone(report);
}

/** A question names its call by tool and input alone. */
function isCompared(name: string, toolUseId: string | null): boolean {
  return toolUseId === null || name === "pre_tool_use";
}

/** Two multiplicative hashes and the length: enough to tell the few calls apart that are open at once, also in a browser. */
function fingerprint(input: JsonObject): string {
  const text = JSON.stringify(input);
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}.${text.length}`;
}

function childOf(response: JsonObject): Step["child"] {
  const agentId = orNull(firstText(response, ["agentId", "agent_id"]));
  if (agentId === null) return null;
  return { agentId, isBackground: response.isAsync === true || response.status === "async_launched" };
}

function callOf(call: unknown): Step["batch"] {
  const toolUseId = isObject(call) ? textOf(call.tool_use_id) : "";
  return toolUseId === "" ? [] : [{ toolUseId, tool: textOf((call as JsonObject).tool_name) || "?" }];
}

function runningAgents(tasks: readonly unknown[]): string[] {
  return tasks
    .filter(isObject)
    .filter(({ type, status }) => type === "subagent" && (status === undefined || status === "running"))
    .map(({ id }) => textOf(id))
    .filter((id) => id !== "");
}

/** How a command ended, where it did not end well. */
function exitOf({ exit_code: code, signal }: JsonObject): string {
  if (typeof signal === "string" && signal !== "") return signal;
  return typeof code === "number" && code !== 0 ? `exit code ${code}` : "";
}

/** What AskUserQuestion asks. */
function question(input: unknown): string {
  const first = isObject(input) && Array.isArray(input.questions) ? input.questions[0] : undefined;
  return isObject(first) ? textOf(first.question) : "";
}
