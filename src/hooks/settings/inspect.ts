/** What is registered in Claude Code's settings, and what is wrong with it. */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { checkSettings, isStrictJson, settingsIn } from "./document.ts";
import { HOOK_EVENTS } from "./events.ts";
import { readSettingsFile } from "./file.ts";
import { ownHooksIn } from "./install.ts";
import { type OwnHook, readOwnHook } from "./own-hook.ts";
import { managedSettingsPath, type Scope, SCOPES, settingsPath, type Surroundings } from "./scopes.ts";

export interface Problem {
  kind:
    | "broken"
    | "skipped"
    | "off"
    | "missing_events"
    | "narrowed"
    | "duplicated"
    | "different_commands"
    | "missing_program";
  /** Null when it concerns several. */
  scope: Scope | null;
  message: string;
  /** What to do about it. */
  hint: string;
}

export interface ScopeReport {
  scope: Scope;
  path: string;
  state: "installed" | "partial" | "none" | "broken";
  /** Events whose hook is registered. */
  events: string[];
  /** Events whose hook is not. */
  missing: string[];
  /** The distinct commands and URLs that are registered. */
  commands: string[];
}

export interface HooksReport {
  scopes: ScopeReport[];
  problems: Problem[];
}

const NAME = "claude-mpm-socketio";

/** Looks at every scope; changes nothing. Standing in the home directory, user and project are one file: the user's. */
export function inspectHooks(around: Surroundings): HooksReport {
  const problems: Problem[] = [];
  const paths = new Map<string, Scope>();
  for (const scope of SCOPES) {
    const path = realPath(settingsPath(scope, around));
    if (!paths.has(path)) paths.set(path, scope);
  }
  const scopes = [...paths.values()].map((scope) => inspectScope(scope, around, problems));
  const registered = scopes.filter(({ events }) => events.length > 0);
  if (registered.length > 0) problems.push(...switchedOff(around));
  if (registered.length > 1) problems.push(acrossScopes(registered));
  return { scopes, problems };
}

/** Why Claude Code runs no hooks at all although they are registered. */
function switchedOff(around: Surroundings): Problem[] {
  const places = SCOPES.map((scope) => [scope, settingsPath(scope, around)] as const);
  const distinct = new Map(places.toReversed().map(([scope, path]) => [path, scope]));
  const found: Problem[] = [...distinct].toReversed().flatMap(([path, scope]) => {
    return readValue(path).disableAllHooks === true ? [offBy(path, "disableAllHooks", scope)] : [];
  });
  const managed = managedSettingsPath(around);
  for (const key of ["disableAllHooks", "allowManagedHooksOnly"]) {
    if (readValue(managed)[key] === true) found.push(offBy(managed, key, null));
  }
  return found;
}

function offBy(path: string, key: string, scope: Scope | null): Problem {
  const hint = scope ? `Remove ${key} there to switch them on` : "Only an administrator can change that";
  return { kind: "off", scope, message: `hooks are switched off: ${key} in ${path}`, hint };
}

