/** Which processes run a program, as far as the operating system tells this user. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProgramProcess {
  pid: number;
  /** Without the program itself. */
  args: string[];
  env: Record<string, string>;
}

/** The processes of this user, or of all for root, that run a file; on Linux alone, elsewhere none. proc(5) */
export function processesOf(program: string): ProgramProcess[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        // A file that another has taken the place of is said to be deleted.
        if (readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "") !== program) return [];
        const [, ...args] = textsIn(`/proc/${pid}/cmdline`);
        const env = textsIn(`/proc/${pid}/environ`).map((text) => text.split(/=(.*)/s).slice(0, 2));
        return [{ pid: Number(pid), args, env: Object.fromEntries(env) }];
      } catch {
        // Another user's, or ended meanwhile.
        return [];
      }
    });
}

function textsIn(path: string): string[] {
  return readFileSync(path, "utf8").split("\0").slice(0, -1);
}
