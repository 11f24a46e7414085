/** A process as Linux tells of it in texts, whoever has read them. */

export interface LinuxProcess {
  /** See `ProcessIdentity.token`. */
  token: string;
  /** When it started, in clock ticks since the machine did. */
  startTicks: number;
}

export const BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id";

export const statPath = (pid: number): string => `/proc/${pid}/stat`;

/** Null for a process that has ended and still waits to be collected. */
export function parseLinuxProcess(stat: string, bootId: string): LinuxProcess | null {
  // proc(5): the second field, the command in parentheses, may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields[0], Number(fields[19])];
  return state === "Z" || state === "X" ? null : { token: `${bootId.trim()}:${startTicks}`, startTicks };
}
