/** Where a server is to be asked, and the token it may be sent: nobody else is to get one. */
import { lstatSync } from "node:fs";
import { readLocalToken } from "../auth/local-token.ts";
import type { Endpoint } from "../client/http.ts";
import { asksForTokens } from "../config/access.ts";
import { serverPaths, tokenPaths } from "../config/paths.ts";
import { isLoopbackHost, localAddress, localUrl } from "../protocol/hosts.ts";
import { type Instance, type InstanceFile, readInstance } from "./instance.ts";
import { isTrustedUser } from "./linux-port.ts";
import { listenersOnLinux } from "./port-holder.ts";
import { isSameProcess } from "./process.ts";

export interface ServerAddress {
  stateDir: string;
  host: string;
  port: number;
  /** The configured one; it is for the configured host. */
  token?: string | null;
}

/** The server of an address, without asking it anything. */
export function endpointOf(
  address: ServerAddress,
  file: InstanceFile = readInstance(address.stateDir, address.port),
): Endpoint {
  const instance = file.found === "instance" ? file.instance : null;
  return {
    url: localUrl(instance?.host ?? address.host, address.port),
    token: tokenFor(instance, address),
  };
}

function tokenFor(instance: Instance | null, address: ServerAddress): string | null {
  const { token = null, host, port, stateDir } = address;
  if (instance === null) return token !== null && isTrustedPlace(host, port) ? token : null;
  if (token === null && !asksForTokens(accessOf(instance))) return null;
  const owner = ownerOf(serverPaths(stateDir, port).instance);
  const me = process.getuid?.() ?? owner;
  const lives = (owner === me || me === 0) && isSameProcess(instance);
  if (token !== null) {
    const isConfigured = localAddress(instance.host) === localAddress(host);
    return (lives && owner === me) || (isConfigured && isTrustedPlace(host, port)) ? token : null;
  }
  return lives ? localToken(tokenPaths(stateDir).local, owner) : null;
}

/** The settings that decide it; a file that does not say is of a release without tokens. */
export function accessOf({ settings, host }: Instance): Parameters<typeof asksForTokens>[0] {
  const { auth } = settings;
  return { auth: auth === "on" || auth === "auto" ? auth : "off", host };
}

/** Sent only to the user who has it anyway; null where it cannot be read, as by others it must not be. */
function localToken(path: string, owner: number): string | null {
  try {
    return ownerOf(path) === owner ? readLocalToken(path) : null;
  } catch {
    return null;
  }
}

function ownerOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.uid ?? -1;
}

/**
 * Whoever has configured a token means it for that host. But a port of loopback is anybody's: when the server is down,
 * another user of the machine may hold it. Linux tells.
 */
function isTrustedPlace(host: string, port: number): boolean {
  if (process.platform !== "linux" || !isLoopbackHost(localAddress(host))) return true;
  const own = process.getuid?.() ?? 0;
  return listenersOnLinux(port).every(({ uid }) => isTrustedUser(uid, own));
}
