/** Effective configuration: default < environment preset < file < variable < flag, with the origin of each value. */
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { parse, type ParseError, printParseErrorCode } from "jsonc-parser";
import { isObject } from "../protocol/event.ts";
import { isAddress, isLoopbackHost } from "../protocol/hosts.ts";
import { problemOf } from "../protocol/secret-patterns.ts";
import { type Env, processEnv } from "./env.ts";
import { absolutePath, configFiles, defaultStateDir } from "./paths.ts";
import { detectEnvironment, type Environment, presetValues } from "./presets.ts";
import {
  type Config,
  ENV_PREFIX,
  fieldOf,
  flagOf,
  isKey,
  type Key,
  KEYS,
  type NumberField,
} from "./schema.ts";
import { nearest } from "./suggest.ts";
import { checkValue } from "./values.ts";

export interface Origin {
  kind: "default" | "preset" | "file" | "env" | "flag";
  /** The file's path, the variable's or flag's name, the preset and why it applies. */
  source: string;
}

export interface LoadedConfig {
  values: Config;
  origins: Record<Key, Origin>;
  warnings: string[];
  environment: { value: Environment; detected: boolean; because: string };
  /** The file that was read, if any. */
  file: string | null;
}

/** Values given on the command line, by key, with the flag they came by. */
export type FlagValues = Partial<Record<Key, { raw: string; flag: string }>>;

export interface LoadOptions {
  flags?: FlagValues;
  /** `--set` pairs whose key may be unknown. */
  unknownFlags?: string[];
  /** `--config`. */
  configFile?: string | undefined;
  compiled: boolean;
  env?: Env;
  platform?: NodeJS.Platform;
  /** What relative paths in flags and variables are relative to; never a place where configuration is looked for. */
  cwd?: string;
  dockerFile?: boolean;
  /** For who has to go on: what is wrong with the file is a warning, and what stands there does not count. */
  withoutBrokenFile?: boolean;
}

/** Configuration that cannot be used; the process ends with exit code 78. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Sources, weakest first. */
const RANK: Origin["kind"][] = ["default", "preset", "file", "env", "flag"];

interface Layer {
  kind: Origin["kind"];
  values: Map<Key, { raw: unknown; source: string }>;
}

/** Reads every source and returns the effective values; throws a `ConfigError` listing all that is wrong. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const {
    flags = {},
    unknownFlags = [],
    env = processEnv(),
    platform = process.platform,
    cwd = process.cwd(),
    withoutBrokenFile = false,
  } = options;
  const problems: string[] = [];
  const warnings: string[] = unknownFlags.map((name) => unknownKey(`--set ${name}`, name));
  const problemsOf = (kind: Origin["kind"]) => (withoutBrokenFile && kind === "file" ? warnings : problems);
  const orWarn = <T>(act: () => T): T | null => {
    try {
      return act();
    } catch (error) {
      if (!withoutBrokenFile || !(error instanceof ConfigError)) throw error;
      warnings.push(...error.problems);
      return null;
    }
  };
  const file = orWarn(() => findFile({ explicit: options.configFile, env, platform, cwd }));

  const flagLayer: Layer = { kind: "flag", values: new Map() };
  for (const [key, { raw, flag }] of Object.entries(flags))
    flagLayer.values.set(key as Key, { raw, source: flag });
  const fileLayer = file === null ? null : orWarn(() => readFile(file, warnings));
  const layers = [fileLayer, readVariables(env, warnings), flagLayer].filter((layer) => layer !== null);

  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  const set = (key: Key, value: unknown, origin: Origin) => {
    values[key] = value;
    origins[key] = origin;
  };
  const apply = (key: Key) => {
    for (const { kind, values: given } of layers) {
      const entry = given.get(key);
      if (!entry) continue;
      const { raw, source } = entry;
      const checked = checkValue(key, raw);
      if (!checked.ok) {
        problemsOf(kind).push(`${source}: ${key} = ${shown(key, raw)} is not possible; ${checked.why}`);
        continue;
      }
      if (key === "redact_patterns") {
        for (const pattern of checked.value as string[]) {
          const problem = problemOf(pattern);
          if (problem === null) continue;
          const allowed = "allowed are regular expressions of JavaScript";
          problemsOf(kind).push(`${source}: ${key} holds ${JSON.stringify(pattern)}: ${problem}; ${allowed}`);
        }
      }
      if (key === "trusted_proxies") {
        const bad = (checked.value as string[]).find((proxy) => !isAddress(proxy.replace(/\/.*/, "")));
        if (bad !== undefined)
          problemsOf(kind).push(`${source}: ${key} holds ${JSON.stringify(bad)}, which is no address`);
      }
      const isUrl = key === "jwt_jwks_url" && /^[a-z][a-z0-9+.-]+:/i.test(String(checked.value));
      if (isUrl && !/^(https?:\/\/[^/]|file:\/\/\/)/i.test(String(checked.value))) {
        const allowed = "allowed is a URL that begins with https:, http: or file:, or a path";
        problems.push(`${source}: ${key} = ${shown(key, raw)} is not possible; ${allowed}`);
        continue;
      }
      const isNamed = fieldOf(key).type === "path" || (key === "jwt_jwks_url" && !isUrl);
      const isPath = isNamed && typeof checked.value === "string";
      const base = kind === "file" ? dirname(source) : cwd;
      set(key, isPath ? absolutePath(checked.value as string, base, env) : checked.value, {
        kind,
        source,
      });
    }
  };

  for (const key of KEYS) set(key, fieldOf(key).default, { kind: "default", source: "default" });
  apply("environment");
  const environment = chooseEnvironment(
    values.environment as Environment | null,
    origins.environment as Origin,
    options,
    env,
  );
  const presetSource = `environment ${environment.value} (${environment.because})`;
  for (const [key, value] of Object.entries(presetValues(environment.value, environment.detected))) {
    set(key as Key, value, { kind: "preset", source: presetSource });
  }
  if (environment.detected)
    set("environment", environment.value, {
      kind: "default",
      source: environment.because,
    });
  for (const key of KEYS) if (key !== "environment") apply(key);

  const isNear = isLoopbackHost(values.host as string);
  const because = `default ${isNear ? "on" : "beyond"} loopback`;
  for (const key of KEYS) {
    const { beyondLoopback } = fieldOf(key) as NumberField;
    const isDefault = beyondLoopback !== undefined && origins[key]?.kind === "default";
    if (isDefault) set(key, isNear ? values[key] : beyondLoopback, { kind: "default", source: because });
  }
  if (values.state_dir === null) values.state_dir = defaultStateDir({ platform, env });
  const pathOrigin = origins.log_file_path as Origin;
  const outranks = RANK.indexOf(pathOrigin.kind) > RANK.indexOf((origins.log_to_file as Origin).kind);
  if (values.log_file_path !== null && outranks) set("log_to_file", true, pathOrigin);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    values: values as Config,
    origins: origins as Record<Key, Origin>,
    warnings,
    environment,
    file,
  };
}

