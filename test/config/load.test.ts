import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asksForTokens } from "../../src/config/access.ts";
import { jsonSchema, starterFile } from "../../src/config/documents.ts";
import { ConfigError, loadConfig, type LoadOptions } from "../../src/config/load.ts";
import { ENV_PREFIX, fieldOf, KEYS, type Key } from "../../src/config/schema.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const flag = (key: Key, raw: string) => ({ [key]: { raw, flag: `--set ${key}` } });

/** Loads on a machine of its own: an empty home, no container, the installed binary. */
function load({ file, env = {}, ...options }: Partial<LoadOptions> & { file?: string } = {}) {
  const home = temporaryDirectory();
  if (file !== undefined) {
    const path = join(home, ".claude-mpm", "socketio_config.json");
    mkdirSync(dirname(path));
    writeFileSync(path, file);
  }
  return loadConfig({
    compiled: true,
    dockerFile: false,
    platform: "linux",
    env: { HOME: home, ...env },
    ...options,
  });
}

function problemsOf(act: () => unknown): string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** A value that a key takes. */
function exampleOf(key: Key): string {
  const field = fieldOf(key);
  if (field.type === "integer" || field.type === "number") return String(Math.ceil(field.min) + 1);
  if (field.type === "boolean") return String(field.default !== true);
  if (field.type === "path" || key === "jwt_jwks_url") return "/some/where";
  if (field.type === "string" && field.choices) return field.choices[0] as string;
  if (key === "trusted_proxies") return "10.0.0.1";
  if (key === "redis_url") return "redis://some-host";
  return key === "min_client_version" ? "1.2.3" : "some-text";
}

describe("precedence", () => {
  test("default, preset, file, variable, flag: each one wins over those before it", () => {
    const variable = { CLAUDE_MPM_SOCKETIO_HISTORY_SIZE: "400" };
    const file = '{"max_history_size": 300}';
    const named = flag("environment", "production");
    expect(load().values.max_history_size).toBe(10_000);
    expect(load({ flags: named }).values.max_history_size).toBe(20_000);
    expect(load({ flags: named, file }).values.max_history_size).toBe(300);
    expect(load({ flags: named, file, env: variable }).values.max_history_size).toBe(400);
    const all = load({ flags: { ...named, ...flag("max_history_size", "500") }, file, env: variable });
    expect(all.values.max_history_size).toBe(500);
  });

  test("each value names its origin", () => {
    const { origins, file } = load({
      file: '{"ping_timeout": 45}',
      env: { CLAUDE_MPM_SOCKETIO_LOG_LEVEL: "error" },
      flags: { ...flag("environment", "docker"), ...flag("port", "9000") },
    });
    expect(origins.port).toEqual({ kind: "flag", source: "--set port" });
    expect(origins.log_level).toEqual({ kind: "env", source: "CLAUDE_MPM_SOCKETIO_LOG_LEVEL" });
    expect(origins.ping_timeout).toEqual({ kind: "file", source: file as string });
    expect(origins.max_history_size).toEqual({
      kind: "preset",
      source: "environment docker (named by --set environment)",
    });
    expect(origins.durability.kind).toBe("default");
  });

  test("an empty variable counts as unset", () => {
    expect(load({ env: { CLAUDE_MPM_SOCKETIO_PORT: "" } }).values.port).toBe(8765);
  });

  for (const key of KEYS.filter((name) => exampleOf(name) !== "")) {
    test(`${key} is reachable by file, by variable and by --set`, () => {
      const raw = exampleOf(key);
      const sources = [
        load({ file: JSON.stringify({ [key]: raw }) }),
        load({ env: { [ENV_PREFIX + fieldOf(key).env]: raw } }),
        load({ flags: flag(key, raw) }),
      ];
      expect(sources.map(({ origins }) => origins[key].kind)).toEqual(["file", "env", "flag"]);
      expect(new Set(sources.map(({ values }) => JSON.stringify(values[key]))).size).toBe(1);
    });
  }

  test("a list may be one string, several, or a list", () => {
    expect(load({ file: '{"allowed_hosts": ["a", "b"]}' }).values.allowed_hosts).toEqual(["a", "b"]);
    expect(load({ file: '{"allowed_hosts": "a"}' }).values.allowed_hosts).toEqual(["a"]);
    expect(load({ env: { CLAUDE_MPM_SOCKETIO_ALLOWED_HOSTS: "a, b," } }).values.allowed_hosts).toEqual([
      "a",
      "b",
    ]);
  });

  test("LOG_FILE names a path and implies logging to it, unless a stronger source says no", () => {
    const env = { CLAUDE_MPM_SOCKETIO_LOG_FILE: "/tmp/x.log" };
    expect(load({ env }).values).toMatchObject({ log_file_path: "/tmp/x.log", log_to_file: true });
    expect(load({ env, flags: flag("log_to_file", "false") }).values.log_to_file).toBe(false);
    expect(load({ file: '{"log_to_file": false, "log_file_path": "/tmp/x.log"}' }).values.log_to_file).toBe(
      false,
    );
  });

  test("relative paths are relative to their source: the file's directory, or where the command was given", () => {
    const fromFile = load({ file: '{"state_dir": "state"}' });
    expect(fromFile.values.state_dir).toBe(join(dirname(fromFile.file as string), "state"));
    expect(load({ flags: flag("state_dir", "state"), cwd: "/somewhere" }).values.state_dir).toBe(
      "/somewhere/state",
    );
    const env = { HOME: "/home/me" };
    expect(load({ env, flags: flag("state_dir", "~/state") }).values.state_dir).toBe("/home/me/state");
    expect(load({ env }).values.state_dir).toBe("/home/me/.claude-mpm/socketio");
  });
});

