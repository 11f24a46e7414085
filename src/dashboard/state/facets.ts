/** The names that occur in the events, to choose from. */
import { effect, signal } from "@preact/signals";
import type { Feed } from "./feed.ts";
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

/** Each row is looked at once; of each kind the newest names are kept. */
export function collectFacets(feed: Feed): { readonly value: Facets } {
  const { all } = feed;
  const sessions = new Map<string, string | null>();
  const projects = new Set<string>();
  const types = new Set<string>();
  const agents = new Set<string>();
  const tools = new Set<string>();
  const facets = signal<Facets>({ sessions, projects, types, agents, tools });
  let [from, to] = [Infinity, -Infinity];
  let hasChanged = false;
  let timer: ReturnType<typeof setTimeout> | null = null;

  function add(names: Set<string>, name: string | null): void {
    if (name === null || name === "" || names.has(name)) return;
    names.add(name);
    hasChanged = true;
    if (names.size > MAX_NAMES) names.delete([...names][0] as string);
  }

  function collect({ sessionId, project, type, agentId, agentType, tool }: Row): void {
    if (sessionId !== null && (sessions.get(sessionId) ?? null) === null) {
      hasChanged ||= !sessions.has(sessionId) || project !== null;
      sessions.set(sessionId, project);
      if (sessions.size > MAX_NAMES) sessions.delete([...sessions.keys()][0] as string);
    }
    add(projects, project);
    add(types, type);
    if (agentId !== null) add(agents, agentType);
    add(tools, tool);
  }

  function refresh(): void {
    timer = null;
    const { rows } = all;
    for (let index = rows.length - 1; index >= 0 && (rows[index]?.seq ?? 0) > to; index -= 1) {
      collect(rows[index] as Row);
    }
    for (let index = 0; index < rows.length && (rows[index]?.seq ?? 0) < from; index += 1) {
      collect(rows[index] as Row);
    }
    from = Math.min(from, rows[0]?.seq ?? from);
    to = Math.max(to, rows.at(-1)?.seq ?? to);
    if (hasChanged) facets.value = { ...facets.value };
    hasChanged = false;
  }

  effect(() => {
    void all.version.value;
    timer ??= setTimeout(refresh, REFRESH_MS);
  });
  effect(() => {
    // What occurred in another log is nothing to choose.
    void feed.log.value;
    for (const names of [sessions, projects, types, agents, tools]) names.clear();
    [from, to] = [Infinity, -Infinity];
    hasChanged = true;
    timer ??= setTimeout(refresh, REFRESH_MS);
  });
  return facets;
}
