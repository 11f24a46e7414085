/**
 * Where releases come from: a host laid out as GitHub lays out its releases, or one folder, local or not, that holds a
 * release's files. install.sh and install.ps1 look for them in the same way.
 */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ReleaseError } from "./error.ts";
import { archiveName, SUMS_FILE, type Target } from "./targets.ts";

export interface Release {
  version: string;
  /** URL or path of the archive for this machine. */
  archive: string;
  /** What the archive's bytes have to hash to, in lower-case hex. */
  sha256: string;
}

export interface ReleaseQuery {
  /** An http(s) or file URL, or a folder. */
  base: string;
  /** Null is the newest. */
  version: string | null;
  target: Target;
}

/** No answer, or no further byte of one, for as long as this is a failure. */
const SILENCE_LIMIT_MS = 30_000;

/** Sums are some 2 KiB, archives some 40 MiB: what is far larger is none of ours. */
const MAX_BYTES = 512 * 1024 * 1024;

const MAX_REDIRECTS = 10;

/** Finds a release and its archive for a target. Throws a `ReleaseError` when there is none. */
export async function findRelease({ base, version, target }: ReleaseQuery): Promise<Release> {
  const root = normalize(base);
  const places = [version === null ? `${root}/latest/download` : `${root}/download/v${version}`, root];
  for (const place of places) {
    const sums = await load(`${place}/${SUMS_FILE}`);
    if (sums === null) continue;
    const found = newestIn(new TextDecoder().decode(sums), target, version);
    if (found !== null) return { ...found, archive: `${place}/${archiveName(found.version, target)}` };
    throw new ReleaseError(
      `${place}/${SUMS_FILE} names no archive ${archiveName(version ?? "VERSION", target)}`,
      version === null
        ? "There may be no release for this platform"
        : "Name a version that is there, or leave --version out for the newest",
    );
  }
  throw new ReleaseError(
    `There is no release at ${places.join(" nor at ")}`,
    version === null
      ? "Name another host or folder: --base-url"
      : "Name a version that is there, or leave --version out for the newest",
  );
}

/** Loads an archive whole and checks its sum; throws a `ReleaseError` when it is not what the release says it is. */
export async function loadArchive({ archive, sha256 }: Release): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await load(archive);
  if (bytes === null)
    throw new ReleaseError(`${archive} does not exist`, "Try again later; nothing was changed");
  const actual = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  if (actual === sha256) return bytes;
  throw new ReleaseError(
    `${archive} is damaged or not the released one: its SHA-256 is ${actual}, and has to be ${sha256}`,
    "Try again, and do not use this file; nothing was changed",
  );
}

/** The archive of the highest version, or of the one asked for, among a file of sums. */
function newestIn(
  sums: string,
  target: Target,
  wanted: string | null,
): { version: string; sha256: string } | null {
  const found = sums.split("\n").flatMap((line) => {
    const [, sha256 = "", name = ""] = /^([0-9a-f]{64}) [ *](\S+)$/i.exec(line.trimEnd()) ?? [];
    const version = versionIn(name, target);
    return version === null || (wanted !== null && version !== wanted)
      ? []
      : [{ version, sha256: sha256.toLowerCase() }];
  });
  return found.toSorted((a, b) => Bun.semver.order(b.version, a.version))[0] ?? null;
}

/** The version in an archive's name; null where it is another target's, or no archive. */
function versionIn(name: string, target: Target): string | null {
  const [before = "", after = ""] = archiveName("\0", target).split("\0");
  const version = name.slice(before.length, name.length - after.length);
  const fits = name.startsWith(before) && name.endsWith(after);
  return fits && /^\d+\.\d+\.\d+([+-][\w.+-]+)?$/.test(version) ? version : null;
}

/** A URL or an absolute path without a slash at its end. */
function normalize(base: string): string {
  const trimmed = base.replace(/\/+$/, "");
  if (/^https?:\/\//i.test(trimmed)) return trimmed;
  if (/^file:\/\//i.test(trimmed)) return fileURLToPath(trimmed);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(trimmed)) {
    throw new ReleaseError(
      `${base} is no place to load from`,
      "Name an https:// URL or a folder: --base-url",
    );
  }
  return resolve(trimmed);
}

/** All of a file; null where there is none. */
async function load(place: string): Promise<Uint8Array<ArrayBuffer> | null> {
  if (!/^https?:/i.test(place)) {
    if (!existsSync(place) || !statSync(place).isFile()) return null;
    return Bun.file(place).bytes();
  }
  // It heeds HTTPS_PROXY and the like, as whoever loads from elsewhere expects.
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_LIMIT_MS);
  try {
    const response = await request(place, silence.signal);
    if (response.status === 404 || response.status === 410) return null;
    if (!response.ok) throw new Error(`the host answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_LIMIT_MS);
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    const why = silence.signal.aborted
      ? `nothing came for ${SILENCE_LIMIT_MS / 1000} s`
      : (error as Error).message;
    throw new ReleaseError(
      `${place} cannot be loaded: ${why}`,
      "Check the network, and HTTPS_PROXY if there is a proxy; nothing was changed",
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Follows the host to where it sends us, but from https to nothing else, as install.sh does: sums prove nothing there. */
async function request(url: string, signal: AbortSignal): Promise<Response> {
  let place = url;
  for (let sent = 0; sent <= MAX_REDIRECTS; sent += 1) {
    const response = await fetch(place, {
      signal,
      redirect: "manual",
      // A host that calls an archive's own compression its encoding would have it taken off.
      decompress: false,
      headers: { "Accept-Encoding": "identity" },
    });
    const location = response.headers.get("Location");
    if (response.status < 300 || response.status > 399 || location === null) return response;
    const next = new URL(location, place).href;
    if (/^https:/i.test(place) && !/^https:/i.test(next)) {
      throw new Error(`it leads on to ${next}, which is not encrypted`);
    }
    place = next;
  }
  throw new Error(`it leads on more than ${MAX_REDIRECTS} times`);
}
