/** The files of `tls_cert` and `tls_key`: read, and judged before anything is served with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfigError, type LoadedConfig } from "./load.ts";
import type { Config, Key } from "./schema.ts";

/** What a listener speaks TLS with. */
export interface Tls {
  /** PEM: the server's own certificate first, then those between it and its root. */
  cert: string;
  /** PEM. */
  key: string;
  /** PEM of the server's own certificate alone. */
  certificate: string;
  /** Milliseconds since the epoch. */
  validFrom: number;
  /** Milliseconds since the epoch. */
  validTo: number;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/** Reads both files; null where neither is named. Throws a `ConfigError` that names the file and what is wrong with it. */
export function readTls({ tls_cert: certPath, tls_key: keyPath }: TlsConfig): Tls | null {
  if (certPath === null && keyPath === null) return null;
  if (certPath === null || keyPath === null) {
    const [given, missing] = certPath === null ? ["tls_key", "tls_cert"] : ["tls_cert", "tls_key"];
    throw new ConfigError([
      `${given} is set and ${missing} is not; allowed is both of them for a server, or neither`,
    ]);
  }
  const cert = read("tls_cert", certPath, "PEM file of the certificate, followed by those it was issued by");
  const key = read("tls_key", keyPath, "PEM file of the private key");
  const chain = chainOf(certPath, cert);
  const privateKey = keyOf(keyPath, key);
  const [own] = chain;
  const owner = chain.findIndex((certificate) => certificate.checkPrivateKey(privateKey));
  if (owner !== 0) {
    const why =
      owner === -1
        ? `the key in ${keyPath} (tls_key) is not that of the certificate in ${certPath} (tls_cert); allowed is a pair made together`
        : `${wrong("tls_cert", certPath)}: its certificates are in the wrong order; allowed is the server's own first (it is number ${owner + 1})`;
    throw new ConfigError([why]);
  }
  return {
    cert,
    key,
    certificate: own.toString(),
    validFrom: Date.parse(own.validFrom),
    validTo: Date.parse(own.validTo),
  };
}

/** Throws a `ConfigError` that also names where the two settings come from. */
export function checkTls({ values, origins }: LoadedConfig): void {
  try {
    readTls(values);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const sources = (["tls_cert", "tls_key"] as const)
      .filter((key) => values[key] !== null)
      .map((key) => origins[key].source);
    throw new ConfigError(error.problems.map((problem) => `${[...new Set(sources)].join(", ")}: ${problem}`));
  }
}

export type TlsConfig = Pick<Config, "tls_cert" | "tls_key">;

function read(key: Key, path: string, allowed: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError([
      `${wrong(key, path)} cannot be read: ${reasonOf(error)}; allowed is a ${allowed}`,
    ]);
  }
}

function chainOf(path: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(PEM_CERTIFICATE) ?? [];
  const what = text.includes("PRIVATE KEY-----") ? "but a private key" : "in PEM form";
  const allowed = "allowed is a file with -----BEGIN CERTIFICATE-----";
  const [first, ...others] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      const place = `${wrong("tls_cert", path)}: certificate ${index + 1} of ${blocks.length}`;
      throw new ConfigError([`${place} is damaged; ${allowed}`]);
    }
  });
  if (!first) throw new ConfigError([`${wrong("tls_cert", path)} holds no certificate ${what}; ${allowed}`]);
  return [first, ...others];
}

function keyOf(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const place = wrong("tls_key", path);
    if ((error as { code?: string }).code === "ERR_MISSING_PASSPHRASE") {
      const hint = "allowed is one without a passphrase: openssl pkey -in FILE -out FILE.plain";
      throw new ConfigError([`${place} is encrypted, and nobody could type its passphrase; ${hint}`]);
    }
    const what = text.includes("PRIVATE KEY-----")
      ? "holds a private key that is damaged"
      : text.includes("CERTIFICATE-----")
        ? "holds no private key but a certificate"
        : "holds no private key in PEM form";
    throw new ConfigError([`${place} ${what}; allowed is a file with -----BEGIN PRIVATE KEY-----`]);
  }
}

function wrong(key: Key, path: string): string {
  return `${key} = ${JSON.stringify(path)}`;
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  EISDIR: "it is a directory",
};

function reasonOf(error: unknown): string {
  const { code = "", message } = error as { code?: string; message: string };
  return REASONS[code] ?? message;
}
