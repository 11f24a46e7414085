/**
 * The browser guard: which web pages may talk to the server. Any page in any tab can send requests to
 * localhost, so a request that carries an `Origin` is refused unless that origin is the server's own,
 * loopback, or listed; and the `Host` header has to name this server, or a page could reach it through a
 * name of its own that resolves to loopback (DNS rebinding).
 */
import { CodedError } from "../protocol/errors.ts";
import { isIpLiteral, isLoopbackHost } from "../protocol/hosts.ts";

export interface OriginGuardOptions {
  /** Origins besides the server's own and loopback ones; `*` allows every page. */
  allowedOrigins: readonly string[];
  /** Names the Host header may carry besides loopback, the bound address and IP literals. */
  allowedHosts: readonly string[];
  /** What the server is bound to. */
  boundHost: string;
}

export interface OriginGuard {
  /** Throws `host_refused` or `origin_refused`; returns the origin to echo in CORS headers, if there is one. */
  check(request: Request): string | null;
}

export function createOriginGuard({
  allowedOrigins,
  allowedHosts,
  boundHost,
}: OriginGuardOptions): OriginGuard {
  const everyOrigin = allowedOrigins.includes("*");
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, "")));
  const hosts = new Set([boundHost, ...allowedHosts].map((host) => host.toLowerCase()));

  function hostFits(host: string): boolean {
    const name = hostname(host);
    return name !== null && (isLoopbackHost(name) || isIpLiteral(name) || hosts.has(name));
  }

  /** It fitted; nearly all requests name the same one. */
  let lastHost: string | null = null;

  return {
    check(request) {
      // HTTP/1.1 requires Host; HTTP/1.0 clients without one are no browsers.
      const host = request.headers.get("host");
      if (host !== null && host !== lastHost && !hostFits(host)) {
        throw new CodedError(
          "host_refused",
          `The Host header names "${host.slice(0, 100)}", which is not this server`,
        );
      }
      lastHost = host;
      const origin = request.headers.get("origin");
      if (origin === null || everyOrigin) return origin;
      const { protocol, host: originHost } = parseOrigin(origin);
      const ownOrigin = host !== null && originHost === host.toLowerCase();
      const web = protocol === "http:" || protocol === "https:";
      if (
        origins.has(origin.toLowerCase()) ||
        (web && (ownOrigin || isLoopbackHost(hostname(originHost) ?? "")))
      ) {
        return origin;
      }
      throw new CodedError(
        "origin_refused",
        `The origin "${origin.slice(0, 100)}" may not talk to this server`,
      );
    },
  };
}

function parseOrigin(origin: string): { protocol: string; host: string } {
  try {
    const { protocol, host } = new URL(origin);
    return { protocol, host };
  } catch {
    return { protocol: "", host: "" };
  }
}

/** The name in a `Host` header, lower case and without its port; null when there is none to be read. */
function hostname(host: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:\s/@]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase() ?? null;
}
