/** Everything that a release consists of, made from the compiled programs. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { archiveName, PRODUCT, SUMS_FILE, type Target, TARGETS } from "../../src/release/targets.ts";
import { type Level, tarGz, zip } from "./archive.ts";
import { componentsOf, sbom } from "./components.ts";
import { composeFile, dockerfile } from "./container.ts";
import { debName, makeDeb } from "./deb.ts";
import { archiveMembers, documentsOf } from "./documents.ts";
import { type Download, homebrewFormula } from "./homebrew.ts";
import type { PackagedTarget } from "./linux-package.ts";
import { NPM_TARGETS, packMain, packPlatform, platformPackageName, tgzName } from "./npm.ts";
import { downloadUrl, RELEASES } from "./project.ts";
import { makeRpm, rpmName } from "./rpm.ts";
import { scoopManifest } from "./scoop.ts";
import { sha256, sumsOf } from "./sums.ts";
import { sourceTime } from "./time.ts";

const ROOT = join(import.meta.dir, "../..");

const INSTALLERS = {
  "install.sh": join(ROOT, "install.sh"),
  "install.ps1": join(import.meta.dir, "install.ps1"),
};

const PACKAGED: readonly PackagedTarget[] = ["linux-x64", "linux-arm64"];

export interface ReleaseOptions {
  /** The compiled program of each target. */
  programs: ReadonlyMap<Target, string>;
  /** The folders of the packages that the programs hold. */
  packages: Iterable<string>;
  version: string;
  /** Where the release will be loaded from. */
  baseUrl?: string | undefined;
  level?: Level | undefined;
  /** Emptied before: the sums name whatever lies in it. */
  folder: string;
  /** Told of each as it is made: all of them take minutes. */
  onMade?: (made: Made) => void;
}

/** A line of the table that a build prints. */
export type Made = { file: string; bytes: number } | { file: string; leftOut: string };

/** Makes what can be made here, and says of the rest why it was left out. */
export async function makeRelease(options: ReleaseOptions): Promise<Made[]> {
  const { programs, packages, version, baseUrl = RELEASES, level = 9 } = options;
  // Some of the tools run elsewhere.
  const folder = resolve(options.folder);
  const time = sourceTime(ROOT);
  const contents = { version, time, bunVersion: Bun.version, components: componentsOf(packages) };
  const texts = await documentsOf(ROOT, contents);
  const targets = [...programs.keys()];
  const read = (target: Target) => readFileSync(programs.get(target) ?? "");

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const made: Made[] = [];
  const note = (artefact: Made) => {
    made.push(artefact);
    options.onMade?.(artefact);
  };
  const noteFile = (file: string) => note({ file, bytes: statSync(join(folder, file)).size });
  const write = (file: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, file), content);
    noteFile(file);
  };
  const writeUnless = (leftOut: string, file: string, content: string | null) => {
    if (content === null) note({ file, leftOut });
    else write(file, content);
  };
  const withTool = async (tool: string, file: string, make: () => unknown) => {
    if (Bun.which(tool) === null) {
      note({ file, leftOut: `needs ${tool}` });
      return;
    }
    await make();
    noteFile(file);
  };

  const sums: Partial<Record<Target, string>> = {};
  const downloads: Partial<Record<Target, Download>> = {};
  for (const target of targets) {
    const members = archiveMembers(target, { version, program: read(target), documents: texts });
    const archive = (TARGETS[target].platform === "win32" ? zip : tarGz)(members, { time, level });
    const file = archiveName(version, target);
    write(file, archive);
    sums[target] = sha256(archive);
    downloads[target] = { url: downloadUrl(baseUrl, version, file), sha256: sha256(archive) };
  }

  for (const target of PACKAGED.filter((name) => programs.has(name))) {
    const packaged = { target, version, program: read(target), documents: texts, time, level, folder };
    await withTool("dpkg-deb", debName(packaged), () => makeDeb(packaged));
    await withTool("rpmbuild", rpmName(packaged), () => makeRpm(packaged));
  }

  for (const target of NPM_TARGETS.filter((name) => programs.has(name))) {
    const tgz = packPlatform(target, { version, program: read(target), licence: texts.licence, time, level });
    write(tgzName(platformPackageName(target), version), tgz);
  }
  await withTool("npm", tgzName(PRODUCT, version), () => packMain(ROOT, folder, { version, targets, time }));

  for (const [file, path] of Object.entries(INSTALLERS))
    write(file, readFileSync(path, "utf8").replaceAll(RELEASES, baseUrl));
  const needs = (what: string) => `needs the target ${what}`;
  writeUnless(needs("of a Mac or of Linux"), `${PRODUCT}.rb`, homebrewFormula(version, downloads));
  const windows = sums["windows-x64"];
  writeUnless(
    needs("windows-x64"),
    `${PRODUCT}.json`,
    windows === undefined ? null : scoopManifest(version, baseUrl, windows),
  );
  const image = dockerfile(version, sums);
  writeUnless(needs("linux-x64 or linux-arm64"), "Dockerfile", image);
  writeUnless(
    needs("linux-x64 or linux-arm64"),
    "compose.yaml",
    image === null ? null : composeFile(version),
  );
  write(`${PRODUCT}-${version}.cdx.json`, sbom(contents));
  write(SUMS_FILE, sumsOf(folder));
  return made;
}
