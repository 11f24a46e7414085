import { realpathSync } from "node:fs";
import type { Staged } from "../../release/place.ts";
import { checkReplaceable, programIn, stageRelease } from "../../release/program.ts";
import { findRelease, loadArchive, type Release } from "../../release/source.ts";
import type { Target } from "../../release/targets.ts";
import { OWN_TARGET, RELEASE_VERSION, RELEASES_URL } from "../../version.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";
import { checkCandidate } from "../upgrade/candidate.ts";
import { packageManagerOf } from "../upgrade/package-manager.ts";
import { holdSignals } from "../upgrade/signals.ts";
import { type LeftServer, restartServer, type RunningServer, serversOf } from "../upgrade/servers.ts";
import { stateDirsOf } from "../upgrade/state-dirs.ts";

const { config, "state-dir": stateDirFlag } = SERVER_ARGS as Record<string, { type: "string" }>;

export default {
  description:
    "Replace this program by a newer release, checked by its SHA-256, and restart the servers that run it; " +
    "clients reconnect and go on where they were",
  args: {
    version: {
      type: "string",
      description: "The release to take; the newest by default",
      valueHint: "X.Y.Z",
    },
    "base-url": {
      type: "string",
      description: `Host or folder of the releases; ${RELEASES_URL} by default`,
      valueHint: "PLACE",
    },
    check: { type: "boolean", description: "Only say whether there is a newer release" },
    ...({ config, "state-dir": stateDirFlag } as typeof SERVER_ARGS),
    ...JSON_ARG,
  },
  async run({ args, rawArgs }) {
    if (OWN_TARGET === null) {
      throw new CommandError(
        "This program runs from a checkout, which upgrade does not replace",
        "Take the newer sources, and build: npm ci && npm run build",
      );
    }
    const program = realpathSync(process.execPath);
    const release = await newerRelease(args, OWN_TARGET);
    const report = { from: RELEASE_VERSION, to: release?.version ?? RELEASE_VERSION, program };
    const { state_dir: stateDir } = loadForCommand(rawArgs).values;
    const stateDirs = stateDirsOf(program, stateDir);
    if (release === null) {
      const servers = args.check === true ? [] : await bringUpToDate(program, stateDirs);
      if (args.json === true) printJson({ outcome: "current", ...report, servers });
      else print(currentText(servers));
      return EXIT.done;
    }
    if (args.check === true) {
      if (args.json === true) printJson({ outcome: "available", ...report, servers: [] });
      else print(`Version ${release.version} is there; this is ${RELEASE_VERSION}`);
      return EXIT.done;
    }
    const manager = packageManagerOf(program);
    if (manager !== null) {
      throw new CommandError(`${program} belongs to ${manager.name}`, `Upgrade it there: ${manager.command}`);
    }
    checkReplaceable(program);
    const { restarted: servers, left } = await serversOf(program, stateDirs);
    const say = args.json === true ? () => {} : print;
    say(`Loading ${release.archive}`);
    const bytes = await programIn(await loadArchive(release), release.version, OWN_TARGET);
    const signals = holdSignals();
    const staged = stageRelease(program, bytes);
    try {
      const check = checkCandidate(staged.path, { version: release.version, stateDirs, servers });
      const { newLog } = await Promise.race([check, signals.interrupted]);
      // It takes seconds, and is gone through with: a server that is stopped has to be started again.
      await takeOver(program, staged, { servers, newLog });
    } finally {
      staged.discard();
      signals.release();
    }
    if (args.json === true) printJson({ outcome: "upgraded", ...report, servers, left });
    else print(textOf(report, servers, left));
    return EXIT.done;
  },
} satisfies Command;

