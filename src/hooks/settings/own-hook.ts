/** The hook that is registered: made, and known again however old it is. */
import { readFileSync } from "node:fs";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { HooksByEvent } from "./document.ts";
import { COMMAND_ONLY_EVENTS, HOOK_EVENTS } from "./events.ts";

/** What is registered; `url` for Claude Code's own `http` hooks. */
export interface Registration {
  /** The program with its arguments, `hook` among them. */
  command: readonly string[];
  url?: string;
  /** The variable from which Claude Code takes the token it sends to the URL. */
  tokenVariable?: string | null;
}

/** A hook of ours that stands in a file. */
export type OwnHook =
  | { kind: "command"; text: string; program: string[] }
  | { kind: "http"; text: string; program: [] };

/** Seconds after which Claude Code gives the hook up, should it ever hang: by itself it gives up sooner. */
const TIMEOUT_SECONDS = 10;

const NAME = "claude-mpm-socketio";
/** Also as it is released, `-linux-x64`, and as people keep versions apart, `-1.2.3`. */
const PROGRAM = /(^|\/)claude-mpm-socketio(-(linux|darwin|windows)[\w-]*|[@_-]v?\d[\w.+-]*)?(\.exe)?$/;
const HTTP_PATH = "/api/hooks/claude";
const PLAIN_WORD = /^[\w/.,:=@%+-]+$/;

/**
 * One hook for every event. A `command` text, not the safer `args`: a Claude Code that does not know `args` would run
 * the program without any, and its exit code 2 for wrong usage forbids the tool call.
 */
export function registeredHooks(
  { command, url, tokenVariable = null }: Registration,
  platform: NodeJS.Platform,
): HooksByEvent {
  const text = command.map((word) => quote(word, platform)).join(" ");
  const timeout = TIMEOUT_SECONDS;
  return new Map(
    HOOK_EVENTS.map((event): [string, JsonObject] => {
      if (url !== undefined && !COMMAND_ONLY_EVENTS.includes(event))
        return [event, { type: "http", url, timeout, ...authorization(tokenVariable) }];
      return [event, { type: "command", command: text, timeout }];
    }),
  );
}

/** Claude Code fills in those variables alone that the hook lists (https://code.claude.com/docs/en/hooks). */
function authorization(variable: string | null): JsonObject {
  if (variable === null) return {};
  return { headers: { Authorization: `Bearer $${variable}` }, allowedEnvVars: [variable] };
}

/** Tells whether a hook is ours, from any path and with any flags; null when it is somebody else's. */
export function readOwnHook(hook: unknown, platform: NodeJS.Platform): OwnHook | null {
  if (!isObject(hook)) return null;
  const { type, command, args, url } = hook;
  if (type === "http" && typeof url === "string")
    return isOurUrl(url) ? { kind: "http", text: url, program: [] } : null;
  if (type !== "command" || typeof command !== "string") return null;
  const words = Array.isArray(args) ? [command, ...args.map(String)] : splitWords(command, platform);
  const at =
    words?.findIndex((word, index) => index > 0 && word === "hook" && isOurProgram(words[index - 1])) ?? -1;
  if (!words || at === -1) return null;
  const flags = words.slice(at + 1);
  if (!flags.every((word, index) => word.startsWith("--") || (flags[index - 1] ?? "").startsWith("--")))
    return null;
  const text = Array.isArray(args) ? words.join(" ") : command;
  return { kind: "command", text, program: words.slice(0, at) };
}

/**
 * For the shell that Claude Code runs commands with: sh, on Windows Git Bash, or PowerShell without it. A path that
 * needs no quotes gets none, for PowerShell takes a quoted one for a text to print.
 */
export function quote(word: string, platform: NodeJS.Platform): string {
  const plain = platform === "win32" ? word.replaceAll("\\", "/") : word;
  if (PLAIN_WORD.test(plain)) return plain;
  if (platform === "win32") return `"${plain.replaceAll(/[$`"]/g, "\\$&")}"`;
  return `'${plain.replaceAll("'", String.raw`'\''`)}'`;
}

/** The words of a simple command; null where the shell would do more than run one program. */
function splitWords(command: string, platform: NodeJS.Platform): string[] | null {
  const words: string[] = [];
  const escaped = platform === "win32" ? /\\(?=["$`])/g : /\\(?=.)/gs;
  const pattern = /\s*((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"|&;<>()])+)|\s*(\S)/gs;
  for (const [, word, operator] of command.matchAll(pattern)) {
    if (word === undefined || operator !== undefined) return null;
    const parts = word.match(/'[^']*'|"(?:\\.|[^"\\])*"|(?:\\.|[^'"])+/gs) ?? [];
    words.push(
      parts
        .map((part) => {
          if (part.startsWith("'")) return part.slice(1, -1);
          return part.startsWith('"')
            ? part.slice(1, -1).replaceAll(/\\(?=["$`\\])/g, "")
            : part.replaceAll(escaped, "");
        })
        .join(""),
    );
  }
  return words;
}

function isOurProgram(word: string | undefined): boolean {
  const path = (word ?? "").replaceAll("\\", "/");
  // From a checkout it is Bun that runs the entry.
  const [, checkout] = /^(.*)\/src\/main\.ts$/.exec(path) ?? [];
  return checkout === undefined ? PROGRAM.test(path) : isOurCheckout(checkout);
}

/** By its package, or by its name when it is gone. */
function isOurCheckout(directory: string): boolean {
  try {
    return JSON.parse(readFileSync(`${directory}/package.json`, "utf8")).name === NAME;
  } catch {
    return directory.endsWith(`/${NAME}`);
  }
}

function isOurUrl(url: string): boolean {
  return URL.canParse(url) && new URL(url).pathname === HTTP_PATH;
}
