/** How to run this very program again. */
import { processEnv } from "../config/env.ts";
import { quote } from "../hooks/settings/own-hook.ts";
import { type Self, stableProgram } from "../hooks/settings/program.ts";
import { IS_COMPILED } from "../version.ts";

/** The executable, and from a checkout its entry file too: in a compiled binary `argv[1]` names no real file. */
export function selfCommand(): string[] {
  return IS_COMPILED ? [process.execPath] : [process.execPath, Bun.main];
}

/** How it was called, and where it can be found. */
export function selfAsCalled(): Self {
  const { PATH: path } = processEnv();
  return { command: selfCommand(), compiled: IS_COMPILED, argv0: process.argv0, path, cwd: process.cwd() };
}

/** For hints: by its whole path, for sudo and cron do not find what is on the PATH of this shell alone. */
export function selfForShell(): string {
  const { command } = stableProgram(selfAsCalled());
  return command.map((word) => quote(word, process.platform)).join(" ");
}
