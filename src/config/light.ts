/**
 * A few settings for who has no time to load them all, and nobody to tell of mistakes: what cannot be used is passed
 * over, value by value, for the next weaker source.
 */
import { dirname } from "node:path";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { type Env, processEnv } from "./env.ts";
import { absolutePath, configFiles, defaultStateDir } from "./paths.ts";
import { type Config, ENV_PREFIX, fieldOf, flagOf, type Key } from "./schema.ts";
import { readValue } from "./values.ts";

export interface LightOptions {
  env?: Env;
  platform?: NodeJS.Platform;
  cwd?: string;
}

/** What the sender of hooks needs: no preset touches these, but for a host that every preset leaves to this machine. */
const LIGHT_KEYS = [
  "host",
  "port",
  "state_dir",
  "token",
  "tls_cert",
  "allow_plain_http",
  "max_http_buffer_size",
  "redact",
  "redact_patterns",
] as const satisfies Key[];

export type LightConfig = Pick<Config, (typeof LIGHT_KEYS)[number]>;

/** A configuration file's content, and where it lies. */
export interface ConfigFile {
  path: string;
  content: JsonObject;
}

/**
 * Default < file < variable < flag, as `loadConfig` reads them.
 *
 * @param args `--config FILE`, a key's own flag or `--set KEY=VALUE`; anything else is passed over
 */
export function lightConfig(
  args: readonly string[],
  file: ConfigFile | null,
  { env = processEnv(), platform = process.platform, cwd = process.cwd() }: LightOptions = {},
): LightConfig {
  const flags = readFlags(args);
  const values: Partial<Record<Key, unknown>> = {};
  for (const key of LIGHT_KEYS) {
    const field = fieldOf(key);
    values[key] = field.default;
    const take = (raw: unknown, base: string) => {
      const checked = raw === undefined ? null : readValue(field, raw);
      if (!checked?.ok || checked.value === null) return;
      values[key] = field.type === "path" ? absolutePath(String(checked.value), base, env) : checked.value;
    };
    if (file !== null) take(file.content[key], dirname(file.path));
    take(env[ENV_PREFIX + field.env] || undefined, cwd);
    take(flags.get(key), cwd);
  }
  values.state_dir ??= defaultStateDir({ platform, env });
  return values as LightConfig;
}

/** The configuration file `loadConfig` would read; null where there is none, or none that can be read. */
export async function readConfigFile(
  args: readonly string[],
  { env = processEnv(), platform = process.platform, cwd = process.cwd() }: LightOptions = {},
): Promise<ConfigFile | null> {
  const named = readFlags(args).get("config") ?? env[`${ENV_PREFIX}CONFIG`];
  const paths = named ? [absolutePath(named, cwd, env)] : configFiles({ platform, env });
  // Not one after the other, and without `node:fs`: that alone would cost a third of the time a hook takes.
  const files = await Promise.all(
    paths.map((path) =>
      Bun.file(path)
        .text()
        .then(
          (text) => ({ path, text }),
          () => null,
        ),
    ),
  );
  const found = files.find((file) => file !== null);
  try {
    return found ? { path: found.path, content: await parseFile(found.path, found.text) } : null;
  } catch {
    return null;
  }
}

/** Without comments a file needs no parser of its own, which takes longer to load than all the rest. */
async function parseFile(path: string, text: string): Promise<JsonObject> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = (await import("./load.ts")).parseCommentedJson(path, text);
  }
  return isObject(content) ? content : {};
}

/** Without regular expressions, whose compilation would take longer than all the reading. */
function readFlags(args: readonly string[]): Map<string, string> {
  const own = new Map<string, string>();
  const set = new Map<string, string>();
  for (const [index, arg] of args.entries()) {
    const [flag, value = args[index + 1] ?? ""] = splitAtEquals(arg);
    const key = flag === "--config" ? "config" : LIGHT_KEYS.find((one) => flagOf(one) === flag);
    if (key !== undefined) own.set(key, value);
    if (flag !== "--set") continue;
    const [name, raw] = splitAtEquals(value);
    if (raw !== undefined) set.set(name, raw);
  }
  return new Map([...set, ...own]);
}

function splitAtEquals(text: string): [before: string, after?: string] {
  const at = text.indexOf("=");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
