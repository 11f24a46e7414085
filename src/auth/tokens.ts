/** The tokens of a running server: those of `tokens.json`, which may change at any time, and that of its own user. */
import { statSync } from "node:fs";
import type { Grant } from "./access.ts";
import { keepLocalToken } from "./local-token.ts";
import { hashToken, readTokens, TOKEN_PREFIX, type TokenRecord } from "./token-file.ts";

export interface TokensOptions {
  /** `tokens.json`. */
  path: string;
  /** `local-token`. */
  localPath: string;
  /** Told when a file can be used no longer, and when it can again: then null. */
  onProblem(problem: string | null): void;
  now?: () => number;
}

export interface Tokens {
  find(token: string): Grant | null;
  /** How many of the file's have not expired. */
  count(): number;
}

/** That of this server's own user has no id. */
type Known = Pick<TokenRecord, "hash" | "name" | "scopes" | "expires_at"> & { id?: string };

/** How old what is known of the files may be; also how long a token that is taken back may still be good. */
const MAX_AGE_MS = 250;

/** Throws a `TokenFileError` when a file cannot be used; later nobody gets in by it. */
export function createTokens({ path, localPath, onProblem, now = Date.now }: TokensOptions): Tokens {
  let grants = new Map<string, Grant>();
  let seen = "";
  let lookedAt = -Infinity;
  let problem: string | null = null;

  /** Of what cannot be read nothing is believed, so that a token which was taken back is; the other file goes on. */
  function load(): void {
    const known: Known[] = [];
    const problems: unknown[] = [];
    for (const read of [localToken, () => readTokens(path)]) {
      try {
        known.push(...read());
      } catch (error) {
        problems.push(error);
      }
    }
    grants = new Map(known.map((record) => [record.hash, grantOf(record)]));
    if (problems.length > 0) throw problems[0];
  }

  function localToken(): Known[] {
    const hash = hashToken(keepLocalToken(localPath));
    return [{ hash, name: "local", scopes: ["admin"], expires_at: null }];
  }

  function grantOf({ id, hash, name, scopes, expires_at }: Known): Grant {
    return {
      ...(id === undefined ? {} : { id }),
      name,
      scopes,
      expiresAt: expires_at === null ? null : Date.parse(expires_at),
      isRevoked() {
        refresh();
        return !grants.has(hash);
      },
    };
  }

  function refresh(maxAgeMs = MAX_AGE_MS): void {
    const time = now();
    if (time >= lookedAt && time - lookedAt < maxAgeMs) return;
    lookedAt = time;
    const state = [path, localPath].map(stateOf).join();
    if (state === seen) return;
    let next: string | null = null;
    try {
      load();
      seen = [path, localPath].map(stateOf).join();
    } catch (error) {
      next = (error as Error).message;
    }
    if (next !== problem) onProblem(next);
    problem = next;
  }

  load();
  return {
    find(token) {
      refresh();
      const hash = hashToken(token);
      const known = grants.get(hash);
      if (known !== undefined || !token.startsWith(TOKEN_PREFIX)) return known ?? null;
      // It may have been made a moment ago.
      refresh(0);
      return grants.get(hash) ?? null;
    },
    count() {
      refresh();
      const time = now();
      return [...grants.values()].filter(({ id, expiresAt }) => {
        return id !== undefined && (expiresAt === null || expiresAt > time);
      }).length;
    },
  };
}

function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "none" : `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}
