import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../../src/config/load.ts";
import { readTls } from "../../src/config/tls.ts";
import { makeCertificate } from "../support/certificates.ts";
import { output } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const directory = temporaryDirectory();
const authority = await makeCertificate({ name: "authority", isAuthority: true });
const good = await makeCertificate({ issuer: authority });
const other = await makeCertificate();

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const text = (path: string) => readFileSync(path, "utf8");
const missing = join(directory, "missing.pem");
const folder = join(directory, "folder");
mkdirSync(folder);
const garbage = file("garbage.pem", "garbage");
const empty = file("empty.pem", "");
const damaged = file("damaged.pem", text(good.cert).replace(/\n[A-Za-z0-9+/]{20}/, "\n????????????????????"));
const damagedKey = file(
  "damaged-key.pem",
  text(good.key).replace(/\n[A-Za-z0-9+/]{20}/, "\n????????????????????"),
);
const reversed = file("reversed.pem", authority.pem + good.pem);
const encrypted = join(directory, "encrypted.pem");
await output(["openssl", "pkey", "-in", good.key, "-aes128", "-passout", "pass:secret", "-out", encrypted]);

function problemOf(tls_cert: string | null, tls_key: string | null): string {
  try {
    readTls({ tls_cert, tls_key });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems).toHaveLength(1);
    return error.problems.join();
  }
  return "none";
}

describe("what is wrong with the files of TLS is said, with the one it is wrong with", () => {
  for (const [what, cert, key, ...words] of [
    ["only a certificate", good.cert, null, "tls_cert is set and tls_key is not"],
    ["only a key", null, good.key, "tls_key is set and tls_cert is not"],
    ["no file of the certificate", missing, good.key, "tls_cert", "no such file"],
    ["no file of the key", good.cert, missing, "tls_key", "no such file"],
    ["a directory", folder, good.key, "tls_cert", "it is a directory"],
    ["no PEM", garbage, good.key, "tls_cert", "holds no certificate in PEM form"],
    ["an empty file", empty, good.key, "tls_cert", "holds no certificate in PEM form"],
    ["no PEM for a key", good.cert, garbage, "tls_key", "holds no private key in PEM form"],
    ["both in each other's place", good.key, good.cert, "tls_cert", "no certificate but a private key"],
    ["a certificate for a key", good.cert, good.cert, "tls_key", "no private key but a certificate"],
    ["a damaged certificate", damaged, good.key, "tls_cert", "certificate 1 of 2 is damaged"],
    ["a damaged key", good.cert, damagedKey, "tls_key", "damaged"],
    ["an encrypted key", good.cert, encrypted, "tls_key", "is encrypted"],
    [
      "another certificate's key",
      good.cert,
      other.key,
      "is not that of the certificate",
      other.key,
      good.cert,
    ],
    ["a chain in the wrong order", reversed, good.key, "tls_cert", "the server's own first (it is number 2)"],
  ] as const) {
    test(what, () => {
      const problem = problemOf(cert, key);
      for (const word of words) expect(problem).toContain(word);
      expect(problem).toContain("allowed is");
    });
  }

  test.skipIf(process.getuid?.() === 0)("one that may not be read", () => {
    const path = file("secret.pem", text(good.key));
    chmodSync(path, 0);
    expect(problemOf(good.cert, path)).toContain("this user may not read it");
  });

  test("nothing with a pair, whatever stands around it, nor without any", () => {
    expect(problemOf(null, null)).toBe("none");
    expect(problemOf(good.cert, good.key)).toBe("none");
    const both = file("both.pem", `notes\r\n${text(good.key)}${text(good.cert)}`);
    expect(problemOf(both, both)).toBe("none");
    expect(readTls({ tls_cert: both, tls_key: both })?.certificate).toBe(good.pem);
  });
});
