/** The command tree, each command loaded only when it is called, and the one place that reports failures. */
import { type ArgsDef, type CommandDef, parseArgs, renderUsage } from "citty";
import { ConfigError } from "../config/load.ts";
import { nearest } from "../config/suggest.ts";
import { checkArgs } from "./flags.ts";
import { coloured, CommandError, EXIT, print, printError, printJson } from "./output.ts";

/** A command: citty's definition of its arguments, and a `run` that returns the exit code. */
export interface Command {
  description: string;
  args?: ArgsDef;
  /** It runs a command of the user's: what stands after `--`, which nobody else looks into. */
  takesCommand?: true;
  run(context: CommandContext): number | Promise<number>;
}

export interface CommandContext {
  args: Record<string, string | boolean | undefined>;
  rawArgs: string[];
  /** What stands after `--`; empty for commands that do not take it. */
  operands: string[];
}

interface Group {
  description: string;
  commands: Record<string, Lazy | Group>;
}

interface Lazy {
  description: string;
  load: () => Promise<{ default: Command }>;
}

const NAME = "claude-mpm-socketio";

const lazy = (description: string, load: Lazy["load"]): Lazy => ({ description, load });

const COMMANDS: Record<string, Lazy | Group> = {
  serve: lazy("Run the server in the foreground", () => import("./commands/serve.ts")),
  start: lazy("Start the server in the background", () => import("./commands/start.ts")),
  stop: lazy("Stop the server", () => import("./commands/stop.ts")),
  restart: lazy("Stop the server and start it again", () => import("./commands/restart.ts")),
  status: lazy("Show whether the server runs, and how it does", () => import("./commands/status.ts")),
  health: lazy("Ask the server whether it is healthy", () => import("./commands/health.ts")),
  logs: lazy("Show the server's log", () => import("./commands/logs.ts")),
  open: lazy("Open the dashboard in the browser", () => import("./commands/open.ts")),
  tail: lazy("Show events as they come", () => import("./commands/tail.ts")),
  history: lazy("Show stored events", () => import("./commands/history.ts")),
  emit: lazy("Send one event", () => import("./commands/emit.ts")),
  run: lazy("Run a command, and report its start and its end", () => import("./commands/run.ts")),
  hook: lazy("Deliver a Claude Code hook, given on standard input", () => import("./commands/hook.ts")),
  doctor: lazy(
    "Check everything that can be wrong, and say how to mend it",
    () => import("./commands/doctor.ts"),
  ),
  hooks: {
    description: "Register the hook in Claude Code's settings, and take it out again",
    commands: {
      install: lazy("Register the hook for every event", () => import("./commands/hooks-install.ts")),
      uninstall: lazy(
        "Take the hook out of the settings again",
        () => import("./commands/hooks-uninstall.ts"),
      ),
      status: lazy("Show where the hook is registered", () => import("./commands/hooks-status.ts")),
    },
  },
  config: {
    description: "Show, check and make the configuration",
    commands: {
      show: lazy(
        "Show the effective values and where each comes from",
        () => import("./commands/config-show.ts"),
      ),
      check: lazy("Check the configuration", () => import("./commands/config-check.ts")),
      init: lazy("Write a commented starter file", () => import("./commands/config-init.ts")),
      path: lazy("Show where configuration files are looked for", () => import("./commands/config-path.ts")),
      schema: lazy("Print the JSON Schema of the file", () => import("./commands/config-schema.ts")),
    },
  },
  version: lazy("Show the versions of everything", () => import("./commands/version.ts")),
  "install-deps": lazy(
    "For old scripts: nothing has to be installed",
    () => import("./commands/install-deps.ts"),
  ),
};

/** Runs one command line and returns the exit code. */
export async function runCli(argv: string[]): Promise<number> {
  const separator = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const flags = argv.slice(0, separator);
  const wantsHelp = flags.includes("--help") || flags.includes("-h");
  try {
    return await dispatch(argv, wantsHelp);
  } catch (error) {
    return report(error, flags.includes("--json"));
  }
}

