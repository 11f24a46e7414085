/**
 * The npm packages: the client library with a `bin` in front, and one package for each platform's program, of which npm
 * installs the one that fits.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json";
import {
  PRODUCT,
  programName,
  type Target,
  TARGET_NAMES,
  TARGETS,
  type Platform,
} from "../../src/release/targets.ts";
import { buildLibrary } from "../library.ts";
import { tarGz, type ArchiveOptions } from "./archive.ts";
import { runTool, text } from "./linux-package.ts";
import { HOMEPAGE } from "./project.ts";

const SHIM = "bin/claude-mpm-socketio.js";

const { name, description, license, repository, dependencies, engines, exports, files, type } = manifest;

/** The targets with a package of their own: the baseline's program is the same as the plain one's. */
export const NPM_TARGETS = TARGET_NAMES.filter((target) => !("baseline" in TARGETS[target]));

export function platformPackageName(target: Target): string {
  return `@${PRODUCT}/${target}`;
}

/** The file name that `npm pack` gives a package. */
export function tgzName(packageName: string, version: string): string {
  return `${packageName.replace("@", "").replace("/", "-")}-${version}.tgz`;
}

/** @param targets the released ones; a package that nobody can get is not asked for */
export function mainManifest(version: string, targets: readonly Target[]): Record<string, unknown> {
  return {
    name,
    version,
    description,
    license,
    repository,
    type,
    bin: { [PRODUCT]: SHIM },
    files: [...files, SHIM],
    exports,
    engines,
    dependencies,
    optionalDependencies: Object.fromEntries(
      NPM_TARGETS.filter((target) => targets.includes(target)).map((target) => [
        platformPackageName(target),
        version,
      ]),
    ),
  };
}

export function platformManifest(version: string, target: Target): Record<string, unknown> {
  const { platform, cpu, libc }: Platform = TARGETS[target];
  return {
    name: platformPackageName(target),
    version,
    description: `The program of ${PRODUCT} for ${target}; install ${PRODUCT}, which takes the one that fits`,
    license,
    repository,
    os: [platform],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    files: ["bin"],
    // What is run cannot stay in an archive, where Yarn keeps packages.
    preferUnplugged: true,
  };
}

/** Made with `npm pack`, so that what stands in `files` decides. */
export async function packMain(
  root: string,
  folder: string,
  { version, targets, time }: { version: string; targets: readonly Target[]; time: Date },
): Promise<void> {
  const stage = mkdtempSync(join(tmpdir(), "cms-npm-"));
  try {
    writeFileSync(join(stage, "package.json"), json(mainManifest(version, targets)));
    for (const file of ["README.md", "LICENSE", "docs/client.md"])
      cpSync(join(root, file), join(stage, file));
    mkdirSync(join(stage, "bin"));
    cpSync(join(import.meta.dir, "npm-shim.js"), join(stage, SHIM));
    await buildLibrary(join(stage, "dist/library"));
    runTool(["npm", "pack", "--ignore-scripts", "--pack-destination", folder], { cwd: stage, time });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** As `npm pack` makes it, which takes a minute over all programs. */
export function packPlatform(
  target: Target,
  {
    version,
    program,
    licence,
    ...options
  }: ArchiveOptions & { version: string; program: Uint8Array; licence: string },
): Uint8Array {
  const readme = `# ${platformPackageName(target)}\n\nThe program of [${PRODUCT}](${HOMEPAGE}) for ${target}.\n`;
  return tarGz(
    [
      text("package/package.json", json(platformManifest(version, target))),
      text("package/README.md", readme),
      text("package/LICENSE", licence),
      { path: `package/bin/${programName(target)}`, mode: 0o755, data: program },
    ],
    options,
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
