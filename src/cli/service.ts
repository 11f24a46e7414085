/** What the commands for services share: the mode, and the configuration as the service will see it. */
import type { ArgsDef } from "citty";
import { processEnv } from "../config/env.ts";
import { flagFor, loadConfig, type LoadedConfig } from "../config/load.ts";
import type { Machine } from "../config/paths.ts";
import { ENV_PREFIX, fieldOf, isKey, type Key, SCHEMA } from "../config/schema.ts";
import { findSettledServer, type Found, type ServerAddress } from "../daemon/find.ts";
import { type Mode, ServiceError, type ServiceManager } from "../service/manager.ts";
import { type Places, placesOf } from "../service/places.ts";
import { readReceipt } from "../service/receipt.ts";
import { managerFor, MODES, PLATFORMS } from "../service/service.ts";
import { SECRETS_FILE } from "../service/systemd.ts";
import { readServerFlags, serverArgs } from "./flags.ts";
import { CommandError, EXIT } from "./output.ts";
import { selfForShell } from "./self.ts";

export const MODE_ARG = {
  mode: {
    type: "string",
    description: "user: yours, while you are logged in (Default); system: the machine's, from its start on",
    valueHint: MODES.join("|"),
  },
} as const satisfies ArgsDef;

/** The value of `--mode`. */
export function modeOf({ mode = "user" }: Record<string, string | boolean | undefined>): Mode {
  return oneOf(mode, MODES, "--mode");
}

/** The platform named by `--platform`, this one by default. */
export function platformOf({ platform }: Record<string, string | boolean | undefined>): NodeJS.Platform {
  if (platform === undefined) return process.platform;
  return PLATFORMS[oneOf(platform, Object.keys(PLATFORMS) as (keyof typeof PLATFORMS)[], "--platform")];
}

/** A hook tells its server by a file of its own user, or is told by a token. */
const NO_HOOKS =
  "Claude Code's hooks find a server of their own user by themselves; to the machine's they send where a token of it is configured: claude-mpm-socketio token create --mode system --scope publish";

/** Variables that tell where things are. */
const PLACE_VARIABLES =
  "HOME XDG_CONFIG_HOME APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES USERDOMAIN USERNAME".split(" ");

/** This machine, or another one's platform for what is only printed. */
export function machineOf(platform: NodeJS.Platform = process.platform): Machine {
  const env = processEnv();
  return { platform, env: Object.fromEntries(PLACE_VARIABLES.map((name) => [name, env[name] || undefined])) };
}

export interface Plan {
  mode: Mode;
  machine: Machine;
  places: Places;
  /** The configuration the service will have: flags and files, and nothing of this shell's variables. */
  loaded: LoadedConfig;
  /** Flags for `serve`. */
  args: string[];
  warnings: string[];
}

/** Reads the flags of a service to be, and refuses what it could not use. */
export function planOf(mode: Mode, machine: Machine, rawArgs: readonly string[]): Plan {
  const places = placesOf(mode, machine);
  const given = readServerFlags(rawArgs);
  refuseSecrets(Object.keys(given.flags).filter(isKey), mode === "system" && machine.platform === "linux");
  const loaded = loadConfig({
    ...given,
    compiled: true,
    platform: machine.platform,
    env: serviceEnv(mode, machine, places),
    dockerFile: false,
  });
  if (loaded.values.port === 0) {
    throw new CommandError("A service needs a port by which it is found", "Write --port N", EXIT.usage);
  }
  if (mode === "system" && machine.platform === "linux") refuseHidden(loaded, given.configFile !== undefined);
  return {
    mode,
    machine,
    places,
    loaded,
    args: serverArgs(rawArgs, loaded),
    warnings: [
      ...loaded.warnings,
      ...variableWarnings(given.configFile),
      ...(mode === "system" ? [NO_HOOKS] : []),
    ],
  };
}

function serviceEnv(mode: Mode, { platform, env }: Machine, places: Places): Machine["env"] {
  if (mode === "user") return env;
  const home = platform === "win32" ? {} : { HOME: "/" };
  return { ...env, ...home, [`${ENV_PREFIX}${SCHEMA.state_dir.env}`]: places.stateDir };
}

