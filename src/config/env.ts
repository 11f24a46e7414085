/** The only reader of the process's environment. */

export type Env = Record<string, string | undefined>;

export function processEnv(): Env {
  return process.env;
}

/**
 * The environment for a program we run. `BUN_BE_BUN` would turn our own binary into plain Bun
 * (https://bun.com/docs/bundler/executables), so a child never inherits it.
 */
export function childEnv(): Record<string, string> {
  const { BUN_BE_BUN: _turnsUsIntoBun, ...rest } = process.env;
  return rest as Record<string, string>;
}

/** The environment for a server in the background: a service manager that runs us knows nothing of it. */
export function serverEnv(): Record<string, string> {
  const { NOTIFY_SOCKET: _s, WATCHDOG_USEC: _u, WATCHDOG_PID: _p, ...rest } = childEnv();
  return rest;
}
