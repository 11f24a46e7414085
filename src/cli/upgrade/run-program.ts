import { childEnv } from "../../config/env.ts";

/** No command of ours that is run here takes a third of it, the restart of a server that does not stop included. */
const LIMIT_MS = 60_000;

/**
 * Runs a program to its end, in this one's environment; one that does not come to it is ended. It does not hear the
 * terminal's Ctrl-C: what that means is decided in one place.
 */
export async function runProgram(
  command: readonly string[],
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([...command], {
    env: childEnv(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    windowsHide: true,
    detached: true,
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.signalCode === "SIGKILL" && stderr === "") {
    return { exitCode, stdout, stderr: `it did not end within ${LIMIT_MS / 1000} s` };
  }
  return { exitCode, stdout, stderr };
}
