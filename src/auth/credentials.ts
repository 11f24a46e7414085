/** All that a server takes for a credential: its own tokens, the configured one, and those of somebody else's making. */
import { timingSafeEqual } from "node:crypto";
import type { Credentials, Grant } from "./access.ts";
import { createKeySet, type KeySet } from "./jwks.ts";
import { createJwtVerifier, type JwtOptions, type JwtVerifier } from "./jwt.ts";
import type { Tokens } from "./tokens.ts";

export interface CredentialSettings {
  /** The token of the configuration: whoever has it may do everything. */
  token: string | null;
  jwt: Pick<JwtOptions, "secret" | "publicKey" | "issuer" | "audience"> & {
    /** URL or path of a key set. */
    jwks: string | null;
  };
}

export interface ConfiguredCredentials extends Credentials {
  /** Takes up other settings; throws a `JwtKeyError` when they cannot be used, and the old ones stay. */
  configure(settings: CredentialSettings): void;
}

/** @param onProblem told when the key set cannot be read, and when it can again: then null */
export function createCredentials(
  tokens: Tokens,
  settings: CredentialSettings,
  onProblem: (problem: string | null) => void = () => {},
): ConfiguredCredentials {
  let keySet: { source: string; keys: KeySet } | null = null;
  let configured: { hash: Uint8Array; grant: Grant } | null = null;
  let verifyJwt: JwtVerifier | null = null;
  let jwtSettings = "";

  function configure({ token, jwt }: CredentialSettings): void {
    // Keys are read anew each time; who was let in stays, unless it is by other settings now.
    const own = JSON.stringify(jwt);
    const next = keySetOf(jwt.jwks);
    verifyJwt = createJwtVerifier({
      ...jwt,
      keySet: next?.keys ?? null,
      isRevoked: () => jwtSettings !== own,
    });
    if (next?.source !== keySet?.source) onProblem(null);
    keySet = next;
    void keySet?.keys.read();
    jwtSettings = own;
    configured = token === null ? null : { hash: sha256(token), grant: grantOf(token) };
  }

  /** The one there is keeps its keys for the time that it cannot be read. */
  function keySetOf(source: string | null): typeof keySet {
    if (source === null || source === keySet?.source) return source === null ? null : keySet;
    const keys = createKeySet(source, {
      onProblem: (problem) => {
        if (keySet?.keys === keys) onProblem(problem);
      },
    });
    return { source, keys };
  }

  function grantOf(token: string): Grant {
    const hash = sha256(token);
    return {
      name: "configured token",
      scopes: ["admin"],
      expiresAt: null,
      isRevoked: () => configured === null || !timingSafeEqual(configured.hash, hash),
    };
  }

  configure(settings);
  return {
    configure,
    find: (token) => tokens.find(token),
    verify(token) {
      // Hashes are compared, so that the time it takes tells nothing of the token, not even its length.
      if (configured !== null && timingSafeEqual(configured.hash, sha256(token))) return configured.grant;
      return verifyJwt !== null && token.split(".").length === 3 ? verifyJwt(token) : null;
    },
  };
}

function sha256(text: string): Uint8Array {
  return new Bun.CryptoHasher("sha256").update(text).digest();
}
