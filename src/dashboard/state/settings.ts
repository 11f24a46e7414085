/** What a person has chosen, kept in the browser. */
import { effect, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = stored<Theme>("theme", "system");
export const notifies = stored<boolean>("notifies", false);
/** Single letters as commands get in the way of some ways of typing (https://www.w3.org/TR/WCAG22/#character-key-shortcuts). */
export const hasShortcuts = stored<boolean>("shortcuts", true);

effect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset.theme;
  else dataset.theme = theme.value;
});

function stored<T>(name: string, initial: T) {
  const key = `claude-mpm-socketio.${name}`;
  const chosen = signal<T>(read(key) ?? initial);
  effect(() => {
    try {
      localStorage.setItem(key, JSON.stringify(chosen.value));
    } catch {
      // Private windows may keep nothing.
    }
  });
  return chosen;

  function read(from: string): T | null {
    try {
      return JSON.parse(localStorage.getItem(from) ?? "null") as T | null;
    } catch {
      return null;
    }
  }
}
