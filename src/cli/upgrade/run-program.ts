import { childEnv } from "../../config/env.ts";

/** Runs a program to its end, in this one's environment; a `detached` one does not hear the terminal's Ctrl-C. */
export async function runProgram(
  command: readonly string[],
  { detached = false } = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([...command], {
    env: childEnv(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    windowsHide: true,
    detached,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}
