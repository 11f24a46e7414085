/** launchd, by launchctl: the session of a user, or the machine. */
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { readText, writeWhole } from "./file.ts";
import { LABEL } from "./launchd.ts";
import {
  type Mode,
  mustRun,
  orUndo,
  rootHint,
  ServiceError,
  type ServiceManager,
  type ServiceState,
} from "./manager.ts";
import type { Run } from "./tool.ts";

/** `daemon`, on every macOS. */
const DAEMON_UID = 1;

export interface LaunchctlOptions {
  mode: Mode;
  /** The property list. */
  path: string;
  /** Directories that launchd and the daemon's user write into. */
  directories: readonly string[];
  uid: number;
  /** What a shell runs this program by that has another PATH, as sudo's has. */
  self: string;
  run: Run;
}

export function launchctlManager({
  mode,
  path,
  directories,
  uid,
  self,
  run,
}: LaunchctlOptions): ServiceManager {
  const domain = mode === "user" ? `gui/${uid}` : "system";
  const target = `${domain}/${LABEL}`;
  const logHint = "the service's log in the Logs folder of the Library, and claude-mpm-socketio logs";
  const launchctl = (...args: string[]) => {
    return mustRun(run, "launchctl", args, `See what launchd knows: launchctl print ${target}`);
  };
  const isLoaded = () => run("launchctl", ["print", target]).status === 0;
  const unload = () => {
    if (isLoaded()) launchctl("bootout", target);
  };
  const load = () => {
    // What was disabled once stays so, whatever is loaded later.
    launchctl("enable", target);
    launchctl("bootstrap", domain, path);
  };

  return {
    name: "launchd",
    logHint,
    check() {
      if (mode === "system" && uid !== 0) {
        throw new ServiceError("The machine's services are for root", rootHint(self));
      }
      if (run("launchctl", ["print", domain]).status !== 0) {
        throw new ServiceError(
          `launchd has no session of this user (${domain})`,
          `Log in at the screen first; or install for the machine: sudo ${self} service install --mode system`,
        );
      }
    },
    state(): ServiceState {
      const { status, stdout } = run("launchctl", ["print", target]);
      const there = readText(path) !== null;
      const pid = Number(/^\tpid = (\d+)$/m.exec(stdout)?.[1] ?? 0);
      return {
        installed: there || status === 0,
        enabled: there,
        running: pid > 0,
        pid: pid > 0 ? pid : null,
        definition: there ? path : null,
        program: /^\tprogram = (.+)$/m.exec(stdout)?.[1] ?? null,
        failure: null,
      };
    },
    install(definition) {
      const before = readText(path);
      const undo = () => {
        run("launchctl", ["bootout", target]);
        if (before === null) rmSync(path, { force: true });
        else {
          writeWhole(path, before, 0o644);
          run("launchctl", ["bootstrap", domain, path]);
        }
      };
      orUndo(() => {
        for (const directory of directories) {
          mkdirSync(directory, { recursive: true, mode: mode === "user" ? 0o700 : 0o750 });
          if (mode === "system") chownSync(directory, DAEMON_UID, DAEMON_UID);
        }
        unload();
        // launchd refuses a list that others could write.
        writeWhole(path, definition, 0o644);
        load();
      }, undo);
      return undo;
    },
    remove() {
      unload();
      const there = readText(path) !== null;
      rmSync(path, { force: true });
      return there ? [path] : [];
    },
    start() {
      if (!isLoaded()) load();
      else launchctl("kickstart", target);
    },
    // Its clean end is what KeepAlive does not restart it after; it stays known for the next log-on.
    stop() {
      if (isLoaded()) launchctl("kill", "SIGTERM", target);
    },
    restart() {
      if (!isLoaded()) load();
      else launchctl("kickstart", "-k", target);
    },
  };
}
