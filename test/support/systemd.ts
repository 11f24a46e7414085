/**
 * A small machine that systemd runs: namespaces of their own, as a container has them, in which systemd is the first
 * process. Nothing of it is left once that is ended.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";
import { temporaryDirectory } from "./temporary.ts";
import type { Finished } from "./binary.ts";

export interface Machine {
  /** Runs a command on it as root, with nothing but a PATH in its environment. */
  root(...command: string[]): Promise<Finished>;
  /** The same as a user, for whom systemd has a manager of its own. */
  user(...command: string[]): Promise<Finished>;
  /** A file on it, as it is seen from here. */
  path(absolute: string): string;
}

const PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SYSTEMD = "/lib/systemd/systemd";
const NAMESPACES = ["--mount", "--pid", "--cgroup", "--ipc", "--uts", "--net"];

/** Why there can be no such machine here; null when nothing is known against it. */
export function obstacleToSystemd(): string | null {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync(SYSTEMD)) return "no systemd";
  const missing = ["unshare", "nsenter", "setpriv", "curl"].filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0) return `no ${missing.join(", no ")}`;
  try {
    for (const root of cgroupRoots()) accessSync(root, constants.W_OK);
  } catch {
    return "no cgroups of its own";
  }
  const tried = Bun.spawnSync(["unshare", ...NAMESPACES, "--fork", "mount", "--make-rprivate", "/"]);
  return tried.exitCode === 0 ? null : "no namespaces";
}

/** Starts the machine; it sees the program in /opt/download. */
export async function startMachine(program: string): Promise<Machine> {
  const script = join(import.meta.dir, "systemd.sh");
  const cgroups = makeCgroups();
  const enter = cgroups.map((cgroup) => `echo $$ > ${cgroup}/cgroup.procs`).join(" && ");
  const unshare = ["unshare", ...NAMESPACES, "--fork", "--kill-child", script, temporaryDirectory(), program];
  const child = Bun.spawn(["sh", "-c", `${enter} && exec "$@"`, "sh", ...unshare], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  onEnd(async () => {
    child.kill("SIGKILL");
    await child.exited;
    for (const cgroup of cgroups)
      await eventually(() => removeCgroup(cgroup), { what: "the end of the machine" });
  });
  const first = await eventually(() => childOf(child.pid) ?? (child.exitCode !== null && -1), {
    what: "a process",
  });
  const inside = [
    "nsenter",
    "--target",
    `${first}`,
    "--all",
    `--root=/proc/${first}/root`,
    `--wd=/proc/${first}/root`,
  ];
  const as = (env: Record<string, string>, before: string[]) => {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return (...command: string[]) => run([...inside, "env", "-i", ...variables, ...before, ...command]);
  };
  const root = as({ PATH, HOME: "/root" }, []);
  const user = as({ PATH, HOME: "/home/somebody", XDG_RUNTIME_DIR: "/run/user/4242" }, [
    "setpriv",
    "--reuid=4242",
    "--regid=4242",
    "--clear-groups",
  ]);
  await eventually(
    async () => {
      if (child.exitCode !== null) throw new Error(`It ended: ${await new Response(child.stderr).text()}`);
      return (await root("systemctl", "is-system-running")).stdout === "running\n";
    },
    { what: "systemd" },
  );
  return { root, user, path: (absolute) => `/proc/${first}/root${absolute}` };
}

function childOf(pid: number): number | null {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const child = Number(text.split(" ")[0]);
  if (!(child > 0)) return null;
  // Before that it is the script, which has not made the machine's root yet.
  return readFileSync(`/proc/${child}/comm`, "utf8") === "systemd\n" ? child : null;
}

/** systemd makes its services' cgroups below its own: in a new one these are out of everybody's way. */
function makeCgroups(): string[] {
  return cgroupRoots().map((root) => {
    const cgroup = join(root, `cms-test-${process.pid}`);
    mkdirSync(cgroup);
    return cgroup;
  });
}

/** Of the one hierarchy, or where there are several, of those that systemd keeps its services in. */
function cgroupRoots(): string[] {
  const top = "/sys/fs/cgroup";
  if (existsSync(join(top, "cgroup.controllers"))) return [top];
  return [join(top, "systemd"), join(top, "unified")];
}

function removeCgroup(cgroup: string): boolean {
  try {
    for (const name of readdirSync(cgroup)) {
      if (statSync(join(cgroup, name)).isDirectory()) removeCgroup(join(cgroup, name));
    }
    rmdirSync(cgroup);
    return true;
  } catch {
    // Its processes are just ending.
    return false;
  }
}
