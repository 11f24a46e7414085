/** Environments: how one is detected, and the defaults each brings. */
import type { Config } from "./schema.ts";

export type Environment = "development" | "production" | "docker" | "installed";

export const PRESETS: Record<Environment, Partial<Config>> = {
  development: { log_level: "DEBUG", ping_interval: 10, ping_timeout: 30, max_history_size: 5000 },
  production: {
    host: "0.0.0.0",
    deployment_mode: "standalone",
    ping_interval: 30,
    ping_timeout: 120,
    max_history_size: 20_000,
    log_to_file: true,
  },
  docker: {
    host: "0.0.0.0",
    deployment_mode: "standalone",
    ping_interval: 25,
    ping_timeout: 90,
    max_history_size: 15_000,
  },
  installed: {},
};

/** What the machine tells about where this process runs. */
export interface Surroundings {
  env: Record<string, string | undefined>;
  /** Whether `/.dockerenv` is there. */
  dockerFile: boolean;
  /** Whether this is the compiled binary, not a checkout. */
  compiled: boolean;
}

export function detectEnvironment({ env, dockerFile, compiled }: Surroundings): {
  environment: Environment;
  because: string;
} {
  if (dockerFile) return { environment: "docker", because: "/.dockerenv exists" };
  if (env.DOCKER_CONTAINER) return { environment: "docker", because: "DOCKER_CONTAINER is set" };
  for (const name of ["ENVIRONMENT", "NODE_ENV"]) {
    if (env[name] === "production") return { environment: "production", because: `${name}=production` };
  }
  return compiled
    ? { environment: "installed", because: "this is the installed binary" }
    : { environment: "development", because: "this runs from a checkout" };
}

/** An environment that is merely detected never opens the host to other machines. */
export function presetValues(environment: Environment, detected: boolean): Partial<Config> {
  if (!detected) return PRESETS[environment];
  const { host: _closed, ...rest } = PRESETS[environment];
  return rest;
}
