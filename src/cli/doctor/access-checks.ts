/** Who may talk to the server: whether that is known for certain, and is what one would want. */
import { lstatSync, readFileSync } from "node:fs";
import { readLocalToken } from "../../auth/local-token.ts";
import { readTokens } from "../../auth/token-file.ts";
import { asksForTokens, reasonOfAccess } from "../../config/access.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { tokenPaths } from "../../config/paths.ts";
import { asksForToken } from "../../daemon/instance-text.ts";
import type { Found } from "../../daemon/find.ts";
import { isLoopbackHost } from "../../protocol/hosts.ts";
import { weaknesses } from "../exposure.ts";
import { failed, type Finding, ok, warning } from "./checks.ts";

const NAME = "access";

/** The files by which people get in, and what the server, or one with this configuration, asks of whom. */
export function checkAccess({ values }: LoadedConfig, found: Found, users = usersOfMachine()): Finding[] {
  const { tokens, local } = tokenPaths(values.state_dir);
  const problems = [
    ...checkFile(local, readLocalToken, "Remove it: the server makes it anew when it starts"),
    ...checkFile(tokens, readTokens, "Mend it, or move it away and make the tokens anew"),
  ];
  const instance = found.state === "running" ? found.instance : null;
  const asks = instance === null ? asksForTokens(values) : asksForToken(instance);
  const host = instance?.host ?? values.host;
  if (asks) return [...problems, ...(problems.length > 0 ? [] : [ok(NAME, onText(tokens))])];
  const why = instance === null ? reasonOfAccess(values) : "the server that runs was started so";
  if (!isLoopbackHost(host)) {
    problems.push(
      warning(NAME, `auth is off, and others reach ${host}: they can read and send everything`, TURN_ON),
    );
  } else if (users.length > 1) {
    const names = users.slice(0, MOST_NAMES).join(", ") + (users.length > MOST_NAMES ? " …" : "");
    problems.push(
      warning(
        NAME,
        `auth is off and this machine has several users (${names}): each can read and send everything`,
        TURN_ON,
      ),
    );
  }
  return problems.length > 0 ? problems : [ok(NAME, `nobody is asked for a token: ${why}`)];
}

const TURN_ON =
  'Ask for tokens: --auth on, or "auth": "on" in the configuration; your own commands and hooks need none';
const MOST_NAMES = 3;

function onText(path: string): string {
  const now = Date.now();
  const count = readTokens(path).filter(
    ({ expires_at: end }) => end === null || Date.parse(end) > now,
  ).length;
  const asked =
    "all but /health (one word), /ready, /version, /compatibility, the client bundle and the page itself asks for a token";
  return `${asked}; ${count === 0 ? "none is made" : `${count} made`}, and this user's own commands have theirs`;
}

/** What does not guard the server that runs, or one with this configuration, as one would want. */
export function checkExposure(loaded: LoadedConfig, found: Found): Finding[] {
  const instance = found.state === "running" ? found.instance : null;
  const notes = weaknesses(loaded, instance === null ? undefined : asksForToken(instance));
  return notes.map(({ message, hint }) => warning(NAME, message, hint));
}

/** What keeps a file from being used, or lets others use it. */
function checkFile(path: string, read: (path: string) => unknown, hint: string): Finding[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.isSymbolicLink())
    return [failed(NAME, `${path} is a symbolic link`, `Look who has put it there; ${hint}`)];
  const self = process.getuid?.();
  if (self !== undefined && self !== 0 && stat.uid !== self)
    return [failed(NAME, `${path} belongs to another user`, hint)];
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
    return [
      failed(NAME, `${path} can be read or written by others`, `chmod 600 ${path}, and renew what is in it`),
    ];
  }
  try {
    read(path);
    return [];
  } catch (error) {
    return [failed(NAME, (error as Error).message, hint)];
  }
}

/** The people who can log in, as far as this machine itself keeps them; other platforms do not tell in a file. */
function usersOfMachine(): string[] {
  try {
    return process.platform === "linux" ? peopleIn(readFileSync("/etc/passwd", "utf8")) : [];
  } catch {
    return [];
  }
}

const NOBODY = 65_534;

/** passwd(5). */
export function peopleIn(passwd: string): string[] {
  return passwd.split("\n").flatMap((line) => {
    const [name = "", , uid, , , , shell = ""] = line.split(":");
    const isPerson = Number(uid) >= 1000 && Number(uid) !== NOBODY;
    return isPerson && !/\/(nologin|false)$/.test(shell) ? [name] : [];
  });
}