describe("environments", () => {
  test("a detected one brings its preset but never opens the host", () => {
    const docker = load({ dockerFile: true });
    expect(docker.environment).toMatchObject({ value: "docker", detected: true });
    expect(docker.values).toMatchObject({ host: "localhost", max_history_size: 15_000, ping_timeout: 90 });
    const production = load({ env: { NODE_ENV: "production" } });
    expect(production.values).toMatchObject({
      environment: "production",
      host: "localhost",
      ping_timeout: 120,
    });
    expect(load({ env: { ENVIRONMENT: "production" } }).environment.value).toBe("production");
  });

  test("a named one opens the host", () => {
    for (const named of ["docker", "production"]) {
      expect(load({ flags: flag("environment", named) }).values.host).toBe("0.0.0.0");
      expect(load({ env: { CLAUDE_MPM_SOCKETIO_ENVIRONMENT: named } }).values.host).toBe("0.0.0.0");
      expect(load({ file: JSON.stringify({ environment: named }) }).values.host).toBe("0.0.0.0");
    }
  });

  test("a checkout is development, the binary is installed", () => {
    expect(load({ compiled: false }).values).toMatchObject({
      environment: "development",
      log_level: "DEBUG",
      max_history_size: 5000,
    });
    expect(load().values).toMatchObject({ environment: "installed", log_level: "INFO", host: "localhost" });
  });

  test("tokens are asked for beyond loopback, unless it is said otherwise", () => {
    const asks = (...flags: object[]) => asksForTokens(load({ flags: Object.assign({}, ...flags) }).values);
    for (const host of ["localhost", "127.0.0.1", "::1", "127.9.9.9"]) {
      expect([host, asks(flag("host", host))]).toEqual([host, false]);
      expect(asks(flag("host", host), flag("auth", "on"))).toBe(true);
    }
    for (const host of ["0.0.0.0", "::", "192.168.1.5", "box.lan"]) {
      expect([host, asks(flag("host", host))]).toEqual([host, true]);
      expect(asks(flag("host", host), flag("auth", "off"))).toBe(false);
    }
  });
});

