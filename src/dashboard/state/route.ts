/** The view and all that narrows it, as it stands in the address: whoever is given the link sees the same. */
import { computed, signal } from "@preact/signals";

export const VIEWS = ["sessions", "events", "tools", "server"] as const;
export type View = (typeof VIEWS)[number] | "session";

export interface Route {
  view: View;
  /** The session of the view `session`. */
  id: string;
  params: URLSearchParams;
}

const hash = signal(location.hash);
globalThis.addEventListener("hashchange", () => (hash.value = location.hash));

export const route = computed(() => parseRoute(hash.value));

export function parseRoute(text: string): Route {
  const [path = "", query = ""] = text.replace(/^#?\/?/, "").split("?", 2);
  const [name = "", id = ""] = path.split("/", 2);
  const params = new URLSearchParams(query);
  if (name === "session" && id !== "") return { view: "session", id: decoded(id), params };
  return { view: VIEWS.find((view) => view === name) ?? "sessions", id: "", params };
}

export function linkTo(view: View, params: Record<string, string> | URLSearchParams = {}, id = ""): string {
  const query = new URLSearchParams(params).toString();
  const path = view === "session" ? `session/${encodeURIComponent(id.toWellFormed())}` : view;
  return `#/${path}${query === "" ? "" : `?${query}`}`;
}

/** Goes there, as a step that the browser's back button takes back. */
export function go(link: string): void {
  if (link === location.hash) return;
  history.pushState(null, "", link);
  hash.value = link;
}

/** Goes there in the place of where one is. */
export function replace(link: string): void {
  history.replaceState(null, "", link);
  hash.value = link;
}

/** Changes parameters of the address where it stands; empty ones are left out. */
export function setParams(changes: Record<string, string>): void {
  const { view, id, params } = route.peek();
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") next.delete(name);
    else next.set(name, value);
  }
  replace(linkTo(view, next, id));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
