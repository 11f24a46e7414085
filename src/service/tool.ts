/** Running the platform's own tools. */
import { spawnSync } from "node:child_process";
import { childEnv } from "../config/env.ts";

export interface Ran {
  /** Null when the tool is missing, or did not end in time. */
  status: number | null;
  stdout: string;
  stderr: string;
}

export type Run = (command: string, args: readonly string[]) => Ran;

/** A stop may take as long as the definition allows, and what systemd waits for comes on top. */
const LIMIT_MS = 60_000;

/** Runs a tool found on `PATH`, in English. */
export const runTool: Run = (command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: LIMIT_MS,
    windowsHide: true,
    env: { ...childEnv(), LC_ALL: "C" },
  });
  return { status, stdout: stdout ?? "", stderr: stderr || (error?.message ?? "") };
};
