/** Whether a service is installed, and runs a program that is there. */
import { existsSync, realpathSync } from "node:fs";
import type { Machine } from "../../config/paths.ts";
import type { Mode, ServiceState } from "../../service/manager.ts";
import { managerFor, MODES } from "../../service/service.ts";
import { IS_COMPILED } from "../../version.ts";
import { failed, type Finding, ok, warning } from "./checks.ts";

const NAME = "service";

/** None is no fault. */
export function checkService(machine: Machine): Finding[] {
  const findings = MODES.flatMap((mode) => {
    const state = stateOf(mode, machine);
    return state?.installed ? [findingOf(mode, state)] : [];
  });
  return findings.length > 0 ? findings : [ok(NAME, "none is installed")];
}

/** Null where there are no services. */
function stateOf(mode: Mode, machine: Machine): ServiceState | null {
  try {
    return managerFor(mode, machine).state();
  } catch {
    return null;
  }
}

function findingOf(mode: Mode, { program, running, definition, pid }: ServiceState): Finding {
  const flag = mode === "user" ? "" : " --mode system";
  const renew = `Install it anew: claude-mpm-socketio service install${flag}`;
  if (program !== null && !existsSync(program)) {
    return failed(NAME, `${definition} runs ${program}, which is not there (mode ${mode})`, renew);
  }
  if (!running) {
    const hint = `Start it: claude-mpm-socketio service start${flag}`;
    return warning(NAME, `installed, and does not run (mode ${mode})`, hint);
  }
  if (IS_COMPILED && program !== null && realpathSync(program) !== realpathSync(process.execPath)) {
    return warning(NAME, `runs ${program}, and this is ${process.execPath} (mode ${mode})`, renew);
  }
  return ok(NAME, `runs${pid === null ? "" : ` (PID ${pid})`}, mode ${mode}`);
}
