/** The certificate of a running server: how long it is good, and how a new one takes its place. */
import { readTls, type Tls, type TlsConfig } from "../config/tls.ts";
import type { Logger } from "../logging.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import type { Listener } from "./server.ts";

export interface Certificate {
  /** PEM of the server's own certificate, as new connections get it. */
  pem(): string;
  /** Milliseconds since the epoch. */
  expiresAt(): number;
  /** Takes up what the files hold now; where that is nothing to serve with, what is served stays. */
  renew(config: TlsConfig): void;
  check(): HealthCheck;
}

export interface CertificateOptions {
  listener: Pick<Listener, "renewTls">;
  logger: Logger;
  /** The port that could not be taken anew is taken. */
  onRecovered(message: string): void;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A certificate is renewed a month before its end, or a third of its life: with less left, nobody does. */
const FEW_DAYS = 14;

/** Follows the certificate a listener was opened with. */
export function createCertificate(
  first: Tls,
  { listener, logger, onRecovered }: CertificateOptions,
): Certificate {
  let tls = first;
  /** Why the files as they are now are not served with. */
  let refusal: string | null = null;
  /** Why nobody listens. */
  let trouble: string | null = null;
  let attempts = 0;
  const check = (): HealthCheck => ({ name: "tls", ...judge(tls, refusal, trouble) });

  function warn(): void {
    const { status, message } = judge(tls, null, null);
    if (status !== "healthy") logger.warn("certificate", { status: message });
  }

  warn();
  return {
    pem: () => tls.certificate,
    check,
    expiresAt: () => tls.validTo,
    renew(config) {
      try {
        const next = readTls(config);
        if (next === null) throw new Error("tls_cert and tls_key are gone; TLS is turned off by a restart");
        refusal = null;
        if (next.cert === tls.cert && next.key === tls.key) return;
        tls = next;
      } catch (error) {
        refusal = (error as Error).message;
        logger.error("certificate not taken up, the old one stays", { error: refusal });
        return;
      }
      listener.renewTls(tls, (error, delayMs) => {
        if (error === null) {
          if (trouble !== null) onRecovered("the port is taken anew, and new connections can be made");
          trouble = null;
          attempts = 0;
          logger.info("certificate renewed", { valid_to: new Date(tls.validTo).toISOString() });
          return warn();
        }
        attempts += 1;
        const times = `${attempts} attempt${attempts === 1 ? "" : "s"}`;
        trouble = `${(error as Error).message} (${times})`;
        logger.error("the port cannot be taken anew, nobody can connect", {
          error: trouble,
          next_attempt_ms: delayMs,
        });
      });
    },
  };
}

function judge(
  { validFrom, validTo }: Tls,
  refusal: string | null,
  trouble: string | null,
): Pick<HealthCheck, "status" | "message"> {
  if (trouble !== null) {
    return { status: "unhealthy", message: `no new connection can be made: ${trouble}; it is tried again` };
  }
  const now = Date.now();
  const days = Math.floor((validTo - now) / DAY_MS);
  const end = new Date(validTo).toISOString();
  const left = `${days} ${days === 1 ? "day" : "days"} left, until ${end}`;
  if (refusal !== null) {
    return {
      status: "degraded",
      message: `changed files were not taken up: ${refusal}; the old ones: ${left}`,
    };
  }
  const next = "put a new one in its place, then send the server SIGHUP";
  if (validTo <= now) return { status: "degraded", message: `the certificate expired at ${end}: ${next}` };
  if (validFrom > now) {
    const start = new Date(validFrom).toISOString();
    return { status: "degraded", message: `the certificate is not valid before ${start}` };
  }
  if (days < FEW_DAYS) return { status: "degraded", message: `the certificate expires: ${left}: ${next}` };
  return { status: "healthy", message: `the certificate is good: ${left}` };
}
