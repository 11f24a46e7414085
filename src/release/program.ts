/** A released program: taken out of its archive, and put in the place of an older one. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ReleaseError } from "./error.ts";
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

/** A program that lies beside the one it is to replace, whole, and can be run for a look at it. */
export interface Staged {
  path: string;
  /** Takes the place of the old one, which may be running. */
  replace(): Replaced;
  discard(): void;
}

export interface Replaced {
  /** Puts the old one back. */
  undo(): void;
  /** Lets the old one go. */
  keep(): void;
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

/**
 * Writes a program beside another, with its mode: on the same file system, so that taking its place is one step. Throws a
 * `ReleaseError` when there is no room; nothing is left behind then.
 */
export function stageProgram(program: string, bytes: Uint8Array): Staged {
  // The ending decides on Windows what can be run.
  const ending = program.toLowerCase().endsWith(".exe") ? ".exe" : "";
  const path = join(dirname(program), `.${basename(program, ending)}.${process.pid}.new${ending}`);
  const discard = () => rmSync(path, { force: true });
  try {
    const file = openSync(path, "wx", 0o700);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    chmodSync(path, statSync(program).mode & 0o7777);
  } catch (error) {
    discard();
    throw new ReleaseError(
      `${path} cannot be written: ${(error as Error).message}`,
      "Make room or mend the permissions; nothing was changed",
    );
  }
  return { path, discard, replace: () => replace(program, path) };
}

function replace(program: string, staged: string): Replaced {
  const old = `${program}.old`;
  // A program that runs can be renamed on Windows, but neither replaced nor removed: this one is an earlier upgrade's.
  rmSync(old, { force: true });
  if (process.platform === "win32") renameSync(program, old);
  else keepAlso(program, old);
  try {
    renameSync(staged, program);
  } catch (error) {
    if (!existsSync(program)) renameSync(old, program);
    else rmSync(old, { force: true });
    throw error;
  }
  return {
    undo() {
      if (process.platform === "win32") renameSync(program, `${staged}.failed`);
      renameSync(old, program);
    },
    keep() {
      try {
        rmSync(old, { force: true });
      } catch {
        // Windows keeps it while it runs; the next upgrade takes it away.
      }
    },
  };
}

/** A second name for a file: so that there is a program at every moment, for a hook may be due at any. */
function keepAlso(path: string, other: string): void {
  try {
    linkSync(path, other);
  } catch {
    copyFileSync(path, other);
  }
}
