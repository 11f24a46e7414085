import { existsSync, lstatSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { type Instance, instancePorts, readInstance } from "../../daemon/instance.ts";
import { isSameProcess } from "../../daemon/process.ts";
import { uninstallHooks } from "../../hooks/settings/install.ts";
import { SCOPES, settingsPath } from "../../hooks/settings/scopes.ts";
import { removeProgram } from "../../service/file.ts";
import type { ServiceState } from "../../service/manager.ts";
import { purgeStateDir, removeIfEmpty } from "../../service/purge.ts";
import { placesOf } from "../../service/places.ts";
import { readReceipt, type Receipt } from "../../service/receipt.ts";
import { managerFor } from "../../service/service.ts";
import { JSON_ARG } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { surroundings } from "../scope.ts";
import { machineOf, MODE_ARG, modeOf, planOf } from "../service.ts";
import type { Command } from "../tree.ts";

const LOGS_OF_SYSTEM_UNIT = ["/var/log/private/claude-mpm-socketio", "/var/log/claude-mpm-socketio"];

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
    const manager = managerFor(mode, machine);
    const state = manager.state();
    const { installed } = state;
    const stateDir = receipt?.stateDir ?? stateDirOf(args);
    if (installed) manager.check();
    if (args.purge === true) refuseWhileServed(stateDir, isServiceOf(state, receipt));

    const said: string[] = [];
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
    if (args.purge === true) removed.push(...purge(stateDir, receipt?.configFile ?? null, places));
    if (mode === "system" && installed) {
      said.push("Other users take their hooks out themselves: claude-mpm-socketio hooks uninstall");
    }

    if (args.json === true) {
      printJson({ mode, removed, kept: args.purge === true ? [] : kept(stateDir, receipt), warnings: said });
      return EXIT.done;
    }
    for (const warning of said) printError(`Warning: ${warning}`);
    if (removed.length === 0) print(`Nothing is installed (mode ${mode}), so nothing was removed`);
    for (const what of removed) print(`Removed ${what}`);
    if (args.purge !== true && removed.length > 0) {
      for (const path of kept(stateDir, receipt)) print(`Kept ${path}; --purge removes it too`);
    }
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
  rmSync(places.receipt, { force: true });
  if (receipt.program !== places.program || !existsSync(places.program)) return [];
  const aside = removeProgram(places.program);
  if (aside !== null) said.push(`${aside} is in use; remove it later`);
  return [`the program: ${places.program}`];
}

/** Tells the service's own server; by its port, where the manager tells no PIDs. */
function isServiceOf(
  { running, pid }: ServiceState,
  receipt: Receipt | null,
): (instance: Instance) => boolean {
  return (instance) => running && (pid === null ? instance.port === receipt?.port : instance.pid === pid);
}

/** The service's own server is about to be stopped; another one would lose what it works with. */
function refuseWhileServed(stateDir: string, isService: (instance: Instance) => boolean): void {
  for (const port of instancePorts(stateDir)) {
    const file = readInstance(stateDir, port);
    if (file.found !== "instance" || isService(file.instance) || !isSameProcess(file.instance)) continue;
    throw new CommandError(
      `A server that is not the service runs from ${stateDir} (port ${port}, PID ${file.instance.pid})`,
      "Stop it first: claude-mpm-socketio stop --all; nothing was removed",
    );
  }
}

function purge(
  stateDir: string,
  named: string | null,
  places: { configFile: string; stateDir: string },
): string[] {
  const removed = purgeStateDir(stateDir);
  if (stateDir === places.stateDir && process.platform === "linux" && stateDir.startsWith("/var/lib/")) {
    for (const path of LOGS_OF_SYSTEM_UNIT) {
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

function kept(stateDir: string, receipt: Receipt | null): string[] {
  return [stateDir, receipt?.configFile ?? null]
    .filter((path) => path !== null)
    .filter((path) => existsSync(path));
}
