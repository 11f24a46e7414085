/** systemd, by systemctl: the manager of the machine, or that of a user. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { readText, writeWhole } from "./file.ts";
import {
  type Failure,
  type Mode,
  mustRun,
  orUndo,
  rootHint,
  ServiceError,
  type ServiceManager,
  type ServiceState,
} from "./manager.ts";
import { UNIT } from "./systemd.ts";
import type { Run } from "./tool.ts";

/** cron has a PATH of its own, and would not find what is in a home directory. */
const without = (self: string) =>
  "Run it in the background: claude-mpm-socketio start; at boot by a line of `crontab -e`: " +
  `@reboot ${self} start; in a container let its restart policy run claude-mpm-socketio serve`;

export interface SystemctlOptions {
  mode: Mode;
  /** The directory of units. */
  directory: string;
  /** Whether this user may manage the machine's services. */
  privileged: boolean;
  /** What a shell runs this program by that has another PATH, as sudo's has. */
  self: string;
  run: Run;
}

export function systemctlManager({
  mode,
  directory,
  privileged,
  self,
  run,
}: SystemctlOptions): ServiceManager {
  const path = join(directory, UNIT);
  const scope = mode === "user" ? ["--user"] : [];
  const shown = ["systemctl", ...scope].join(" ");
  const logHint = `journalctl ${mode === "user" ? "--user-unit" : "--unit"} ${UNIT}`;
  const systemctl = (...args: string[]) => {
    return mustRun(run, "systemctl", [...scope, ...args], `See why: ${shown} status ${UNIT}; ${logHint}`);
  };

  /** One that has failed too often systemd would not try again for a minute, whatever has been mended since. */
  const forgetFailures = () => void run("systemctl", [...scope, "reset-failed", UNIT]);

  const state = (): ServiceState => {
    const names =
      "LoadState,UnitFileState,ActiveState,MainPID,FragmentPath,ExecStart,ExecStartPre,ExecMainStatus,Result";
    const { status, stdout } = run("systemctl", [...scope, "show", `--property=${names}`, UNIT]);
    const values = new Map(stdout.split("\n").map((line) => splitAt(line, "=")));
    const pid = Number(values.get("MainPID"));
    const there = readText(path) !== null;
    return {
      installed: there || (status === 0 && values.get("LoadState") === "loaded"),
      enabled: values.get("UnitFileState") === "enabled",
      running: ["active", "reloading"].includes(values.get("ActiveState") ?? ""),
      pid: pid > 0 ? pid : null,
      definition: values.get("FragmentPath") || (there ? path : null),
      // Of a path that systemd cannot run itself it tells the shell's.
      program: /path=(?!\/bin\/sh)(.*?) ; argv/.exec(values.get("ExecStart") ?? "")?.[1] ?? null,
      failure: failureOf(values),
    };
  };

  return {
    name: "systemd",
    logHint,
    check() {
      // First, for without its bus the machine's manager answers nobody but root.
      if (mode === "system" && !privileged) {
        throw new ServiceError("The machine's services are for root", rootHint(self));
      }
      if (answers(run, scope)) return;
      if (mode === "system" || !answers(run, [])) {
        throw new ServiceError("systemd does not run here, so there are no services", without(self));
      }
      throw new ServiceError(
        "systemd runs no services for this user here",
        "Log in as this user itself, not by su or sudo; or install for the machine: " +
          `sudo ${self} service install --mode system`,
      );
    },
    state,
    install(definition) {
      const before = readText(path);
      const { enabled: wasEnabled, running: wasRunning } = state();
      const undo = () => {
        if (before === null) {
          run("systemctl", [...scope, "disable", "--now", UNIT]);
          rmSync(path, { force: true });
        } else {
          writeWhole(path, before, 0o644);
          if (!wasEnabled) run("systemctl", [...scope, "disable", UNIT]);
        }
        run("systemctl", [...scope, "daemon-reload"]);
        forgetFailures();
        if (before !== null && wasRunning) run("systemctl", [...scope, "restart", UNIT]);
      };
      orUndo(() => {
        writeWhole(path, definition, 0o644);
        systemctl("daemon-reload");
        systemctl("enable", UNIT);
        forgetFailures();
        systemctl("restart", UNIT);
      }, undo);
      return undo;
    },
    remove() {
      const { running, enabled } = state();
      if (running || enabled) systemctl("disable", "--now", UNIT);
      // One that waits for its next attempt is not running, and would come back.
      else run("systemctl", [...scope, "stop", UNIT]);
      const there = readText(path) !== null;
      rmSync(path, { force: true });
      systemctl("daemon-reload");
      forgetFailures();
      return there ? [path] : [];
    },
    start() {
      forgetFailures();
      systemctl("start", UNIT);
    },
    stop: () => void systemctl("stop", UNIT),
    restart() {
      forgetFailures();
      systemctl("restart", UNIT);
    },
  };
}

/** One that waits for its next attempt is `activating`; its last one has failed all the same. */
function failureOf(values: Map<string, string>): Failure | null {
  const result = values.get("Result") || "success";
  if (result === "success" || !["failed", "activating"].includes(values.get("ActiveState") ?? ""))
    return null;
  const before = /; code=exited ; status=(\d+)/.exec(values.get("ExecStartPre") ?? "")?.[1];
  const exitCode = Number(before) || Number(values.get("ExecMainStatus")) || null;
  if (result === "start-limit-hit") return { why: "it has failed too often (start-limit-hit)", exitCode };
  if (result !== "exit-code" || exitCode === null) return { why: `systemd says ${result}`, exitCode: null };
  return { why: `it ended with exit code ${exitCode}`, exitCode };
}

/** systemd's own answer, and not a path: under a user without a session, in a chroot and in a container it is the right one. */
function answers(run: Run, scope: readonly string[]): boolean {
  const state = run("systemctl", [...scope, "is-system-running"]).stdout.trim();
  return state !== "" && state !== "offline" && state !== "unknown";
}

function splitAt(line: string, mark: string): [before: string, after: string] {
  const at = line.indexOf(mark);
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}
