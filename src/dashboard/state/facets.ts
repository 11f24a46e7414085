/** The names that occur in the events, to choose from. */
import { effect, signal } from "@preact/signals";
import type { EventList } from "./event-list.ts";
import type { Row } from "./row.ts";

export interface Facets {
  /** Their projects by their ids. */
  sessions: ReadonlyMap<string, string | null>;
  projects: ReadonlySet<string>;
  types: ReadonlySet<string>;
  agents: ReadonlySet<string>;
  tools: ReadonlySet<string>;
}

const REFRESH_MS = 500;
/** Of one kind: a list of more helps nobody to choose. */
const MAX_NAMES = 500;

/** Names are collected and never given up: each row is looked at once. */
export function collectFacets(all: EventList): { readonly value: Facets } {
  const sessions = new Map<string, string | null>();
  const projects = new Set<string>();
  const types = new Set<string>();
  const agents = new Set<string>();
  const tools = new Set<string>();
  const facets = signal<Facets>({ sessions, projects, types, agents, tools });
  let [from, to] = [Infinity, -Infinity];
  let timer: ReturnType<typeof setTimeout> | null = null;

  function collect({ sessionId, project, type, agentId, agentType, tool }: Row): void {
    if (sessionId !== null && sessions.size < MAX_NAMES && sessions.get(sessionId) == null) {
      sessions.set(sessionId, project);
    }
    add(projects, project);
    add(types, type);
    if (agentId !== null) add(agents, agentType);
    add(tools, tool);
  }

  function refresh(): void {
    timer = null;
    const { rows } = all;
    const size = () => [sessions, projects, types, agents, tools].reduce((sum, names) => sum + names.size, 0);
    const before = size();
    for (let index = rows.length - 1; index >= 0 && (rows[index]?.seq ?? 0) > to; index -= 1) {
      collect(rows[index] as Row);
    }
    for (let index = 0; index < rows.length && (rows[index]?.seq ?? 0) < from; index += 1) {
      collect(rows[index] as Row);
    }
    from = Math.min(from, rows[0]?.seq ?? from);
    to = Math.max(to, rows.at(-1)?.seq ?? to);
    if (size() !== before) facets.value = { ...facets.value };
  }

  effect(() => {
    void all.version.value;
    timer ??= setTimeout(refresh, REFRESH_MS);
  });
  return facets;
}

function add(names: Set<string>, name: string | null): void {
  if (name !== null && name !== "" && names.size < MAX_NAMES) names.add(name);
}
