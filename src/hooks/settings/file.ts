/** A settings file on disk: read as it is, written in one step, with a copy of what it was. */
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ChangedMeanwhile, SettingsError } from "./error.ts";

export interface SettingsFile {
  /** As it was named. */
  path: string;
  /** Where it really is: people link such files from their dotfiles. */
  target: string;
  /** Null when there is none. */
  text: string | null;
  stats: Stats | null;
}

const MAX_BYTES = 16 * 1024 * 1024;
const KEPT_BACKUPS = 5;
const BACKUP_MARK = ".backup-claude-mpm-socketio-";

/** Throws a `SettingsError` for what is there and is no readable text file. */
export function readSettingsFile(path: string): SettingsFile {
  const target = follow(path);
  const stats = onDisk(path, "read", () => statSync(target, { throwIfNoEntry: false })) ?? null;
  if (!stats) return { path, target, text: null, stats };
  if (!stats.isFile()) {
    throw new SettingsError(`${path} is ${stats.isDirectory() ? "a directory" : "no file"}`, "Move it away");
  }
  if (stats.size > MAX_BYTES) {
    throw new SettingsError(
      `${path} is larger than 16 MiB`,
      "Settings are not that large: see what is in it",
    );
  }
  const bytes = onDisk(path, "read", () => readFileSync(target));
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { path, target, text, stats };
  } catch {
    throw new SettingsError(`${path} is not UTF-8 text`, "Save it as UTF-8, and try again");
  }
}

/** Replaces the text in one step, mode and owner kept. Throws `ChangedMeanwhile` where it is not what was read. */
export function writeSettingsFile(file: SettingsFile, text: string): void {
  const { path, target, stats } = file;
  const temporary = `${target}.${process.pid}.tmp`;
  onDisk(path, "written", () => {
    // A file that its owner made read-only would be replaced all the same.
    if (stats) accessSync(target, constants.W_OK);
    mkdirSync(dirname(target), { recursive: true });
    // Before all that is undone: what is there already is somebody else's.
    const descriptor = openSync(temporary, "wx", stats ? 0o600 : 0o666);
    try {
      try {
        writeFileSync(descriptor, text);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      if (stats) {
        const made = statSync(temporary);
        if (made.uid !== stats.uid || made.gid !== stats.gid) chownSync(temporary, stats.uid, stats.gid);
        chmodSync(temporary, stats.mode & 0o7777);
      }
      checkUnchanged(file);
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

/** Throws `ChangedMeanwhile` where it is not what was read. */
export function removeSettingsFile(file: SettingsFile): void {
  checkUnchanged(file);
  onDisk(file.path, "removed", () => rmSync(file.target));
}

function checkUnchanged({ path, target, text }: SettingsFile): void {
  if (readSettingsFile(target).text !== text) throw new ChangedMeanwhile(path);
}

/** Keeps a copy beside the file, unless the newest one is the same; returns its path. */
export function backUp({ path, target, stats, text }: SettingsFile): string {
  const [newest] = backupPaths(path);
  if (newest !== undefined && readBackup(newest) === text) return newest;
  const time = new Date().toISOString().replaceAll(/[-:]/g, "");
  const copy = `${path}${BACKUP_MARK}${time}`;
  onDisk(path, "backed up", () => {
    writeFileSync(copy, readFileSync(target), { mode: 0o600 });
    if (stats) chmodSync(copy, stats.mode & 0o7777);
  });
  for (const old of backupPaths(path).slice(KEPT_BACKUPS)) rmSync(old, { force: true });
  return copy;
}

/** What the file was, the newest first. */
export function readBackups(path: string): string[] {
  return backupPaths(path).flatMap((backup) => readBackup(backup) ?? []);
}

function backupPaths(path: string): string[] {
  try {
    const names = readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path) + BACKUP_MARK));
    return names
      .toSorted()
      .toReversed()
      .map((name) => join(dirname(path), name));
  } catch {
    return [];
  }
}

function readBackup(path: string): string | null {
  try {
    return readSettingsFile(path).text;
  } catch {
    return null;
  }
}

/** Through links, also one that leads to a file yet to be made. */
function follow(path: string): string {
  return onDisk(path, "read", () => {
    try {
      return realpathSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    try {
      return resolve(realpathSync(dirname(path)), readlinkSync(path));
    } catch {
      return path;
    }
  });
}

function onDisk<T>(path: string, verb: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new SettingsError(
      `${path} cannot be ${verb}: ${message}`,
      "Mend that, and try again; nothing was changed",
    );
  }
}
