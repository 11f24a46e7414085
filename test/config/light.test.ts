import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readServerFlags } from "../../src/cli/flags.ts";
import { lightConfig, type LightOptions, readConfigFile } from "../../src/config/light.ts";
import { loadConfig } from "../../src/config/load.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** A home directory, with a configuration file where a text is given. */
function home(file?: string): string {
  const directory = temporaryDirectory();
  const path = join(directory, ".claude-mpm", "socketio_config.json");
  mkdirSync(dirname(path));
  if (file !== undefined) writeFileSync(path, file);
  return directory;
}

const loadLightConfig = async (args: string[], options: LightOptions) =>
  lightConfig(args, await readConfigFile(args, options), options);

const V = "CLAUDE_MPM_SOCKETIO_";

describe("says the same as the whole configuration:", () => {
  const cases: Record<string, { file?: string; env?: Record<string, string>; args?: string[] }> = {
    "without anything": {},
    "a file": { file: '{"port": 9001, "state_dir": "~/state", "host": "10.0.0.1"}' },
    "a file with comments": { file: '\uFEFF{"port": 9001, // ours\n "max_http_buffer_size": 5000,}' },
    "a path relative to the file": { file: '{"state_dir": "here"}' },
    "a variable over the file": { file: '{"port": 9001}', env: { [`${V}PORT`]: "9002" } },
    "an empty variable": { file: '{"port": 9001}', env: { [`${V}PORT`]: "" } },
    "flags over all": { file: '{"port": 9001}', env: { [`${V}PORT`]: "9002" }, args: ["--port", "9003"] },
    "flags of every form": {
      args: ["--state-dir=/tmp/x", "--set", "max_http_buffer_size=2000", "--set=port=9004"],
    },
    "patterns, some with commas": {
      file: '{"redact": false, "redact_patterns": "corp-[0-9]+"}',
      env: { [`${V}REDACT_PATTERNS`]: '["corp-[0-9]{3,5}", "b"]' },
    },
    "its own flag over --set": { args: ["--port=9003", "--set", "port=9004"] },
  };
  for (const [name, { file, env = {}, args = [] }] of Object.entries(cases)) {
    test(name, async () => {
      const all = { HOME: home(file), ...env };
      const light = await loadLightConfig(args, { env: all });
      const { values } = loadConfig({
        ...readServerFlags(args),
        compiled: true,
        env: all,
        dockerFile: false,
      });
      const {
        host,
        port,
        state_dir,
        token,
        tls_cert,
        allow_plain_http,
        max_http_buffer_size,
        redact,
        redact_patterns,
      } = values;
      expect(light).toEqual({
        host,
        port,
        state_dir,
        token,
        tls_cert,
        allow_plain_http,
        max_http_buffer_size,
        redact,
        redact_patterns,
      });
    });
  }
});

test("what cannot be used is passed over for the next weaker source", async () => {
  const env = { HOME: home('{"port": 9001, "max_http_buffer_size": "much"}'), [`${V}PORT`]: "banana" };
  expect(await loadLightConfig(["--port", "99999", "--nonsense", "--set"], { env })).toMatchObject({
    port: 9001,
    max_http_buffer_size: 1_000_000,
  });
});

for (const [name, file] of Object.entries({ broken: "{", "no object": "[1]", "a directory": undefined })) {
  test(`a file that is ${name} counts for nothing`, async () => {
    const directory = home(file);
    if (file === undefined) mkdirSync(join(directory, ".claude-mpm", "socketio_config.json"));
    expect(await loadLightConfig([], { env: { HOME: directory } })).toMatchObject({ port: 8765 });
  });
}

test("a token is taken, though no server of this release asks for one", async () => {
  const env = { HOME: home(), [`${V}TOKEN`]: "t0ken" };
  expect(await loadLightConfig([], { env })).toMatchObject({ token: "t0ken" });
});

test("a file named and not there counts for nothing", async () => {
  const env = { HOME: home('{"port": 9001}'), [`${V}CONFIG`]: "/nowhere/at/all.json" };
  expect(await loadLightConfig([], { env })).toMatchObject({ port: 8765 });
});
