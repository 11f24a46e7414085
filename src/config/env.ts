/** The only reader of the process's environment. */

export type Env = Record<string, string | undefined>;

export function processEnv(): Env {
  return process.env;
}

/**
 * The environment for a server we spawn. `BUN_BE_BUN` would turn our own binary into plain Bun
 * (https://bun.com/docs/bundler/executables), so a child never inherits it.
 */
export function childEnv(): Record<string, string> {
  const { BUN_BE_BUN: _turnsUsIntoBun, ...rest } = process.env;
  return rest as Record<string, string>;
}
