/** The command line as plain data, read from the command tree: what completions and the manual are made of. */
import { defaultText } from "../config/documents.ts";
import { ENV_PREFIX, fieldOf, KEYS } from "../config/schema.ts";
import { describeAllowed } from "../config/values.ts";
import { PRODUCT } from "../release/targets.ts";
import { valueHint } from "./flags.ts";
import type { Args, Group, Lazy } from "./tree.ts";

/** What stands for a value in usage texts, and how a shell completes it. */
export interface Value {
  hint: string;
  kind: "choice" | "file" | "directory" | "setting" | "text";
  /** All values of a choice. */
  choices: readonly string[];
}

export interface FlagModel {
  /** Without dashes. */
  name: string;
  letter: string | null;
  description: string;
  /** Null for a flag that is given or not. */
  value: Value | null;
  repeatable: boolean;
}

export interface OperandModel {
  name: string;
  description: string;
  value: Value;
}

export interface CommandModel {
  /** Without the program's name; empty for the program itself. */
  path: readonly string[];
  /** In a few words, as lists of commands show it. */
  summary: string;
  description: string;
  details: string | null;
  flags: readonly FlagModel[];
  operands: readonly OperandModel[];
  /** A command of the user's follows `--`. */
  takesCommand: boolean;
  /** Its name alone does something: it is not only the beginning of others. */
  runs: boolean;
  commands: readonly CommandModel[];
}

export interface SettingModel {
  key: string;
  description: string;
  value: Value;
  /** In words. */
  defaultText: string;
  allowed: string;
  /** The environment variable. */
  variable: string;
}

export interface CliModel {
  program: string;
  root: CommandModel;
  /** What `--set` takes. */
  settings: readonly SettingModel[];
}

const HELP: FlagModel = {
  name: "help",
  letter: "h",
  description: "Show what it does and its flags",
  value: null,
  repeatable: false,
};

const VERSION: FlagModel = { ...HELP, name: "version", letter: null, description: "Print the version" };

/** Loads every command of the tree, and leaves out what is hidden. */
export async function modelOf(tree: Group): Promise<CliModel> {
  const root = await readEntry([], tree);
  return {
    program: PRODUCT,
    root: { ...root, flags: [...root.flags, VERSION] },
    settings: KEYS.map((key) => {
      const field = fieldOf(key);
      return {
        key,
        description: field.description,
        value: valueOf(valueHint(key)),
        defaultText: defaultText(key),
        allowed: describeAllowed(field),
        variable: `${ENV_PREFIX}${field.env}`,
      };
    }),
  };
}

/** A command and all below it, in the order of the tree. */
export function withSubCommands(command: CommandModel): CommandModel[] {
  return [command, ...command.commands.flatMap(withSubCommands)];
}

async function readEntry(path: readonly string[], entry: Lazy | Group): Promise<CommandModel> {
  const { description: summary } = entry;
  const common = { path, summary, description: summary, details: null, flags: [HELP], operands: [] };
  const commands =
    "commands" in entry
      ? await Promise.all(
          Object.entries(entry.commands).map(([name, next]) => readEntry([...path, name], next)),
        )
      : [];
  if (!entry.load) return { ...common, takesCommand: false, runs: false, commands };
  const { default: command } = await entry.load();
  const args = command.args ?? {};
  return {
    ...common,
    description: command.description,
    details: command.details ?? null,
    flags: [...flagsOf(args), HELP],
    operands: operandsOf(args),
    takesCommand: command.takesCommand ?? false,
    runs: true,
    commands,
  };
}

function flagsOf(args: Args): FlagModel[] {
  return Object.entries(args).flatMap(([name, definition]) => {
    if (definition.type === "positional" || definition.hidden) return [];
    const { description = "", valueHint: hint = "VALUE", repeatable = false } = definition;
    const alias = "alias" in definition ? definition.alias : undefined;
    const [letter = null] = alias === undefined ? [] : [alias].flat();
    const value = definition.type === "boolean" ? null : valueOf(hint);
    const flag = { name, letter, description, value, repeatable };
    // What is on anyway can only be switched off.
    if (definition.type !== "boolean" || definition.default !== true) return [flag];
    const negative = definition.negativeDescription ?? `Not --${name}`;
    return [flag, { ...flag, name: `no-${name}`, letter: null, description: negative }];
  });
}

function operandsOf(args: Args): OperandModel[] {
  return Object.entries(args).flatMap(([name, { type, description = "", valueHint: hint }]) => {
    return type === "positional" ? [{ name, description, value: valueOf(hint ?? name.toUpperCase()) }] : [];
  });
}

function valueOf(hint: string): Value {
  if (hint.includes("|")) return { hint, kind: "choice", choices: hint.split("|") };
  const kinds: Record<string, Value["kind"]> = { FILE: "file", DIR: "directory", "KEY=VALUE": "setting" };
  return { hint, kind: kinds[hint] ?? "text", choices: [] };
}
