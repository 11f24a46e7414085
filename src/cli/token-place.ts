/** Which tokens a command is about: those of this user's servers, or of a service. */
import { existsSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { tokenPaths } from "../config/paths.ts";
import { ensurePrivateDirectory } from "../private-files.ts";
import { placesOf } from "../service/places.ts";
import { readReceipt } from "../service/receipt.ts";
import { loadForCommand, SERVER_ARGS } from "./flags.ts";
import { CommandError } from "./output.ts";
import { machineOf, MODE_ARG, modeOf } from "./service.ts";
import type { Args } from "./tree.ts";

const { config, "state-dir": stateDirFlag } = SERVER_ARGS as Record<string, { type: "string" }>;

export const TOKEN_PLACE_ARGS = {
  mode: {
    ...MODE_ARG.mode,
    description: "Those of a service: user, or system for the machine's; else those of the state directory",
  },
  ...({ config, "state-dir": stateDirFlag } as typeof SERVER_ARGS),
} as Args;

export interface TokenPlace {
  stateDir: string;
  /** `tokens.json`. */
  path: string;
  /** Of whoever runs the command. */
  values: Config;
  file: string | null;
}

export function tokenPlace(
  args: Record<string, string | boolean | undefined>,
  rawArgs: readonly string[],
  load = loadForCommand,
): TokenPlace {
  const { values, origins, file } = load(rawArgs);
  const isNamed = args.mode === undefined || origins.state_dir.kind === "flag";
  const stateDir = isNamed ? values.state_dir : serviceStateDir(args);
  return { stateDir, path: tokenPaths(stateDir).tokens, values, file };
}

function serviceStateDir(args: Record<string, string | boolean | undefined>): string {
  const places = placesOf(modeOf(args), machineOf());
  return readReceipt(places.receipt)?.stateDir ?? places.stateDir;
}

/** Makes the directory where there is none yet: a token may be made before the first start. */
export function prepare({ stateDir }: TokenPlace, mode: string | boolean | undefined): void {
  if (existsSync(stateDir)) return;
  if (mode === "system") {
    // Its manager makes it, for a user of the service's own.
    throw new CommandError(
      `${stateDir} is not there, or not for this user to see`,
      "Start the service once, and run this as root: claude-mpm-socketio service start --mode system",
    );
  }
  ensurePrivateDirectory(stateDir);
}

/** What the system says when this user may not read or change them, with what to do. */
export async function asOwner<T>({ stateDir }: TokenPlace, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    throw new CommandError(
      `The tokens in ${stateDir} are not for this user to see: ${message}`,
      "Run it as the user whose server it is, or as root",
    );
  }
}
