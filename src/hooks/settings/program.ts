/** The path of this program that stays the same when a newer version takes its place. */
import { accessSync, constants, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, isAbsolute, join, resolve, sep } from "node:path";

export interface Self {
  /** How this program is run: the executable, and from a checkout its entry. */
  command: readonly string[];
  compiled: boolean;
  /** As it was called. */
  argv0: string;
  /** The variable `PATH`. */
  path: string | undefined;
  cwd: string;
  /** Directories whose content comes and goes; those of the system, when not given. */
  temporary?: readonly string[];
}

export interface StableProgram {
  command: string[];
  /** Why what is registered might not last. */
  warnings: string[];
}

/** `/1.2.3/`, `/v1.2/`, `tool@1.2.3`, `tool-1.2.3-rc.1`. */
const VERSIONED = /(^|[@_-])v?\d+(\.\d+)+([.+-][\w.+-]*)?$/;

const TEMPORARY = [tmpdir(), "/tmp", "/var/tmp", "/private/tmp", "/var/folders", "/private/var/folders"];

/** npx keeps programs for a while; macOS runs what was just downloaded from elsewhere. */
const CACHED = /[/\\](_npx|AppTranslocation)[/\\]/;

/**
 * The path to register: one that leads to this executable and has no version in it, looked for on `PATH`, then as the
 * program was called; else the executable's own.
 */
export function stableProgram(self: Self): StableProgram {
  const { command, compiled, argv0, path, cwd, temporary = TEMPORARY } = self;
  const [executable = "", ...entry] = command;
  if (!compiled) {
    const warning = `${entry.join(" ")} belongs to a checkout: the hook works as long as that, and Bun, stay where they are`;
    return { command: [executable, ...entry], warnings: [warning] };
  }
  const called = /[/\\]/.test(argv0) ? [resolve(cwd, argv0)] : [];
  const names = [...new Set([basename(argv0), basename(executable)])];
  const onPath = (path ?? "")
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .flatMap((directory) => names.map((name) => join(directory, name)));
  const links = [...onPath, ...called].filter((candidate) => isSameProgram(candidate, executable));
  const chosen = links.find((link) => !isVersioned(link) && !CACHED.test(link)) ?? executable;
  return { command: [chosen], warnings: [warningOf(chosen, temporary)].filter((text) => text !== null) };
}

/** Whether a newer version would stand elsewhere. */
export function isVersioned(path: string): boolean {
  return path.split(/[/\\]/).some((segment) => VERSIONED.test(segment.replace(/\.exe$/i, "")));
}

function warningOf(path: string, temporary: readonly string[]): string | null {
  if (isWithin(path, temporary) || CACHED.test(path))
    return `${path} may be cleaned away; put the program where it can stay, and install again`;
  if (isVersioned(path)) {
    return `${path} has a version in it, which the next one will not have; make a link on PATH, and install again`;
  }
  if (/[/\\]dist[/\\][^/\\]*$/.test(path))
    return `${path} is the output of a build, and goes when that is cleaned`;
  return null;
}

function isWithin(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => path.startsWith(directory + sep));
}

function isSameProgram(candidate: string, executable: string): boolean {
  try {
    accessSync(candidate, constants.X_OK);
    return realpathSync(candidate) === realpathSync(executable);
  } catch {
    return false;
  }
}
