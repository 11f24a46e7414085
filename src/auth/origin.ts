/**
 * The browser guard: which web pages may talk to the server. Any page in any tab can send requests to
 * localhost, so a request that carries an `Origin` is refused unless that origin is the server's own,
 * loopback, or listed; and the `Host` header has to name this server, or a page could reach it through a
 * name of its own that resolves to loopback (DNS rebinding). What a page embeds comes without an `Origin`; browsers
 * then say in `Sec-Fetch-Site` whose it is (https://www.w3.org/TR/fetch-metadata/), to loopback and over HTTPS.
 */
import { CodedError } from "../protocol/errors.ts";
import { isIpLiteral, isLoopbackHost } from "../protocol/hosts.ts";

export interface OriginGuardSettings {
  /** Origins besides the server's own and loopback ones; `*` allows every page. */
  cors_allowed_origins: readonly string[];
  /** Names the Host header may carry besides loopback, the bound address and IP literals. */
  allowed_hosts: readonly string[];
  /** What the server is bound to. */
  host: string;
}

export interface OriginGuard {
  /** Throws `host_refused` or `origin_refused`; returns the origin to echo in CORS headers, if there is one. */
  check(request: Request): string | null;
}

export function createOriginGuard({
  cors_allowed_origins: allowedOrigins,
  allowed_hosts: allowedHosts,
  host: boundHost,
}: OriginGuardSettings): OriginGuard {
  const everyOrigin = allowedOrigins.includes("*");
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, "")));
  const hosts = new Set([boundHost, ...allowedHosts].map((host) => host.toLowerCase()));

  function hostFits(host: string): boolean {
    const name = hostname(host);
    return name !== null && (isLoopbackHost(name) || isIpLiteral(name) || hosts.has(name));
  }

  /** @param host the `Host` header, which fits */
  function isAllowed(origin: string, host: string | null): boolean {
    if (origins.has(origin.toLowerCase())) return true;
    const originHost = hostOf(origin);
    if (originHost === null) return false;
    return originHost === host?.toLowerCase() || isLoopbackHost(hostname(originHost) ?? "");
  }

  /** It fitted; nearly all requests name the same one. */
  let lastHost: string | null = null;

  return {
    check(request) {
      const { headers } = request;
      // HTTP/1.1 requires Host; HTTP/1.0 clients without one are no browsers.
      const host = headers.get("host");
      if (host !== null && host !== lastHost && !hostFits(host)) {
        throw new CodedError(
          "host_refused",
          `The Host header names "${host.slice(0, 100)}", which is not this server`,
        );
      }
      lastHost = host;
      const origin = headers.get("origin");
      if (everyOrigin) return origin;
      if (origin === null) {
        if (!comesFromElsewhere(request, host)) return null;
        const page = originOf(headers.get("referer"));
        if (page !== null && isAllowed(page, host)) return null;
        throw new CodedError("origin_refused", "Pages of other sites may not load anything from this server");
      }
      if (isAllowed(origin, host)) return origin;
      throw new CodedError(
        "origin_refused",
        `The origin "${origin.slice(0, 100)}" may not talk to this server`,
      );
    },
  };
}

/** Whether it is a page of another site that asks, other than by leading somebody here in a window of its own. */
function comesFromElsewhere({ method, headers }: Request, host: string | null): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return false;
  // Of one site are all ports of a host, and all names below one domain: on loopback, that is this machine.
  if (site === "same-site" && host !== null && isLoopbackHost(hostname(host) ?? "")) return false;
  const isVisit =
    headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document";
  return !isVisit || (method !== "GET" && method !== "HEAD");
}

function originOf(url: string | null): string | null {
  return url !== null && URL.canParse(url) ? new URL(url).origin : null;
}

/** Host and port of an origin of the web, in their usual form; null of everything else. */
function hostOf(origin: string): string | null {
  return /^https?:\/\/[^/\\?#@,\s]+$/i.test(origin) && URL.canParse(origin) ? new URL(origin).host : null;
}

/** The name in a `Host` header, lower case and without its port; null when there is none to be read. */
function hostname(host: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s/@]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase() ?? null;
}
