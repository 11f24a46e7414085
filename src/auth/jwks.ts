/** A JSON Web Key Set (https://www.rfc-editor.org/rfc/rfc7517#section-5), read from a file or a URL and kept for a while. */
import { readFile } from "node:fs/promises";
import { isObject } from "../protocol/event.ts";

export interface KeySet {
  /** The key of this id, or, for a token that names none, the only one of its algorithm. */
  find(wanted: { alg: "RS256" | "ES256"; kid: string | undefined }): Promise<JsonWebKey | null>;
}

type SetKey = JsonWebKey & { kid?: string; kty: string };

const MAX_AGE_MS = 10 * 60_000;
/** A token with a key nobody knows may be of a new key, or made up: so often it is worth a look. */
const MIN_AGE_MS = 30_000;
const TIMEOUT_MS = 5000;
const MAX_CHARS = 1024 * 1024;

/** @param source an http(s) or file URL, or a path */
export function createKeySet(source: string, now: () => number = Date.now): KeySet {
  let keys: SetKey[] = [];
  let readAt = -Infinity;
  let reading: Promise<void> | null = null;

  async function read(): Promise<void> {
    readAt = now();
    try {
      const text = await textOf(source);
      const content: unknown = text.length > MAX_CHARS ? null : JSON.parse(text);
      const found = isObject(content) && Array.isArray(content.keys) ? content.keys : [];
      keys = found.filter((key): key is SetKey => isObject(key) && (key.kty === "RSA" || key.kty === "EC"));
    } catch {
      // Those that were read before stay; what is not known is refused.
    } finally {
      reading = null;
    }
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
    async find({ alg, kid }) {
      if (now() - readAt > MAX_AGE_MS) await (reading ??= read());
      const known = pick(alg, kid);
      if (known !== null || (reading === null && now() - readAt < MIN_AGE_MS)) return known;
      await (reading ??= read());
      return pick(alg, kid);
    },
  };
}

async function textOf(source: string): Promise<string> {
  if (!/^https?:/i.test(source)) {
    return readFile(/^file:/i.test(source) ? new URL(source) : source, "utf8");
  }
  const response = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "error" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}
