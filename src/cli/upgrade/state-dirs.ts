/** Where servers of a program keep their state, for whoever has to find all of them. */
import { resolve } from "node:path";
import { ENV_PREFIX, SCHEMA } from "../../config/schema.ts";
import { processesOf } from "../../daemon/processes-of.ts";
import { placesOf } from "../../service/places.ts";
import { readReceipt } from "../../service/receipt.ts";
import { MODES } from "../../service/service.ts";
import { readServerFlags } from "../flags.ts";
import { machineOf } from "../service.ts";

/**
 * The configured one, those of the services, and where the operating system tells of processes (Linux), those that servers
 * of this program were given.
 */
export function stateDirsOf(program: string, configured: string): Set<string> {
  const places = MODES.map((mode) => placesOf(mode, machineOf()));
  const ofServices = places.flatMap(({ stateDir, receipt }) => [stateDir, readReceipt(receipt)?.stateDir]);
  const variable = `${ENV_PREFIX}${SCHEMA.state_dir.env}`;
  const ofProcesses = processesOf(program)
    .filter(({ args }) => args[0] === "serve")
    .map(({ args, env }) => readServerFlags(args).flags.state_dir?.raw ?? env[variable]);
  const named = [...ofServices, ...ofProcesses].filter((path) => path !== undefined && path !== "");
  return new Set([configured, ...named.map((path) => resolve(path as string))]);
}
