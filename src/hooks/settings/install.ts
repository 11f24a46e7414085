/** Registering the hook in a settings file, and taking it out again. */
import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import {
  addHooks,
  checkSettings,
  type HooksByEvent,
  hooksIn,
  type PlacedHook,
  removeHooks,
  settingsIn,
} from "./document.ts";
import { ChangedMeanwhile } from "./error.ts";
import { backUp, readBackups, readSettingsFile, removeSettingsFile, writeSettingsFile } from "./file.ts";
import { readOwnHook } from "./own-hook.ts";

const MAX_ATTEMPTS = 10;

export interface Change {
  path: string;
  changed: boolean;
  /** Whether hooks of ours stood there before. */
  replaced: boolean;
  /** The copy of what the file was before the first change, if there was one. */
  backup: string | null;
}

export interface Removal {
  path: string;
  /** The events whose hook was taken out. */
  events: string[];
  /** Whether the file is gone, as there was none before. */
  removedFile: boolean;
}

/** A hook of ours, and where it stands. */
export interface OwnPlacedHook extends PlacedHook {
  hook: JsonObject;
}

/**
 * Makes the file hold exactly these hooks of ours. Throws a `SettingsError`, and changes nothing, when it is broken or
 * cannot be written.
 */
export function installHooks(path: string, hooks: HooksByEvent, platform: NodeJS.Platform): Change {
  return anewIfChanged(() => installOnce(path, hooks, platform));
}

function installOnce(path: string, hooks: HooksByEvent, platform: NodeJS.Platform): Change {
  const file = readSettingsFile(path);
  const text = file.text ?? "";
  checkSettings(text, path);
  const present = ownHooksIn(text, path, platform);
  const unchanged = { path, changed: false, replaced: false, backup: null };
  const asWanted = present.every(
    ({ event, hook, narrowed }) => !narrowed && isDeepStrictEqual(hooks.get(event), { ...hook }),
  );
  if (asWanted && present.length === hooks.size && byEvent(present).size === hooks.size) return unchanged;

  const backups = readBackups(path);
  const before = present.length > 0 ? withoutOwn(text, backups, platform) : file.text;
  // Hooks of ours that somebody put in by hand: what was there is kept all the same.
  const byHand = present.length > 0 && backups.length === 0 && before !== null;
  const first = (present.length === 0 && file.text !== null) || byHand;
  const backup = first ? backUp(file) : null;
  writeSettingsFile(file, addHooks(before ?? "", hooks));
  return { path, changed: true, replaced: present.length > 0, backup };
}

/** Takes our hooks out of the file; what it was before is restored to the byte, unless others have edited it. */
export function uninstallHooks(path: string, platform: NodeJS.Platform): Removal {
  return anewIfChanged(() => uninstallOnce(path, platform));
}

function uninstallOnce(path: string, platform: NodeJS.Platform): Removal {
  const file = readSettingsFile(path);
  const { text } = file;
  const events = text === null ? [] : ownHooksIn(text, path, platform).map(({ event }) => event);
  if (text === null || events.length === 0) return { path, events: [], removedFile: false };
  const before = withoutOwn(text, readBackups(path), platform);
  if (before === null) removeSettingsFile(file);
  else writeSettingsFile(file, before);
  return { path, events: [...new Set(events)], removedFile: before === null };
}

/** What somebody else has changed between the look and the write is looked at anew, until they go on and on. */
function anewIfChanged<T>(act: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile) || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Each hook of ours in a text. */
export function ownHooksIn(text: string, path: string, platform: NodeJS.Platform): OwnPlacedHook[] {
  return hooksIn(text, path).flatMap(({ hook, ...place }) => {
    return isObject(hook) && readOwnHook(hook, platform) ? [{ ...place, hook }] : [];
  });
}

function byEvent(hooks: readonly OwnPlacedHook[]): HooksByEvent {
  return new Map(hooks.map(({ event, hook }) => [event, hook]));
}

/**
 * What the text was before our hooks came in; null for no file. Where a backup with these hooks added gives the very
 * same text, nobody else has edited it, and the backup is the answer.
 */
function withoutOwn(text: string, backups: readonly string[], platform: NodeJS.Platform): string | null {
  const own = byEvent(ownHooksIn(text, "", platform));
  const originals = backups.filter((backup) => isOriginal(backup, platform));
  const restored = originals.find((original) => addHooks(original, own) === text);
  if (restored !== undefined) return restored;
  if (addHooks("", own) === text) return null;
  const [newest = ""] = originals;
  const isOurs = (hook: unknown) => readOwnHook(hook, platform) !== null;
  return removeHooks(text, isOurs, settingsIn(newest, ""));
}

/** Whether it has none of our hooks, and could take them. */
function isOriginal(backup: string, platform: NodeJS.Platform): boolean {
  try {
    checkSettings(backup, "");
    return ownHooksIn(backup, "", platform).length === 0;
  } catch {
    return false;
  }
}
