/** Tells what is behind a port: our server, one that hangs, a stranger, or nothing. Files are hints, never proof. */
import { type Endpoint, probe, type Probe } from "../client/http.ts";
import { serverPaths } from "../config/paths.ts";
import { isLocked } from "../log/lock.ts";
import { isLoopbackHost } from "../protocol/hosts.ts";
import type { Health } from "../protocol/messages.ts";
import { endpointOf, isOverheard, otherEndpoint, rememberScheme, type ServerAddress } from "./endpoint.ts";
import { type Instance, type InstanceFile, readInstance, removeInstance } from "./instance.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";
import { ownAddresses } from "./own-addresses.ts";
import { isSameProcess } from "./process.ts";

export type { ServerAddress } from "./endpoint.ts";

export type Found =
  /** It answers; `instance` is its file, null when that is missing or another server's. */
  | (Endpoint & { state: "running"; pid: number; health: Health; instance: Instance | null })
  /** A server of ours that says no more than how it is: it asks for a token, and there is none that it knows. */
  | (Endpoint & { state: "guarded"; pid: number | null; status: Health["status"] })
  /** Something shows a certificate that is not believed; `instance` is the file of our server that should be there. */
  | { state: "untrusted"; url: string; why: string; pid: number | null; instance: Instance | null }
  /** Its process lives and is the one that wrote the file, but it does not answer, or not yet. */
  | { state: "hung"; pid: number; instance: Instance }
  /** A server of ours holds the port and is starting or stopping. */
  | { state: "busy" }
  | { state: "foreign"; holder: PortHolder | null }
  /** `stale` says what a dead server had left behind; it is removed. */
  | { state: "none"; stale: string | null };

const SETTLE_LIMIT_MS = 15_000;
const SETTLE_POLL_MS = 10;

/**
 * Looks at the port and at the instance file. A file whose server is gone is removed, but only where nobody
 * holds the directory's lock: seen from another container, a server that lives looks dead. And without the lock
 * a process is no server, whatever the file says of it.
 */
export async function findServer(address: ServerAddress): Promise<Found> {
  const { stateDir, port } = address;
  const file = readInstance(stateDir, port);
  const { endpoint, found } = await probeBoth(address, file);

  if (found.answer === "ours") {
    const { health } = found;
    const own =
      file.found === "instance" &&
      file.instance.pid === health.pid &&
      file.instance.server_id === health.server_id;
    return {
      state: "running",
      pid: health.pid,
      ...endpoint,
      health,
      instance: own ? file.instance : null,
    };
  }
  if (found.answer === "guarded") {
    // It may have come up since the file was looked for.
    if (textOf(readInstance(stateDir, port)) !== textOf(file)) return findServer(address);
    const pid = findPortHolder(port)?.pid ?? null;
    return { state: "guarded", pid, ...endpoint, status: found.status };
  }
  const locked = holdsLock(stateDir, port);
  const living = locked && file.found === "instance" && isSameProcess(file.instance) ? file.instance : null;
  if (found.answer === "untrusted") {
    const pid = living?.pid ?? findPortHolder(port)?.pid ?? null;
    return { state: "untrusted", url: endpoint.url, why: found.why, pid, instance: living };
  }
  if (living !== null) return { state: "hung", pid: living.pid, instance: living };
  const stale =
    !locked && file.found !== "nothing" && removeInstance(stateDir, port, file.text) ? file : null;
  if (found.answer === "busy") return { state: "busy" };
  if (found.answer !== "nothing") return { state: "foreign", holder: findPortHolder(port) };
  return { state: "none", stale: stale && describeStale(stale) };
}

/** Asks under the other scheme as well, where nothing tells which one it is, and nothing of ours answers. */
async function probeBoth(
  address: ServerAddress,
  file: InstanceFile,
): Promise<{ endpoint: Endpoint; found: Probe }> {
  const endpoint = endpointOf(address, file);
  const found = asHeard(await probe(endpoint), endpoint, address);
  const other = found.answer === "other" ? otherEndpoint(endpoint, address, file) : null;
  if (other === null) return { endpoint, found };
  const again = await probe(other);
  if (again.answer !== "ours" && again.answer !== "guarded" && again.answer !== "untrusted")
    return { endpoint, found };
  rememberScheme(other);
  return { endpoint: other, found: asHeard(again, other, address) };
}

/** Who would be overheard when told the token is told nothing else either. */
function asHeard(found: Probe, { url, token }: Endpoint, address: ServerAddress): Probe {
  return found.answer === "ours" && token === null && isOverheard(url, address)
    ? { answer: "guarded", status: found.health.status }
    : found;
}

function textOf(file: InstanceFile): string | null {
  return file.found === "nothing" ? null : file.text;
}

/** As `findServer`, once the server is neither starting nor stopping; gives up waiting after 15 seconds. */
export async function findSettledServer(address: ServerAddress): Promise<Found> {
  const deadline = Date.now() + SETTLE_LIMIT_MS;
  for (;;) {
    const found = await findServer(address);
    if (found.state !== "busy" || Date.now() > deadline) return found;
    await Bun.sleep(SETTLE_POLL_MS);
  }
}

/**
 * Whether it is safe to signal the process behind a running server: its own file vouches for it, or, where
 * that is lost or false, the operating system says that it holds the port. What the answer claims proves nothing.
 *
 * @param port the port that was asked
 */
export function mayBeSignalled(found: Found & { state: "running" | "guarded" }, port: number): boolean {
  if (found.state === "running" && found.instance && isSameProcess(found.instance)) return true;
  // On another machine somebody else has the number; here it is whoever happens to hold the same port.
  return isHere(found.url) && found.pid !== null && findPortHolder(port)?.pid === found.pid;
}

function isHere(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return isLoopbackHost(host) || ownAddresses().some(({ address }) => address === host);
}

/** A lock file that is damaged is nobody's lock. */
function holdsLock(stateDir: string, port: number): boolean {
  try {
    return isLocked(serverPaths(stateDir, port).lock);
  } catch {
    return false;
  }
}

function describeStale(file: InstanceFile): string {
  return file.found === "instance"
    ? `the instance file of PID ${file.instance.pid}, which is no server of ours any more`
    : "an unreadable instance file";
}
