/** The way of an event, walked: from a hook or a request into the log, and out to a socket. */
import { spawn } from "node:child_process";
import { CANARY_HOOK, type CanarySender, sendCanary } from "../../client/canary.ts";
import type { Endpoint } from "../../client/http.ts";
import { childEnv } from "../../config/env.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { serverPaths } from "../../config/paths.ts";
import { endpointOf } from "../../daemon/endpoint.ts";
import type { ServerAddress } from "../../daemon/find.ts";
import { droppedFile, type SpoolStatus, spoolStatus } from "../../hooks/spool.ts";
import { isLoopbackHost, localAddress } from "../../protocol/hosts.ts";
import { selfCommand } from "../self.ts";
import { failed, type Finding, ok, warning } from "./checks.ts";

const HOOK_LIMIT_MS = 5000;

/**
 * Sends one event over HTTP and one through `hook`, as Claude Code would run it.
 *
 * @param isOwn whether the server has its instance file in this state directory
 */
export async function checkWay(server: ServerAddress, isOwn: boolean): Promise<Finding[]> {
  const { stateDir, host, port } = server;
  const endpoint = endpointOf(server);
  const canary = await walk("canary", "event", endpoint);
  // As hooks themselves judge it: hooks/target.ts.
  const isTrusted = process.platform === "linux" || !isLoopbackHost(localAddress(host));
  if (isOwn || (endpoint.token !== null && isTrusted)) {
    return [canary, await walk("hook", "hook run and its event", endpoint, (id) => runHook(server, id))];
  }
  const message = `the server on port ${port} has no instance file in ${stateDir}, so hooks take it for another program`;
  return [
    canary,
    warning(
      "hook",
      message,
      "Name the directory it was started with (--state-dir DIR); for a server of the machine or another user, configure a token of it (CLAUDE_MPM_SOCKETIO_TOKEN), or: hooks install --http",
    ),
  ];
}

/** What waits for the server, and what was given up. */
export function checkSpool({ values }: LoadedConfig, isRunning: boolean): Finding[] {
  const name = "spool";
  const { spool } = serverPaths(values.state_dir, values.port);
  const findings: Finding[] = [];
  let status: SpoolStatus;
  try {
    status = spoolStatus(spool);
  } catch (error) {
    return [
      failed(
        name,
        `${spool} cannot be read: ${(error as Error).message}`,
        "Mend that: hooks cannot wait there",
      ),
    ];
  }
  const { waiting, dropped, last_reason: reason } = status;
  if (waiting > 0) {
    const what = `${waiting} event${waiting === 1 ? "" : "s"} of hooks wait${waiting === 1 ? "s" : ""}`;
    findings.push(
      isRunning
        ? warning(name, `${what}, though a server runs`, "See why it refuses them: claude-mpm-socketio logs")
        : ok(name, `${what} for the server, which takes them when it starts`),
    );
  }
  if (dropped > 0) {
    const what = `${dropped} event${dropped === 1 ? "" : "s"} of hooks could not be kept (last: ${reason})`;
    findings.push(warning(name, what, `To begin the count anew, remove ${droppedFile(spool)}`));
  }
  return findings.length > 0 ? findings : [ok(name, "nothing waits, nothing was given up")];
}

async function walk(name: string, what: string, server: Endpoint, send?: CanarySender): Promise<Finding> {
  try {
    const { connect, stored, delivered } = await sendCanary(server, send);
    const way = `${what} stored in ${ms(stored)}, back over the socket in ${ms(delivered)}`;
    return ok(name, `socket connected in ${ms(connect)}; ${way}`);
  } catch (error) {
    return failed(name, (error as Error).message, "See the server's log: claude-mpm-socketio logs");
  }
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** It prints nothing and never fails: whether the event arrived tells the socket. */
function runHook({ stateDir, host, port }: ServerAddress, canary: string): Promise<void> {
  const [program = process.execPath, ...entry] = selfCommand();
  const flags = ["--host", host, "--port", `${port}`, "--state-dir", stateDir];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...entry, "hook", ...flags], {
      env: childEnv(),
      stdio: ["pipe", "ignore", "ignore"],
      timeout: HOOK_LIMIT_MS,
      windowsHide: true,
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the hook ended with ${code === null ? "a signal" : `exit code ${code}`}`));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify({ hook_event_name: CANARY_HOOK, canary }));
  });
}
