/** Reads events as their senders made them: every field may be missing, nested, or of any type. */
import { isObject, type JsonObject } from "./event.ts";

/** Where a tool's input holds what it is called on, the most telling first. */
const ARGUMENTS =
  "command file_path notebook_path pattern query url skill subject description prompt path".split(" ");

/** The fields of an event and of up to three levels of `data` side by side; of the same name, the innermost. */
export function fieldsOf(event: JsonObject): JsonObject {
  const first = isObject(event.data) ? event.data : null;
  if (first === null) return { ...event };
  const second = isObject(first.data) ? first.data : null;
  const third = second !== null && isObject(second.data) ? second.data : null;
  // Beside a payload, `source` names the program that sends; within it, a hook's own reason. Spread, and not assigned:
  // a field may be called `__proto__`.
  const fields: JsonObject = { ...event, source: undefined, ...first, ...second, ...third };
  if (isObject(fields.data)) delete fields.data;
  return fields;
}

/** What a tool is called on, in a few words; empty when its input names nothing that is known. */
export function toolArgument(input: unknown): string {
  if (!isObject(input)) return textOf(input);
  const kind = textOf(input.subagent_type);
  if (kind !== "") return `${kind}: ${firstText(input, ["description", "prompt"])}`;
  return firstText(input, ARGUMENTS);
}

/** What a sub-agent sends back: a prompt that no human wrote. */
export interface AgentReport {
  agentId: string;
  /** The call that started it. */
  toolUseId: string;
  status: string;
  summary: string;
}

/** The report in a prompt, or null for any other prompt; what it leaves out is empty. */
export function agentReportIn(prompt: string): AgentReport | null {
  if (!prompt.startsWith("<task-notification>")) return null;
  const [head = ""] = prompt.split("<result>", 1);
  const field = (name: string) => head.split(`<${name}>`, 2)[1]?.split(`</${name}>`, 1)[0]?.trim() ?? "";
  return {
    agentId: field("task-id"),
    toolUseId: field("tool-use-id"),
    status: field("status"),
    summary: field("summary"),
  };
}

/** A command and its arguments as they were given; empty for anything else. */
export function commandText(command: unknown): string {
  if (!Array.isArray(command)) return "";
  const words = command.filter((word): word is string => typeof word === "string");
  return words.map((word) => (/^[\w/.,:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}

export function firstText(fields: JsonObject, names: readonly string[]): string {
  for (const name of names) {
    const text = textOf(fields[name]);
    if (text !== "") return text;
  }
  return "";
}

/** A text without the blanks around it; empty for whatever is none. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}
