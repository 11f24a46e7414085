/** SHA-256 sums, in the form of coreutils' sha256sum. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SUMS_FILE } from "../../src/release/targets.ts";

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The text for all files of a folder. */
export function sumsOf(folder: string): string {
  const files = readdirSync(folder).filter((name) => name !== SUMS_FILE);
  return files
    .toSorted()
    .map((name) => `${sha256(readFileSync(join(folder, name)))}  ${name}\n`)
    .join("");
}
