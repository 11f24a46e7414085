/** Where a hook's event may go: to a server that can be told to be ours, and to nobody else. */
import type { LightConfig } from "../config/light.ts";
import { serverPaths, tokenPaths } from "../config/paths.ts";
import { asksForToken, type Instance, parseInstance } from "../daemon/instance-text.ts";
import { isTrustedUser, listenersIn, PORT_TABLES } from "../daemon/linux-port.ts";
import { BOOT_ID_PATH, parseLinuxProcess, statPath } from "../daemon/linux-process.ts";
import { isLoopbackHost, localAddress, schemeOf } from "../protocol/hosts.ts";
import { ownCertificate } from "../protocol/pem.ts";

export interface Target {
  address: string;
  port: number;
  /** Read while the connection is made; never rejects. */
  token: Promise<string | null>;
  /** Null is plain HTTP. */
  tls: TargetTls | null;
  /** Bytes of one event's JSON at most. */
  max_http_buffer_size: number;
}

export interface TargetTls {
  /** PEM; the server has to show one of these, or one that chains to it. Null is what the system trusts. */
  certificates: readonly string[] | null;
  /** What speaks no TLS is sent plain HTTP, as it was said to be wanted. */
  orPlain: boolean;
}

/** Where a server should be, and whether what is there is the one that was looked for. */
export interface Candidate {
  target: Target;
  isOurs: Promise<boolean>;
}

/**
 * The server whose instance file belongs to this user, if it lives; or one that was configured together with a token, on
 * another host, or on this one for as long as no other user of it holds the port. A port alone proves nothing.
 *
 * All without `node:fs`, which takes longer to load than a hook takes for all else, and side by side.
 */
export async function findTarget(config: LightConfig): Promise<Candidate | null> {
  const { host, port, token, state_dir: stateDir, max_http_buffer_size } = config;
  const { instance: path, lock } = serverPaths(stateDir, port);
  const bootId = process.platform === "linux" ? readBootId() : Promise.resolve("");
  const instance = await readOwnInstance(path, port);
  const address = localAddress(host);
  const mayBeThere = async () => token !== null && (!isLoopbackHost(address) || isTrusted(port));
  const isElsewhere = token !== null && !isLoopbackHost(address);
  if (instance === null || (isElsewhere && localAddress(instance.host) !== address)) {
    if (token === null) return null;
    const tls = await tlsFor(null, config);
    const target = { address, port, token: Promise.resolve(token), tls, max_http_buffer_size };
    return { target, isOurs: mayBeThere() };
  }
  const { max_http_buffer_size: limit } = instance.settings;
  const target = {
    address: localAddress(instance.host),
    port,
    token:
      token === null && asksForToken(instance)
        ? readOwnToken(tokenPaths(stateDir).local)
        : Promise.resolve(token),
    tls: await tlsFor(instance, config),
    max_http_buffer_size: typeof limit === "number" ? limit : max_http_buffer_size,
  };
  const isOurs = lives(instance, bootId, lock)
    .catch(() => false)
    .then((it) => it || (target.address === address && mayBeThere()));
  return { target, isOurs };
}

/** Believed is what the server says that it shows: the configured file may have changed since it was read. */
async function tlsFor(
  instance: Instance | null,
  { host, tls_cert: path, allow_plain_http: orPlain }: LightConfig,
): Promise<TargetTls | null> {
  if (instance !== null) {
    if (schemeOf(instance.url) === "http") return null;
    if (instance.certificate) return { certificates: [instance.certificate], orPlain: false };
  }
  if (path !== null) {
    const certificate = ownCertificate(await Bun.file(path).text());
    if (certificate === null) throw new Error("no certificate");
    return { certificates: [certificate], orPlain: false };
  }
  // To another machine TLS comes first: what is said to it in plain text, others read.
  return isLoopbackHost(localAddress(host)) ? null : { certificates: null, orPlain };
}

/** Whether only those listen on a port of this machine who may be told what is meant for it. Only Linux tells in time. */
async function isTrusted(port: number): Promise<boolean> {
  const own = process.getuid?.();
  if (process.platform !== "linux" || own === undefined) return false;
  const tables = await Promise.all(
    PORT_TABLES.map((path) =>
      Bun.file(path)
        .text()
        .catch(() => ""),
    ),
  );
  const listeners = tables.flatMap((table) => listenersIn(table, port));
  return listeners.length > 0 && listeners.every(({ uid }) => isTrustedUser(uid, own));
}

/** Null where it is not there, or not this user's alone. */
async function readOwnToken(path: string): Promise<string | null> {
  try {
    const file = Bun.file(path);
    const [text, { uid, mode }] = await Promise.all([file.text(), file.stat()]);
    const isOwn = !process.getuid || (uid === process.getuid() && (mode & 0o077) === 0);
    return isOwn ? text.trim() : null;
  } catch {
    return null;
  }
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