async function dispatch(argv: string[], wantsHelp: boolean): Promise<number> {
  const path: string[] = [];
  let entry: Lazy | Group = { description: "Event server for coding agents", commands: COMMANDS };
  let rest = argv;
  while ("commands" in entry) {
    const [name, ...after]: string[] = rest;
    if (name === undefined || name.startsWith("-")) return showGroup(path, entry, name, wantsHelp);
    const next: Lazy | Group | undefined = Object.hasOwn(entry.commands, name)
      ? entry.commands[name]
      : undefined;
    if (!next) throw unknownCommand([...path, name].join(" "), name, Object.keys(entry.commands));
    path.push(name);
    [entry, rest] = [next, after];
  }
  const { default: command } = await entry.load();
  if (wantsHelp) {
    const usage = plain(await renderUsage(cittyDefinition(command, path), { meta: { name: NAME } }));
    // Citty knows nothing of what comes behind `--`.
    print(command.takesCommand ? usage.replace("[OPTIONS]", "[OPTIONS] -- COMMAND") : usage);
    return EXIT.done;
  }
  const [rawArgs, operands] = command.takesCommand ? splitCommand(rest, path.join(" ")) : [rest, []];
  const argsDef = command.args ?? {};
  checkArgs(rawArgs, argsDef);
  const args = parseArgs(rawArgs, argsDef) as CommandContext["args"];
  return command.run({ args, rawArgs, operands });
}

/** The flags, and the command after `--`, where one has to stand. */
function splitCommand(rest: string[], name: string): [flags: string[], command: string[]] {
  const separator = rest.indexOf("--");
  const operands = separator === -1 ? [] : rest.slice(separator + 1);
  if (operands.length > 0) return [rest.slice(0, separator), operands];
  const first = rest.findIndex((arg) => !arg.startsWith("-"));
  const guess = separator === -1 && first !== -1 ? rest.slice(first).join(" ") : "COMMAND";
  throw new CommandError(
    "The command to run is missing",
    `Write it after --: ${NAME} ${name} -- ${guess}`,
    EXIT.usage,
  );
}

async function showGroup(
  path: string[],
  group: Group,
  given: string | undefined,
  wantsHelp: boolean,
): Promise<number> {
  if (!wantsHelp && given !== undefined) {
    throw new CommandError(
      `There is no flag ${given} before a command`,
      `Write ${NAME} COMMAND ${given}; --help lists the commands`,
      EXIT.usage,
    );
  }
  const subCommands = Object.fromEntries(
    Object.entries(group.commands).map(([name, { description }]) => [name, { meta: { name, description } }]),
  );
  const name = [NAME, ...path].join(" ");
  const usage = plain(await renderUsage({ meta: { name, description: group.description }, subCommands }));
  if (wantsHelp) print(usage);
  else printError(usage);
  return wantsHelp ? EXIT.done : EXIT.usage;
}

function cittyDefinition({ description, args = {} }: Command, path: string[]): CommandDef {
  return { meta: { name: path.join(" "), description }, args };
}

function unknownCommand(full: string, name: string, known: string[]): CommandError {
  const suggestion = nearest(name, known);
  const hint = suggestion ? `Did you mean "${suggestion}"?` : `See ${NAME} --help for those there are`;
  return new CommandError(`There is no command "${full}"`, hint, EXIT.usage);
}

function report(error: unknown, json: boolean): number {
  const { messages, hint, exitCode } = describe(error);
  for (const message of messages) printError(`Error: ${message}`);
  printError(hint);
  try {
    if (json) printJson({ error: { message: messages.join("\n"), hint } });
  } catch {
    // Where the output cannot be written there is nobody to tell it.
  }
  return exitCode;
}

function describe(error: unknown): { messages: string[]; hint: string; exitCode: number } {
  if (error instanceof CommandError) {
    return { messages: [error.message], hint: error.hint, exitCode: error.exitCode };
  }
  if (error instanceof ConfigError) {
    const hint = `Mend it there; what each key takes: ${NAME} config schema`;
    return { messages: error.problems, hint, exitCode: EXIT.config };
  }
  const message = error instanceof Error ? error.message : String(error);
  // The server's own refusal, known by its form: to load its class would make every command slower to start.
  if (error instanceof Error && "hint" in error && typeof error.hint === "string") {
    return { messages: [message], hint: error.hint, exitCode: EXIT.failed };
  }
  return { messages: [message], hint: `Find out more: ${NAME} doctor`, exitCode: EXIT.failed };
}

/** Citty colours its usage whatever it is written to. */
function plain(usage: string): string {
  // oxlint-disable-next-line no-control-regex
  return coloured() ? usage : usage.replace(/\u001B\[\d+m/g, "");
}
