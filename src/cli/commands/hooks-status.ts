import { HOOK_EVENTS } from "../../hooks/settings/events.ts";
import { inspectHooks, type ScopeReport } from "../../hooks/settings/inspect.ts";
import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson, style, table } from "../output.ts";
import type { Command } from "../tree.ts";
import { surroundings } from "../scope.ts";

export default {
  description:
    "Show in which of Claude Code's settings the hook is registered; exit 0 when it is in some and all is well, else 1",
  args: JSON_ARG,
  run({ args }) {
    const { scopes, problems } = inspectHooks(surroundings());
    const installed = scopes.some(({ state }) => state === "installed");
    const well = installed && problems.length === 0;
    if (args.json === true) {
      printJson({ ok: well, installed, scopes, problems });
      return well ? EXIT.done : EXIT.failed;
    }
    print(table(scopes.flatMap(rowsOf)));
    for (const { scope, message, hint } of problems) {
      print(`${style("warning", "yellow")}: ${scope ? `${scope}: ` : ""}${message}`);
      print(`  → ${hint}`);
    }
    if (scopes.every(({ state }) => state === "none"))
      print("Register it: claude-mpm-socketio hooks install");
    return well ? EXIT.done : EXIT.failed;
  },
} satisfies Command;

function rowsOf({ scope, state, path, events, commands }: ScopeReport): string[][] {
  const states = {
    installed: `registered for ${events.length} events`,
    partial: `registered for ${events.length} of ${HOOK_EVENTS.length} events`,
    none: "not registered",
    broken: "cannot be read",
  };
  return [[scope, states[state], path], ...commands.map((command) => ["", "", command])];
}