describe("what is wrong is said", () => {
  test("all invalid values at once, with source, key, value and what is allowed", () => {
    const problems = problemsOf(() => {
      return load({
        file: '{"ping_interval": "often"}',
        env: { CLAUDE_MPM_SOCKETIO_PORT: "99999" },
        flags: flag("log_level", "LOUD"),
      });
    });
    expect(problems).toHaveLength(3);
    const text = problems.join("\n");
    expect(text).toContain(
      'CLAUDE_MPM_SOCKETIO_PORT: port = "99999" is not possible; allowed is a whole number from 0 to 65535',
    );
    expect(text).toMatch(
      /socketio_config\.json: ping_interval = "often" .*a number of seconds from 0\.1 to 3600/,
    );
    expect(text).toContain(
      'log_level = "LOUD" is not possible; allowed is one of DEBUG, INFO, WARNING, ERROR',
    );
  });

  const wrong: [Key, string][] = [
    ["port", "-1"],
    ["port", "80.5"],
    ["port", "0x50"],
    ["port", "NaN"],
    ["ping_interval", "0"],
    ["persistent", "maybe"],
    ["max_http_buffer_size", "10"],
    ["server_id", "no spaces allowed"],
    ["host", " "],
    ["min_client_version", "new"],
  ];
  for (const [key, raw] of wrong) {
    test(`${key} = ${JSON.stringify(raw)} is refused`, () => {
      expect(problemsOf(() => load({ flags: flag(key, raw) }))).toHaveLength(1);
    });
  }

  test("a secret is never shown, not even when it is refused", () => {
    const [problem] = problemsOf(() => load({ env: { CLAUDE_MPM_SOCKETIO_REDIS_URL: "http://:hunter2@h" } }));
    expect(problem).toContain("CLAUDE_MPM_SOCKETIO_REDIS_URL: redis_url = (secret)");
    expect(problem).toContain("allowed is redis:// or rediss://");
    expect(problem).not.toContain("hunter2");
  });

  test("a flag takes a Redis back that a variable or the file names", () => {
    const env = { CLAUDE_MPM_SOCKETIO_REDIS_URL: "redis://h" };
    expect(load({ env, flags: flag("redis_url", "null") }).values.redis_url).toBeNull();
    expect(load({ flags: flag("server_id", "null") }).values.server_id).toBe("null");
    expect(load({ flags: flag("token", "null") }).values.token).toBe("null");
  });

  test("a Redis is one server, or the master that some sentinels name", () => {
    const good = [
      "redis://h",
      "redis://127.0.0.1:6379/2",
      "rediss://me:a%40b:c@[::1]:6380/0",
      "redis://:only-a-password@h/",
      "redis-sentinel://a:26379,b:26379,c/my-master",
      "redis-sentinel://me:secret@10.0.0.1:1,[fe80::1]:2/my.master/15",
    ];
    for (const raw of good) expect(load({ flags: flag("redis_url", raw) }).values.redis_url).toBe(raw);
    const bad = [
      "h:6379",
      "http://h",
      "redis://",
      "redis://h:0",
      "redis://h:65536",
      "redis://h/name",
      "redis://h/0?family=6",
      "redis://a,b",
      "redis://me:a@b@h",
      "redis-sentinel://a:1,b:2",
      "redis-sentinel://a:1,,b:2/master",
      "redis-sentinel://a:1/master/x",
      "redis://h ",
    ];
    for (const raw of bad)
      expect([raw, problemsOf(() => load({ flags: flag("redis_url", raw) })).length]).toEqual([raw, 1]);
  });

  test("limits for clients are off on loopback, and on beyond it unless they are set", () => {
    const limits = ({ values, origins }: ReturnType<typeof load>) => {
      const { max_connections, max_events_per_second, max_handshakes_per_second } = values;
      return [
        max_connections,
        max_events_per_second,
        max_handshakes_per_second,
        origins.max_connections.source,
      ];
    };
    expect(limits(load())).toEqual([0, 0, 0, "default on loopback"]);
    expect(limits(load({ flags: flag("host", "127.0.0.5") }))).toEqual([0, 0, 0, "default on loopback"]);
    const open = flag("host", "0.0.0.0");
    expect(limits(load({ flags: open }))).toEqual([10_000, 1000, 200, "default beyond loopback"]);
    const file = '{"max_connections": 0, "max_events_per_second": 5}';
    expect(limits(load({ flags: open, file })).slice(0, 3)).toEqual([0, 5, 200]);
  });

  test("unknown keys and variables are warnings with the nearest known name", () => {
    const { warnings } = load({
      file: '{"prot": 1, "$schema": "x"}',
      env: { CLAUDE_MPM_SOCKETIO_PROT: "1" },
      unknownFlags: ["log_levle"],
    });
    expect(warnings).toHaveLength(3);
    expect(warnings.join("\n")).toContain('"prot" is not a key we know; did you mean "port"?');
    expect(warnings.join("\n")).toContain("did you mean CLAUDE_MPM_SOCKETIO_PORT?");
    expect(warnings.join("\n")).toContain('did you mean "log_level"?');
  });

  test("a broken file is named with the line that is broken", () => {
    const [problem] = problemsOf(() => load({ file: '{\n  "port": 9000,\n  host: 1\n}' }));
    expect(problem).toContain("socketio_config.json, line 3:");
    expect(problemsOf(() => load({ file: "[1]" }))[0]).toContain("no JSON object");
  });

  test("a file that is named has to be there", () => {
    expect(problemsOf(() => load({ configFile: "/nowhere.json" }))[0]).toContain(
      "--config: there is no file /nowhere.json",
    );
    expect(problemsOf(() => load({ env: { CLAUDE_MPM_SOCKETIO_CONFIG: "/nowhere.json" } }))[0]).toContain(
      "CLAUDE_MPM_SOCKETIO_CONFIG",
    );
  });
});

