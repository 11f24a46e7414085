/**
 * Whom a client outside of browsers believes to be the server behind an https URL. Certificates that are given are
 * pinned: the server shows exactly one of them, or one that chains to it, whatever host it was made for, and nobody
 * else is believed. Without any it is what the system trusts, under the name of the URL.
 */
import { Agent } from "node:https";

/** As `node:https`, `node:tls` and an `Agent` take it. */
export function tlsOptions(certificates: readonly string[] | undefined): object {
  if (certificates === undefined) return {};
  return {
    ca: certificates,
    // Without it only what ends in a self-signed certificate can be trusted.
    allowPartialTrustChain: true,
    checkServerIdentity: () => undefined,
  };
}

/** What the Socket.IO client makes its connections with; undefined over plain HTTP. */
export function agentFor({
  url,
  certificates,
}: {
  url: string;
  certificates?: readonly string[];
}): Agent | undefined {
  return url.startsWith("https:") ? new Agent(tlsOptions(certificates)) : undefined;
}

const UNKNOWN_ISSUER = "nobody who is trusted here has issued it";
const REASONS: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is not the one that is expected, and signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "it was made for another host",
};

/** Why a server's certificate is not believed; null for an error of another kind. */
export function whyUntrusted(error: unknown): string | null {
  const { code = "", message } = error as { code?: string; message: string };
  const isOfTls = /^(CERT_|CRL_|UNABLE_TO_|INVALID_CA|PATH_LENGTH|HOSTNAME_MISMATCH)/.test(code);
  return REASONS[code] ?? (isOfTls ? message : null);
}
