/** `local-token`: lets the user whose server it is in, from the same machine, without any set-up. */
import { lstatSync, readFileSync } from "node:fs";
import { makeToken, TokenFileError, writePrivately } from "./token-file.ts";

/** The token in the file, which is made where there is none. Throws a `TokenFileError`. */
export function keepLocalToken(path: string): string {
  const kept = readLocalToken(path);
  if (kept !== null) return kept;
  // Of two servers that start at once the first writes it, and both read it.
  writePrivately(path, `${makeToken()}\n`, "keep");
  const made = readLocalToken(path);
  if (made === null) throw unusable(path, "it was removed while it was made");
  return made;
}

/** Null where there is none. */
export function readLocalToken(path: string): string | null {
  try {
    const stat = lstatSync(path);
    if (!stat.isFile()) throw unusable(path, "it is no plain file");
    if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
      throw unusable(path, "others may read or write it");
    }
    const token = readFileSync(path, "utf8").trim();
    if (token.length >= makeToken().length) return token;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw error instanceof TokenFileError ? error : unusable(path, (error as Error).message);
  }
  throw unusable(path, "it holds no token");
}

function unusable(path: string, why: string): TokenFileError {
  return new TokenFileError(
    `${path} cannot be used: ${why}`,
    "Remove it: the server makes it anew when it starts",
  );
}
