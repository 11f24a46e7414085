/**
 * Builds the binary: `bun run build` for this machine, `bun run build --all` for every target; or, with `--library`, what
 * other programs import.
 */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dashboardIncluded } from "./build/dashboard.ts";
import { buildLibrary } from "./build/library.ts";
import { signAdHoc } from "./build/macho-signature.ts";
import { oneFileEach } from "./build/one-file.ts";

const NAME = "claude-mpm-socketio";

/**
 * Every platform the product ships for: Bun's compile target, and the file it becomes in `dist/`. Bun has one x64
 * runtime, which looks for AVX2 when it runs: `-baseline` is the same one under the name that installers for older
 * CPUs ask for.
 */
export const TARGETS = {
  "bun-linux-x64": `${NAME}-linux-x64`,
  "bun-linux-x64-baseline": `${NAME}-linux-x64-baseline`,
  "bun-linux-arm64": `${NAME}-linux-arm64`,
  "bun-linux-x64-musl": `${NAME}-linux-x64-musl`,
  "bun-darwin-x64": `${NAME}-darwin-x64`,
  "bun-darwin-arm64": `${NAME}-darwin-arm64`,
  "bun-windows-x64": `${NAME}-windows-x64.exe`,
} as const satisfies Partial<Record<Bun.Build.CompileTarget, string>>;

/** What every hook of an agent loads, and what it loads besides when no server takes its event. */
const HOOK_FILES = ["hook.ts", "late.ts"].map((name) => join(import.meta.dir, "src", "hooks", name));

export type Target = keyof typeof TARGETS;

export interface CompileOptions {
  entry: string;
  outfile: string;
  /** Null is this machine. */
  target?: Bun.Build.CompileTarget | null;
}

/** Compiles one binary; the settings are those of every release. */
export async function compile({ entry, outfile, target = null }: CompileOptions): Promise<void> {
  await Bun.build({
    entrypoints: [entry],
    format: "esm",
    minify: true,
    // Lazy commands stay separate chunks, and bytecode spares their parsing: together they make the light start.
    splitting: true,
    bytecode: true,
    plugins: [await oneFileEach(HOOK_FILES), await dashboardIncluded()],
    define: { COMPILED_BINARY: "true" },
    compile: {
      outfile,
      ...(target === null ? {} : { target }),
      // The directory a user happens to stand in is never a source: with `preload` it would be code execution.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  if ((target ?? `${process.platform}-${process.arch}`).includes("darwin-x64")) signAdHoc(outfile, NAME);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      all: { type: "boolean" },
      library: { type: "boolean" },
      target: { type: "string", multiple: true },
      outdir: { type: "string" },
    },
  });
  const outdir = values.outdir ?? "dist";
  if (values.library) {
    await buildLibrary(join(outdir, "library"));
    process.exit(0);
  }
  const entry = join(import.meta.dir, "src", "main.ts");
  mkdirSync(outdir, { recursive: true });
  const wanted = values.all ? Object.keys(TARGETS) : (values.target ?? []);
  const unknown = wanted.find((target) => !(target in TARGETS));
  if (unknown !== undefined)
    throw new Error(`There is no target ${unknown}; there are ${Object.keys(TARGETS).join(", ")}`);

  const jobs: { outfile: string; target: Target | null }[] = wanted.map((target) => {
    return { outfile: `${outdir}/${TARGETS[target as Target]}`, target: target as Target };
  });
  if (jobs.length === 0)
    jobs.push({ outfile: `${outdir}/${NAME}${process.platform === "win32" ? ".exe" : ""}`, target: null });
  for (const { outfile, target } of jobs) {
    // A running server keeps the old file; writing into it would fail, or worse, succeed.
    rmSync(outfile, { force: true });
    await compile({ entry, outfile, target });
    process.stdout.write(`${outfile}  ${Math.round(statSync(outfile).size / 1024 / 1024)} MiB\n`);
  }
}
