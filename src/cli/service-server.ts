/** The server behind a service: whether the port is free for it, and whether it came up. */
import { describeHolder } from "../daemon/failure.ts";
import { findServer, findSettledServer, type Found, type ServerAddress } from "../daemon/find.ts";
import { instancePorts, readInstance } from "../daemon/instance.ts";
import { quote } from "../hooks/settings/own-hook.ts";
import type { Health } from "../protocol/messages.ts";
import {
  type Failure,
  type Mode,
  ServiceError,
  type ServiceManager,
  type ServiceState,
} from "../service/manager.ts";
import { placesOf } from "../service/places.ts";
import { readReceipt, type Receipt } from "../service/receipt.ts";
import { runsServer } from "../service/service.ts";
import { CommandError, EXIT } from "./output.ts";
import { machineOf } from "./service.ts";

/** A server takes a fraction of a second to answer; a machine at its start is busy. */
const ANSWER_LIMIT_MS = 15_000;
const GIVE_UP_AFTER_MS = 1500;
const POLL_MS = 100;

/** Whoever is on the port already keeps the service from it: throws, with what frees it. */
export async function checkPort(
  address: ServerAddress,
  service: ServiceState,
  { receipt, otherPort }: { receipt: Receipt | null; otherPort: string },
): Promise<void> {
  const { port } = address;
  const found = await findSettledServer(address);
  switch (found.state) {
    case "none":
      return;
    case "foreign":
      throw new CommandError(
        `Port ${port} is taken by ${describeHolder(found.holder)}, so the service could not listen on it`,
        `End that, or choose another port: ${otherPort}`,
      );
    case "busy":
      throw new CommandError(`The server on port ${port} is starting or stopping`, "Try again in a moment");
    default: {
      const { pid } = found;
      if (pid !== null && runsServer(service, receipt, { pid, port })) return;
      throw new CommandError(
        `A server already runs on port ${port}${pid === null ? "" : ` (PID ${pid})`}, and it is not this service`,
        `Stop it first: claude-mpm-socketio stop --port ${port}; or choose another port: ${otherPort}`,
      );
    }
  }
}

/** Waits until the service's own server answers; throws when it has ended, or takes too long. */
export async function answers(address: ServerAddress, manager: ServiceManager): Promise<void> {
  const deadline = Date.now() + ANSWER_LIMIT_MS;
  let lastSeen = Date.now();
  while (Date.now() < deadline && Date.now() - lastSeen < GIVE_UP_AFTER_MS) {
    const { running, pid } = manager.state();
    const found = await findServer(addressOfProcess(address, pid));
    if (running && healthOf(found, pid) !== null) return;
    if (running) lastSeen = Date.now();
    await Bun.sleep(POLL_MS);
  }
  throw new ServiceError(
    `The service was started, but its server does not answer on port ${address.port}`,
    `See why: ${manager.logHint}`,
  );
}

/** What the server says of itself, if it is this process as far as can be told; else null. */
export function healthOf(found: Found, pid: number | null): Pick<Health, "status" | "checks"> | null {
  if (found.state !== "running" && found.state !== "guarded") return null;
  if (pid !== null && found.pid !== null && found.pid !== pid) return null;
  return found.state === "running" ? found.health : { status: found.status, checks: [] };
}

/** A definition that somebody has written otherwise may have another port: the server's own file tells it. */
function addressOfProcess(address: ServerAddress, pid: number | null): ServerAddress {
  const { stateDir } = address;
  for (const port of pid === null ? [] : instancePorts(stateDir)) {
    const file = readInstance(stateDir, port);
    if (file.found === "instance" && file.instance.pid === pid) return { ...address, port };
  }
  return address;
}

/** What to do about a service that has failed. */
export function afterFailure({ exitCode }: Failure, mode: Mode, logHint: string): string {
  if (exitCode !== EXIT.config) return `See why: ${logHint}`;
  const { receipt: path, configFile } = placesOf(mode, machineOf());
  const receipt = readReceipt(path);
  const args = receipt?.args ?? [];
  // Without it root would have root's own file checked.
  const isNamed = mode === "user" || args.includes("--config");
  const file = isNamed ? [] : ["--config", receipt?.configFile ?? configFile];
  const words = ["config", "check", ...file, ...args].map((word) => quote(word, process.platform));
  return `See what is wrong with its configuration: claude-mpm-socketio ${words.join(" ")}; ${logHint}`;
}
