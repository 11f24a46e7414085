/** The time that all files of a release bear, so that building it again gives the same bytes. */
import { processEnv } from "../../src/config/env.ts";

/** 1980 is where zip begins. */
const EARLIEST = Date.UTC(1980, 0, 2);

/** `SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/), or that of the last commit. */
export function sourceTime(root: string): Date {
  const seconds = Number(processEnv().SOURCE_DATE_EPOCH ?? lastCommit(root));
  return new Date(Math.max(seconds * 1000 || 0, EARLIEST));
}

function lastCommit(root: string): string | undefined {
  if (Bun.which("git") === null) return undefined;
  const { stdout, success } = Bun.spawnSync(["git", "-C", root, "log", "-1", "--format=%ct"], {
    stderr: "ignore",
  });
  return success ? String(stdout).trim() : undefined;
}
