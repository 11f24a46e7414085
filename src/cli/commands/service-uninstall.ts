import { existsSync, lstatSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { type Instance, instancePorts, readInstance } from "../../daemon/instance.ts";
import { isSameProcess } from "../../daemon/process.ts";
import { uninstallHooks } from "../../hooks/settings/install.ts";
import { SCOPES, settingsPath } from "../../hooks/settings/scopes.ts";
import { removeProgram } from "../../release/place.ts";
import type { ServiceState } from "../../service/manager.ts";
import { isSameFile } from "../../service/program.ts";
import { purgeStateDir, removeIfEmpty } from "../../service/purge.ts";
import { placesOf } from "../../service/places.ts";
import { readReceipt, type Receipt } from "../../service/receipt.ts";
import { managerFor, runsServer } from "../../service/service.ts";
import { SECRETS_FILE } from "../../service/systemd.ts";
import { JSON_ARG } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { surroundings } from "../scope.ts";
import { selfForShell } from "../self.ts";
import { elsewhere, machineOf, MODE_ARG, modeOf, planOf } from "../service.ts";
import type { Command } from "../tree.ts";

/** Besides its state directory. */
const DATA_OF_SYSTEM_UNIT = [
  "/var/log/private/claude-mpm-socketio",
  "/var/log/claude-mpm-socketio",
  SECRETS_FILE,
];

const OTHERS_HOOKS = "Other users take their hooks out themselves: claude-mpm-socketio hooks uninstall";

const OTHERS_DEAD_HOOKS =
  "Hooks of other users, where there are any, fail at every event now: they take the lines with claude-mpm-socketio out of " +
  "their ~/.claude/settings.json";

export default {
  description:
    "Stop the service and remove what its installation put there, and the hook in Claude Code's settings, which would " +
    "have no program any more; the history and the configuration stay",
  args: {
    ...MODE_ARG,
    purge: { type: "boolean", description: "Remove the history, the log and the configuration file too" },
    ...JSON_ARG,
  },
  run({ args }) {
    const mode = modeOf(args);
    const machine = machineOf();
    const places = placesOf(mode, machine);
    const receipt = readReceipt(places.receipt);
    const manager = managerFor(mode, machine, selfForShell());
    const state = manager.state();
    const { installed } = state;
    const usualStateDir = stateDirOf(args);
    const stateDir = receipt?.stateDir ?? usualStateDir;
    if (installed) manager.check();
    if (args.purge === true) refuseWhileServed(stateDir, state, receipt);

    const said: string[] = [];
    const orphans = otherServers(stateDir, state, receipt).filter(({ executable }) => {
      return receipt?.program === places.program && isSameFile(executable, places.program);
    });
    const removed = installed ? manager.remove().map((what) => `the service: ${what}`) : [];
    if (installed && removed.length === 0) {
      said.push(
        `The service was stopped; its definition ${state.definition} goes with the package it belongs to`,
      );
    }
    const hooks = removeHooks();
    said.push(...hooks.failures);
    removed.push(...hooks.files.map((path) => `our hooks in ${path}`));
    removed.push(...removeInstalled(receipt, places, said));
    said.push(
      ...orphans.map(({ port, pid }) => `A server runs on without its program: port ${port}, PID ${pid}`),
    );
    if (args.purge === true) removed.push(...purge(stateDir, receipt?.configFile ?? null, places));
    if (mode === "system" && installed)
      said.push(existsSync(places.program) ? OTHERS_HOOKS : OTHERS_DEAD_HOOKS);

    const kept = [stateDir, receipt?.configFile ?? null].filter((path) => path !== null).filter(existsSync);
    if (args.json === true) {
      printJson({ mode, removed, kept, warnings: said });
      return EXIT.done;
    }
    for (const warning of said) printError(`Warning: ${warning}`);
    if (removed.length === 0)
      print(`Nothing is installed (mode ${mode}), so nothing was removed${elsewhere(mode)}`);
    for (const what of removed) print(`Removed ${what}`);
    if (removed.length === 0) return EXIT.done;
    // With the receipt gone, a later --purge looks in the usual places alone.
    const findable = args.purge === true ? [] : [usualStateDir, places.configFile];
    for (const path of kept)
      print(`Kept ${path}${findable.includes(path) ? "; --purge removes it too" : ""}`);
    return EXIT.done;
  },
} satisfies Command;

function stateDirOf(args: Record<string, string | boolean | undefined>): string {
  const mode = modeOf(args);
  const machine = machineOf();
  try {
    return planOf(mode, machine, []).loaded.values.state_dir;
  } catch {
    // What cannot be used as a configuration names no directory either.
    return placesOf(mode, machine).stateDir;
  }
}

/** A hook of which the program is gone would fail at every event. */
function removeHooks(): { files: string[]; failures: string[] } {
  const around = surroundings();
  const files: string[] = [];
  const failures: string[] = [];
  for (const path of new Set(SCOPES.map((scope) => settingsPath(scope, around)))) {
    try {
      if (uninstallHooks(path, around.platform).events.length > 0) files.push(path);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  return { files, failures };
}

/** The program goes when it is one that an installation has copied, and still stands where that puts it. */
function removeInstalled(
  receipt: Receipt | null,
  places: { program: string; receipt: string },
  said: string[],
): string[] {
  if (receipt === null) return [];
  const { program } = receipt;
  const isThere = program === places.program && existsSync(program);
  try {
    const aside = isThere ? removeProgram(program) : null;
    if (aside !== null) said.push(`${aside} is in use; remove it later`);
  } catch (error) {
    throw new CommandError(
      `The program cannot be removed: ${(error as Error).message}`,
      "Mend that, and uninstall again; the service and the hooks are gone already",
    );
  }
  // Last, for without it nobody knows that the program is ours to remove.
  rmSync(places.receipt, { force: true });
  return isThere ? [`the program: ${program}`] : [];
}

/** Servers of this state directory that are not the service's, which is about to be stopped. */
function otherServers(stateDir: string, state: ServiceState, receipt: Receipt | null): Instance[] {
  return instancePorts(stateDir).flatMap((port) => {
    const file = readInstance(stateDir, port);
    if (file.found !== "instance" || runsServer(state, receipt, file.instance)) return [];
    return isSameProcess(file.instance) ? [file.instance] : [];
  });
}

/** Another server would lose what it works with. */
function refuseWhileServed(stateDir: string, state: ServiceState, receipt: Receipt | null): void {
  const [other] = otherServers(stateDir, state, receipt);
  if (other === undefined) return;
  throw new CommandError(
    `A server that is not the service runs from ${stateDir} (port ${other.port}, PID ${other.pid})`,
    "Stop it first: claude-mpm-socketio stop --all; nothing was removed",
  );
}

function purge(
  stateDir: string,
  named: string | null,
  places: { configFile: string; stateDir: string },
): string[] {
  const removed = purgeStateDir(stateDir);
  if (stateDir === places.stateDir && process.platform === "linux" && stateDir.startsWith("/var/lib/")) {
    for (const path of DATA_OF_SYSTEM_UNIT) {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) continue;
      rmSync(path, { recursive: true, force: true });
      removed.push(path);
    }
  }
  // One that was named lies where its owner keeps it.
  const ownConfig = named === null || named === places.configFile;
  if (ownConfig && existsSync(places.configFile)) {
    rmSync(places.configFile);
    removed.push(places.configFile);
    removeIfEmpty(dirname(places.configFile));
  }
  return removed;
}
