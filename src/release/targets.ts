/** Every platform the product ships for, and the names of what is shipped: the one table of builds and installers. */

export const PRODUCT = "claude-mpm-socketio";

export interface Platform {
  platform: "linux" | "darwin" | "win32";
  cpu: "x64" | "arm64";
  /** Linux only: each C library has its own loader. */
  libc?: "glibc" | "musl";
  /**
   * For processors without AVX2. Bun has one x64 runtime, which looks for AVX2 when it runs: it is the same program
   * under the name that installers for older processors ask for.
   */
  baseline?: true;
}

export const TARGETS = {
  "linux-x64": { platform: "linux", cpu: "x64", libc: "glibc" },
  "linux-x64-baseline": { platform: "linux", cpu: "x64", libc: "glibc", baseline: true },
  "linux-arm64": { platform: "linux", cpu: "arm64", libc: "glibc" },
  "linux-x64-musl": { platform: "linux", cpu: "x64", libc: "musl" },
  "darwin-x64": { platform: "darwin", cpu: "x64" },
  "darwin-arm64": { platform: "darwin", cpu: "arm64" },
  "windows-x64": { platform: "win32", cpu: "x64" },
} as const satisfies Record<string, Platform>;

export type Target = keyof typeof TARGETS;

export const TARGET_NAMES = Object.keys(TARGETS) as Target[];

/** The program's file name inside an archive, and once it is installed. */
export function programName(target: Target): string {
  return TARGETS[target].platform === "win32" ? `${PRODUCT}.exe` : PRODUCT;
}

/** A bare binary as the build puts it down, beside those of other targets. */
export function binaryName(target: Target): string {
  return `${PRODUCT}-${target}${TARGETS[target].platform === "win32" ? ".exe" : ""}`;
}

/** The folder that an archive holds. */
export function archiveFolder(version: string, target: Target): string {
  return `${PRODUCT}-${version}-${target}`;
}

/** The archive of a release: what installers and `upgrade` load. */
export function archiveName(version: string, target: Target): string {
  return `${archiveFolder(version, target)}.${TARGETS[target].platform === "win32" ? "zip" : "tar.gz"}`;
}

/** Beside the archives: their SHA-256 sums, in the form of coreutils' sha256sum. */
export const SUMS_FILE = "SHA256SUMS";
