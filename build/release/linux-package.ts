/** What deb and rpm have in common: the files they put down, and how they are made. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { childEnv } from "../../src/config/env.ts";
import { starterFile } from "../../src/config/documents.ts";
import { PRODUCT, type Target } from "../../src/release/targets.ts";
import { systemdUnit, UNIT } from "../../src/service/systemd.ts";
import type { Level, Member } from "./archive.ts";
import { COMPLETION_FILES, type Documents } from "./documents.ts";

/** The targets that get packages; others' C library has distributions with formats of their own. */
export type PackagedTarget = Extract<Target, "linux-x64" | "linux-arm64">;

export interface PackageOptions {
  target: PackagedTarget;
  version: string;
  program: Uint8Array;
  documents: Documents;
  time: Date;
  level: Level;
  /** Where the package is written. */
  folder: string;
}

/** Where distributions keep what others read, without a slash in front. */
export interface Places {
  units: string;
  zshCompletions: string;
}

export const CONFIG_FILE = "etc/claude-mpm/socketio_config.json";

export const DOC_FOLDER = `usr/share/doc/${PRODUCT}`;

/** The oldest glibc whose symbols Bun's runtimes ask for. */
export const OLDEST_GLIBC = "2.17";

/** Tells the service apart from each user's own server; both formats show it after installing or in their documents. */
export const FIRST_STEPS = `Nothing runs yet: who is to have a server decides that.

For yourself, which is what Claude Code's events need:
  ${PRODUCT} start           in the background, or
  ${PRODUCT} service install to have it run from log-on
  ${PRODUCT} hooks install   connects Claude Code

For the whole machine, as a system service with a user of its own:
  systemctl enable --now ${UNIT}
`;

export function packageFiles({ program, documents }: PackageOptions, places: Places): Member[] {
  const { bash, zsh, fish } = documents.completions;
  const unit = systemdUnit({ mode: "system", program: `/usr/bin/${PRODUCT}`, args: [] });
  return [
    { path: `usr/bin/${PRODUCT}`, mode: 0o755, data: program },
    text(CONFIG_FILE, starterFile()),
    text(`${places.units}/${UNIT}`, unit),
    { path: `usr/share/man/man1/${PRODUCT}.1.gz`, mode: 0o644, data: gzip(documents.manual) },
    text(`usr/share/bash-completion/completions/${PRODUCT}`, bash),
    text(`${places.zshCompletions}/${COMPLETION_FILES.zsh}`, zsh),
    text(`usr/share/fish/vendor_completions.d/${COMPLETION_FILES.fish}`, fish),
    text(`${DOC_FOLDER}/THIRD-PARTY-LICENSES`, documents.thirdParty),
  ];
}

export function text(path: string, content: string, mode: Member["mode"] = 0o644): Member {
  return { path, mode, data: Buffer.from(content) };
}

export function gzip(content: string): Uint8Array {
  return gzipSync(content, { level: 9 });
}

/** A version before its release sorts below it: `~` does that in both formats, a dash does not. */
export function packageVersion(version: string): string {
  return version.replace("-", "~");
}

/** Puts files down in a folder of its own, for as long as something is made of them. */
export function withStage<T>(members: readonly Member[], time: Date, make: (stage: string) => T): T {
  const stage = mkdtempSync(join(tmpdir(), "cms-stage-"));
  try {
    chmodSync(stage, 0o755);
    for (const { path, mode, data } of members) {
      const file = join(stage, path);
      makeFolder(dirname(file), stage);
      writeFileSync(file, data);
      chmodSync(file, mode);
      utimesSync(file, time, time);
    }
    return make(stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Whatever the umask: who builds privately still makes packages that everybody can read. */
function makeFolder(folder: string, root: string): void {
  if (folder === root) return;
  makeFolder(dirname(folder), root);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}

/** Runs a tool, whose output is only worth reading when it fails. */
export function runTool(command: readonly string[], { cwd, time }: { cwd?: string; time: Date }): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...childEnv(), LC_ALL: "C.UTF-8", SOURCE_DATE_EPOCH: `${Math.floor(time.getTime() / 1000)}` },
    stdout: "pipe",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(`${command[0]} failed: ${String(stderr) || String(stdout)}`);
}
