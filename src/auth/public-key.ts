/** The key of `jwt_public_key`. */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";

export type PublicKey = JsonWebKey & { alg: "RS256" | "ES256" };

/** A key that cannot be used; the message names it. */
export class JwtKeyError extends Error {}

/** @param path of a PEM file: a public key or a certificate; throws a `JwtKeyError` */
export function readPublicKey(path: string): PublicKey {
  try {
    const key = createPublicKey(readFileSync(path));
    const alg = key.asymmetricKeyType === "rsa" ? "RS256" : "ES256";
    const jwk = key.export({ format: "jwk" });
    if (alg === "ES256" && jwk.crv !== "P-256") throw new Error("it is neither RSA nor on the curve P-256");
    return { ...(jwk as JsonWebKey), alg };
  } catch (error) {
    throw new JwtKeyError(
      `jwt_public_key: ${path} cannot be used: ${(error as Error).message}; allowed is a PEM file with an RSA or P-256 public key`,
    );
  }
}
