/**
 * JSON Web Tokens (https://www.rfc-editor.org/rfc/rfc7519) made by somebody else: HS256 with a shared secret, RS256 or
 * ES256 with a public key or a key set (https://www.rfc-editor.org/rfc/rfc7517). The algorithm that a token names is never
 * followed: the key decides, so that nobody signs with what is public.
 */
import { decode, verify } from "hono/jwt";
import { CodedError } from "../protocol/errors.ts";
import { isObject } from "../protocol/event.ts";
import type { Grant } from "./access.ts";
import type { KeySet } from "./jwks.ts";
import { type PublicKey, readPublicKey } from "./public-key.ts";
import { isScope, type Scope } from "./scopes.ts";

export interface JwtOptions {
  /** Of HS256. */
  secret: string | null;
  /** Path of a PEM file: a public key or a certificate. */
  publicKey: string | null;
  keySet: KeySet | null;
  issuer: string | null;
  audience: string | null;
  /** Whether these settings have been replaced. */
  isRevoked?: () => boolean;
  now?: () => number;
}

export type JwtVerifier = (token: string) => Promise<Grant>;

/** Verified tokens that are remembered: an API client sends the same one with each request. */
const MAX_REMEMBERED = 1000;
const MAX_NAME = 100;
const MAX_ALGORITHM = 20;

/** Null where no key is configured; throws a `JwtKeyError` when one cannot be used. */
export function createJwtVerifier(options: JwtOptions): JwtVerifier | null {
  const { secret, publicKey, keySet, issuer, audience, isRevoked = () => false, now = Date.now } = options;
  const key = publicKey === null ? null : readPublicKey(publicKey);
  if (secret === null && key === null && keySet === null) return null;
  const algorithms = new Set<unknown>([
    ...(secret === null ? [] : ["HS256"]),
    ...(key === null ? [] : [key.alg]),
    ...(keySet === null ? [] : ["RS256", "ES256"]),
  ]);
  const remembered = new Map<string, Grant>();

  async function check(token: string): Promise<Grant> {
    const { header } = decode(token);
    const { alg, kid, typ } = header;
    if (!algorithms.has(alg)) {
      const named = printable(String(alg)).slice(0, MAX_ALGORITHM);
      throw new CodedError("token_invalid", `The token's algorithm (${named}) is not one that is configured`);
    }
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
      name: typeof payload.sub === "string" ? `jwt:${printable(payload.sub)}`.slice(0, MAX_NAME) : "jwt",
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

async function publicKeyFor(
  wanted: { alg: unknown; kid: string | undefined },
  key: PublicKey | null,
  keySet: KeySet | null,
): Promise<JsonWebKey | null> {
  if (wanted.alg !== "RS256" && wanted.alg !== "ES256") return null;
  if (key?.alg === wanted.alg) return key;
  return (await keySet?.find({ alg: wanted.alg, kid: wanted.kid })) ?? null;
}

/** Without what steers a terminal, or turns the direction of a text. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "");
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
