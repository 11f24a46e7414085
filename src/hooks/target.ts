/** Where a hook's event may go: to a server that can be told to be ours, and to nobody else. */
import type { LightConfig } from "../config/light.ts";
import { serverPaths } from "../config/paths.ts";
import { type Instance, parseInstance } from "../daemon/instance-text.ts";
import { BOOT_ID_PATH, parseLinuxProcess, statPath } from "../daemon/linux-process.ts";
import { isLoopbackHost, localAddress } from "../protocol/hosts.ts";

export interface Target {
  address: string;
  port: number;
  token: string | null;
  /** Bytes of one event's JSON at most. */
  max_http_buffer_size: number;
}

/** Where a server should be, and whether what is there is the one that was looked for. */
export interface Candidate {
  target: Target;
  isOurs: Promise<boolean>;
}

/**
 * The server whose instance file belongs to this user, if it lives, or another host that was configured together with
 * a token. A port alone proves nothing: another program may hold it.
 *
 * All without `node:fs`, which takes longer to load than a hook takes for all else, and side by side.
 */
export async function findTarget(config: LightConfig): Promise<Candidate | null> {
  const { host, port, token, max_http_buffer_size } = config;
  const { instance: path, lock } = serverPaths(config.state_dir, port);
  const bootId = process.platform === "linux" ? readBootId() : Promise.resolve("");
  const instance = await readOwnInstance(path, port);
  const address = localAddress(host);
  const configured = token !== null && !isLoopbackHost(address);
  if (instance !== null && (!configured || localAddress(instance.host) === address)) {
    const { max_http_buffer_size: limit } = instance.settings;
    const size = typeof limit === "number" ? limit : max_http_buffer_size;
    const target = { address: localAddress(instance.host), port, token, max_http_buffer_size: size };
    return { target, isOurs: lives(instance, bootId, lock).catch(() => false) };
  }
  if (!configured) return null;
  return { target: { address, port, token, max_http_buffer_size }, isOurs: Promise.resolve(true) };
}

/** Begun long before it is awaited, so it never rejects: where it cannot be read no server can be told to be ours. */
async function readBootId(): Promise<string> {
  try {
    return await Bun.file(BOOT_ID_PATH).text();
  } catch {
    return "";
  }
}

async function readOwnInstance(path: string, port: number): Promise<Instance | null> {
  try {
    const file = Bun.file(path);
    const [text, { uid }] = await Promise.all([file.text(), file.stat()]);
    return process.getuid && uid !== process.getuid() ? null : parseInstance(text, port);
  } catch {
    return null;
  }
}

/**
 * On Linux the process tells, in another container than the server's too, where the port may be somebody else's.
 * Elsewhere asking for a process takes longer than a hook may, and the lock, which only a server bound to the port
 * holds, says as much.
 */
async function lives(
  { pid, process_token }: Instance,
  bootId: Promise<string>,
  lock: string,
): Promise<boolean> {
  if (process.platform !== "linux") return (await import("../log/lock.ts")).isLocked(lock);
  const stat = await Bun.file(statPath(pid)).text();
  return parseLinuxProcess(stat, await bootId)?.token === process_token;
}
