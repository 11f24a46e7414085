/** The directory a user happens to stand in is never a source. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";

let hostile: string;
let preloaded: string;

beforeAll(async () => {
  hostile = temporaryDirectory();
  preloaded = join(hostile, "preloaded");
  const other = await freePort();
  const files: Record<string, string> = {
    ".env": `CLAUDE_MPM_SOCKETIO_PORT=${other}\nCLAUDE_MPM_SOCKETIO_LOG_LEVEL=DEBUG\nNODE_ENV=production\n`,
    ".env.local": `CLAUDE_MPM_SOCKETIO_PORT=${other}\n`,
    ".env.production": `CLAUDE_MPM_SOCKETIO_PORT=${other}\n`,
    "evil.js": `require("node:fs").writeFileSync(${JSON.stringify(preloaded)}, "");`,
    "bunfig.toml": 'preload = ["./evil.js"]\n\n[run]\npreload = ["./evil.js"]\n',
    "socketio_config.json": JSON.stringify({ port: other, log_level: "DEBUG" }),
    "package.json": JSON.stringify({ name: "x", type: "commonjs", imports: { "#x": "./evil.js" } }),
    "tsconfig.json": JSON.stringify({ compilerOptions: { paths: { "*": ["./evil.js"] } } }),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(hostile, name), content);
});

describe("from a folder with a hostile .env, bunfig.toml and socketio_config.json", () => {
  test("the effective configuration is the same as anywhere else", async () => {
    const user = account();
    const here = await user.run(["config", "show", "--json"], { cwd: hostile });
    const there = await user.run(["config", "show", "--json"]);
    expect(here).toEqual(there);
    expect(JSON.parse(here.stdout).file).toBeNull();
  });

  test("start, status and stop work on the port that was asked for, and nothing of the folder runs", async () => {
    const user = account();
    const port = `${await freePort()}`;
    for (const command of ["start", "status", "health", "doctor", "stop"]) {
      const { exitCode, stderr } = await user.run([command, "--port", port], { cwd: hostile });
      expect([command, exitCode, stderr]).toEqual([command, 0, ""]);
    }
    expect((await user.run(["--version"], { cwd: hostile })).exitCode).toBe(0);
    expect(existsSync(preloaded)).toBe(false);
  });

  test("a plain Bun would have run it: the trap is real", async () => {
    const trapped = Bun.spawn([process.execPath, "-e", "1"], {
      cwd: hostile,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await trapped.exited;
    expect(existsSync(preloaded)).toBe(true);
  });
});

test("the server in the background does not hold the folder it was started from", async () => {
  const user = account();
  const port = await freePort();
  await user.run(["start", "--port", `${port}`], { cwd: temporaryDirectory() });
  const { pid } = JSON.parse(readFileSync(join(user.stateDir, `${port}`, "server.json"), "utf8"));
  const { readlinkSync } = await import("node:fs");
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
});

test("a relative path in a flag or variable is taken from where the command was given", async () => {
  const user = account();
  const cwd = temporaryDirectory();
  const port = await freePort();
  const env = { CLAUDE_MPM_SOCKETIO_LOG_FILE: "by-variable.log" };
  const { exitCode } = await user.run(["start", "--port", `${port}`, "--state-dir", "state"], { cwd, env });
  expect(exitCode).toBe(0);
  expect(existsSync(join(cwd, "state", `${port}`, "server.json"))).toBe(true);
  expect(readFileSync(join(cwd, "by-variable.log"), "utf8")).toContain("listening");
  await user.run(["stop", "--port", `${port}`, "--state-dir", join(cwd, "state")]);
});

test("BUN_BE_BUN in the environment does not reach the server that is started", async () => {
  // It does turn the command itself into Bun, which is Bun's own doing before any of our code runs.
  const user = account();
  const child = Bun.spawn([await binary(), "--version"], {
    env: { ...user.env, BUN_BE_BUN: "1" },
    stdout: "pipe",
  });
  expect((await new Response(child.stdout).text()).trim()).toBe(Bun.version);
});
