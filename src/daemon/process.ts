/** What the operating system says of a process: whether it lives, and since when. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { childEnv } from "../config/env.ts";
import { BOOT_ID_PATH, parseLinuxProcess, statPath } from "./linux-process.ts";
import { windowsProcess } from "./windows-process.ts";

export interface ProcessIdentity {
  /** ISO 8601, for people. */
  startTime: string;
  /**
   * Equal for two looks at the same process, different once the PID is used again. On Linux it is the boot id
   * and the start in clock ticks, because a wall-clock start time moves when the clock is set.
   */
  token: string;
}

const LINUX_TICKS_PER_SECOND = 100;

/** The identity of a running process, or null when there is none with this PID. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  switch (process.platform) {
    case "linux":
      return identifyOnLinux(pid);
    case "win32":
      return identifyOnWindows(pid);
    default:
      return identifyByPs(pid);
  }
}

/** Whether the process with an instance file's PID is still the very server that wrote the file. */
export function isSameProcess({ pid, process_token }: { pid: number; process_token: string }): boolean {
  const identity = identifyProcess(pid);
  return identity !== null && identity.token === process_token;
}

/** The command line of a process, as far as this user may see it; on Windows its program. */
export function commandOf(pid: number): string | null {
  switch (process.platform) {
    case "linux":
      return commandOnLinux(pid);
    case "win32":
      return windowsProcess(pid)?.program ?? null;
    default:
      return run("ps", ["-o", "command=", "-p", `${pid}`])?.trim() || null;
  }
}

function commandOnLinux(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() || null;
  } catch {
    return null;
  }
}

/** Output of a command, or null when it fails; in English and UTC, whatever the user's settings. */
export function run(command: string, args: readonly string[]): string | null {
  const { status, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: 10_000,
    env:
      process.platform === "win32"
        ? childEnv()
        : { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TZ: "UTC" },
  });
  return status === 0 ? stdout : null;
}

function identifyOnLinux(pid: number): ProcessIdentity | null {
  try {
    const found = parseLinuxProcess(readFileSync(statPath(pid), "utf8"), readFileSync(BOOT_ID_PATH, "utf8"));
    if (found === null) return null;
    const bootSeconds = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
    const startTime = new Date(
      (bootSeconds + found.startTicks / LINUX_TICKS_PER_SECOND) * 1000,
    ).toISOString();
    return { startTime, token: found.token };
  } catch {
    return null;
  }
}

function identifyOnWindows(pid: number): ProcessIdentity | null {
  const found = windowsProcess(pid);
  return found && { startTime: found.startTime, token: `${found.createdAt}` };
}

function identifyByPs(pid: number): ProcessIdentity | null {
  const text = run("ps", ["-o", "lstart=", "-p", `${pid}`])?.trim();
  const time = Date.parse(`${text} UTC`);
  return !text || Number.isNaN(time) ? null : { startTime: new Date(time).toISOString(), token: text };
}
