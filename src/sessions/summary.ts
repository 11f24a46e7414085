/** What matters in an event, in a few words: tool and argument, prompt, failure; of kinds nobody knows, the data. */
import { isObject, type JsonObject } from "../protocol/event.ts";
import {
  agentReportIn,
  commandText,
  fieldsOf,
  firstText,
  textOf,
  toolArgument,
} from "../protocol/event-fields.ts";
import { duration } from "./names.ts";

export interface Summary {
  /** As the sender wrote it: not fit for a terminal yet. */
  text: string;
  /** What is worth its room even where the text has to be cut; may be empty. */
  suffix: string;
  failed: boolean;
}

/** Kinds whose fields have a meaning we know: hooks of Claude Code, and what claude-mpm sends. */
const KNOWN_KINDS = /^(hook|session|agent|todo|claude)\b/;

/** What every event has, or what the line shows already. */
const COMMON = new Set([
  ..."seq id server_id received_at timestamp type subtype source namespace event client_version".split(" "),
  ..."session_id sessionId cwd working_directory correlation_id hook_event_name transcript_path".split(" "),
  ..."prompt_id permission_mode effort tool_use_id tool_name agent_id agent_type stop_hook_active".split(" "),
]);

/** What an event says, the most telling first. */
const SAYINGS = [
  ..."prompt task task_subject message last_assistant_message custom_instructions compact_summary".split(" "),
  ..."file_path worktree_path new_cwd directory".split(" "),
];

/** How it came about, or what came of it. */
const STATES = "status reason source trigger load_reason action model launch_method".split(" ");

/** As much of an agent's id as tells it from the others. */
const SHORT_ID = 7;

/** Reads an event as its sender made it: every field may be missing, or of any type. */
export function summarise(event: JsonObject): Summary {
  const fields = fieldsOf(event);
  const kind = textOf(event.type) || textOf(fields.hook_event_name);
  const failure = failureOf(kind, fields);
  const known = KNOWN_KINDS.test(kind) || fields.hook_event_name !== undefined;
  const text = (known && knownText(kind, fields, failure)) || plain(payloadOf(event));
  return {
    text: text || (kind === "hook.unknown" ? "a hook without a name" : ""),
    suffix: backgroundText(fields) || tookText(millisecondsOf(fields)),
    failed: failure !== "",
  };
}

/** "failed: no such file", "denied"; empty when nothing did. */
function failureOf(kind: string, fields: JsonObject): string {
  const { error, reason, is_interrupt, tool_response: response, prompt } = fields;
  const denied = /denied$/i.test(kind);
  const interrupted = is_interrupt === true || (isObject(response) && response.interrupted === true);
  const verb = denied ? "denied" : interrupted ? "interrupted" : "failed";
  const why = isObject(error) ? textOf(error.message) || compact(error) : textOf(error);
  const report = agentReportIn(textOf(prompt));
  if (report) return report.status === "failed" ? verb : "";
  if (textOf(fields.signal) !== "") return `ended by ${textOf(fields.signal)}`;
  if (typeof fields.exit_code === "number" && fields.exit_code !== 0) return `exit code ${fields.exit_code}`;
  if (why === "" && !denied && !interrupted && !/fail(ed|ure)$/i.test(kind)) return "";
  return [verb, why || (denied ? textOf(reason) : "")].filter(Boolean).join(": ");
}

function knownText(kind: string, fields: JsonObject, failure: string): string {
  const agent = agentText(fields);
  const by = agent === "" ? "" : `[${agent}] `;
  const tool = textOf(fields.tool_name);
  if (tool !== "") {
    const asks = /^hook\.permission_request$|^PermissionRequest$/.test(kind) ? "asks for permission: " : "";
    return by + asks + toolText(tool, argumentOf(fields), failure);
  }
  if (Array.isArray(fields.tool_calls)) return by + callsText(fields.tool_calls);
  if (Array.isArray(fields.todos)) return todosText(fields.todos);
  const report = agentReportIn(textOf(fields.prompt));
  if (report?.summary) return `${shortId(report.agentId)}: ${report.summary}`;
  const program = commandText(fields.command);
  if (program !== "") return program;
  if (typeof fields.exit_code === "number" || textOf(fields.signal) !== "") return failure || "exit code 0";
  const command = textOf(fields.command_name);
  if (command !== "") return `/${command.replace(/^\//, "")} ${textOf(fields.command_args)}`;

  if (/^hook\.stop$|^Stop$/.test(kind) && firstText(fields, SAYINGS) === "") return stopText(fields);

  const said = fromProject(firstText(fields, SAYINGS), fields);
  const state = (failure === "" ? STATES : [])
    .map((name) => textOf(fields[name]))
    .filter(Boolean)
    .join(" ");
  const who = agent || firstText(fields, ["agent", "teammate_name", "mcp_server_name"]);
  const what = said !== "" && state !== "" ? `${said} (${state})` : said || state;
  return [who, failure, what].filter(Boolean).join(": ");
}

