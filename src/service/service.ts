/** The service of this machine or user: its definition, its manager, and what other commands ask of it. */
import { posix } from "node:path";
import type { Machine } from "../config/paths.ts";
import { PRODUCT } from "../release/targets.ts";
import { launchctlManager } from "./launchctl.ts";
import { launchdPlist } from "./launchd.ts";
import { type Mode, ServiceError, type ServiceManager, type ServiceState } from "./manager.ts";
import { placesOf } from "./places.ts";
import { readReceipt, type Receipt } from "./receipt.ts";
import { schtasksManager } from "./schtasks.ts";
import { systemctlManager } from "./systemctl.ts";
import { systemdUnit } from "./systemd.ts";
import { runTool } from "./tool.ts";
import { taskXml } from "./windows.ts";

export const MODES = ["user", "system"] as const satisfies Mode[];

export const PLATFORMS = { linux: "linux", darwin: "darwin", windows: "win32" } as const satisfies Record<
  string,
  NodeJS.Platform
>;

export interface Definition {
  mode: Mode;
  program: string;
  /** Flags for `serve`, with absolute paths. */
  args: readonly string[];
  port: number;
}

/** The text that a platform's manager takes. */
export function definitionFor(machine: Machine, { mode, program, args, port }: Definition): string {
  const places = placesOf(mode, machine);
  // systemd hands it to the service in a variable; the others have no way that is not a flag.
  const named = args.some((arg) => arg.startsWith("state_dir="));
  const all = mode === "user" || named ? args : ["--set", `state_dir=${places.stateDir}`, ...args];
  switch (machine.platform) {
    case "darwin":
      return launchdPlist({ mode, program, args: all, crashLog: places.crashLog });
    case "win32":
      return taskXml({ mode, program, args: all, user: windowsUser(machine) });
    default:
      return systemdUnit({ mode, program, args, lowPort: port > 0 && port < 1024 });
  }
}

/**
 * The manager of this machine's services.
 *
 * @param self what a shell runs this program by, for hints
 */
export function managerFor(mode: Mode, machine: Machine, self: string = PRODUCT): ServiceManager {
  const { definition, stateDir, crashLog } = placesOf(mode, machine);
  const uid = process.getuid?.() ?? -1;
  switch (machine.platform) {
    case "linux":
      return systemctlManager({
        mode,
        directory: definition ?? "",
        privileged: uid === 0,
        self,
        run: runTool,
      });
    case "darwin": {
      const directories = [posix.dirname(crashLog), ...(mode === "system" ? [stateDir] : [])];
      return launchctlManager({ mode, path: definition ?? "", directories, uid, self, run: runTool });
    }
    case "win32":
      return schtasksManager({ mode, stateDir, run: runTool });
    default:
      throw new ServiceError(
        `There is no way to install services on ${machine.platform}`,
        "Let its own tools run: claude-mpm-socketio serve",
      );
  }
}

/** Whether the server is the service's own: by its PID, or where the manager tells none, by the port it was installed with. */
export function runsServer(
  { running, pid }: ServiceState,
  receipt: Receipt | null,
  server: { pid: number; port: number },
): boolean {
  return running && (pid === null ? receipt?.port === server.port : pid === server.pid);
}

/** The mode of the service that runs a server, or null: then somebody has started it. */
export function serviceRunning(server: { pid: number; port: number }, machine: Machine): Mode | null {
  for (const mode of MODES) {
    try {
      const receipt = readReceipt(placesOf(mode, machine).receipt);
      if (runsServer(managerFor(mode, machine).state(), receipt, server)) return mode;
    } catch {
      // There is no manager.
    }
  }
  return null;
}

/** Printed on another platform it is for the reader to fill in: the Task Scheduler expands no variable there. */
function windowsUser({ env }: Machine): string {
  const { USERDOMAIN: domain, USERNAME: name = "YOUR-NAME" } = env;
  return domain ? `${domain}\\${name}` : name;
}
