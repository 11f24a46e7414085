/** Which boot of the machine this is: what a process wrote survives the process, but not always the machine. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A text that changes with every boot, or null where the system does not tell. */
export function bootId(): string | null {
  try {
    if (process.platform === "linux") return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    if (process.platform !== "darwin") return null;
    const { status, stdout } = spawnSync("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"], {
      encoding: "utf8",
    });
    return status === 0 ? stdout.trim() : null;
  } catch {
    return null;
  }
}
