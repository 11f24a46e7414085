/** Keys that work anywhere on the page; views add their own with `useKeys`. */
import type { Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go, linkTo, VIEWS } from "../state/route.ts";
import { hasShortcuts } from "../state/settings.ts";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** As the list of keys shows them. */
export const KEY_LIST: { where: string; keys: [key: string, does: string][] }[] = [
  {
    where: "Everywhere",
    keys: [
      ["1 2 3 4", "Sessions, Events, Tools and files, Server"],
      ["/", "to the search field"],
      ["j k", "next, previous item"],
      ["Enter", "open it"],
      ["Esc", "close what is open"],
      ["?", "this list"],
    ],
  },
  {
    where: "Events",
    keys: [
      ["↓ ↑", "next, previous event"],
      ["Home End", "oldest, newest"],
      ["p", "pause, go on"],
      ["c", "copy the open event"],
    ],
  },
  {
    where: "Timeline",
    keys: [
      ["+ −", "zoom in, out"],
      ["0", "all of it"],
      ["← →", "earlier, later; on a call: the next one"],
      ["↑ ↓", "on a call: to another agent's"],
      ["Space", "replay: play, pause"],
      [", .", "replay: previous, next event"],
    ],
  },
];

export function useShortcuts(help: Signal<boolean>): void {
  useKeys({
    ...Object.fromEntries(VIEWS.map((view, index) => [`${index + 1}`, () => go(linkTo(view))])),
    "/": (event) => {
      const field = document.querySelector<HTMLInputElement>("main input[type=search]");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
    },
    "?": () => (help.value = true),
    j: () => moveFocus(1),
    k: () => moveFocus(-1),
  });
}

/** Keys of a view, while it is shown. Nothing is taken from a field that somebody types in. */
export function useKeys(keys: Keys): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const isLetter = event.key.length === 1 && event.key !== " ";
      if ((isLetter && !hasShortcuts.value) || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      if (Object.hasOwn(keys, event.key)) keys[event.key]?.(event);
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  });
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !["checkbox", "radio", "button", "range"].includes(target.type);
  return target.matches("select, textarea, [contenteditable]");
}

/** To the next or previous thing on the page that is one of a list. */
function moveFocus(step: 1 | -1): void {
  const items = [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next = items[at === -1 ? (step === 1 ? 0 : items.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
