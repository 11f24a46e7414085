/**
 * What belongs to this user alone: made so, and checked for it before it is used. Whoever may write into a directory may
 * put something of their own in the place of any file in it, so that is refused; so are symbolic links, which lead
 * elsewhere. On Windows a user's own folder is private as it is, and only links are looked for.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { HintedError } from "./protocol/hinted-error.ts";

/** It is not certain that nobody else has a hand in it. */
export class NotPrivateError extends HintedError {}

const OTHERS_MAY_WRITE = 0o022;

/** Makes a directory, with those above it, that nobody else looks into; throws a `NotPrivateError` where one is not safe. */
export function ensurePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const problem = problemOfDirectory(path);
  if (problem !== null) throw problem;
}

/** Takes from others what they may see of a directory of ours. */
export function closeDirectory(path: string): void {
  if (process.platform !== "win32" && (lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

export function mayOthersWrite(path: string): boolean {
  return process.platform !== "win32" && (lstatSync(path).mode & OTHERS_MAY_WRITE) !== 0;
}

/** Why a directory that is there is not safe; null when it is, or when there is none. */
export function problemOfDirectory(path: string): NotPrivateError | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (stat.isSymbolicLink() && isOfSystemd(path, stat)) return problemOfDirectory(realpathSync(path));
  if (stat.isSymbolicLink()) {
    return new NotPrivateError(`${path} is a symbolic link`, "Name the directory itself: --state-dir DIR");
  }
  if (!stat.isDirectory()) {
    return new NotPrivateError(`${path} is no directory`, "Move it away, or name another: --state-dir DIR");
  }
  if (process.platform === "win32") return null;
  if (mayOthersWrite(path)) {
    const mode = (stat.mode & 0o777).toString(8);
    return new NotPrivateError(`Other users may write into ${path} (mode ${mode})`, `chmod 700 ${path}`);
  }
  return belongsToAnother(stat)
    ? new NotPrivateError(`${path} belongs to another user`, "Name a directory of your own: --state-dir DIR")
    : null;
}

/** Looks through a directory of ours for links that somebody has put there. */
export function refuseLinks(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) throw linkError(join(directory, entry.name));
  }
}

/** Makes a file that nobody else may read, or makes one that is there so. */
export function ensurePrivateFile(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw linkError(path);
  const { O_RDWR, O_CREAT, O_NOFOLLOW = 0 } = constants;
  closeSync(openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600));
  if (process.platform !== "win32" && (lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

/**
 * The state directory of a service with a user of its own is such a link, into `private` beside it (systemd.exec(5),
 * `DynamicUser=`). Nobody but root can have put it there, or can put another in its place.
 */
function isOfSystemd(path: string, { uid }: Stats): boolean {
  const parent = dirname(path);
  const { uid: owner, mode } = lstatSync(parent);
  const isOfRoot = uid === 0 && owner === 0 && (mode & OTHERS_MAY_WRITE) === 0;
  return (
    isOfRoot &&
    existsSync(path) &&
    realpathSync(path) === join(realpathSync(parent), "private", basename(path))
  );
}

/** Root uses what another user's service has made. */
function belongsToAnother({ uid }: Stats): boolean {
  return !isRoot() && uid !== process.getuid?.();
}

function isRoot(): boolean {
  return (process.getuid?.() ?? 0) === 0;
}

function linkError(path: string): NotPrivateError {
  return new NotPrivateError(
    `${path} is a symbolic link`,
    `Look who has put it there, and remove it: rm ${path}`,
  );
}
