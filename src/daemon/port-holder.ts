/** Which process listens on a TCP port, as far as the operating system tells this user. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Listener, listenersIn, PORT_TABLES } from "./linux-port.ts";
import { commandOf, run } from "./process.ts";

export interface PortHolder {
  pid: number;
  command: string | null;
}

export function findPortHolder(port: number): PortHolder | null {
  const pid = holderPid(port);
  return pid === null ? null : { pid, command: commandOf(pid) };
}

function holderPid(port: number): number | null {
  switch (process.platform) {
    case "linux":
      return holderOnLinux(port);
    case "win32": {
      const line = run("netstat", ["-ano", "-p", "TCP"])
        ?.split("\n")
        .find((row) => new RegExp(`:${port}\\s+\\S+\\s+LISTENING`).test(row));
      return pidOrNull(line?.trim().split(/\s+/).at(-1));
    }
    default:
      return pidOrNull(run("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-t"])?.split("\n")[0]);
  }
}

/** The sockets that listen on a port, as Linux lists them; everybody may read whose they are. */
export function listenersOnLinux(port: number): Listener[] {
  return PORT_TABLES.flatMap((table) => listenersIn(readText(table), port));
}

/** proc(5): the socket's inode stands in /proc/net/tcp, and in the descriptor table of the process that holds it. */
function holderOnLinux(port: number): number | null {
  const inodes = new Set(listenersOnLinux(port).map(({ inode }) => `socket:[${inode}]`));
  if (inodes.size === 0) return null;
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of list(`/proc/${pid}/fd`)) {
      try {
        if (inodes.has(readlinkSync(`/proc/${pid}/fd/${descriptor}`))) return Number(pid);
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Empty where this user may not look. */
function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function pidOrNull(text: string | undefined): number | null {
  const pid = Number(text);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}
