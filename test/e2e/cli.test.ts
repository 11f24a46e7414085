/** The command line's own manners: help, exit codes, errors of two lines. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { version } from "../../package.json";
import { account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";

const COMMANDS = [
  ["serve"],
  ["start"],
  ["stop"],
  ["restart"],
  ["status"],
  ["health"],
  ["logs"],
  ["tail"],
  ["history"],
  ["doctor"],
  ["version"],
  ["install-deps"],
  ["hooks", "install"],
  ["hooks", "uninstall"],
  ["hooks", "status"],
  ["config", "show"],
  ["config", "check"],
  ["config", "init"],
  ["config", "path"],
  ["config", "schema"],
  ["metrics", "dashboard"],
  ["metrics", "alerts"],
];

const user = account();

describe("help", () => {
  for (const command of COMMANDS) {
    test(`${command.join(" ")} --help explains, on stdout, without colour`, async () => {
      for (const flag of ["--help", "-h"]) {
        const { exitCode, stdout, stderr } = await user.run([...command, flag]);
        expect([exitCode, stderr]).toEqual([0, ""]);
        expect(stdout).toContain(`claude-mpm-socketio ${command.join(" ")}`);
        expect(stdout).not.toContain("\u001B");
      }
    });
  }

  test("--help lists every command", async () => {
    const { exitCode, stdout } = await user.run(["--help"]);
    expect(exitCode).toBe(0);
    for (const [name] of COMMANDS) expect(stdout).toContain(name as string);
  });

  test("no command at all: the same on stderr, exit 2", async () => {
    const { exitCode, stdout, stderr } = await user.run([]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("start");
  });
});

describe("usage errors exit 2 with what to do next", () => {
  const wrong: [string[], string][] = [
    [["strat"], 'Did you mean "start"?'],
    [["config", "shwo"], 'Did you mean "show"?'],
    [["start", "--prot", "1"], "Did you mean --port?"],
    [["start", "--port"], "--port needs a value"],
    [["start", "-port", "18005"], "There is no flag -port"],
    [["start", "--no-port"], "There is no flag --no-port"],
    [["start", "--config", ""], "--config needs a value"],
    [["start", "extra"], '"extra" is not expected here'],
    [["start", "--set", "port"], "--set port is not KEY=VALUE"],
    [["logs", "-n", "many"], "-n many is not a whole number"],
    [["--port", "1"], "before a command"],
    [["history", "--limit", "many"], "--limit many is not a whole number"],
    [["history", "--since", "yesterday"], "--since yesterday is no duration, time or seq"],
    [["history", "--until", "10 m"], "--until 10 m is no duration, time or seq"],
    [["history", "--search", ""], "--search needs a value"],
    [["tail", "--since", "-5m"], "--since -5m is no duration, time or seq"],
    [["tail", "--type", ","], "--type needs a value"],
    [["tail", "--session", ""], "--session needs a value"],
    [["tail", "--sesion", "x"], "Did you mean --session?"],
    [["hooks", "install", "--scope", "all"], "--scope all is none"],
    [["hooks", "install", "--port", "0"], "The hook needs the port of a server"],
    [["hooks", "instal"], 'Did you mean "install"?'],
  ];
  for (const [args, says] of wrong) {
    test(args.join(" "), async () => {
      const { exitCode, stdout, stderr } = await user.run(args);
      expect([exitCode, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(says);
      expect(stderr.trimEnd().split("\n")).toHaveLength(2);
    });
  }
});

describe("version", () => {
  test("--version prints the bare release version", async () => {
    expect(await user.run(["--version"])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("version names everything", async () => {
    const { stdout } = await user.run(["version", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      version,
      server_version: "1.0.0",
      claude_mpm_versions: [">=0.7.0"],
    });
    expect((await user.run(["version"])).stdout).toContain(version);
  });
});

describe("config", () => {
  test("an invalid value exits 78 from every command, naming source, key, value and what is allowed", async () => {
    for (const command of [["config", "check"], ["config", "show"], ["start"], ["serve"], ["status"]]) {
      const { exitCode, stderr } = await user.run(command, { env: { CLAUDE_MPM_SOCKETIO_PORT: "banana" } });
      expect([command, exitCode]).toEqual([command, 78]);
      expect(stderr).toContain('CLAUDE_MPM_SOCKETIO_PORT: port = "banana"');
      expect(stderr).toContain("from 0 to 65535");
    }
  });

  test("with --json the error is the document", async () => {
    const key = await user.run(["config", "check", "--set", "jwt_public_key=/nowhere/key.pem"]);
    expect([key.exitCode, key.stderr]).toEqual([78, expect.stringContaining("/nowhere/key.pem")]);
    const { exitCode, stdout } = await user.run(["config", "check", "--json", "--set", "port=x"]);
    expect(exitCode).toBe(78);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      error: { message: expect.stringContaining("--set port") },
    });
  });

  test("show tells the source of each value, and why this environment", async () => {
    const { stdout } = await user.run(["config", "show", "--port", "9000", "--set", "ping_interval=3"], {
      env: {
        CLAUDE_MPM_SOCKETIO_LOG_LEVEL: "ERROR",
        CLAUDE_MPM_SOCKETIO_ENVIRONMENT: "production",
        CLAUDE_MPM_SOCKETIO_HOST: "localhost",
      },
    });
    expect(stdout).toMatch(/^environment production, named by CLAUDE_MPM_SOCKETIO_ENVIRONMENT$/m);
    expect(stdout).toMatch(/^port +9000 +--port$/m);
    expect(stdout).toMatch(/^ping_interval +3 +--set ping_interval$/m);
    expect(stdout).toMatch(/^log_level +"ERROR" +CLAUDE_MPM_SOCKETIO_LOG_LEVEL$/m);
    expect(stdout).toMatch(/^max_history_size +20000 +environment production/m);
    expect(stdout).toMatch(/^durability +"normal" +default$/m);
    expect(stdout).toMatch(/^auth +"auto" \(off: only this machine reaches localhost\) +default$/m);
    const open = await user.run(["config", "show", "--json", "--host", "0.0.0.0"]);
    expect(JSON.parse(open.stdout).values.auth).toMatchObject({ value: "auto", effective: "on" });
  });

  test("an unknown key is a warning on stderr, with a suggestion; the command goes on", async () => {
    const { exitCode, stdout, stderr } = await user.run(["config", "check", "--set", "prot=1"]);
    expect([exitCode, stdout]).toEqual([0, "The configuration is valid (no file)\n"]);
    expect(stderr).toBe('Warning: --set prot: "prot" is not a key we know; did you mean "port"?\n');
  });

  test("init writes a file that is found and valid, and never over one that is there", async () => {
    const own = account();
    const path = join(own.home, ".claude-mpm", "socketio_config.json");
    expect((await own.run(["config", "init"])).stdout).toBe(`Wrote ${path}\n`);
    expect((await own.run(["config", "check"])).stdout).toContain(path);
    writeFileSync(path, "// mine\n{}");
    expect((await own.run(["config", "init"])).exitCode).toBe(1);
    expect(readFileSync(path, "utf8")).toBe("// mine\n{}");
    expect((await own.run(["config", "init", "--force"])).exitCode).toBe(0);
    expect((await own.run(["config", "path"])).stdout).toContain(`in use: ${path}`);
  });

  test("a broken file exits 78 and names the line", async () => {
    const own = account();
    const path = join(own.home, ".claude-mpm", "socketio_config.json");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '{\n  "port": 9000\n  "host": "localhost"\n}');
    const { exitCode, stderr } = await own.run(["config", "check"]);
    expect(exitCode).toBe(78);
    expect(stderr).toContain(`${path}, line 3`);
    writeFileSync(path, '\uFEFF{"port": 9000}');
    expect((await own.run(["config", "check"])).exitCode).toBe(0);
    writeFileSync(path, "[".repeat(100_000));
    expect((await own.run(["config", "check"])).exitCode).toBe(78);
  });

  test("schema prints a JSON Schema", async () => {
    const { stdout } = await user.run(["config", "schema"]);
    expect(JSON.parse(stdout).properties.port).toMatchObject({
      type: "integer",
      minimum: 0,
      maximum: 65535,
      default: 8765,
    });
  });
});

test("logs -f ends when nobody reads it", async () => {
  const own = account();
  const port = `${await freePort()}`;
  await own.run(["start", "--port", port]);
  const child = await own.spawn(["logs", "-f", "--port", port]);
  await child.stdout.cancel();
  appendFileSync(join(own.stateDir, port, "server.log"), "one more line\n");
  expect(await child.exited).toBe(0);
});

test("output that cannot be written is a failure of two lines", async () => {
  const program = await binary();
  for (const command of ["version", "--version", "version --json"]) {
    const child = Bun.spawn(["sh", "-c", `exec ${program} ${command} >/dev/full`], {
      stderr: "pipe",
      env: user.env,
    });
    const stderr = await new Response(child.stderr).text();
    expect([command, await child.exited]).toEqual([command, 1]);
    expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  }
});

test("doctor tells of a log that was set aside", async () => {
  const own = account();
  const port = `${await freePort()}`;
  await own.run(["start", "--port", port]);
  await own.run(["stop", "--port", port]);
  const events = join(own.stateDir, port, "events.db");
  writeFileSync(events, "not a database, but text that somebody put here ".repeat(200));
  await own.run(["start", "--port", port]);
  await own.run(["stop", "--port", port]);
  const { stdout } = await own.run(["doctor", "--port", port]);
  expect(stdout).toContain(`damaged and set aside: ${events}.damaged-`);
});

test("every command that reports takes --json and prints one document", async () => {
  const own = account();
  const port = `${await freePort()}`;
  await own.run(["start", "--port", port]);
  for (const command of [
    "status",
    "health",
    "logs",
    "history",
    "doctor",
    "version",
    "install-deps",
    "config show",
    "config check",
    "config path",
    "hooks install",
    "hooks status",
    "hooks uninstall",
    "start",
    "restart",
    "stop",
    "status",
  ]) {
    const { stdout } = await own.run([...command.split(" "), "--json"], {
      env: { CLAUDE_MPM_SOCKETIO_PORT: port },
    });
    expect([command, JSON.parse(stdout).schema]).toEqual([command, 1]);
  }
});

test("a reader that goes away early is no error", async () => {
  const child = await user.spawn(["config", "schema"]);
  await child.stdout.cancel();
  expect(await child.exited).toBe(0);
});
