/** Where the parts of a service lie, by platform and mode. */
import { homedir } from "node:os";
import { posix, win32 } from "node:path";
import { configFiles, defaultStateDir, type Machine } from "../config/paths.ts";
import { PRODUCT } from "../release/targets.ts";
import { launchdPaths } from "./launchd.ts";
import type { Mode } from "./manager.ts";
import { SYSTEM_STATE_DIR } from "./systemd.ts";

export interface Places {
  /** Where `service install` puts the program, unless it stands somewhere lasting already. */
  program: string;
  stateDir: string;
  configFile: string;
  /** What was installed, for `uninstall` and `status`. */
  receipt: string;
  /** The directory of systemd's units, or the property list of launchd; null where the definition is no file. */
  definition: string | null;
  /** What launchd writes the output into. */
  crashLog: string;
}

export function placesOf(mode: Mode, machine: Machine): Places {
  const { platform, env } = machine;
  const { join, dirname } = platform === "win32" ? win32 : posix;
  const home = env.HOME || homedir();
  const user = mode === "user";
  const [userFile = "", systemFile = ""] = configFiles(machine);
  const configFile = user ? userFile : systemFile;
  const launchd = launchdPaths(mode, home);
  const units = user
    ? join(absolute(env.XDG_CONFIG_HOME) ?? join(home, ".config"), "systemd", "user")
    : "/etc/systemd/system";
  return {
    program:
      platform === "win32"
        ? windowsProgram(user, env)
        : join(user ? join(home, ".local") : "/usr/local", "bin", PRODUCT),
    stateDir: user ? defaultStateDir(machine) : systemStateDir(machine),
    configFile,
    receipt: join(dirname(configFile), "socketio_service.json"),
    definition: platform === "win32" ? null : platform === "darwin" ? launchd.definition : units,
    crashLog: launchd.crashLog,
  };
}

function systemStateDir({ platform, env }: Machine): string {
  if (platform !== "win32") return SYSTEM_STATE_DIR;
  return win32.join(env.PROGRAMDATA ?? String.raw`C:\ProgramData`, "claude-mpm", "socketio");
}

/** Without these variables (as when it is printed elsewhere) the task itself resolves them. */
function windowsProgram(user: boolean, env: Machine["env"]): string {
  const folder = user
    ? win32.join(env.LOCALAPPDATA ?? "%LOCALAPPDATA%", "Programs")
    : (env.PROGRAMFILES ?? "%ProgramFiles%");
  return win32.join(folder, PRODUCT, `${PRODUCT}.exe`);
}

/** The XDG specification has relative paths ignored. */
function absolute(path: string | undefined): string | null {
  return path && posix.isAbsolute(path) ? path : null;
}
