import { constants, copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { asksForTokens, namesCredentials } from "../../config/access.ts";
import { starterFile } from "../../config/documents.ts";
import { processEnv } from "../../config/env.ts";
import { ENV_PREFIX, isKey, type Key, KEYS } from "../../config/schema.ts";
import { run as output } from "../../daemon/process.ts";
import { quote } from "../../hooks/settings/own-hook.ts";
import { displayUrl, isLoopbackHost } from "../../protocol/hosts.ts";
import { stageProgram } from "../../release/place.ts";
import { writeWhole } from "../../service/file.ts";
import { ServiceError } from "../../service/manager.ts";
import { chooseProgram, isSameContent, type ProgramChoice } from "../../service/program.ts";
import { readReceipt, writeReceipt } from "../../service/receipt.ts";
import { definitionFor, managerFor } from "../../service/service.ts";
import { IS_COMPILED, RELEASE_VERSION } from "../../version.ts";
import { JSON_ARG, readServerFlags, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { addressOf } from "../reach.ts";
import { selfAsCalled, selfCommand, selfForShell } from "../self.ts";
import { machineOf, MODE_ARG, modeOf, type Plan, planOf, platformOf } from "../service.ts";
import { answers, checkPort } from "../service-server.ts";
import type { Command } from "../tree.ts";

export default {
  description:
    "Install the server as a service of systemd, launchd or the Task Scheduler, and start it. The program is put where " +
    "it can stay; the server flags given here become the service's",
  args: {
    ...MODE_ARG,
    ...SERVER_ARGS,
    print: { type: "boolean", description: "Print the definition, and change nothing" },
    platform: {
      type: "string",
      description: "Print that of another platform",
      valueHint: "linux|darwin|windows",
    },
    service: {
      type: "boolean",
      default: true,
      description: "Register and start the service",
      negativeDescription: "Put the program and a configuration file in place, and register no service",
    },
    ...JSON_ARG,
  },
  async run({ args, rawArgs }) {
    const mode = modeOf(args);
    if (args.platform !== undefined && args.print !== true) {
      throw new CommandError("--platform is for --print alone", "Add --print", EXIT.usage);
    }
    const plan = planOf(mode, machineOf(platformOf(args)), rawArgs);
    if (args.print === true) {
      print(definitionFor(plan.machine, { ...definitionOf(plan), program: programToPrint(plan) }).trimEnd());
      return EXIT.done;
    }
    for (const warning of plan.warnings) printError(`Warning: ${warning}`);
    const done = args.service === false ? installProgram(plan) : await installService(plan);
    if (args.json === true) printJson({ mode, ...done.report });
    else for (const line of done.lines) print(line);
    return EXIT.done;
  },
} satisfies Command;

interface Done {
  lines: string[];
  report: object;
}

/** Steps that were done, each with what undoes it. */
class Steps {
  readonly lines: string[] = [];
  readonly #undo: (() => void)[] = [];

  did(line: string, undo: () => void): void {
    this.lines.push(line);
    this.#undo.push(undo);
  }

  /** In the order of doing: a service is started again after the program it runs is back. */
  undoAll(): void {
    for (const undo of this.#undo) undo();
  }
}

async function installService(plan: Plan): Promise<Done> {
  const { mode, machine, places, loaded } = plan;
  const manager = managerFor(mode, machine, selfForShell());
  const choice = chooseProgram(selfAsCalled(), mode, places.program);
  refuseStranger(choice);
  manager.check();
  const before = manager.state();
  const receipt = readReceipt(places.receipt);
  await checkPort(addressOf(loaded), before, { receipt, otherPort: "--port N" });

  const definition = definitionFor(machine, { ...definitionOf(plan), program: choice.program });
  const steps = new Steps();
  const forget = await orUndo(steps, async () => {
    const forgetOld = putProgram(choice, steps);
    const config = putConfig(plan, {}, steps);
    const undo = manager.install(definition);
    steps.did(
      `${before.installed ? "Renewed" : "Installed"} the service: ${manager.state().definition}`,
      undo,
    );
    await answers(addressOf(loaded), manager);
    writeReceipt(places.receipt, { ...receiptOf(plan, choice), args: plan.args });
    return { forgetOld, config };
  });
  forget.forgetOld();

  const { pid, definition: where } = manager.state();
  const { host, port, tls_cert } = loaded.values;
  const url = displayUrl(host, port, tls_cert === null ? "http" : "https");
  const undoIt = `claude-mpm-socketio service uninstall${mode === "user" ? "" : " --mode system"}`;
  const dropped = before.installed ? droppedFlags(receipt?.args ?? [], plan.args) : [];
  return {
    lines: [
      ...steps.lines,
      `It runs at ${url}${pid === null ? "" : ` (PID ${pid})`}, and what it says: ${manager.logHint}`,
      ...droppedHint(plan, dropped),
      ...tokenHint(plan, manager.logHint),
      ...lingerHint(plan),
      `To undo it: ${undoIt}`,
    ],
    report: {
      manager: manager.name,
      program: choice.program,
      copied: choice.copy,
      definition: where,
      config_file: forget.config,
      renewed: before.installed,
      dropped_flags: dropped,
      url,
      pid,
    },
  };
}

/** What is in the old definition's flags and in the new one's not. */
function droppedFlags(before: readonly string[], now: readonly string[]): string[] {
  const { flags, configFile } = readServerFlags(now);
  const old = readServerFlags(before);
  const gone = Object.entries(old.flags).filter(([key]) => !(key in flags));
  const config =
    configFile === undefined && old.configFile !== undefined ? [["--config", old.configFile]] : [];
  const pairs = gone.map(([key, { raw }]) => ["--set", `${key}=${raw}`]);
  return [...config, ...pairs].flat() as string[];
}

function droppedHint({ mode, args }: Plan, dropped: readonly string[]): string[] {
  if (dropped.length === 0) return [];
  const all = ["service", "install", ...(mode === "user" ? [] : ["--mode", mode]), ...args, ...dropped];
  return [
    `It no longer has the flags it had: ${shellLine(dropped)}`,
    `To have them again: claude-mpm-socketio ${shellLine(all)}`,
  ];
}

function shellLine(words: readonly string[]): string {
  return words.map((word) => quote(word, process.platform)).join(" ");
}

/** For `--no-service`: the flags go into the configuration file, for there is no definition to hold them. */
function installProgram(plan: Plan): Done {
  const { places, loaded } = plan;
  const choice = chooseProgram(selfAsCalled(), plan.mode, places.program);
  refuseStranger(choice);
  const given = Object.fromEntries(
    KEYS.filter((key) => loaded.origins[key].kind === "flag").map((key) => [key, loaded.values[key]]),
  );
  if (existsSync(places.configFile) && !isInFile(plan, Object.keys(given).filter(isKey))) {
    throw new CommandError(
      `${places.configFile} is there already, and is left as it is`,
      "Write the settings into it yourself, and leave the flags out",
    );
  }
  const steps = new Steps();
  const config = undoOnFailure(steps, () => {
    const forgetOld = putProgram(choice, steps);
    const written = putConfig(plan, given, steps);
    // A service that is there keeps its flags.
    const args = readReceipt(places.receipt)?.args;
    writeReceipt(places.receipt, { ...receiptOf(plan, choice), ...(args && { args }) });
    forgetOld();
    return written;
  });
  const nothing = steps.lines.length === 0 ? ["All of it was there already: nothing was changed"] : [];
  return {
    lines: [
      ...steps.lines,
      ...nothing,
      `The program is ${choice.program}; start it: claude-mpm-socketio start`,
    ],
    report: { program: choice.program, copied: choice.copy, config_file: config },
  };
}

/** Whether the configuration file says by itself what the flags do. */
function isInFile({ mode, machine, places, loaded }: Plan, keys: readonly Key[]): boolean {
  if (keys.length === 0) return true;
  const { loaded: alone } = planOf(mode, machine, ["--config", places.configFile]);
  return keys.every((key) => {
    return alone.origins[key].kind === "file" && isDeepStrictEqual(alone.values[key], loaded.values[key]);
  });
}

/** Copies the program if need be; returns what forgets the one that was there. */
function putProgram({ program, copy }: ProgramChoice, steps: Steps): () => void {
  const [source = ""] = selfCommand();
  if (!copy || isSameContent(source, program)) return () => {};
  const old = existsSync(program)
    ? (output(program, ["--version"])?.trim() ?? "one that does not run")
    : null;
  const write = (path: string) => copyFileSync(source, path, constants.COPYFILE_EXCL);
  const copied = changing(program, () => stageProgram(program, { mode: 0o755, write }).replace());
  const line =
    old === null
      ? `Copied the program to ${program}`
      : `Replaced the program ${program}: ${old} by ${RELEASE_VERSION}`;
  steps.did(line, copied.undo);
  return copied.keep;
}

/** By its text, as install.sh does: who knows what a stranger would do when it is run. */
function refuseStranger({ program, copy }: ProgramChoice): void {
  if (!copy || !existsSync(program) || readFileSync(program).includes(ENV_PREFIX)) return;
  throw new CommandError(
    `${program} is another program of that name`,
    "Move it away, and install again; nothing was changed",
  );
}

/** Writes a starter file where there is none; returns the file the service will read. */
function putConfig({ mode, places, loaded }: Plan, given: object, steps: Steps): string {
  const { configFile } = places;
  if (loaded.file !== null || existsSync(configFile)) return loaded.file ?? configFile;
  // The service of the machine runs as a user of its own.
  changing(configFile, () => writeWhole(configFile, starterFile(given), mode === "user" ? 0o600 : 0o644));
  steps.did(`Wrote a configuration file to fill in: ${configFile}`, () =>
    rmSync(configFile, { force: true }),
  );
  return configFile;
}

async function orUndo<T>(steps: Steps, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw undone(steps, error);
  }
}

function undoOnFailure<T>(steps: Steps, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw undone(steps, error);
  }
}

function undone(steps: Steps, error: unknown): Error {
  steps.undoAll();
  const { message, hint = "Mend that, and try again" } = error as { message: string; hint?: string };
  return new ServiceError(`${message}. What was done so far was undone`, hint);
}

function changing<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const denied = code === "EACCES" || code === "EPERM";
    const hint = denied ? "Run it with the rights for that, or use --mode user" : "Mend that, and try again";
    throw new ServiceError(`${path} cannot be written: ${message}`, hint);
  }
}

