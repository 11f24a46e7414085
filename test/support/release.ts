/** Releases as the build lays them out, small ones made on the spot. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../build/compile.ts";
import {
  archiveFolder,
  archiveName,
  programName,
  SUMS_FILE,
  type Target,
} from "../../src/release/targets.ts";
import { temporaryDirectory } from "./temporary.ts";

export const OWN_TARGET = `${process.platform}-${process.arch}` as Target;

/** Path of a program of this version, compiled from the sources as they are. */
export async function programOf(version: string): Promise<string> {
  const outfile = join(temporaryDirectory(), programName(OWN_TARGET));
  await compile({ outfile, version });
  return outfile;
}

/** Puts a program, a file's path or a script's text, into an archive in a folder, and its sum beside it. */
export async function addRelease(
  folder: string,
  version: string,
  program: { path: string } | { script: string },
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const work = temporaryDirectory();
  const inside = join(work, archiveFolder(version, OWN_TARGET));
  const file = join(inside, programName(OWN_TARGET));
  mkdirSync(inside);
  if ("path" in program) copyFileSync(program.path, file);
  else writeFileSync(file, program.script);
  chmodSync(file, 0o755);
  const archive = join(folder, archiveName(version, OWN_TARGET));
  const tar = Bun.spawn(
    ["tar", "-C", work, "--use-compress-program=gzip -1", "-cf", archive, archiveFolder(version, OWN_TARGET)],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if ((await tar.exited) !== 0) throw new Error("tar failed");
  writeSums(folder);
}

/** The sums of all archives in a folder. */
export function writeSums(folder: string): void {
  const lines = readdirSync(folder)
    .filter((name) => name !== SUMS_FILE)
    .map((name) => {
      const sum = new Bun.CryptoHasher("sha256").update(readFileSync(join(folder, name))).digest("hex");
      return `${sum}  ${name}\n`;
    });
  writeFileSync(join(folder, SUMS_FILE), lines.join(""));
}
