/** Which of Claude Code's settings a command is about. */
import type { ArgsDef } from "citty";
import { processEnv } from "../config/env.ts";
import { type Scope, SCOPES, type Surroundings } from "../hooks/settings/scopes.ts";
import { CommandError, EXIT } from "./output.ts";

export const SCOPE_ARG = {
  scope: {
    type: "string",
    description:
      "user: everywhere (Default); project: this directory, for all who work in it; local: this directory, for you",
    valueHint: SCOPES.join("|"),
  },
} as const satisfies ArgsDef;

/** The value of `--scope`. */
export function scopeOf({ scope = "user" }: Record<string, string | boolean | undefined>): Scope {
  const found = SCOPES.find((name) => name === scope);
  if (found) return found;
  throw new CommandError(
    `--scope ${scope} is none`,
    `Write --scope ${SCOPES.join(", or --scope ")}`,
    EXIT.usage,
  );
}

/** Where the settings of whoever runs this are looked for. */
export function surroundings(): Surroundings {
  return { env: processEnv(), cwd: process.cwd(), platform: process.platform };
}
