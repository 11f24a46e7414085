/** Whether Claude Code's sessions find their way here. */
import type { HooksReport, Problem } from "../../hooks/settings/inspect.ts";
import type { Finding } from "./checks.ts";

const NAME = "hooks";

/** With these, events do not come; the others are untidy. */
const SERIOUS: readonly Problem["kind"][] = ["broken", "skipped", "off", "missing_program"];

/** Judges what `inspectHooks` found. Not registered is no fault. */
export function checkHooks({ scopes, problems }: HooksReport): Finding[] {
  const registered = scopes.filter(({ events }) => events.length > 0);
  const findings = problems.map(({ kind, scope, message, hint }): Finding => {
    const status = registered.length > 0 && SERIOUS.includes(kind) ? "failed" : "warning";
    return { name: NAME, status, message: scope ? `${scope}: ${message}` : message, hint };
  });
  if (findings.length > 0) return findings;
  if (registered.length === 0) {
    const hint = "To see sessions here: claude-mpm-socketio hooks install";
    return [{ name: NAME, status: "ok", message: "not registered in Claude Code's settings", hint }];
  }
  const places = registered.map(({ scope, commands }) => `registered (${scope}): ${commands.join(", ")}`);
  return [{ name: NAME, status: "ok", message: places.join("; ") }];
}