/** Definitions are for everybody to read. */
function refuseSecrets(keys: readonly Key[], ofUnit: boolean): void {
  const secret = keys.find((key) => fieldOf(key).secret);
  if (secret === undefined) return;
  const variable = `${ENV_PREFIX}${fieldOf(secret).env}=…`;
  throw new CommandError(
    `${flagFor(secret)} would stand in the service's definition, where every user can read it`,
    ofUnit
      ? `Write ${variable} into ${SECRETS_FILE}, which systemd reads, with mode 600`
      : "Write it into the configuration file: claude-mpm-socketio config path",
    EXIT.usage,
  );
}

/** What the unit of the machine keeps out of the service's sight. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;

function refuseHidden({ values, origins, file }: LoadedConfig, configGiven: boolean): void {
  const keys = (Object.keys(origins) as Key[]).filter((key) => {
    return fieldOf(key).type === "path" && origins[key].kind === "flag";
  });
  if (keys.includes("state_dir") && values.state_dir !== placesOf("system", machineOf("linux")).stateDir) {
    throw new CommandError(
      "The service of the machine keeps its state in /var/lib/claude-mpm-socketio, which systemd makes for it",
      "Leave --state-dir out, or use --mode user",
      EXIT.usage,
    );
  }
  const paths = [...keys.map((key) => String(values[key])), ...(configGiven && file !== null ? [file] : [])];
  const hidden = paths.find((path) => HIDDEN.test(path));
  if (hidden === undefined) return;
  throw new CommandError(
    `The service of the machine does not see ${hidden}`,
    "Put it below /etc/claude-mpm, or use --mode user",
    EXIT.usage,
  );
}

/** A manager starts the service without the variables of this shell. */
function variableWarnings(configFile: string | undefined): string[] {
  return Object.entries(processEnv())
    .filter(([name, value]) => name.startsWith(ENV_PREFIX) && value)
    .filter(([name]) => name !== `${ENV_PREFIX}CONFIG` || configFile === undefined)
    .map(
      ([name]) => `${name} is set here, and the service will not see it; name it by a flag or in the file`,
    );
}

function oneOf<T extends string>(value: string | boolean, choices: readonly T[], flag: string): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new CommandError(
    `${flag} ${value} is none`,
    `Write ${flag} ${choices.join(`, or ${flag} `)}`,
    EXIT.usage,
  );
}

/** A service takes its time to be started again, on Windows up to a minute. */
const RESTART_LIMIT_MS = 90_000;
const RESTART_POLL_MS = 20;

/** Lets its manager restart a server; resolves once the new one answers. Throws a `ServiceError`. */
export async function restartByService(
  service: Mode,
  { pid, ...asked }: ServerAddress & { pid: number },
): Promise<Found & { state: "running" }> {
  const manager = managerFor(service, machineOf(), selfForShell());
  const stateDir = readReceipt(placesOf(service, machineOf()).receipt)?.stateDir ?? asked.stateDir;
  manager.check();
  manager.restart();
  const deadline = Date.now() + RESTART_LIMIT_MS;
  while (Date.now() < deadline) {
    const found = await findSettledServer({ ...asked, stateDir });
    if (found.state === "running" && found.pid !== pid) return found;
    await Bun.sleep(RESTART_POLL_MS);
  }
  throw new ServiceError(
    `Its service did not bring it back within ${RESTART_LIMIT_MS / 1000} s`,
    `See why: ${manager.logHint}`,
  );
}

/** Points at the service of the other mode, where there is one; else empty. */
export function elsewhere(mode: Mode): string {
  const machine = machineOf();
  const other = MODES.find((one) => one !== mode && managerFor(one, machine).state().installed);
  return other === undefined ? "" : `; there is one of mode ${other}: --mode ${other}`;
}

/** The manager of the service that is installed; throws when there is none. */
export function installedService(mode: Mode): ServiceManager {
  const manager = managerFor(mode, machineOf(), selfForShell());
  manager.check();
  if (manager.state().installed) return manager;
  const flag = mode === "user" ? "" : " --mode system";
  throw new CommandError(
    `No service is installed (mode ${mode})`,
    `Install it: claude-mpm-socketio service install${flag}`,
    EXIT.notRunning,
  );
}
