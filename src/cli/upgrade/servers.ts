/** The servers that run a program, and their change to the one that has taken its place. */
import { lstatSync } from "node:fs";
import { serverPaths } from "../../config/paths.ts";
import { findSettledServer, type ServerAddress } from "../../daemon/find.ts";
import { instancePorts } from "../../daemon/instance.ts";
import type { Mode } from "../../service/manager.ts";
import { isSameFile } from "../../service/program.ts";
import { serviceRunning } from "../../service/service.ts";
import { printError } from "../output.ts";
import { machineOf, restartByService } from "../service.ts";
import { runProgram } from "./run-program.ts";

export interface RunningServer {
  port: number;
  pid: number;
  stateDir: string;
  /** Its release. */
  version: string;
  /** The flags it was started with. */
  args: readonly string[];
  /** The service that runs it; null where somebody has started it. */
  service: Mode | null;
}

/** A server that runs the program, and that an upgrade does not restart. */
export interface LeftServer {
  port: number;
  pid: number;
  reason: "hung" | "other_user";
}

export interface Servers {
  restarted: RunningServer[];
  left: LeftServer[];
}

/**
 * The servers of these state directories that run this very program. Of another user's only those are restarted that a
 * service runs: with the flags in that user's own file, ours would run with the rights of whoever calls this, often root.
 */
export async function serversOf(program: string, stateDirs: Iterable<string>): Promise<Servers> {
  const servers: Servers = { restarted: [], left: [] };
  const addresses = [...stateDirs].flatMap((stateDir) =>
    instancePorts(stateDir).map((port) => ({ stateDir, host: "localhost", port })),
  );
  const found = await Promise.all(addresses.map(findSettledServer));
  for (const [index, server] of found.entries()) {
    const { stateDir, port } = addresses[index] as ServerAddress;
    if (server.state !== "running" && server.state !== "hung") continue;
    if (server.instance === null || !isSameFile(server.instance.executable, program)) continue;
    const { pid, args, release_version: version = "0.0.0" } = server.instance;
    const service = serviceRunning({ pid, port }, machineOf());
    if (server.state === "hung") servers.left.push({ port, pid, reason: "hung" });
    else if (service === null && !isOwn(stateDir, port))
      servers.left.push({ port, pid, reason: "other_user" });
    else servers.restarted.push({ port, pid, stateDir, version, args, service });
  }
  return servers;
}

/** Whether it is a server of this user. Windows has a state directory of each user's own. */
function isOwn(stateDir: string, port: number): boolean {
  const { directory, instance } = serverPaths(stateDir, port);
  const own = process.getuid?.();
  return own === undefined || [directory, instance].every((path) => lstatSync(path).uid === own);
}

/** Restarts a server with the program as it is now; resolves with what is wrong, or null. */
export async function restartServer(program: string, server: RunningServer): Promise<string | null> {
  if (server.service !== null) {
    return restartByService(server.service, { ...server, host: "localhost" }).then(
      () => null,
      (error: Error) => error.message,
    );
  }
  const { stateDir, port, args } = server;
  const address = ["--state-dir", stateDir, "--port", `${port}`];
  // Its own flags as well: once it is stopped, nobody else remembers them.
  const { exitCode, stderr } = await runProgram([program, "restart", ...args, ...address, "--json"]);
  // What the new server has not, such as a secret that nobody but the old one knew.
  const lines = stderr.split("\n");
  for (const line of lines) if (line.startsWith("Warning: ")) printError(line);
  const problem = lines.find((line) => line !== "" && !line.startsWith("Warning: ")) ?? "";
  return exitCode === 0 ? null : problem.replace(/^Error: /, "");
}
