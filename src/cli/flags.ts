/** Server flags made from the configuration schema, and the strict reading of all flags. */
import type { ArgsDef } from "citty";
import type { FlagValues, LoadedConfig, LoadOptions } from "../config/load.ts";
import { loadConfig } from "../config/load.ts";
import { ENV_PREFIX, fieldOf, flagOf, isKey, type Key, KEYS } from "../config/schema.ts";
import { nearest } from "../config/suggest.ts";
import { IS_COMPILED } from "../version.ts";
import { CommandError, EXIT, printError } from "./output.ts";
import type { Args } from "./tree.ts";

/** `--host --port …`, `--config` and `--set`: everything that reaches the configuration. */
export const SERVER_ARGS = {
  ...Object.fromEntries(
    KEYS.filter((key) => fieldOf(key).flag).map((key) => {
      return [
        flagOf(key).slice(2),
        { type: "string", description: fieldOf(key).description, valueHint: valueHint(key) },
      ];
    }),
  ),
  config: { type: "string", description: "Configuration file", valueHint: "FILE" },
  set: {
    type: "string",
    description: "Any configuration key; may be repeated",
    valueHint: "KEY=VALUE",
    repeatable: true,
  },
} as Args;

/** What a key takes, in the form of `Args`. */
export function valueHint(key: Key): string {
  const field = fieldOf(key);
  switch (field.type) {
    case "boolean":
      return "true|false";
    case "integer":
    case "number":
      return "N";
    case "path":
      return key.endsWith("_dir") ? "DIR" : "FILE";
    case "list":
      return "LIST";
    case "string":
      return field.choices?.join("|") ?? "VALUE";
  }
}

export const JSON_ARG = {
  json: { type: "boolean", description: "Print one JSON document" },
} as const satisfies ArgsDef;

export interface ServerFlags {
  flags: FlagValues;
  unknownFlags: string[];
  configFile: string | undefined;
}

/** Reads the server flags out of the raw arguments; a key's own flag wins over `--set`, the last one over earlier ones. */
export function readServerFlags(rawArgs: readonly string[]): ServerFlags {
  const result: ServerFlags = { flags: {}, unknownFlags: [], configFile: undefined };
  const own: FlagValues = {};
  for (const [name, value] of flagPairs(rawArgs)) {
    const key = name.replaceAll("-", "_");
    if (name === "config" && value === "") {
      throw new CommandError("--config needs a value", "Write --config FILE", EXIT.usage);
    }
    if (name === "config") result.configFile = value;
    else if (name === "set") {
      const [, setKey = "", raw] = /^([^=]*)=(.*)$/s.exec(value) ?? [];
      if (raw === undefined)
        throw new CommandError(
          `--set ${value} is not KEY=VALUE`,
          "Write, for example, --set port=9000",
          EXIT.usage,
        );
      if (isKey(setKey)) result.flags[setKey] = { raw, flag: `--set ${setKey}` };
      else result.unknownFlags.push(setKey);
    } else if (isKey(key) && fieldOf(key).flag) own[key] = { raw: value, flag: flagOf(key) };
  }
  Object.assign(result.flags, own);
  return result;
}

/** Loads the configuration for a command; warnings go to stderr. */
export function loadForCommand(
  rawArgs: readonly string[],
  options: Pick<LoadOptions, "withoutBrokenFile"> = {},
): LoadedConfig {
  const loaded = loadConfig({ ...readServerFlags(rawArgs), compiled: IS_COMPILED, ...options });
  for (const warning of loaded.warnings) printError(`Warning: ${warning}`);
  return loaded;
}

/** As `loadForCommand`, for what is needed most when something is wrong: a broken file does not keep it from going on. */
export function loadInNeed(rawArgs: readonly string[]): LoadedConfig {
  return loadForCommand(rawArgs, { withoutBrokenFile: true });
}

/** The same flags with absolute paths, for a server that runs elsewhere; without secrets, as every user sees a command line. */
export function serverArgs(rawArgs: readonly string[], { values, origins, file }: LoadedConfig): string[] {
  const { flags, configFile } = readServerFlags(rawArgs);
  const pairs = Object.keys(flags)
    .filter(isKey)
    .filter((key) => !isSecret(key))
    .flatMap((key) => {
      const value =
        fieldOf(key).type === "path" && origins[key].kind === "flag" ? values[key] : flags[key]?.raw;
      return ["--set", `${key}=${value}`];
    });
  return configFile !== undefined && file !== null ? ["--config", file, ...pairs] : pairs;
}