/** Several of one type may run at once, so both type and id. */
function agentText({ agent_type: type, agent_id: id }: JsonObject): string {
  return [textOf(type), shortId(textOf(id))].filter(Boolean).join(" ");
}

function shortId(id: string): string {
  return id.slice(0, SHORT_ID);
}

/** A call that has returned while its agent works on. */
function backgroundText({ tool_response: response }: JsonObject): string {
  if (!isObject(response) || response.status !== "async_launched") return "";
  return `goes on as ${shortId(textOf(response.agentId)) || "an agent"}`;
}

function toolText(tool: string, argument: string, failure: string): string {
  if (failure === "") return `${tool} ${argument}`;
  return argument === "" ? `${tool} ${failure}` : `${tool} ${failure} [${argument}]`;
}

function argumentOf(fields: JsonObject): string {
  const input = fields.tool_input ?? fields.tool_parameters;
  if (input === undefined) return fields.error === undefined ? compact(payloadOf(fields)) : "";
  if (!isObject(input)) return plain(input);
  return fromProject(toolArgument(input) || compact(input), fields);
}

/** A path as it is seen from the project's directory. */
function fromProject(text: string, fields: JsonObject): string {
  const directory = firstText(fields, ["cwd", "working_directory"]);
  return directory !== "" && text.startsWith(`${directory}/`) ? text.slice(directory.length + 1) : text;
}

/** What goes on behind an agent that has stopped. */
function stopText({ background_tasks: tasks }: JsonObject): string {
  const count = Array.isArray(tasks) ? tasks.length : 0;
  return count === 0 ? "stopped" : `stopped; ${count} ${count === 1 ? "task goes" : "tasks go"} on`;
}

function callsText(calls: readonly unknown[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) {
    const name = (isObject(call) && textOf(call.tool_name)) || "?";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts].map(([name, count]) => (count === 1 ? name : `${name} ×${count}`));
  return `${calls.length} ${calls.length === 1 ? "call" : "calls"}: ${names.join(", ")}`;
}

function todosText(todos: readonly unknown[]): string {
  const items = todos.filter(isObject);
  const done = items.filter(({ status }) => status === "completed").length;
  const current = items.find(({ status }) => status === "in_progress");
  return [`${done} of ${todos.length} done`, textOf(current?.activeForm) || textOf(current?.content)]
    .filter(Boolean)
    .join(": ");
}

function millisecondsOf({ duration_ms: milliseconds, duration_seconds: seconds }: JsonObject): unknown {
  return typeof seconds === "number" ? seconds * 1000 : milliseconds;
}

function tookText(milliseconds: unknown): string {
  if (typeof milliseconds !== "number" || !(milliseconds >= 0)) return "";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return milliseconds < 60_000 ? `${(milliseconds / 1000).toFixed(1)} s` : duration(milliseconds / 1000);
}

/** What an event says beyond what every event has: its `data`, or its own further fields. */
function payloadOf(level: JsonObject): unknown {
  const own = Object.entries(level).filter(([name]) => !COMMON.has(name));
  const [[name, data] = []] = own;
  if (own.length !== 1 || name !== "data") return Object.fromEntries(own);
  return isObject(data) ? payloadOf(data) : data;
}

function plain(value: unknown): string {
  return textOf(value) || compact(value);
}

function compact(value: unknown): string {
  if (isObject(value) && Object.keys(value).length === 0) return "";
  return JSON.stringify(value) ?? "";
}