function chooseEnvironment(
  named: Environment | null,
  origin: Origin,
  { compiled, dockerFile }: LoadOptions,
  env: Env,
): LoadedConfig["environment"] {
  if (named !== null) return { value: named, detected: false, because: `named by ${origin.source}` };
  const found = detectEnvironment({
    env,
    compiled,
    dockerFile: dockerFile ?? existsSync("/.dockerenv"),
  });
  return { value: found.environment, detected: true, because: `detected, as ${found.because}` };
}

function findFile({
  explicit,
  env,
  platform,
  cwd,
}: {
  explicit: string | undefined;
  env: Env;
  platform: NodeJS.Platform;
  cwd: string;
}): string | null {
  const variable = `${ENV_PREFIX}CONFIG`;
  const named = explicit
    ? { path: explicit, source: "--config" }
    : env[variable]
      ? { path: env[variable], source: variable }
      : null;
  if (!named) return configFiles({ platform, env }).find((path) => existsSync(path)) ?? null;
  const path = absolutePath(named.path, cwd, env);
  if (!existsSync(path))
    throw new ConfigError([
      `${named.source}: there is no file ${path}; allowed is the path of a configuration file`,
    ]);
  return path;
}

function readFile(path: string, warnings: string[]): Layer {
  const content = parseCommentedJson(path, readFileOrFail(path));
  if (!isObject(content))
    throw new ConfigError([`${path}: the file holds no JSON object; allowed is {"key": value, …}`]);
  const values: Layer["values"] = new Map();
  for (const [name, raw] of Object.entries(content)) {
    if (isKey(name)) values.set(name, { raw, source: path });
    else if (name !== "$schema") warnings.push(unknownKey(path, name));
  }
  return { kind: "file", values };
}

function readFileOrFail(path: string): string {
  try {
    // Editors on Windows put a byte order mark in front.
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw new ConfigError([`${path}: ${(error as Error).message}; allowed is a file this user may read`]);
  }
}

/** JSON with comments and trailing commas; a mistake is named with its line, which no built-in parser tells. */
export function parseCommentedJson(path: string, text: string): unknown {
  const mistakes: ParseError[] = [];
  let content: unknown;
  try {
    content = parse(text, mistakes, { allowTrailingComma: true });
  } catch {
    throw new ConfigError([`${path}: it is nested too deeply; allowed is JSON, comments included`]);
  }
  const [first] = mistakes;
  if (!first) return content;
  const line = text.slice(0, first.offset).split("\n").length;
  const what = printParseErrorCode(first.error)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toLowerCase();
  throw new ConfigError([`${path}, line ${line}: ${what}; allowed is JSON, comments included`]);
}

function readVariables(env: Env, warnings: string[]): Layer {
  const keyByVariable = new Map(KEYS.map((key) => [ENV_PREFIX + fieldOf(key).env, key]));
  const values: Layer["values"] = new Map();
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || raw === undefined || raw === "") continue;
    const key = keyByVariable.get(name);
    if (key) values.set(key, { raw, source: name });
    else if (name !== `${ENV_PREFIX}CONFIG`) {
      const suggestion = nearest(name, [...keyByVariable.keys()]);
      warnings.push(`${name} is not a variable we know${suggestion ? `; did you mean ${suggestion}?` : ""}`);
    }
  }
  return { kind: "env", values };
}

function unknownKey(source: string, name: string): string {
  const suggestion = nearest(name, KEYS);
  return `${source}: ${JSON.stringify(name)} is not a key we know${suggestion ? `; did you mean "${suggestion}"?` : ""}`;
}

const MAX_SHOWN = 100;

function shown(key: Key, raw: unknown): string {
  if (fieldOf(key).secret) return "(secret)";
  const text = JSON.stringify(raw);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** The flag that sets a key: its own where it has one, `--set` otherwise. */
export function flagFor(key: Key): string {
  return fieldOf(key).flag ? flagOf(key) : `--set ${key}`;
}
