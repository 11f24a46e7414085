/** Debian's Python with stock python-socketio: whether it is there, and scripts run by it as child processes. */
import { test } from "bun:test";
import { existsSync } from "node:fs";
import { runScript, type Script } from "./script.ts";

const PYTHON = "/usr/bin/python3";
/** The packages the scripts need, by the name they are imported under. */
const PACKAGES = {
  socketio: "python3-socketio",
  aiohttp: "python3-aiohttp",
  requests: "python3-requests",
  websocket: "python3-websocket",
};
// A proxy or a PYTHONPATH of whoever runs the tests must not get between.
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" };

/** What is missing here, by Debian's package names; null when nothing is. */
export const missingPython: string | null = findMissing();

function findMissing(): string | null {
  if (!existsSync(PYTHON)) return "python3";
  const probe = [
    "import importlib.util, json, sys",
    "print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))",
  ].join("\n");
  const { exitCode, stdout } = Bun.spawnSync([PYTHON, "-sc", probe, ...Object.keys(PACKAGES)], {
    env: ENVIRONMENT,
  });
  if (exitCode !== 0) return "a working python3";
  const missing = JSON.parse(stdout.toString()) as (keyof typeof PACKAGES)[];
  return missing.length > 0 ? missing.map((name) => PACKAGES[name]).join(", ") : null;
}

/** A test that needs Python; where it is missing the test is skipped, and its name says what to install. */
export function pythonTest(name: string, run: () => void | Promise<void>): void {
  const title = missingPython === null ? name : `${name} (not run: ${missingPython} missing)`;
  test.skipIf(missingPython !== null)(title, run);
}

export function runPython(
  script: string,
  args: readonly string[] = [],
  onLine?: (line: any) => void,
): Script {
  // -s: no packages of the user's own; -B: no bytecode among the sources; -u: lines as they are written.
  return runScript([PYTHON, "-sBu", script, ...args], ENVIRONMENT, onLine);
}
