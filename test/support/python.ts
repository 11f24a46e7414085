/** Debian's Python with stock python-socketio: whether it is there, and scripts run by it as child processes. */
import { afterAll, test } from "bun:test";
import { existsSync } from "node:fs";
import { eventually } from "./eventually.ts";

const PYTHON = "/usr/bin/python3";
/** Packages a test may need, by the name they are imported under. */
const MODULES = {
  socketio: "python3-socketio",
  aiohttp: "python3-aiohttp",
  requests: "python3-requests",
  websocket: "python3-websocket",
};
// A proxy or a PYTHONPATH of whoever runs the tests must not get between.
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" };

/** The Debian packages that are missing here; null when all of them are there. */
export const missingPython: string | null = findMissing();

function findMissing(): string | null {
  if (!existsSync(PYTHON)) return "python3";
  const probe = [
    "import importlib.util, json, sys",
    "print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))",
  ].join("\n");
  const { exitCode, stdout } = Bun.spawnSync([PYTHON, "-c", probe, ...Object.keys(MODULES)], {
    env: ENVIRONMENT,
  });
  if (exitCode !== 0) return "a working python3";
  const missing = JSON.parse(stdout.toString()) as (keyof typeof MODULES)[];
  return missing.length > 0 ? missing.map((name) => MODULES[name]).join(", ") : null;
}

/** A test that needs Python; where it is missing the test is skipped, and its name says what to install. */
export function pythonTest(name: string, run: () => void | Promise<void>): void {
  const title = missingPython === null ? name : `${name} (not run: ${missingPython} missing)`;
  test.skipIf(missingPython !== null)(title, run);
}

export interface PythonScript {
  pid: number;
  /** Every JSON line it has written so far. */
  lines: any[];
  /** The first line, so far or later, that fits; rejects at once when the script ends without it. */
  next(fits: (line: any) => boolean, what: string): Promise<any>;
  /** Writes one JSON line to its standard input. */
  send(line: unknown): void;
  /** Closes its standard input, on which the scripts end, and waits for that. */
  finish(): Promise<{ exitCode: number; stderr: string }>;
}

const running = new Set<Bun.Subprocess>();
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map(({ exited }) => exited));
});

/** Runs a script that writes JSON lines; it is ended by its PID, at the latest when the test file ends. */
export function runPython(script: string, args: readonly string[] = []): PythonScript {
  // -s: no packages of the user's own; -B: no bytecode among the sources; -u: lines as they are written.
  const child = Bun.spawn([PYTHON, "-sBu", script, ...args], {
    env: ENVIRONMENT,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.add(child);
  void child.exited.then(() => running.delete(child));

  const lines: any[] = [];
  let ended = false;
  const stderr = new Response(child.stderr).text();
  void readLines(child.stdout, (line) => lines.push(JSON.parse(line))).finally(() => {
    ended = true;
  });

  return {
    pid: child.pid,
    lines,
    async next(fits, what) {
      const line = await eventually(() => lines.find(fits) ?? (ended && "ended"), { what });
      if (line === "ended") throw new Error(`${script} ended without ${what}:\n${await stderr}`);
      return line;
    },
    send(line) {
      child.stdin.write(`${JSON.stringify(line)}\n`);
      child.stdin.flush();
    },
    async finish() {
      child.stdin.end();
      return { exitCode: await child.exited, stderr: await stderr };
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) onLine(line);
  }
}
