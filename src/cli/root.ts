/** Finds the command in the tree, reads its flags, runs it: and the one place that reports failures. */
import { type CommandDef, parseArgs, renderUsage } from "citty";
import { ConfigError } from "../config/load.ts";
import { nearest } from "../config/suggest.ts";
import { PRODUCT as NAME } from "../release/targets.ts";
import { checkArgs } from "./flags.ts";
import { coloured, CommandError, EXIT, print, printError, printJson } from "./output.ts";
import { type Command, type CommandContext, type Group, type Lazy, TREE } from "./tree.ts";

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
  let entry: Lazy | Group = TREE;
  let rest = argv;
  while ("commands" in entry) {
    const [name, ...after]: string[] = rest;
    if (name === undefined || name.startsWith("-")) {
      if (entry.load) return runCommand(entry.load, path, rest, { wantsHelp, below: entry.commands });
      return showGroup(path, entry, name, wantsHelp);
    }
    const next: Lazy | Group | undefined = Object.hasOwn(entry.commands, name)
      ? entry.commands[name]
      : undefined;
    if (!next) throw unknownCommand([...path, name].join(" "), name, Object.keys(entry.commands));
    path.push(name);
    [entry, rest] = [next, after];
  }
  return runCommand(entry.load, path, rest, { wantsHelp, below: {} });
}

/** @param below the commands that begin with its name */
async function runCommand(
  load: Lazy["load"],
  path: string[],
  rest: string[],
  { wantsHelp, below }: { wantsHelp: boolean; below: Group["commands"] },
): Promise<number> {
  const { default: command } = await load();
  if (wantsHelp) {
    const definition = { ...cittyDefinition(command, path), ...subCommandsOf(below) };
    const usage = plain(await renderUsage(definition, { meta: { name: NAME } }));
    // Citty knows nothing of what comes behind `--`.
    print(command.takesCommand ? usage.replace("[OPTIONS]", "[OPTIONS] -- COMMAND") : usage);
    if (command.details !== undefined) print(command.details);
    return EXIT.done;
  }
  const [rawArgs, operands] = command.takesCommand ? splitCommand(rest, path.join(" ")) : [rest, []];
  const argsDef = command.args ?? {};
  checkArgs(rawArgs, argsDef);
  const args = parseArgs(rawArgs, argsDef) as CommandContext["args"];
  return command.run({ args, rawArgs, operands, tree: TREE });
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
  const name = [NAME, ...path].join(" ");
  const meta = { name, description: group.description };
  const usage = plain(await renderUsage({ meta, ...subCommandsOf(group.commands) }));
  if (wantsHelp) print(usage);
  else printError(usage);
  return wantsHelp ? EXIT.done : EXIT.usage;
}

function subCommandsOf(commands: Group["commands"]): Pick<CommandDef, "subCommands"> {
  const entries = Object.entries(commands).map(([name, { description }]) => {
    return [name, { meta: { name, description } }] as const;
  });
  return entries.length === 0 ? {} : { subCommands: Object.fromEntries(entries) };
}

function cittyDefinition({ description, args = {} }: Command, path: string[]): CommandDef {
  const shown = Object.entries(args).filter(([, { hidden }]) => !hidden);
  return { meta: { name: path.join(" "), description }, args: Object.fromEntries(shown) };
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
