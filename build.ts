/**
 * Builds the binary: `bun run build` for this machine, `bun run build --all` for every target; or, with `--library`, what
 * other programs import.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "./build/compile.ts";
import { buildLibrary } from "./build/library.ts";
import { binaryName, PRODUCT, type Target, TARGET_NAMES } from "./src/release/targets.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    all: { type: "boolean" },
    library: { type: "boolean" },
    target: { type: "string", multiple: true },
    outdir: { type: "string" },
    version: { type: "string" },
  },
});
const { version, outdir = "dist" } = values;

if (values.library) await buildLibrary(join(outdir, "library"));
else {
  mkdirSync(outdir, { recursive: true });
  const targets = values.all ? TARGET_NAMES : (values.target ?? []).map(targetNamed);
  for (const target of targets.length > 0 ? targets : [null]) {
    const outfile = join(outdir, target === null ? ownBinaryName() : binaryName(target));
    await compile({ target, outfile, version });
    process.stdout.write(`${outfile}  ${Math.round(statSync(outfile).size / 1024 / 1024)} MiB\n`);
  }
}

/** A target by its own name, or by Bun's. */
function targetNamed(name: string): Target {
  const target = TARGET_NAMES.find((known) => known === name.replace(/^bun-/, ""));
  if (target === undefined)
    throw new Error(`There is no target ${name}; there are ${TARGET_NAMES.join(", ")}`);
  return target;
}

function ownBinaryName(): string {
  return process.platform === "win32" ? `${PRODUCT}.exe` : PRODUCT;
}
