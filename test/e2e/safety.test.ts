/** What must not go wrong in a hurry, on the compiled binary: secrets given as flags, a configuration that is broken, tokens that nobody asks for. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { addToken } from "../../src/auth/token-file.ts";
import { type Account, account } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

const SECRET = "a-secret-for-this-test";

async function userWithPort() {
  const user = account();
  const port = await freePort();
  const env = { CLAUDE_MPM_SOCKETIO_PORT: `${port}` };
  return {
    user,
    url: `http://127.0.0.1:${port}`,
    ours: (args: string[], more: Record<string, string> = {}) => user.run(args, { env: { ...env, ...more } }),
    instance: () => readFileSync(join(user.stateDir, `${port}`, "server.json"), "utf8"),
    spawn: (args: string[]) => user.spawn(args, { env }),
  };
}

function writeConfig({ home }: Account, text: string): string {
  const path = join(home, ".claude-mpm", "socketio_config.json");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const statusOf = async (url: string, token: string) =>
  (await fetch(`${url}/stats`, { headers: { Authorization: `Bearer ${token}` } })).status;

describe("a secret given as a flag", () => {
  test("stands in no command line and in no file, and a restart that drops it says so", async () => {
    const { ours, url, instance } = await userWithPort();
    const old = { CLAUDE_MPM_SOCKETIO_TOKEN: "another-token-of-old" };
    const flags = ["--auth", "on", "--set", `token=${SECRET}`, "--set", `jwt_secret=${SECRET}`];
    expect((await ours(["start", ...flags], old)).exitCode).toBe(0);
    expect(await statusOf(url, SECRET)).toBe(200);
    const { pid } = JSON.parse(instance());
    if (process.platform === "linux")
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain(SECRET);
    expect(instance()).not.toContain(SECRET);

    const again = await ours(["restart", "--set", `token=${SECRET}2`]);
    expect(again.stderr).toMatch(/^Warning: jwt_secret was given .*again.*file.*$/m);
    expect(again.stderr).not.toMatch(/Warning: token/);
    expect([again.exitCode, await statusOf(url, `${SECRET}2`)]).toEqual([0, 200]);
    expect(instance()).not.toContain(SECRET);

    // What stands in the file of an earlier build is not taken over either.
    const dropped = await ours(["restart"]);
    expect(dropped.stderr).toMatch(/^Warning: token was given/m);
    expect(await statusOf(url, `${SECRET}2`)).toBe(401);
    await ours(["restart"], { CLAUDE_MPM_SOCKETIO_TOKEN: "a-new-token-of-this-test" });
    expect(await statusOf(url, "a-new-token-of-this-test")).toBe(200);
  }, 60_000);

  test("to a server in the foreground is warned of, as its command line is there for others to see", async () => {
    const { spawn, instance } = await userWithPort();
    const server = await spawn(["serve", "--set", `token=${SECRET}`, "--log-level", "ERROR"]);
    await eventually(() => {
      try {
        return instance() !== "";
      } catch {
        return false;
      }
    });
    server.kill("SIGTERM");
    const said = await new Response(server.stderr).text();
    expect(said.match(/other users.*CLAUDE_MPM_SOCKETIO_TOKEN/g)).toHaveLength(1);
    expect(said).not.toContain(SECRET);
  }, 60_000);
});

describe("a configuration file that is broken", () => {
  test("keeps nobody from looking at a server, from stopping it, or from taking a token back", async () => {
    const { user, ours } = await userWithPort();
    expect((await ours(["start", "--auth", "on"])).exitCode).toBe(0);
    expect((await ours(["token", "create", "--name", "lost"])).exitCode).toBe(0);
    const path = writeConfig(user, "{ not json");
    for (const args of [
      ["status"],
      ["health"],
      ["logs"],
      ["token", "list"],
      ["token", "revoke", "lost"],
      ["stop"],
    ]) {
      const { exitCode, stderr } = await ours(args);
      expect([args, exitCode]).toEqual([args, 0]);
      expect(stderr).toContain(`Warning: ${path}, line 1: `);
    }
    writeConfig(user, '{"port": "x", "log_level": "LOUD"}');
    expect((await ours(["status", "--set", "ping_interval=0"])).exitCode).toBe(78);
    const down = await ours(["status"]);
    expect(down.exitCode).toBe(3);
    expect(down.stderr.match(/^Warning: /gm)).toHaveLength(2);
    for (const command of ["start", "serve", "restart"]) expect((await ours([command])).exitCode).toBe(78);
  }, 60_000);

  test("is told of by the health of a server that was to read it, until it is mended", async () => {
    const { user, ours, url, instance } = await userWithPort();
    await ours(["start"]);
    const { pid } = JSON.parse(instance());
    const check = async () => {
      const { checks } = await (await fetch(`${url}/health`)).json();
      return checks.find(({ name }: { name: string }) => name === "configuration");
    };
    writeConfig(user, "{ not json");
    process.kill(pid, "SIGHUP");
    await eventually(async () => (await check()).status === "degraded");
    expect((await check()).message).toContain("line 1");
    writeConfig(user, "{}");
    process.kill(pid, "SIGHUP");
    await eventually(async () => (await check()).status === "healthy");
  }, 60_000);
});

describe("tokens that nobody asks for", () => {
  test("are told of by token create, by the next start, and by doctor, with the line for the file", async () => {
    const { user, ours } = await userWithPort();
    const early = await ours(["token", "create", "--name", "dashboard", "--expires", "1h"]);
    expect(early.stdout).toMatch(/asks for it yet.*"auth": "on"/);
    await ours(["token", "revoke", "dashboard"]);
    // What a link has made for a page is nobody's who waits for the server to ask.
    await addToken(join(user.stateDir, "tokens.json"), {
      name: "dashboard",
      scopes: ["subscribe"],
      expiresAt: null,
      origin: "local",
    });
    expect((await ours(["start", "--auth", "on"])).stdout).not.toContain("token create");
    expect((await ours(["token", "create", "--name", "ci"])).stdout).not.toContain("yet");
    await ours(["stop"]);

    const open = await ours(["start"]);
    const path = join(user.home, ".claude-mpm", "socketio_config.json");
    expect(open.stdout).toContain(
      `1 token is made, but nobody is asked for one: put "auth": "on" into ${path}`,
    );
    expect((await ours(["doctor"])).stdout).toMatch(/warning +1 token is made, but nobody is asked/);
    const already = await ours(["start", "--auth", "on"]);
    expect([already.exitCode, already.stdout.split("\n")[0]]).toEqual([
      0,
      expect.stringMatching(/^Already running, and it does NOT ask for tokens: /),
    ]);
    await ours(["stop"]);
    expect((await ours(["open", "--print"])).stderr).toContain("1 token is made, but nobody is asked");
    await ours(["stop"]);
    writeConfig(user, '{"auth": "on"}');
    expect((await ours(["start"])).stdout).not.toContain("nobody is asked");
  }, 60_000);
});

describe("a server that others reach", () => {
  test("says where, and that without TLS everything can be read on the way", async () => {
    const { ours } = await userWithPort();
    const flags = ["--host", "0.0.0.0", "--set", "token=short"];
    const { stdout } = await ours(["start", ...flags]);
    expect(stdout).toMatch(/^Others reach it at .*allowed_hosts.*; without TLS .* read on the way/m);
    expect(stdout).toMatch(/^token is short enough to be guessed/m);
    const doctor = await ours(["doctor", ...flags]);
    expect(doctor.stdout).toMatch(/warning +without TLS, everything/);
    expect(doctor.stdout).toMatch(/warning +token is short enough/);
    expect((await ours(["config", "check", ...flags])).stderr).toMatch(/^Warning: token is short enough/m);
  }, 60_000);
});