function definitionOf({ mode, args, loaded }: Plan) {
  return { mode, args, port: loaded.values.port };
}

/** As it would be installed here; from a checkout, or for another platform, its place there. */
function programToPrint({ mode, machine, places }: Plan): string {
  const here = IS_COMPILED && machine.platform === process.platform;
  return here ? chooseProgram(selfAsCalled(), mode, places.program).program : places.program;
}

function receiptOf({ places, loaded }: Plan, { program, copy }: ProgramChoice) {
  const { state_dir: stateDir, host, port } = loaded.values;
  const copied = copy || readReceipt(places.receipt)?.program === program;
  return {
    program: copied ? program : null,
    configFile: loaded.file ?? places.configFile,
    stateDir,
    host,
    port,
  };
}

/** The first token was told to nobody who is here. */
function tokenHint({ mode, machine, loaded }: Plan, logHint: string): string[] {
  const { values } = loaded;
  if (!asksForTokens(values) || isLoopbackHost(values.host) || namesCredentials(values)) return [];
  const make = `claude-mpm-socketio token create --mode ${mode}`;
  const first = machine.platform === "linux" ? `the first one is in its journal (${logHint}); ` : "";
  return [`Others need a token: ${first}make one: ${make}`];
}

/** A user's services end with the last log-out, unless the user "lingers". */
function lingerHint({ mode, machine }: Plan): string[] {
  if (mode !== "user" || machine.platform !== "linux") return [];
  const { USER: name } = processEnv();
  if (name && existsSync(`/var/lib/systemd/linger/${name}`)) return [];
  return ["It ends when you log out; to have it from the machine's start on: loginctl enable-linger"];
}