describe("documents made from the schema", () => {
  test("the starter file is valid and changes nothing", () => {
    const { values, warnings } = load({ file: starterFile() });
    expect(warnings).toEqual([]);
    expect(values).toEqual({ ...load().values, state_dir: values.state_dir });
  });

  test("the starter file, uncommented, is still valid", () => {
    const lines = starterFile().split("\n");
    const uncommented = lines.map((line) => line.replace(/^ {2}\/\/ (?=")/, "  ")).join("\n");
    expect(load({ file: uncommented }).warnings).toEqual([]);
  });

  test("the JSON Schema has every key", () => {
    const { properties } = jsonSchema() as { properties: Record<string, { description: string }> };
    expect(Object.keys(properties)).toEqual(KEYS);
    expect(Object.values(properties).every(({ description }) => description !== "")).toBe(true);
  });
});

test("a file that claude-mpm's Python server saved is read without a complaint", () => {
  const file = {
    host: "localhost",
    port: 8765,
    server_id: null,
    cors_allowed_origins: "*",
    ping_timeout: 60,
    ping_interval: 25,
    max_http_buffer_size: 1_000_000,
    min_client_version: "0.7.0",
    max_history_size: 10_000,
    deployment_mode: "auto",
    auto_start: true,
    persistent: true,
    log_level: "INFO",
    log_to_file: false,
    log_file_path: null,
    health_check_interval: 30,
    max_connection_attempts: 3,
    reconnection_delay: 1,
  };
  const { values, warnings } = load({ file: JSON.stringify(file) });
  expect(warnings).toEqual([]);
  expect(values).toMatchObject({ ...file, cors_allowed_origins: ["*"] });
});

describe("patterns of secrets", () => {
  const given = (patterns: string[]) => ({ file: JSON.stringify({ redact_patterns: patterns }) });

  test("that cannot be used are named, each with what is wrong", () => {
    const problems = problemsOf(() => load(given(["corp-\\d+", "(", "a*", "(a+)+b"])));
    expect(problems.length).toBe(3);
    expect(problems[0]).toContain('redact_patterns holds "("');
    expect(problems[1]).toContain('redact_patterns holds "a*": it matches the empty text; allowed are');
    expect(problems[2]).toContain('redact_patterns holds "(a+)+b": it repeats what repeats already');
  });

  test("may hold commas in a list in JSON, of a variable or flag as well", () => {
    const patterns = ["a{2,3}", "b"];
    const raw = JSON.stringify(patterns);
    expect(load({ env: { CLAUDE_MPM_SOCKETIO_REDACT_PATTERNS: raw } }).values.redact_patterns).toEqual(
      patterns,
    );
    expect(load({ flags: flag("redact_patterns", "[ab]x, c") }).values.redact_patterns).toEqual([
      "[ab]x",
      "c",
    ]);
  });
});

test("a host that nothing can be bound to, and allowed hosts that no Host header names, are refused", () => {
  for (const host of ["*", "localhost:", "127.0.0.999", "1.2.3", "http://a", "a b", "::1:x", "-"]) {
    const [problem] = problemsOf(() => load({ flags: flag("host", host) }));
    expect(problem).toContain("allowed is an address");
  }
  for (const host of [
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "::",
    "[::1]",
    "::ffff:7f00:1",
    "fe80::1%eth0",
    "my-box.lan",
  ])
    expect(load({ flags: flag("host", host) }).values.host).toBe(host);
  for (const name of ["https://box.lan", "box.lan:8765", "*", "*.lan", "box.lan/"]) {
    const [problem] = problemsOf(() => load({ flags: flag("allowed_hosts", `ok.lan,${name}`) }));
    expect(problem).toContain("allowed is a name");
  }
  expect(
    load({ flags: flag("allowed_hosts", "box.lan,claude_mpm,[fe80::1]") }).values.allowed_hosts,
  ).toHaveLength(3);
});

test("proxies that are trusted are addresses and networks, and nothing else", () => {
  const given = "10.0.0.1,10.0.0.0/8,::1,fd00::/8,::ffff:10.0.0.1";
  expect(load({ flags: flag("trusted_proxies", given) }).values.trusted_proxies).toHaveLength(5);
  for (const wrong of [
    "proxy.lan",
    "10.0.0",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/",
    "*",
    "fe80::1%eth0",
  ]) {
    const problems = problemsOf(() => load({ flags: flag("trusted_proxies", `10.0.0.1,${wrong}`) }));
    expect(problems.join()).toContain("allowed is addresses of proxies");
  }
  // Of the right form, and no address.
  for (const wrong of ["1:2:3", "::1::2/64"])
    expect(problemsOf(() => load({ flags: flag("trusted_proxies", wrong) })).join()).toContain(
      "is no address",
    );
});

describe("jwt_jwks_url", () => {
  test("is a URL, or a path like others", () => {
    const urlOf = (raw: string) =>
      load({ flags: flag("jwt_jwks_url", raw), cwd: "/work" }).values.jwt_jwks_url;
    expect(urlOf("https://id.example/keys")).toBe("https://id.example/keys");
    expect(urlOf("http://127.0.0.1:9/keys")).toBe("http://127.0.0.1:9/keys");
    expect(urlOf("file:///etc/keys.json")).toBe("file:///etc/keys.json");
    expect(urlOf("keys.json")).toBe("/work/keys.json");
    expect(urlOf("/etc/keys.json")).toBe("/etc/keys.json");
  });

  test("of any other kind is refused", () => {
    for (const raw of ["ftp://id.example/keys", "data:application/json,{}", "https://", "http:keys"]) {
      const [problem, ...others] = problemsOf(() => load({ flags: flag("jwt_jwks_url", raw) }));
      expect([problem, others]).toEqual([expect.stringContaining("allowed is"), []]);
      expect(problem).toContain(raw);
    }
  });
});
