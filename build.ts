/**
 * Builds the binary: `bun run build` for this machine, `bun run build --all` for every target, with `--release` also all
 * that a release consists of; or, with `--library`, what other programs import. `--base-url` is where the release will be
 * loaded from, and `--compression 1` makes it quickly, to try it.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version as ownVersion } from "./package.json";
import { compile } from "./build/compile.ts";
import { buildLibrary } from "./build/library.ts";
import { type Level, LEVELS } from "./build/release/archive.ts";
import { makeRelease } from "./build/release/release.ts";
import { binaryName, PRODUCT, type Target, TARGET_NAMES } from "./src/release/targets.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    all: { type: "boolean" },
    library: { type: "boolean" },
    release: { type: "boolean" },
    target: { type: "string", multiple: true },
    outdir: { type: "string" },
    version: { type: "string" },
    "base-url": { type: "string" },
    compression: { type: "string" },
  },
});
const { version, outdir = "dist", compression } = values;
const level = compression === undefined ? undefined : levelNamed(compression);

if (values.library) await buildLibrary(join(outdir, "library"));
else {
  mkdirSync(outdir, { recursive: true });
  const targets = values.all ? TARGET_NAMES : (values.target ?? []).map(targetNamed);
  if (values.release && targets.length === 0)
    throw new Error("A release needs to be told for what: --all, or --target T");
  const packages = new Set<string>();
  for (const target of targets.length > 0 ? targets : [null]) {
    const outfile = join(outdir, target === null ? ownBinaryName() : binaryName(target));
    for (const folder of await compile({ target, outfile, version })) packages.add(folder);
    say(outfile, mebibytes(statSync(outfile).size));
  }
  if (values.release) {
    const folder = join(outdir, "release");
    await makeRelease({
      programs: new Map(targets.map((target) => [target, join(outdir, binaryName(target))])),
      packages,
      version: version ?? ownVersion,
      baseUrl: values["base-url"]?.replace(/\/+$/, ""),
      level,
      folder,
      onMade: (made) =>
        say(join(folder, made.file), "bytes" in made ? mebibytes(made.bytes) : `left out: ${made.leftOut}`),
    });
  }
}

/** A target by its own name, or by Bun's. */
function targetNamed(name: string): Target {
  const target = TARGET_NAMES.find((known) => known === name.replace(/^bun-/, ""));
  if (target === undefined)
    throw new Error(`There is no target ${name}; there are ${TARGET_NAMES.join(", ")}`);
  return target;
}

function levelNamed(name: string): Level {
  const found = LEVELS.find((known) => String(known) === name);
  if (found === undefined)
    throw new Error(`There is no compression ${name}; it goes from 1, quick, to 9, small`);
  return found;
}

function ownBinaryName(): string {
  return process.platform === "win32" ? `${PRODUCT}.exe` : PRODUCT;
}

function say(file: string, text: string): void {
  process.stdout.write(`${file}  ${text}\n`);
}

function mebibytes(bytes: number): string {
  const value = bytes / 1024 / 1024;
  return value < 1 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(value)} MiB`;
}
