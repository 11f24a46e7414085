/** Stops a server: asks, waits, and only then insists; looks who it is right before any signal. */
import { ask, type Endpoint, probe } from "../client/http.ts";
import { findSettledServer, type Found, mayBeSignalled, type ServerAddress } from "./find.ts";
import { readInstance, removeInstance } from "./instance.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";
import { identifyProcess, isSameProcess } from "./process.ts";

export type Stopped =
  | { outcome: "stopped" | "killed"; pid: number }
  | { outcome: "not_running"; stale: string | null; holder: PortHolder | null }
  | { outcome: "failed"; message: string; hint: string };

/** A server gets the contract's 5 seconds to stop, and a little for the machine. */
const GRACE_MS = 6000;
const POLL_MS = 10;

const STOP_THERE = "It may run in a container or belong to another user: stop it there";
const ASKS_FOR_TOKEN =
  "A server runs there that asks for a token, and the system does not say which process it is";

/** Stops the server on a port; nothing is signalled that is not proven to be that server. */
export async function stopServer(address: ServerAddress): Promise<Stopped> {
  const found = await findSettledServer(address);
  switch (found.state) {
    case "none":
      return { outcome: "not_running", stale: found.stale, holder: null };
    case "foreign":
      return { outcome: "not_running", stale: null, holder: found.holder };
    case "untrusted":
      return found.instance === null
        ? { outcome: "not_running", stale: null, holder: findPortHolder(address.port) }
        : end({ state: "hung", pid: found.instance.pid, instance: found.instance }, address);
    case "busy":
      return {
        outcome: "failed",
        message: "The server is starting or stopping",
        hint: "Try again in a moment",
      };
    default:
      return end(found, address);
  }
}

async function end(
  found: Found & { state: "running" | "guarded" | "hung" },
  { stateDir, port }: ServerAddress,
): Promise<Stopped> {
  const { pid } = found;
  if (pid === null) return { outcome: "failed", message: ASKS_FOR_TOKEN, hint: STOP_THERE };
  const instance = found.state === "guarded" ? null : found.instance;
  const sure = found.state === "hung" ? isSameProcess(found.instance) : mayBeSignalled(found, port);
  const token = identifyProcess(pid)?.token;
  // Somebody else stops it meanwhile, or has: its file and its port go before its process does.
  if (!sure && found.state === "hung") return { outcome: "stopped", pid };
  if ((token === undefined || !sure) && found.state !== "hung") {
    const { answer } = await probe(found);
    const isGoing = answer === "nothing" || answer === "busy";
    if (isGoing && (token === undefined || (await waitForEnd(pid, token, GRACE_MS)))) {
      return { outcome: "stopped", pid };
    }
  }
  if ((!sure || token === undefined) && found.state === "running" && found.token !== null) {
    if (await askToStop(found)) return waitForSilence(found, pid);
  }
  if (!sure || token === undefined) {
    return {
      outcome: "failed",
      message: `A server answers as PID ${pid}, but nothing proves that this process is it; it was not signalled`,
      hint: STOP_THERE,
    };
  }
  try {
    // There no signal asks: each of them ends a process at once.
    const isAsked = process.platform === "win32" && found.state === "running" && (await askToStop(found));
    if (!isAsked) signal(pid, "SIGTERM");
    let outcome: "stopped" | "killed" = "stopped";
    if (!(await waitForEnd(pid, token, GRACE_MS + drainMs(stateDir, port, pid)))) {
      signal(pid, "SIGKILL");
      outcome = "killed";
      await waitForEnd(pid, token, GRACE_MS);
    }
    // A clean stop removes its own file; after a kill it is ours to remove.
    const file = readInstance(stateDir, port);
    if (file.found === "instance" && file.instance.pid === (instance?.pid ?? pid))
      removeInstance(stateDir, port, file.text);
    return { outcome, pid };
  } catch (error) {
    return {
      outcome: "failed",
      message: `PID ${pid} cannot be signalled: ${(error as Error).message}`,
      hint: "Stop it as the user it belongs to",
    };
  }
}

/** How long the server goes on serving before it stops, as it has written itself. */
function drainMs(stateDir: string, port: number, pid: number): number {
  const file = readInstance(stateDir, port);
  const isIts = file.found === "instance" && file.instance.pid === pid;
  return isIts ? Number(file.instance.settings.drain_seconds ?? 0) * 1000 : 0;
}

/** Whether the server says that it stops now. */
async function askToStop(server: Endpoint): Promise<boolean> {
  try {
    return (await ask(server, "/api/admin/shutdown", { method: "POST", timeoutMs: GRACE_MS })).status === 202;
  } catch {
    return false;
  }
}

/** For a server whose process cannot be seen, such as one in a container. */
async function waitForSilence(server: Endpoint, pid: number): Promise<Stopped> {
  const deadline = Date.now() + GRACE_MS;
  while ((await probe(server)).answer !== "nothing") {
    if (Date.now() > deadline) {
      return { outcome: "failed", message: "It was asked to stop, and goes on answering", hint: STOP_THERE };
    }
    await Bun.sleep(POLL_MS);
  }
  return { outcome: "stopped", pid };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended since it was identified.
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** False when the very process is still there after the limit. */
async function waitForEnd(pid: number, token: string, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (identifyProcess(pid)?.token === token) {
    if (Date.now() > deadline) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}
