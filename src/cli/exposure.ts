/** What somebody who starts a server should know: who reaches it, who reads along, and what does not guard it. */
import { statSync } from "node:fs";
import { hostname } from "node:os";
import { readTokens } from "../auth/token-file.ts";
import { asksForTokens, weakSecrets } from "../config/access.ts";
import { processEnv } from "../config/env.ts";
import type { LoadedConfig } from "../config/load.ts";
import { configFiles, tokenPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { ownAddresses } from "../daemon/own-addresses.ts";
import { displayUrl, isLoopbackHost } from "../protocol/hosts.ts";

export interface Note {
  message: string;
  /** What to do about it. */
  hint: string;
}

/**
 * What is not as one would want it.
 *
 * @param asks whether the server asks for tokens
 */
export function weaknesses(loaded: LoadedConfig, asks = asksForTokens(loaded.values)): Note[] {
  const { values } = loaded;
  const notes: Note[] = asks ? weakNotes(values) : forgottenTokens(loaded);
  if (isInPlain(values)) {
    const message = "without TLS, everything sent to and from other machines can be read on the way";
    notes.push({ message, hint: "Give it a certificate: --tls-cert FILE --tls-key FILE" });
  }
  return [...notes, ...keyNotes(values)];
}

/** The same for who has just started a server on this port, each in one line. */
export function startNotes(loaded: LoadedConfig, port: number): string[] {
  const { values } = loaded;
  const notes = [
    ...(asksForTokens(values) ? weakNotes(values) : forgottenTokens(loaded)),
    ...keyNotes(values),
  ].map(({ message, hint }) => `${message}: ${hint}`);
  if (isLoopbackHost(values.host)) return notes;
  const scheme = values.tls_cert === null ? "http" : "https";
  const hosts = [...addressesOf(values.host), ...values.allowed_hosts];
  const urls = hosts.map((host) => displayUrl(host, port, scheme));
  const names = values.allowed_hosts.length === 0 ? " (by a name once allowed_hosts lists it)" : "";
  const inPlain = isInPlain(values)
    ? "; without TLS (--tls-cert, --tls-key) everything can be read on the way"
    : "";
  return [`Others reach it at ${urls.join(", ")}${names}${inPlain}`, ...notes];
}

/** Of secrets that can be guessed. */
export function weakNotes(values: Config): Note[] {
  return weakSecrets(values).map(({ key, characters }) => ({
    message: `${key} is short enough to be guessed (${characters} characters)`,
    hint: "take a long one, as of openssl rand -hex 32",
  }));
}

/** Tokens were made, so somebody wanted them to be asked for. */
function forgottenTokens({ values, file }: LoadedConfig): Note[] {
  if (!isLoopbackHost(values.host)) return [];
  const count = madeTokens(values);
  if (count === 0) return [];
  return [
    {
      message: `${count === 1 ? "1 token is" : `${count} tokens are`} made, but nobody is asked for one`,
      hint: turnOnInFile(file),
    },
  ];
}

/** The lasting way to ask for tokens. */
export function turnOnInFile(file: string | null): string {
  const path = file ?? configFiles({ platform: process.platform, env: processEnv() })[0];
  return `put "auth": "on" into ${path}, and restart`;
}

function madeTokens({ state_dir }: Config): number {
  try {
    const now = Date.now();
    return readTokens(tokenPaths(state_dir).tokens).filter(
      ({ origin, expires_at: end }) => origin === undefined && (end === null || Date.parse(end) > now),
    ).length;
  } catch {
    // The server and doctor tell of it.
    return 0;
  }
}

function isInPlain({ host, tls_cert }: Config): boolean {
  return !isLoopbackHost(host) && tls_cert === null;
}

/** Of a private key that every user of the machine can read. */
function keyNotes({ tls_key: path }: Config): Note[] {
  if (path === null || process.platform === "win32") return [];
  try {
    if ((statSync(path).mode & 0o004) === 0) return [];
  } catch {
    // Whoever needs it says so.
    return [];
  }
  return [
    { message: `${path} (tls_key) can be read by every user of this machine`, hint: `chmod o= ${path}` },
  ];
}

/** Where others reach a server that is bound to a host. */
function addressesOf(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::" && host !== "[::]") return [host];
  const others = ownAddresses().filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const reachable = others.filter(({ family }) => family === "IPv4" || host !== "0.0.0.0");
  return reachable.length === 0 ? [hostname()] : reachable.map(({ address }) => address);
}
