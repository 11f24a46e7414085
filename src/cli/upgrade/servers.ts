/** The servers that run a program, and their change to the one that has taken its place. */
import { realpathSync } from "node:fs";
import { findSettledServer } from "../../daemon/find.ts";
import { instancePorts } from "../../daemon/instance.ts";
import { runProgram } from "./candidate.ts";

export interface RunningServer {
  port: number;
  pid: number;
  /** The flags it was started with. */
  args: readonly string[];
}

/** The servers of a state directory that run this very program; others are not touched by its upgrade. */
export async function serversOf(program: string, stateDir: string): Promise<RunningServer[]> {
  const found = await Promise.all(
    instancePorts(stateDir).map(async (port) => {
      const server = await findSettledServer({ stateDir, host: "localhost", port });
      if (server.state !== "running" || server.instance === null) return [];
      const { pid, args, executable } = server.instance;
      return isSameFile(executable, program) ? [{ port, pid, args }] : [];
    }),
  );
  return found.flat();
}

/** Restarts a server with the program as it is now; resolves with what is wrong, or null. */
export async function restartServer(
  program: string,
  stateDir: string,
  { port, args }: RunningServer,
): Promise<string | null> {
  const address = ["--state-dir", stateDir, "--port", `${port}`];
  // Its own flags as well: once it is stopped, nobody else remembers them.
  const { exitCode, stderr } = await runProgram([program, "restart", ...args, ...address, "--json"]);
  return exitCode === 0 ? null : (stderr.trim().split("\n")[0] ?? "").replace(/^Error: /, "");
}

function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return one === other;
  }
}
