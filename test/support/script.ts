/** Child processes that speak JSON lines, such as clients in another language or on another runtime. */
import { afterAll } from "bun:test";
import { eventually } from "./eventually.ts";

export interface Script {
  pid: number;
  /** Every JSON line it has written so far. */
  lines: any[];
  /** The first line, so far or later, that fits; rejects at once when the script ends without it. */
  next(fits: (line: any) => boolean, what: string): Promise<any>;
  /** Writes one JSON line to its standard input. */
  send(line: unknown): void;
  /** Closes its standard input, on which scripts end, and waits for that. */
  finish(): Promise<{ exitCode: number; stderr: string }>;
}

/**
 * Runs a program, never a shell; it is ended by its PID, at the latest when the test file ends.
 *
 * @param onLine told of each line as it comes
 */
export function runScript(
  argv: readonly string[],
  env: Record<string, string>,
  onLine: (line: any) => void = () => {},
): Script {
  const child = Bun.spawn([...argv], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  // Here, not beside the imports: what a shared module registers there runs for the first test file only.
  afterAll(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });

  const lines: any[] = [];
  let ended = false;
  const stderr = new Response(child.stderr).text();
  void readLines(child.stdout, (text) => {
    const line: unknown = JSON.parse(text);
    lines.push(line);
    onLine(line);
  }).finally(() => {
    ended = true;
  });

  return {
    pid: child.pid,
    lines,
    async next(fits, what) {
      const line = await eventually(() => lines.find(fits) ?? (ended && "ended"), { what });
      if (line === "ended") throw new Error(`${argv.join(" ")} ended without ${what}:\n${await stderr}`);
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