/** The release to take; null when it is this one. A release that is older is refused. */
async function newerRelease(args: Record<string, unknown>, target: Target): Promise<Release | null> {
  const version = typeof args.version === "string" ? args.version.replace(/^v/, "") : null;
  if (version !== null && !/^\d+\.\d+\.\d+([+-][\w.+-]+)?$/.test(version)) {
    throw new CommandError(`--version ${version} is no version`, "Write --version X.Y.Z", EXIT.usage);
  }
  const base = typeof args["base-url"] === "string" ? args["base-url"] : RELEASES_URL;
  const release = await findRelease({ base, version, target });
  const order = Bun.semver.order(release.version, RELEASE_VERSION);
  if (order === 0) return null;
  if (order > 0) return release;
  if (version === null) return null;
  throw new CommandError(
    `Version ${version} is older than this one, ${RELEASE_VERSION}; nothing was changed`,
    `An older release may not read the log: stop the server, keep a copy of the state directory, and use install.sh --version ${version}`,
  );
}

/** Restarts the servers that still run an older release: an upgrade was cut short, or an installer has replaced the program. */
async function bringUpToDate(program: string, stateDirs: Iterable<string>): Promise<RunningServer[]> {
  const { restarted } = await serversOf(program, stateDirs);
  const older = restarted.filter(({ version }) => Bun.semver.order(version, RELEASE_VERSION) < 0);
  for (const server of older) {
    const problem = await restartServer(program, server);
    if (problem === null) continue;
    throw new CommandError(
      `The server on port ${server.port} does not start with version ${RELEASE_VERSION}: ${problem}`,
      `See what it said: claude-mpm-socketio logs --port ${server.port}`,
    );
  }
  return older;
}

/**
 * Puts the new program in place and restarts the servers with it; puts the old one back when one does not start, unless
 * the new one has given the logs a form that the old one cannot read.
 */
async function takeOver(
  program: string,
  staged: Staged,
  { servers, newLog }: { servers: readonly RunningServer[]; newLog: boolean },
): Promise<void> {
  const replaced = staged.replace();
  for (const [index, server] of servers.entries()) {
    const problem = await restartServer(program, server);
    if (problem === null) continue;
    if (newLog) {
      replaced.keep();
      throw new CommandError(
        `The new version does not start on port ${server.port}: ${problem}`,
        `It stays in place, for it keeps the logs in a new form; see what it said: claude-mpm-socketio logs --port ${server.port}`,
      );
    }
    replaced.undo();
    const back: string[] = [];
    for (const one of servers.slice(0, index + 1)) {
      const still = await restartServer(program, one);
      if (still !== null) back.push(`port ${one.port}: ${still}`);
    }
    throw new CommandError(
      `The new version does not start on port ${server.port}: ${problem}`,
      back.length === 0
        ? `Version ${RELEASE_VERSION} is back in place, and its servers run again`
        : `Version ${RELEASE_VERSION} is back in place; start its servers by hand (${back.join("; ")})`,
    );
  }
  replaced.keep();
}

function currentText(servers: readonly RunningServer[]): string {
  const newest = `Version ${RELEASE_VERSION} is the newest`;
  if (servers.length === 0) return `${newest}; nothing was changed`;
  return servers
    .map(({ port, version }) => `${newest}; restarted the server on port ${port}, which still ran ${version}`)
    .join("\n");
}

function textOf(
  { from, to, program }: { from: string; to: string; program: string },
  servers: readonly RunningServer[],
  left: readonly LeftServer[],
): string {
  const ports = servers.map(({ port }) => port).join(", ");
  const lines = [`Upgraded ${program} from ${from} to ${to}`, ...left.map(textOfLeft)];
  if (servers.length > 0) {
    lines.push(
      `Restarted the server${servers.length > 1 ? "s" : ""} on port ${ports}; clients reconnect by themselves`,
    );
  } else if (left.length === 0) lines.push("No server was running it");
  // Their state directories are not root's.
  if (process.getuid?.() === 0)
    lines.push("Other users restart their servers themselves: claude-mpm-socketio restart");
  return lines.join("\n");
}

function textOfLeft({ port, pid, reason }: LeftServer): string {
  const restart = `claude-mpm-socketio restart --port ${port}`;
  return reason === "hung"
    ? `The server on port ${port} (PID ${pid}) does not answer, and still runs ${RELEASE_VERSION}; to end it and start it anew: ${restart}`
    : `The server on port ${port} (PID ${pid}) is another user's, and still runs ${RELEASE_VERSION}; that user changes it over: ${restart}`;
}
