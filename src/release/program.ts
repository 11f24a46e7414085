/** A released program: taken out of its archive, and laid beside the older one. */
import { accessSync, constants, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ReleaseError } from "./error.ts";
import { type Staged, stageProgram } from "./place.ts";
import { archiveFolder, programName, type Target, TARGETS } from "./targets.ts";

/** The program in an archive's bytes. */
export async function programIn(
  archive: Uint8Array<ArrayBuffer>,
  version: string,
  target: Target,
): Promise<Uint8Array> {
  const path = `${archiveFolder(version, target)}/${programName(target)}`;
  const program = await (TARGETS[target].platform === "win32"
    ? fromZip(archive, path)
    : fromTar(archive, path));
  if (program !== null) return program;
  throw new ReleaseError(
    `The archive does not hold ${path}`,
    "Tell the makers of the release; nothing was changed",
  );
}

async function fromTar(archive: Uint8Array<ArrayBuffer>, path: string): Promise<Uint8Array | null> {
  const files = await new Bun.Archive(archive).files();
  return (await files.get(path)?.bytes()) ?? null;
}

async function fromZip(archive: Uint8Array, path: string): Promise<Uint8Array | null> {
  const { unzipSync } = await import("fflate");
  return unzipSync(archive, { filter: ({ name }) => name === path })[path] ?? null;
}

/** Throws a `ReleaseError` unless this user may replace the program. */
export function checkReplaceable(program: string): void {
  try {
    accessSync(dirname(program), constants.W_OK);
  } catch {
    throw new ReleaseError(
      `${dirname(program)} may not be written by this user`,
      "Run it as the user who installed the program, such as with sudo",
    );
  }
}

/** Puts a release's program beside the one it is to replace, with its mode. Throws a `ReleaseError` when there is no room. */
export function stageRelease(program: string, bytes: Uint8Array): Staged {
  try {
    return stageProgram(program, {
      mode: statSync(program).mode & 0o7777,
      write: (path) => writeFileSync(path, bytes, { flag: "wx", mode: 0o700 }),
    });
  } catch (error) {
    throw new ReleaseError(
      `The program cannot be written: ${(error as Error).message}`,
      "Make room or mend the permissions; nothing was changed",
    );
  }
}
