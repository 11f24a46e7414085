/** Finds servers on this machine, or wherever it is told to look. */
import { type Compatibility, compareVersions, isVersionInfo } from "../protocol/compatibility.ts";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { localUrl } from "../protocol/hosts.ts";
import type { VersionInfo } from "../protocol/messages.ts";
import { type Ask, askWithFetch } from "./ask.ts";

const DEFAULT_HOSTS: readonly string[] = ["localhost", "127.0.0.1"];
const DEFAULT_PORTS: readonly number[] = [8765, 8766, 8767, 8768, 8769];

/** The claude-mpm version a client counts as that names none: the oldest that servers take. */
export const DEFAULT_CLIENT_VERSION = "0.7.0";

export interface DiscoverOptions {
  /** The only place to look, instead of `hosts` and `ports`. */
  url?: string;
  /** Names or addresses; `localhost` and `127.0.0.1` when not given. */
  hosts?: readonly string[];
  /** 8765 to 8769 when not given. */
  ports?: readonly number[];
  /** Milliseconds for each question; all are asked at once. */
  probeTimeoutMs?: number;
  /** How to ask; `fetch` when not given. */
  ask?: Ask;
}

export interface DiscoveredServer {
  /** Without a path. */
  url: string;
  host: string;
  port: number;
  /** Its answer to `GET /version`. */
  version: VersionInfo;
}

export interface JudgedServer extends DiscoveredServer {
  /** Its answer to `POST /compatibility`; null when it gave none. */
  compatibility: Compatibility | null;
}

const PROBE_TIMEOUT_MS = 500;

/**
 * The servers that answer `GET /version` as one of ours, or as claude-mpm's own: the one at `url`, or else in the order
 * of `hosts` and then `ports`. One that is reached under several names is reported once, under the first. Other
 * programs are passed over, whatever they do. Takes no longer than one probe.
 */
export async function discoverServers(options: DiscoverOptions = {}): Promise<DiscoveredServer[]> {
  const { url: only, hosts = DEFAULT_HOSTS, ports = DEFAULT_PORTS } = options;
  const { probeTimeoutMs = PROBE_TIMEOUT_MS, ask = askWithFetch } = options;
  const urls = only ? [only] : hosts.flatMap((host) => ports.map((port) => urlOf(host, port)));
  const answers = await Promise.all(
    [...new Set(urls)].map(async (url): Promise<DiscoveredServer | null> => {
      const version = await answerOf(ask(`${url}/version`, { timeoutMs: probeTimeoutMs }));
      if (!isVersionInfo(version)) return null;
      const { hostname, port, protocol } = new URL(url);
      return { url, host: hostname, port: Number(port || (protocol === "https:" ? 443 : 80)), version };
    }),
  );
  const known = new Set<string>();
  return answers.filter((server): server is DiscoveredServer => {
    if (server === null) return false;
    const identity = `${server.port} ${server.version.server_id}`;
    return !known.has(identity) && known.add(identity) !== null;
  });
}

/**
 * The server to use: of those that call themselves compatible with the client's version the newest, and of equally new
 * ones that with most features. Null when there is none.
 *
 * @param options.clientVersion of claude-mpm, semantic or PEP 440
 */
export async function findBestServer(
  options: DiscoverOptions & { clientVersion?: string } = {},
): Promise<JudgedServer | null> {
  return bestOf(await judgeServers(await discoverServers(options), options));
}

/** Asks each server whether it takes clients of this version. */
export function judgeServers(
  servers: readonly DiscoveredServer[],
  {
    probeTimeoutMs = PROBE_TIMEOUT_MS,
    ask = askWithFetch,
    clientVersion = DEFAULT_CLIENT_VERSION,
  }: DiscoverOptions & { clientVersion?: string },
): Promise<JudgedServer[]> {
  const body = JSON.stringify({ client_version: clientVersion });
  return Promise.all(
    servers.map(async (server) => {
      const answer = await answerOf(ask(`${server.url}/compatibility`, { body, timeoutMs: probeTimeoutMs }));
      return { ...server, compatibility: isCompatibility(answer) ? answer : null };
    }),
  );
}

/** The compatible one with the newest version, then with most features, then the first. */
export function bestOf(servers: readonly JudgedServer[]): JudgedServer | null {
  const [best = null] = servers
    .filter(({ compatibility }) => compatibility?.compatible === true)
    .toSorted(
      ({ version: a }, { version: b }) =>
        compareVersions(b.server_version, a.server_version) || b.features.length - a.features.length,
    );
  return best;
}

/** The URL a host is reached at; unlike `localUrl` it leaves `localhost` to the resolver, as the caller wrote it. */
function urlOf(host: string, port: number): string {
  return host === "localhost" ? `http://localhost:${port}` : localUrl(host, port);
}

/** The JSON object of a good answer, or null for anything else. */
async function answerOf(asked: Promise<{ status: number; text: string }>): Promise<JsonObject | null> {
  try {
    const { status, text } = await asked;
    const body: unknown = status === 200 ? JSON.parse(text) : null;
    return isObject(body) ? body : null;
  } catch {
    return null;
  }
}

function isCompatibility(value: JsonObject | null): value is JsonObject & Compatibility {
  return typeof value?.compatible === "boolean";
}
