/** Which events a list shows: as it stands in the address, and as the server is asked for it. */
import { type JsonObject, matchesProject, matchesType } from "../../protocol/event.ts";
import type { Row } from "./row.ts";

export interface Filter {
  session: string;
  project: string;
  /** Exact, or a prefix as `hook.*`. */
  type: string;
  /** An agent's id or type, or `main`. */
  agent: string;
  tool: string;
  /** Text that occurs in the event's JSON, upper and lower case alike. */
  q: string;
  /** Whether only failures are wanted. */
  failed: boolean;
}

const TEXT_FIELDS = ["session", "project", "type", "agent", "tool", "q"] as const;
export const NO_FILTER: Filter = {
  session: "",
  project: "",
  type: "",
  agent: "",
  tool: "",
  q: "",
  failed: false,
};
export const MAIN_AGENT = "main";

export function filterOf(params: URLSearchParams): Filter {
  const texts = TEXT_FIELDS.map((name) => [name, params.get(name) ?? ""]);
  return { ...(Object.fromEntries(texts) as Omit<Filter, "failed">), failed: params.get("failed") === "1" };
}

export function paramsOf(filter: Filter): URLSearchParams {
  const params = new URLSearchParams();
  for (const name of TEXT_FIELDS) if (filter[name] !== "") params.set(name, filter[name]);
  if (filter.failed) params.set("failed", "1");
  return params;
}

export function isEmpty(filter: Filter): boolean {
  return paramsOf(filter).size === 0;
}

/** All but the text, of which a row does not hold enough. */
export function fits(row: Row, { session, project, type, agent, tool, failed }: Filter): boolean {
  if (row.gap !== null) return true;
  if (session !== "" && row.sessionId !== session) return false;
  if (project !== "" && !matchesProject(row.project, project)) return false;
  if (type !== "" && !matchesType(row.type, type)) return false;
  if (agent !== "" && (row.agentId ?? MAIN_AGENT) !== agent && row.agentType !== agent) return false;
  if (tool !== "" && row.tool !== tool) return false;
  return !failed || row.failed;
}

/** As the server searches. */
export function holdsText(event: JsonObject, q: string): boolean {
  if (q === "") return true;
  try {
    return JSON.stringify(event).toLowerCase().includes(q.toLowerCase());
  } catch {
    return false;
  }
}

/**
 * For `GET /api/events`. It knows nothing of agents and tools, but finds text: as events are stored without blanks, a
 * field and its value are a text of their own. What it finds too much, `fits` leaves out.
 */
export function queryOf({ session, project, type, agent, tool, q }: Filter): URLSearchParams {
  const params = new URLSearchParams();
  const field = (name: string, value: string) => `"${name}":${JSON.stringify(value)}`;
  const others = [
    tool !== "" ? field("tool_name", tool) : "",
    agent !== "" && agent !== MAIN_AGENT ? `:${JSON.stringify(agent)}` : "",
  ];
  const text = q || others.find((other) => other !== "");
  if (session !== "") params.set("session_id", session);
  if (project !== "") params.set("project", project);
  if (type !== "") params.set("type", type);
  if (text) params.set("q", text);
  return params;
}