function inspectScope(scope: Scope, around: Surroundings, problems: Problem[]): ScopeReport {
  const path = settingsPath(scope, around);
  const report: ScopeReport = {
    scope,
    path,
    state: "none",
    events: [],
    missing: [...HOOK_EVENTS],
    commands: [],
  };
  const add = (kind: Problem["kind"], message: string, hint: string) => {
    problems.push({ kind, scope, message, hint });
  };
  let text: string;
  let own: { event: string; narrowed: boolean; hook: OwnHook }[];
  try {
    text = readSettingsFile(path).text ?? "";
    checkSettings(text, path);
    own = ownHooksIn(text, path, around.platform).flatMap(({ event, narrowed, hook }) => {
      const read = readOwnHook(hook, around.platform);
      return read ? [{ event, narrowed, hook: read }] : [];
    });
  } catch (error) {
    const { message } = error as Error;
    add("broken", message, "Mend it: Claude Code reads nothing of a file that is broken");
    return { ...report, state: "broken" };
  }
  if (own.length === 0) return report;

  const again = `${NAME} hooks install --scope ${scope}${flagsOf(own[0]?.hook)}`;
  const names = own.map(({ event }) => event);
  const events = [...new Set(names)];
  const missing = HOOK_EVENTS.filter((event) => !events.includes(event));
  const commands = [...new Set(own.map(({ hook }) => hook.text))];
  if (!isStrictJson(text)) {
    add(
      "skipped",
      `${path} has comments or trailing commas, and Claude Code skips such a file`,
      "Take them out",
    );
  }
  if (missing.length > 0)
    add("missing_events", `not registered: ${missing.join(", ")}`, `Register them: ${again}`);
  const wide = new Set(own.filter(({ narrowed }) => !narrowed).map(({ event }) => event));
  const narrow = events.filter((event) => !wide.has(event));
  if (narrow.length > 0) {
    const message = `a matcher keeps the hook from some of: ${narrow.join(", ")}`;
    add("narrowed", message, `Register it for all: ${again}`);
  }
  const twice = events.filter((event) => names.indexOf(event) !== names.lastIndexOf(event));
  if (twice.length > 0) {
    const message = `registered more than once, and counted once: ${twice.join(", ")}`;
    add("duplicated", message, `Register each once: ${again}`);
  }
  // With `http` hooks, the events that cannot have them have a command.
  const kinds = new Set(own.map(({ hook }) => hook.kind));
  if (commands.length > kinds.size) {
    add(
      "different_commands",
      `different commands are registered: ${commands.join(" · ")}`,
      `Make them one: ${again}`,
    );
  }
  for (const program of new Set(own.flatMap(({ hook }) => missingProgram(hook, around) ?? []))) {
    add(
      "missing_program",
      `${program} is registered, and is not there or no program`,
      `Register this one: ${again}`,
    );
  }
  return { ...report, state: missing.length > 0 ? "partial" : "installed", events, missing, commands };
}

function acrossScopes(scopes: readonly ScopeReport[]): Problem {
  const names = scopes.map(({ scope }) => scope);
  const same = new Set(scopes.map(({ commands }) => commands.join("\n"))).size === 1;
  const what = same
    ? "Claude Code runs the same command once"
    : "with different commands each event is sent more than once, and counted once";
  return {
    kind: "duplicated",
    scope: null,
    message: `registered in the scopes ${names.join(" and ")}: ${what}`,
    hint: `Take one out: ${NAME} hooks uninstall --scope ${names.at(-1)}`,
  };
}

/** What tells the registered hook its server, as `hooks install` takes it. */
function flagsOf(hook: OwnHook | undefined): string {
  if (hook?.kind !== "command") return hook ? " --http" : "";
  return / hook( --.*)$/s.exec(hook.text)?.[1] ?? "";
}

/** The file of a registered command that cannot be run; null where it can, or only the shell would know. */
function missingProgram({ program }: OwnHook, { env, cwd }: Surroundings): string | null {
  // In front of our program another may stand, as `timeout 2`: the first and the last are files for sure.
  const [runner, last] = [program[0], program.at(-1)];
  for (const word of [runner, last]) {
    if (word === undefined || word.includes("$")) continue;
    const path = word.startsWith("~/") ? resolve(env.HOME || homedir(), word.slice(2)) : word;
    if (!/[/\\]/.test(path)) {
      if (!Bun.which(path, { PATH: env.PATH ?? "", cwd })) return word;
    } else if (!canBeUsed(isAbsolute(path) ? path : resolve(cwd, path), word === runner)) return word;
  }
  return null;
}

function canBeUsed(path: string, runs: boolean): boolean {
  try {
    accessSync(path, runs ? constants.X_OK : constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function readValue(path: string): Record<string, unknown> {
  try {
    return settingsIn(readSettingsFile(path).text ?? "", path);
  } catch {
    return {};
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
