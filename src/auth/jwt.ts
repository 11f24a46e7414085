/**
 * JSON Web Tokens (https://www.rfc-editor.org/rfc/rfc7519) made by somebody else: HS256 with a shared secret, RS256 or
 * ES256 with a public key or a key set (https://www.rfc-editor.org/rfc/rfc7517). The algorithm that a token names is never
 * followed: the key decides, so that nobody signs with what is public.
 */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { decode, verify } from "hono/jwt";
import { CodedError } from "../protocol/errors.ts";
import { isObject } from "../protocol/event.ts";
import type { Grant } from "./access.ts";
import { createKeySet, type KeySet } from "./jwks.ts";
import { isScope, type Scope } from "./scopes.ts";

export interface JwtOptions {
  /** Of HS256. */
  secret: string | null;
  /** Path of a PEM file: a public key or a certificate. */
  publicKey: string | null;
  /** URL or path of a key set. */
  jwks: string | null;
  issuer: string | null;
  audience: string | null;
  /** Whether these settings have been replaced. */
  isRevoked?: () => boolean;
  now?: () => number;
}

export type JwtVerifier = (token: string) => Promise<Grant>;

/** A key that cannot be used; the message names it. */
export class JwtKeyError extends Error {}

/** Verified tokens that are remembered: an API client sends the same one with each request. */
const MAX_REMEMBERED = 1000;

/** Null where no key is configured; throws a `JwtKeyError` when one cannot be used. */
export function createJwtVerifier(options: JwtOptions): JwtVerifier | null {
  const { secret, publicKey, jwks, issuer, audience, isRevoked = () => false, now = Date.now } = options;
  const key = publicKey === null ? null : readPublicKey(publicKey);
  const keySet = jwks === null ? null : createKeySet(jwks, now);
  if (secret === null && key === null && keySet === null) return null;
  const remembered = new Map<string, Grant>();

  async function check(token: string): Promise<Grant> {
    const { header } = decode(token);
    const { alg, kid, typ } = header;
    const found = alg === "HS256" ? secret : await publicKeyFor({ alg, kid }, key, keySet);
    if (found === null)
      throw new CodedError("token_invalid", `No key for ${String(alg)} tokens is configured that fits`);
    const payload = await verify(token, found, {
      alg: alg as "HS256" | "RS256" | "ES256",
      // Clocks differ, and when it was issued says nothing of how long it is good.
      iat: false,
      ...(issuer === null ? {} : { iss: issuer }),
      ...(audience === null ? {} : { aud: audience }),
      ...(typ === undefined ? {} : { typ: ["JWT", "at+jwt"] }),
    });
    return {
      name: typeof payload.sub === "string" ? payload.sub.slice(0, 100) : "jwt",
      scopes: scopesOf(payload),
      expiresAt: typeof payload.exp === "number" ? payload.exp * 1000 : null,
      isRevoked,
    };
  }

  return async (token) => {
    const known = remembered.get(token);
    if (known && (known.expiresAt === null || known.expiresAt > now())) return known;
    try {
      const grant = await check(token);
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(token, grant);
      return grant;
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError("token_invalid", reasonOf(error));
    }
  };
}

type PublicKey = JsonWebKey & { alg: "RS256" | "ES256" };

function readPublicKey(path: string): PublicKey {
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

async function publicKeyFor(
  wanted: { alg: unknown; kid: string | undefined },
  key: PublicKey | null,
  keySet: KeySet | null,
): Promise<JsonWebKey | null> {
  if (wanted.alg !== "RS256" && wanted.alg !== "ES256") return null;
  if (key?.alg === wanted.alg) return key;
  return (await keySet?.find({ alg: wanted.alg, kid: wanted.kid })) ?? null;
}

/** `scope` as OAuth has it (https://www.rfc-editor.org/rfc/rfc8693#section-4.2), `scopes` or `scp` as others do. */
function scopesOf(payload: Record<string, unknown>): Scope[] {
  const named = [payload.scope, payload.scopes, payload.scp].flatMap((claim) => {
    return typeof claim === "string" ? claim.split(/[ ,]+/) : Array.isArray(claim) ? claim : [];
  });
  return named.filter((scope): scope is Scope => typeof scope === "string" && isScope(scope));
}

function reasonOf(error: unknown): string {
  const { name = "" } = isObject(error) || error instanceof Error ? (error as { name?: string }) : {};
  if (name === "JwtTokenExpired") return "The token has expired";
  if (name === "JwtTokenNotBefore") return "The token is not valid yet";
  if (name === "JwtTokenIssuer") return "The token has another issuer (`iss`)";
  if (name === "JwtTokenAudience" || name === "JwtPayloadRequiresAud")
    return "The token is for somebody else (`aud`)";
  return "The token's signature does not fit";
}
