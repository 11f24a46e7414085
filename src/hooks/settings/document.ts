/** The hooks in a settings file: `hooks.{Event}[{ matcher?, hooks: [{ type, … }] }]`. */
import { getNodeValue, type Node } from "jsonc-parser";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import { HOOK_EVENTS } from "./events.ts";
import {
  applyEdits,
  type Edit,
  insertion,
  type JsonText,
  keyOf,
  openText,
  propertyOf,
  refusal,
  removal,
  valueOf,
} from "./text.ts";

/** Matchers that match everything, as none does. */
const EVERYTHING: readonly unknown[] = ["", "*"];

/** One hook per event. */
export type HooksByEvent = ReadonlyMap<string, JsonObject>;

/** An event's array in `hooks`, of which there may be two with the same name. */
interface EventNode {
  event: string;
  property: Node;
  groups: Node[];
}

/** Throws a `SettingsError` where the text is broken, or its hooks have not the form that Claude Code reads. */
export function checkSettings(text: string, path: string): void {
  const { body, root } = openText(text, path);
  const demand = (node: Node | undefined, type: string, within: Node, what: string): Node => {
    if (node?.type !== type) throw refusal(path, body, (node ?? within).offset, what);
    return node;
  };
  const property = propertyOf(root, "hooks");
  if (!property) return;
  const hooks = demand(valueOf(property), "object", property, "`hooks` is no object");
  for (const event of HOOK_EVENTS) {
    const entry = propertyOf(hooks, event);
    if (!entry) continue;
    const groups = demand(valueOf(entry), "array", entry, `\`hooks.${event}\` is no array`);
    for (const group of groups.children ?? []) {
      const what = `in \`hooks.${event}\` stands what is no group {"matcher", "hooks": […]}`;
      demand(group, "object", group, what);
      demand(valueOf(propertyOf(group, "hooks")), "array", group, what);
    }
  }
}

/** The settings as a value. */
export function settingsIn(text: string, path: string): JsonObject {
  return getNodeValue(openText(text, path).root) as JsonObject;
}

/** Whether Claude Code reads it: it skips a file with comments or trailing commas. */
export function isStrictJson(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    JSON.parse(text.replace(/^\uFEFF/, ""));
    return true;
  } catch {
    return false;
  }
}

/** A hook as it stands in a file. */
export interface PlacedHook {
  event: string;
  hook: unknown;
  /** Whether its group's matcher may keep some of these events from it. */
  narrowed: boolean;
}

/** Every hook of every event; what has another form than it should have is passed over. */
export function hooksIn(text: string, path: string): PlacedHook[] {
  return hookContainers(openText(text, path).root)
    .flatMap(eventsIn)
    .flatMap(({ event, groups }) =>
      groups.flatMap((group) => {
        const narrowed = isNarrow(group);
        return hooksOf(group).map((hook) => ({ event, hook: getNodeValue(hook) as unknown, narrowed }));
      }),
    );
}

/** Puts each hook behind those that its event has, in a group of its own that matches everything. */
export function addHooks(text: string, hooks: HooksByEvent): string {
  const json = openText(text, "");
  const groupOf = (hook: JsonObject) => ({ hooks: [hook] });
  const present = valueOf(propertyOf(json.root, "hooks"));
  if (!present) {
    const all = Object.fromEntries([...hooks].map(([event, hook]) => [event, [groupOf(hook)]]));
    return changed(json, [insertion(json, json.root, [["hooks", all]])]);
  }
  const edits: Edit[] = [];
  const missing: [string, unknown][] = [];
  for (const [event, hook] of hooks) {
    const groups = valueOf(propertyOf(present, event));
    if (groups) edits.push(insertion(json, groups, [[null, groupOf(hook)]]));
    else missing.push([event, [groupOf(hook)]]);
  }
  if (missing.length > 0) edits.push(insertion(json, present, missing));
  return changed(json, edits);
}

/**
 * Takes out hooks, and the groups, events and `hooks` that are empty without them, save the events and the `hooks`
 * that the original has.
 */
export function removeHooks(
  text: string,
  isGone: (hook: unknown) => boolean,
  original: JsonObject = {},
): string {
  const json = openText(text, "");
  const edits: Edit[] = [];
  const cut = (container: Node | undefined, gone: Node[]) => {
    if (container && gone.length > 0) edits.push(...removal(json, container, new Set(gone)));
  };
  const containers = hookContainers(json.root);
  for (const container of containers) {
    const events = eventsIn(container);
    const emptied = events.filter(({ event, property, groups }) => {
      const goneGroups = groups.filter((group) => {
        const gone = hooksOf(group).filter((hook) => isGone(getNodeValue(hook)));
        if (gone.length > 0 && gone.length === hooksOf(group).length) return true;
        cut(valueOf(propertyOf(group, "hooks")), gone);
        return false;
      });
      const kept = isObject(original.hooks) && event in original.hooks;
      if (goneGroups.length > 0 && goneGroups.length === groups.length && !kept) return true;
      cut(valueOf(property), goneGroups);
      return false;
    });
    const properties = emptied.map(({ property }) => property);
    const size = valueOf(container)?.children?.length;
    const whole = properties.length === size && original.hooks === undefined && containers.length === 1;
    if (properties.length > 0 && whole) cut(json.root, [container]);
    else cut(valueOf(container), properties);
  }
  return changed(json, edits);
}

function changed({ mark, body }: JsonText, edits: readonly Edit[]): string {
  return mark + applyEdits(body, edits);
}

function hookContainers(root: Node): Node[] {
  return (root.children ?? []).filter((child) => keyOf(child) === "hooks");
}

function eventsIn(container: Node): EventNode[] {
  const hooks = valueOf(container);
  if (hooks?.type !== "object") return [];
  return (hooks.children ?? []).map((property) => {
    const groups = valueOf(property);
    const list = groups?.type === "array" ? (groups.children ?? []) : [];
    return { event: String(keyOf(property)), property, groups: list };
  });
}

function isNarrow(group: Node): boolean {
  const matcher = valueOf(propertyOf(group, "matcher"));
  return matcher !== undefined && !EVERYTHING.includes(getNodeValue(matcher));
}

function hooksOf(group: Node): Node[] {
  const list = valueOf(propertyOf(group, "hooks"));
  return list?.type === "array" ? (list.children ?? []) : [];
}