/** The secrets among the flags, as variables for a server in the background: only its own user sees those. */
export function secretVariables(rawArgs: readonly string[]): Record<string, string> {
  const { flags } = readServerFlags(rawArgs);
  const secrets = Object.keys(flags).filter(isKey).filter(isSecret);
  return Object.fromEntries(secrets.map((key) => [ENV_PREFIX + fieldOf(key).env, flags[key]?.raw ?? ""]));
}

/** What `serverArgs` of an earlier build wrote down, without the secrets. */
export function withoutSecrets(args: readonly string[]): string[] {
  const isSecretPair = (flag = "", pair = "") =>
    flag === "--set" && KEYS.some((key) => isSecret(key) && pair.startsWith(`${key}=`));
  return args.filter((arg, at) => !isSecretPair(arg, args[at + 1]) && !isSecretPair(args[at - 1], arg));
}

function isSecret(key: Key): boolean {
  return fieldOf(key).secret === true;
}

/** Refuses flags and values a command does not have, which citty would let pass. */
export function checkArgs(rawArgs: readonly string[], argsDef: ArgsDef): void {
  const flags = new Map<string, ArgsDef[string]>();
  for (const [name, definition] of Object.entries(argsDef)) {
    if (definition.type === "positional") continue;
    const alias = "alias" in definition ? definition.alias : undefined;
    for (const spelling of [name, ...(Array.isArray(alias) ? alias : alias ? [alias] : [])])
      flags.set(spelling, definition);
  }
  const positionals = Object.values(argsDef).filter(({ type }) => type === "positional").length;
  let given = 0;
  for (let index = 0; index < rawArgs.length; index += 1) {
    const arg = rawArgs[index] as string;
    if (!arg.startsWith("-") || arg === "-") {
      given += 1;
      if (given > positionals)
        throw new CommandError(`"${arg}" is not expected here`, "See --help for what is", EXIT.usage);
      continue;
    }
    const [name = "", value] = splitFlag(arg);
    const definition = definitionOf(arg, name, flags);
    if (!definition) {
      const suggestion = nearest(name, [...flags.keys()]);
      const hint = suggestion ? `Did you mean --${suggestion}?` : "See --help for those there are";
      throw new CommandError(`There is no flag ${arg.split("=")[0]}`, hint, EXIT.usage);
    }
    if (definition.type !== "boolean" && value === undefined) {
      index += 1;
      const next = rawArgs[index];
      if (next === undefined)
        throw new CommandError(`${arg} needs a value`, `Write ${arg} VALUE`, EXIT.usage);
    }
  }
}

/** One dash is for one letter, and `no-` for what is on or off. */
function definitionOf(
  arg: string,
  name: string,
  flags: Map<string, ArgsDef[string]>,
): ArgsDef[string] | undefined {
  if (!arg.startsWith("--") && name.length > 1) return undefined;
  if (flags.has(name)) return flags.get(name);
  const negated = name.startsWith("no-") ? flags.get(name.slice(3)) : undefined;
  return negated?.type === "boolean" ? negated : undefined;
}

/** A whole number given by a flag. */
export function wholeNumber(text: string, flag: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new CommandError(
      `${flag} ${text} is not a whole number`,
      `Write, for example, ${flag} 50`,
      EXIT.usage,
    );
  return Number(text);
}

/** All values of a flag that may be repeated, each of them split at commas. */
export function listOf(rawArgs: readonly string[], name: string): string[] {
  return [...flagPairs(rawArgs, { [name]: true })]
    .flatMap(([, value]) => value.split(","))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function* flagPairs(
  rawArgs: readonly string[],
  names: object = SERVER_ARGS,
): Generator<[name: string, value: string]> {
  for (let index = 0; index < rawArgs.length; index += 1) {
    const arg = rawArgs[index] as string;
    if (!arg.startsWith("--")) continue;
    const [name = "", value] = splitFlag(arg);
    if (!(name in names)) continue;
    yield [name, value ?? rawArgs[(index += 1)] ?? ""];
  }
}

function splitFlag(arg: string): [name: string, value: string | undefined] {
  const [, name = "", value] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
  return [name, value];
}
