/** A process as Linux tells of it, for who cannot afford what other systems need for that. */
import { readFileSync } from "node:fs";

export interface LinuxProcess {
  /** See `ProcessIdentity.token`. */
  token: string;
  /** When it started, in clock ticks since the machine did. */
  startTicks: number;
}

/** The running process with this PID, or null. */
export function findLinuxProcess(pid: number): LinuxProcess | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): the second field, the command in parentheses, may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTicks] = [fields[0], Number(fields[19])];
    if (state === "Z" || state === "X") return null;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { token: `${bootId}:${startTicks}`, startTicks };
  } catch {
    return null;
  }
}
