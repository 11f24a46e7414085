/** `tokens.json`: the tokens somebody has made. It holds no token, only the hash by which one is known again. */
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { isScope, type Scope } from "./scopes.ts";
import { isObject } from "../protocol/event.ts";
import { HintedError } from "../protocol/hinted-error.ts";

export interface TokenRecord {
  /** By which it is listed and revoked; says nothing of the token. */
  id: string;
  name: string;
  /** SHA-256 of the token, hexadecimal. A token has 256 bits of chance: no slow hash is needed to guard it. */
  hash: string;
  scopes: Scope[];
  /** ISO 8601. */
  created_at: string;
  /** ISO 8601; null is never. */
  expires_at: string | null;
  /** The id of the one by which it was asked for; they are taken back together. */
  parent?: string;
  /** What the credential was called by which a page asked for it, by a link; others have none. */
  origin?: string;
}

/** The file cannot be used; the message says why. Nobody gets in by it then. */
export class TokenFileError extends HintedError {}

/** By which a leaked token is recognised, by people and by scanners. */
export const TOKEN_PREFIX = "cms_";
const TOKEN_BYTES = 32;
const ID_BYTES = 4;
const LOCK_WAIT_MS = 3000;
/** Whoever holds the lock longer has died with it: a change takes milliseconds. */
const LOCK_STALE_MS = 10_000;

/** A new token: unguessable, and never to be read again from anywhere. */
export function makeToken(): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
}

export function hashToken(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("hex");
}

/** All tokens of the file, expired ones too; none where there is no file. Throws a `TokenFileError`. */
export function readTokens(path: string): TokenRecord[] {
  let text: string;
  try {
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) throw unusable(path, "it is a symbolic link");
    const hand = handOfOthers(stat);
    if (hand !== null) throw unusable(path, hand, `Look what is in it, then: chmod 600 ${path}`);
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error instanceof TokenFileError ? error : unusable(path, (error as Error).message);
  }
  try {
    const content: unknown = JSON.parse(text);
    const tokens = isObject(content) && Array.isArray(content.tokens) ? content.tokens : null;
    if (tokens?.every(isRecord)) return tokens;
  } catch {
    // Said below.
  }
  throw unusable(path, "it does not hold what it should");
}

/** Makes a token and notes it; the token itself is in the answer and nowhere else. */
export async function addToken(
  path: string,
  {
    name,
    scopes,
    expiresAt,
    now = Date.now(),
    parent,
    origin,
    inPlaceOf = () => false,
  }: {
    name: string;
    scopes: Scope[];
    expiresAt: number | null;
    now?: number;
    parent?: string | undefined;
    origin?: string;
    /** Those that go when it comes. */
    inPlaceOf?: (other: TokenRecord) => boolean;
  },
): Promise<{ token: string; record: TokenRecord }> {
  const token = makeToken();
  const record: TokenRecord = {
    id: randomBytes(ID_BYTES).toString("hex"),
    name,
    hash: hashToken(token),
    scopes,
    created_at: new Date(now).toISOString(),
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    ...(parent === undefined ? {} : { parent }),
    ...(origin === undefined ? {} : { origin }),
  };
  await change(path, (tokens) => [...tokens.filter((other) => !inPlaceOf(other)), record]);
  return { token, record };
}

/** Takes tokens back by their id or name, and those that were asked for by them; returns those that are gone. */
export async function removeTokens(path: string, idOrName: string): Promise<TokenRecord[]> {
  let removed: TokenRecord[] = [];
  await change(path, (tokens) => {
    const byId = tokens.filter(({ id }) => id === idOrName);
    const named = byId.length > 0 ? byId : tokens.filter(({ name }) => name === idOrName);
    const gone = new Set(named.map(({ id }) => id));
    // Each stands after the one it was asked for by.
    for (const { id, parent } of tokens) if (parent !== undefined && gone.has(parent)) gone.add(id);
    removed = tokens.filter(({ id }) => gone.has(id));
    return tokens.filter(({ id }) => !gone.has(id));
  });
  return removed;
}

/** One change at a time, whoever makes it, and never half of one on the disk. */
async function change(path: string, edit: (tokens: TokenRecord[]) => TokenRecord[]): Promise<void> {
  const lock = `${path}.lock`;
  await takeLock(lock);
  try {
    writePrivately(path, `${JSON.stringify({ version: 1, tokens: edit(readTokens(path)) }, null, 2)}\n`);
  } finally {
    rmSync(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<void> {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      return closeSync(openSync(lock, "wx", 0o600));
    } catch (error) {
      if ((error as { code?: string }).code !== "EEXIST") throw error;
      const age = Date.now() - (lstatSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > LOCK_STALE_MS) rmSync(lock, { force: true });
      else if (Date.now() > deadline) throw unusable(lock, "another command is changing the tokens");
      else await Bun.sleep(10);
    }
  }
}

/**
 * Writes a file for its owner alone, whole or not at all. Root writes for whom the directory belongs to, such as the
 * user of a service, who could not read it otherwise.
 *
 * @param mode `replace` what is there, or leave it and return false
 */
export function writePrivately(path: string, text: string, mode: "replace" | "keep" = "replace"): boolean {
  const temporary = `${path}.${process.pid}.${randomBytes(ID_BYTES).toString("hex")}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
  try {
    const { uid, gid } = statSync(dirname(path));
    if (process.getuid?.() === 0 && uid !== 0) chownSync(temporary, uid, gid);
    if (mode === "replace") renameSync(temporary, path);
    else linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function isRecord(value: unknown): value is TokenRecord {
  if (!isObject(value)) return false;
  const { id, name, hash, scopes, created_at, expires_at, parent, origin } = value;
  const texts = [id, name, created_at].every((text) => typeof text === "string");
  const isHash = typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash);
  const areScopes =
    Array.isArray(scopes) && scopes.every((scope) => typeof scope === "string" && isScope(scope));
  const isTime =
    expires_at === null || (typeof expires_at === "string" && !Number.isNaN(Date.parse(expires_at)));
  const areOrigins = [parent, origin].every((text) => text === undefined || typeof text === "string");
  return texts && areOrigins && isHash && areScopes && isTime;
}

/** Whoever may write it may let in whom they like. Root is trusted, and may use what belongs to a service's user. */
function handOfOthers({ mode, uid }: Stats): string | null {
  const self = process.getuid?.();
  if (self === undefined) return null;
  if ((mode & 0o022) !== 0) return "other users may write it";
  return self === 0 || uid === 0 || uid === self ? null : "it belongs to another user";
}

const MEND = "Mend it, or move it away and make the tokens anew: claude-mpm-socketio token create";

function unusable(path: string, why: string, hint = MEND): TokenFileError {
  return new TokenFileError(`${path} cannot be used: ${why}`, hint);
}
