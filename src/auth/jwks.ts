/** A JSON Web Key Set (https://www.rfc-editor.org/rfc/rfc7517#section-5), read from a file or a URL and kept for a while. */
import { readFile } from "node:fs/promises";
import { isObject } from "../protocol/event.ts";

export interface KeySet {
  /** The key of this id, or, for a token that names none, the only one of its algorithm. */
  find(wanted: { alg: "RS256" | "ES256"; kid: string | undefined }): Promise<JsonWebKey | null>;
  /** Reads it now, however long ago that was done; never throws. */
  read(): Promise<void>;
}

type SetKey = JsonWebKey & { kid?: string; kty: string };

const MAX_AGE_MS = 10 * 60_000;
/** A token with a key nobody knows may be of a new key, or made up: so often it is worth a look. */
const MIN_AGE_MS = 30_000;
const TIMEOUT_MS = 5000;
const MAX_CHARS = 1024 * 1024;

export interface KeySetOptions {
  /** Told when it cannot be read, and when it can again: then null. */
  onProblem?: (problem: string | null) => void;
  now?: () => number;
}

/**
 * Keys that were read stay while it cannot be read.
 *
 * @param source an http(s) or file URL, or a path
 */
export function createKeySet(
  source: string,
  { onProblem = () => {}, now = Date.now }: KeySetOptions = {},
): KeySet {
  let problem: string | null = null;
  let keys: SetKey[] = [];
  let readAt = -Infinity;
  let reading: Promise<void> | null = null;

  async function read(): Promise<void> {
    readAt = now();
    try {
      const text = await textOf(source);
      const content = text.length > MAX_CHARS ? null : parse(text);
      if (!isObject(content) || !Array.isArray(content.keys)) throw new Error("it is no JSON Web Key Set");
      keys = content.keys.filter((key): key is SetKey => {
        return isObject(key) && (key.kty === "RSA" || key.kty === "EC");
      });
      tell(null);
    } catch (error) {
      tell(`the key set ${source} (jwt_jwks_url) cannot be read: ${(error as Error).message}`);
    } finally {
      reading = null;
    }
  }

  function tell(next: string | null): void {
    if (next !== problem) onProblem(next);
    problem = next;
  }

  function pick(alg: "RS256" | "ES256", kid: string | undefined): SetKey | null {
    const fitting = keys.filter((key) => {
      const fitsKind = alg === "RS256" ? key.kty === "RSA" : key.kty === "EC" && key.crv === "P-256";
      return (
        fitsKind && (key.alg === undefined || key.alg === alg) && (key.use === undefined || key.use === "sig")
      );
    });
    if (kid !== undefined) return fitting.find((key) => key.kid === kid) ?? null;
    return fitting.length === 1 ? (fitting[0] as SetKey) : null;
  }

  return {
    read: () => (reading ??= read()),
    async find({ alg, kid }) {
      if (now() - readAt > MAX_AGE_MS) await (reading ??= read());
      const known = pick(alg, kid);
      if (known !== null || (reading === null && now() - readAt < MIN_AGE_MS)) return known;
      await (reading ??= read());
      return pick(alg, kid);
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function textOf(source: string): Promise<string> {
  if (!/^https?:/i.test(source)) {
    return readFile(/^file:/i.test(source) ? new URL(source) : source, "utf8");
  }
  const response = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "error" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}
