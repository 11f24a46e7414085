/** Where things are on this operating system. */
import { posix, resolve, win32 } from "node:path";

/** Loaded when it is asked for: where HOME is set, hooks do without. */
const homedir = (): string => process.getBuiltinModule("node:os").homedir();

export interface Machine {
  platform: NodeJS.Platform;
  env: Record<string, string | undefined>;
}

/** Where a configuration file is looked for when none is named, first match first. */
export function configFiles({ platform, env }: Machine): string[] {
  if (platform === "win32") {
    const roaming = env.APPDATA ?? win32.join(homedir(), "AppData", "Roaming");
    const shared = env.PROGRAMDATA ?? "C:\\ProgramData";
    return [roaming, shared].map((folder) => win32.join(folder, "claude-mpm", "socketio_config.json"));
  }
  return [
    posix.join(home(env), ".claude-mpm", "socketio_config.json"),
    "/etc/claude-mpm/socketio_config.json",
  ];
}

export function defaultStateDir({ platform, env }: Machine): string {
  const join = platform === "win32" ? win32.join : posix.join;
  return join(platform === "win32" ? homedir() : home(env), ".claude-mpm", "socketio");
}

/** What belongs to the server on one port. */
export interface ServerPaths {
  directory: string;
  /** The instance file. */
  instance: string;
  lock: string;
  /** The event log. */
  events: string;
  /** A copy of the log that lies on Redis, while the server runs. */
  mirror: string;
  serverId: string;
  log: string;
  /** Hook events that wait for the server. */
  spool: string;
}

export function serverPaths(stateDir: string, port: number): ServerPaths {
  const { join } = process.platform === "win32" ? win32 : posix;
  const directory = join(stateDir, `${port}`);
  return {
    directory,
    instance: join(directory, "server.json"),
    lock: join(directory, "lock.db"),
    events: join(directory, "events.db"),
    mirror: join(directory, "mirror.db"),
    serverId: join(directory, "server_id"),
    log: join(directory, "server.log"),
    spool: join(directory, "spool"),
  };
}

/** What servers of one state directory share. */
export interface TokenPaths {
  /** The tokens that were made, hashed. */
  tokens: string;
  /** The token by which this user gets in on this machine. */
  local: string;
}

export function tokenPaths(stateDir: string): TokenPaths {
  const { join } = process.platform === "win32" ? win32 : posix;
  return { tokens: join(stateDir, "tokens.json"), local: join(stateDir, "local-token") };
}

/** A path as the configuration gives it: `~` is the home directory, and what is relative is so to `base`. */
export function absolutePath(path: string, base: string, env: Machine["env"]): string {
  return path === "~" || /^~[/\\]/.test(path)
    ? resolve(env.HOME || homedir(), `.${path.slice(1)}`)
    : resolve(base, path);
}

function home(env: Record<string, string | undefined>): string {
  return env.HOME || homedir();
}
