/** Compiles the program to one executable file, with the settings of every release. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Platform, PRODUCT, type Target, TARGET_NAMES, TARGETS } from "../src/release/targets.ts";
import { buildNoting } from "./contents.ts";
import { dashboardIncluded } from "./dashboard.ts";
import { signAdHoc } from "./macho-signature.ts";
import { oneFileEach } from "./one-file.ts";

const SRC = join(import.meta.dir, "..", "src");

/** The program itself. */
export const MAIN = join(SRC, "main.ts");

/** What every hook of an agent loads, and what it loads besides when no server takes its event. */
const HOOK_FILES = ["hook.ts", "late.ts"].map((name) => join(SRC, "hooks", name));

export interface CompileOptions {
  /** Null is this machine. */
  target?: Target | null;
  outfile: string;
  entry?: string;
  /** In place of package.json's. */
  version?: string | undefined;
}

/** Returns the folders of the packages that the program is made of. */
export async function compile({
  target = null,
  outfile,
  entry = MAIN,
  version,
}: CompileOptions): Promise<ReadonlySet<string>> {
  // A running server keeps the old file; writing into it would fail, or worse, succeed.
  rmSync(outfile, { force: true });
  const packages = new Set<string>();
  await buildNoting(packages, {
    entrypoints: [entry],
    format: "esm",
    minify: true,
    // Lazy commands stay separate chunks, and bytecode spares their parsing: together they make the light start.
    splitting: true,
    bytecode: true,
    plugins: [await oneFileEach(HOOK_FILES, packages), await dashboardIncluded(packages)],
    define: {
      COMPILED_BINARY: "true",
      BUILD_TARGET: JSON.stringify(target ?? targetOfThisMachine()),
      ...(version === undefined ? {} : { BUILD_VERSION: JSON.stringify(version) }),
    },
    compile: {
      outfile,
      ...(target === null ? {} : { target: `bun-${target}` }),
      // The directory a user happens to stand in is never a source: with `preload` it would be code execution.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  if ((target ?? targetOfThisMachine()) === "darwin-x64") signAdHoc(outfile, PRODUCT);
  return packages;
}

/** Null where nothing is shipped for it. */
function targetOfThisMachine(): Target | null {
  const libc = existsSync("/lib/ld-musl-x86_64.so.1") ? "musl" : "glibc";
  const found = TARGET_NAMES.find((name) => {
    const target: Platform = TARGETS[name];
    const fits = target.platform === process.platform && target.cpu === process.arch;
    return fits && (target.libc ?? libc) === libc;
  });
  return found ?? null;
}
