/** Certificates made on the spot, with OpenSSL: no private key lies in the repository. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "./command.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface CertificateFiles {
  /** Path of the PEM file, the chain included. */
  cert: string;
  key: string;
  /** Text of the certificate alone. */
  pem: string;
}

export interface CertificateOptions {
  /** Whom it is made for. */
  name?: string;
  /** `openssl ca` takes times as YYYYMMDDHHMMSSZ. */
  from?: Date;
  to?: Date;
  /** Who signs it, with its chain; itself when not given. */
  issuer?: CertificateFiles;
  isAuthority?: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS);

/** Makes a certificate and its key. */
export async function makeCertificate(options: CertificateOptions = {}): Promise<CertificateFiles> {
  const { name = "localhost", from = inDays(-1), to = inDays(90), issuer, isAuthority = false } = options;
  const directory = temporaryDirectory();
  const path = (file: string) => join(directory, file);
  const [key, request, own, cert] = ["key.pem", "request.pem", "own.pem", "cert.pem"].map(path) as [
    string,
    string,
    string,
    string,
  ];
  mkdirSync(path("issued"));
  writeFileSync(path("index"), "");
  writeFileSync(path("serial"), `${Math.floor(Math.random() * 1e9) + 1_000_000_000}\n`);
  const extensions = isAuthority ? "basicConstraints = critical,CA:TRUE" : `subjectAltName = DNS:${name}`;
  writeFileSync(
    path("ca.conf"),
    `[ca]\ndefault_ca = it\n[it]\ndatabase = ${path("index")}\nserial = ${path("serial")}\n` +
      `new_certs_dir = ${path("issued")}\ndefault_md = sha256\npolicy = any\nx509_extensions = more\n` +
      `[any]\ncommonName = supplied\n[more]\n${extensions}\n`,
  );
  await output([
    "openssl",
    "genpkey",
    "-algorithm",
    "EC",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-out",
    key,
  ]);
  await output(["openssl", "req", "-new", "-key", key, "-subj", `/CN=${name}`, "-out", request]);
  const signer = issuer ? ["-cert", issuer.cert, "-keyfile", issuer.key] : ["-selfsign", "-keyfile", key];
  const times = ["-startdate", openSslTime(from), "-enddate", openSslTime(to)];
  const files = ["-config", path("ca.conf"), "-in", request, "-out", own, "-notext", "-batch"];
  await output(["openssl", "ca", ...files, ...signer, ...times]);
  const pem = readFileSync(own, "utf8");
  writeFileSync(cert, pem + (issuer ? readFileSync(issuer.cert, "utf8") : ""));
  return { cert, key, pem };
}

function openSslTime(time: Date): string {
  return time.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
}
