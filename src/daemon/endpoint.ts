/** Where a server is to be asked, and the token it may be sent: nobody else is to get one. */
import { lstatSync, readFileSync } from "node:fs";
import { readLocalToken } from "../auth/local-token.ts";
import type { Endpoint } from "../client/http.ts";
import { ConfigError } from "../config/load.ts";
import { serverPaths, tokenPaths } from "../config/paths.ts";
import { isLoopbackHost, localAddress, localUrl, type Scheme, schemeOf } from "../protocol/hosts.ts";
import { ownCertificate } from "../protocol/pem.ts";
import { type Instance, type InstanceFile, readInstance } from "./instance.ts";
import { asksForToken } from "./instance-text.ts";
import { isTrustedUser } from "./linux-port.ts";
import { listenersOnLinux } from "./port-holder.ts";
import { isSameProcess } from "./process.ts";

export interface ServerAddress {
  stateDir: string;
  host: string;
  port: number;
  /** The configured one; it is for the configured host. */
  token?: string | null;
  /** Path of the configured certificate. */
  tlsCert?: string | null;
  /** Whether the token may be said to another machine in plain text. */
  allowPlainHttp?: boolean;
}

/** Why a token that should be there cannot be used. */
export interface TokenProblem {
  message: string;
  hint: string;
}

/** Whose scheme nothing here tells, and what it was found to be. */
const foundSchemes = new Map<string, Scheme>();

/** The server of an address, without asking it anything. */
export function endpointOf(
  address: ServerAddress,
  file: InstanceFile = readInstance(address.stateDir, address.port),
): Endpoint {
  const instance = file.found === "instance" ? file.instance : null;
  const scheme = schemeFor(instance, address);
  const certificates = scheme === "https" ? certificatesFor(instance, address) : [];
  const url = localUrl(instance?.host ?? address.host, address.port, scheme);
  return {
    url,
    token: tokenFor(instance, address, url),
    ...(certificates.length === 0 ? {} : { certificates }),
  };
}

/** The same place under the other scheme, where nothing tells which one it has; null where it is told. */
export function otherEndpoint(
  endpoint: Endpoint,
  address: ServerAddress,
  file: InstanceFile,
): Endpoint | null {
  if (file.found === "instance" || address.tlsCert) return null;
  const scheme = schemeOf(endpoint.url) === "http" ? "https" : "http";
  const url = localUrl(address.host, address.port, scheme);
  return { ...endpoint, url, token: tokenFor(null, address, url) };
}

/** Remembers which scheme was found. */
export function rememberScheme({ url }: Endpoint): void {
  foundSchemes.set(new URL(url).host, schemeOf(url));
}

/** Whether what is meant for whoever takes the configured token would be read by others on the way, unasked. */
export function isOverheard(
  url: string,
  { token, allowPlainHttp = false }: Pick<ServerAddress, "token" | "allowPlainHttp">,
): boolean {
  if (!token || allowPlainHttp || schemeOf(url) === "https") return false;
  return !isLoopbackHost(new URL(url).hostname);
}

/** To another machine TLS comes first: what is said to it in plain text, others read. */
function schemeFor(instance: Instance | null, { host, port, tlsCert }: ServerAddress): Scheme {
  if (instance !== null) return schemeOf(instance.url);
  if (tlsCert) return "https";
  const found = foundSchemes.get(new URL(localUrl(host, port)).host);
  return found ?? (isLoopbackHost(localAddress(host)) ? "http" : "https");
}

/** What the server says that it shows, and what it is configured to: the file may have changed since. */
function certificatesFor(instance: Instance | null, { tlsCert }: ServerAddress): string[] {
  const shown = instance?.certificate ?? null;
  const configured = tlsCert ? readCertificate(tlsCert, shown === null) : null;
  return [shown, configured].filter((certificate) => certificate !== null);
}

function readCertificate(path: string, isNeeded: boolean): string | null {
  const wrong = `tls_cert = ${JSON.stringify(path)}`;
  try {
    const certificate = ownCertificate(readFileSync(path, "utf8"));
    if (certificate !== null || !isNeeded) return certificate;
  } catch (error) {
    if (!isNeeded) return null;
    throw new ConfigError([`${wrong} cannot be read: ${(error as Error).message}; allowed is a PEM file`]);
  }
  throw new ConfigError([
    `${wrong} holds no certificate; allowed is a file with -----BEGIN CERTIFICATE-----`,
  ]);
}

function tokenFor(instance: Instance | null, address: ServerAddress, url: string): string | null {
  const { token = null, host, port, stateDir } = address;
  const mayBeSent = () => !isOverheard(url, address) && isTrustedPlace(host, port);
  if (instance === null) return token !== null && mayBeSent() ? token : null;
  if (token === null && !asksForToken(instance)) return null;
  const { owner, me, lives } = ownershipOf(instance, address);
  if (token !== null) {
    const isConfigured = localAddress(instance.host) === localAddress(host);
    return (lives && owner === me) || (isConfigured && mayBeSent()) ? token : null;
  }
  if (!lives) return null;
  const local = localToken(tokenPaths(stateDir).local, owner);
  return typeof local === "string" ? local : null;
}

/**
 * Why a server of this user's was not sent the token that it has for them; null where that is not what is wrong. Asked how
 * it is, it makes one that was removed anew.
 */
export function localTokenProblem(address: ServerAddress): TokenProblem | null {
  const file = readInstance(address.stateDir, address.port);
  if (address.token || file.found !== "instance" || !asksForToken(file.instance)) return null;
  const { owner, lives } = ownershipOf(file.instance, address);
  if (!lives) return null;
  const path = tokenPaths(address.stateDir).local;
  const local = localToken(path, owner);
  return typeof local !== "string" ? local : { message: `${path} was missing`, hint: "Try again" };
}

function ownershipOf(instance: Instance, { stateDir, port }: ServerAddress) {
  const owner = ownerOf(serverPaths(stateDir, port).instance);
  const me = process.getuid?.() ?? owner;
  return { owner, me, lives: (owner === me || me === 0) && isSameProcess(instance) };
}

/** Sent only to the user who has it anyway. */
function localToken(path: string, owner: number): string | TokenProblem {
  try {
    const holder = ownerOf(path);
    if (holder === -1) return { message: `${path} is missing`, hint: "Try again: the server makes it anew" };
    if (holder === owner) return readLocalToken(path) as string;
    return { message: `${path} belongs to another user`, hint: "Remove it: the server makes it anew" };
  } catch (error) {
    return error as TokenProblem;
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
