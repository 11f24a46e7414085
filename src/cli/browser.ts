/** The browser of whoever sits at this machine: the commands that may open it, and whether one did. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { childEnv } from "../config/env.ts";
import type { Machine } from "../config/paths.ts";

/** A command that still runs after so long is the browser, or is about to open it. */
const LAUNCH_MS = 1000;

/**
 * Programs with their arguments that may open a URL, to be tried in turn; none where there is no display. No shell
 * ever reads the URL.
 */
export function browserCommands(
  url: string,
  { platform, env }: Machine,
  exists: (path: string) => boolean = existsSync,
): string[][] {
  const named = namedBrowsers(env.BROWSER ?? "", url, platform === "win32" ? ";" : ":", exists);
  if (named.length > 0) return named;
  if (platform === "darwin") return [["open", url]];
  // By its path: Windows looks for a mere name in the folder one stands in first.
  const { SystemRoot = "C:\\Windows" } = env;
  if (platform === "win32")
    return [[`${SystemRoot}\\System32\\rundll32.exe`, "url.dll,FileProtocolHandler", url]];
  const commands = env.DISPLAY || env.WAYLAND_DISPLAY ? [["xdg-open", url]] : [];
  // Linux within Windows, whose display is always there.
  if (env.WSL_DISTRO_NAME)
    commands.push(["wslview", url], ["rundll32.exe", "url.dll,FileProtocolHandler", url]);
  return commands;
}

/**
 * What `BROWSER` names, read as Python's webbrowser and Debian's sensible-browser do: several to be tried in turn,
 * words that may be quoted, the URL in place of `%s` or else behind them. What is a file as it stands is one word.
 */
function namedBrowsers(
  variable: string,
  url: string,
  separator: string,
  exists: (path: string) => boolean,
): string[][] {
  return variable.split(separator).flatMap((entry) => {
    if (exists(entry)) return [[entry, url]];
    const words = (entry.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) =>
      word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"),
    );
    // Into the background, where everything goes that is started here.
    if (words.at(-1) === "&") words.pop();
    if (!words[0]) return [];
    if (!entry.includes("%s")) return [[...words, url]];
    return [words.map((word) => word.replaceAll("%s", () => url))];
  });
}

/** Tries the commands until one opens; null then, and otherwise what was wrong with each. */
export async function openBrowser(commands: readonly string[][]): Promise<string | null> {
  const failures: string[] = [];
  for (const command of commands) {
    const failure = await launch(command);
    if (failure === null) return null;
    failures.push(failure);
  }
  return failures.join("; ");
}

/** Starts a command that outlives this process; its failure is heard for as long as `LAUNCH_MS`. */
function launch([program = "", ...args]: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, stdio: "ignore", env: childEnv() });
    const settle = (failure: string | null) => {
      clearTimeout(limit);
      child.unref();
      resolve(failure);
    };
    const limit = setTimeout(() => settle(null), LAUNCH_MS);
    child.on("error", (error) => {
      const isMissing = "code" in error && error.code === "ENOENT";
      settle(isMissing ? `there is no ${program}` : `${program} cannot be run: ${error.message}`);
    });
    child.on("exit", (code, signal) => {
      settle(code === 0 ? null : `${program} ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}
