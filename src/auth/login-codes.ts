/**
 * Codes by which a link logs a browser in. A link is seen by others, on the command line of a browser and in its history,
 * so a code is good once and for a minute; what the page gets for it never stands in an address.
 */
import { randomBytes } from "node:crypto";
import type { Grant } from "./access.ts";
import { addToken, hashToken, readTokens, removeTokens } from "./token-file.ts";
import type { Scope } from "./scopes.ts";

export interface LoginCodes {
  /** A code for whoever has this grant. */
  make(grant: Grant): { code: string; expiresAt: number };
  /** A code that is good, as a grant for nothing but to be exchanged. */
  find(code: string): Grant | null;
  /** A token of its asker's scopes for a code, which is good no longer; null for one that is not. */
  exchange(code: string): Promise<LoginToken | null>;
  /** Takes a page's own token back; false for one of another kind. */
  revoke(grant: Grant): Promise<boolean>;
}

export interface LoginToken {
  token: string;
  scopes: Scope[];
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** By which the page tells a code from a token. */
export const CODE_PREFIX = "cml_";
const CODE_BYTES = 32;
const CODE_MS = 60_000;
const TOKEN_MS = 30 * 86_400_000;
/** Under which the tokens of pages are listed; what they are, their `origin` tells. */
const NAME = "dashboard";
/** Codes that have not been used, at most; the oldest are forgotten first. */
const MAX_CODES = 100;

/** @param path `tokens.json` */
export function createLoginCodes(path: string, now: () => number = Date.now): LoginCodes {
  /** By hash. */
  const codes = new Map<string, { asker: Grant; expiresAt: number }>();

  function known(code: string): { asker: Grant; expiresAt: number } | null {
    if (!code.startsWith(CODE_PREFIX)) return null;
    const entry = codes.get(hashToken(code));
    return entry !== undefined && entry.expiresAt > now() && !entry.asker.isRevoked() ? entry : null;
  }

  return {
    make(asker) {
      const code = CODE_PREFIX + randomBytes(CODE_BYTES).toString("base64url");
      const expiresAt = now() + CODE_MS;
      codes.set(hashToken(code), { asker, expiresAt });
      if (codes.size > MAX_CODES) codes.delete(codes.keys().next().value as string);
      return { code, expiresAt };
    },

    find(code) {
      const entry = known(code);
      return entry && { name: "login link", scopes: [], expiresAt: entry.expiresAt, isRevoked: () => false };
    },

    async exchange(code) {
      const entry = known(code);
      codes.delete(hashToken(code));
      if (entry === null) return null;
      const { scopes: granted, expiresAt: end } = entry.asker;
      const scopes = [...granted];
      const expiresAt = Math.min(now() + TOKEN_MS, end ?? Infinity);
      const { token } = await addToken(path, {
        name: NAME,
        scopes,
        expiresAt,
        now: now(),
        parent: entry.asker.id,
        origin: entry.asker.name,
        inPlaceOf: ({ origin, expires_at }) =>
          origin !== undefined && expires_at !== null && Date.parse(expires_at) <= now(),
      });
      return { token, scopes, expiresAt };
    },

    async revoke({ id }) {
      const own = readTokens(path).find((token) => token.id === id && token.origin !== undefined);
      return own !== undefined && (await removeTokens(path, own.id)).length > 0;
    },
  };
}
