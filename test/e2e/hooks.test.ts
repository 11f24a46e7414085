/** The compiled binary in Claude Code's settings: what a user sees, and what the file holds afterwards. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { HOOK_EVENTS } from "../../src/hooks/settings/events.ts";
import { type Account, account, binary } from "../support/binary.ts";

const MINE = `${JSON.stringify({ model: "opus", hooks: { Stop: [{ hooks: [{ type: "command", command: "say done" }] }] } }, null, 2)}\n`;

/** An account with settings, and the program linked into a directory on its PATH. */
async function installation(text: string | null = MINE) {
  const own = account();
  const bin = join(own.home, "my bin");
  mkdirSync(bin);
  symlinkSync(await binary(), join(bin, "claude-mpm-socketio"));
  const settings = join(own.home, ".claude", "settings.json");
  if (text !== null) write(settings, text);
  const env = { PATH: `${bin}:${own.env.PATH}` };
  return { own, bin, settings, run: runner(own, env) };
}

function runner(own: Account, env: Record<string, string>) {
  return (args: string, options: { cwd?: string; env?: Record<string, string> } = {}) => {
    return own.run(["hooks", ...args.split(" ")], { ...options, env: { ...env, ...options.env } });
  };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const read = (path: string) => readFileSync(path, "utf8");
const commandIn = (path: string) => JSON.parse(read(path)).hooks.PreToolUse[0].hooks[0].command;

describe("install", () => {
  test("says what it did and how to undo it, and uninstall restores the file", async () => {
    const { settings, run } = await installation();
    const { exitCode, stdout } = await run("install");
    expect(exitCode).toBe(0);
    const backup = /^ {2}backup {3}(.+)$/m.exec(stdout)?.[1] ?? "";
    expect(read(backup)).toBe(MINE);
    expect(stdout).toContain(
      `Registered the hook in ${settings}\n  events   28, from SessionStart to SessionEnd\n`,
    );
    expect(stdout).toContain("started anew");
    expect(stdout).toContain("claude-mpm-socketio hooks uninstall");
    expect(JSON.parse(read(settings)).hooks.Stop).toHaveLength(2);
    expect(Object.keys(JSON.parse(read(settings)).hooks).toSorted()).toEqual(HOOK_EVENTS.toSorted());

    const again = await run("install");
    expect([again.exitCode, again.stdout]).toEqual([
      0,
      `The hook is registered in ${settings} already; nothing was changed\n`,
    ]);
    expect((await run("status")).exitCode).toBe(0);
    expect((await run("uninstall")).stdout).toContain("registered for 28 events");
    expect(read(settings)).toBe(MINE);
    expect((await run("uninstall")).stdout).toContain("nothing was changed");
    expect((await run("status")).exitCode).toBe(1);
  });

  test("registers the link on PATH, quoted, and what is registered runs this program", async () => {
    const { bin, settings, run } = await installation();
    const { stderr } = await run("install");
    expect(commandIn(settings)).toBe(`'${bin}/claude-mpm-socketio' hook`);
    expect(stderr).toBe(
      `Warning: ${bin}/claude-mpm-socketio may be cleaned away; put the program where it can stay, and install again\n`,
    );
    const [program] = commandIn(settings).split(" hook");
    const child = Bun.spawn(["sh", "-c", `${program} --version`], { stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("registers the link it was called by, and not the place of this version behind it", async () => {
    const { own, settings } = await installation();
    const versioned = join(own.home, "versions", "1.2.3", "claude-mpm-socketio");
    mkdirSync(dirname(versioned), { recursive: true });
    copyFileSync(await binary(), versioned);
    const current = join(own.home, "current");
    symlinkSync(dirname(versioned), current);
    const called = Bun.spawn([join(current, "claude-mpm-socketio"), "hooks", "install"], {
      env: own.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    expect(await called.exited).toBe(0);
    expect(commandIn(settings)).toBe(`${current}/claude-mpm-socketio hook`);
  });

  test("registers the server's address where it is given, as it is seen from any directory", async () => {
    const { own, bin, settings, run } = await installation();
    write(join(own.home, "c.json"), "{}");
    await run("install --port 9000 --state-dir ./state --host 127.0.0.1 --config c.json");
    const flags = `--host 127.0.0.1 --port 9000 --state-dir ${own.home}/state --config ${own.home}/c.json`;
    expect(commandIn(settings)).toBe(`'${bin}/claude-mpm-socketio' hook ${flags}`);
    expect((await run("install")).stdout).toContain("Renewed the hook");
    expect(commandIn(settings)).toBe(`'${bin}/claude-mpm-socketio' hook`);
    await run("uninstall");
    expect(read(settings)).toBe(MINE);
    const { stderr } = await run("install", { env: { CLAUDE_MPM_SOCKETIO_PORT: "9000" } });
    expect(stderr).toContain("CLAUDE_MPM_SOCKETIO_PORT is set here");
    expect((await run("install --port 99999")).exitCode).toBe(78);
  });

  test("--http lets Claude Code post, where it does, and says what that costs", async () => {
    const { settings, run } = await installation(null);
    const { stdout, stderr } = await run("install --http --port 9000");
    expect(stderr).toContain("while the server is down, Claude Code shows an error at every event");
    expect(stderr).toContain("events are lost, and whatever holds the port by then reads them");
    expect(stdout).toContain("http://127.0.0.1:9000/api/hooks/claude");
    const { hooks } = JSON.parse(read(settings));
    expect(hooks.Stop[0].hooks[0]).toEqual({
      type: "http",
      url: "http://127.0.0.1:9000/api/hooks/claude",
      timeout: 10,
    });
    expect(hooks.SessionStart[0].hooks[0].type).toBe("command");
    expect((await run("status")).exitCode).toBe(0);
    await run("uninstall");
    expect(readdirSync(dirname(settings))).toEqual([]);
  });

  test("--http for a server that asks for tokens: Claude Code finds one in a variable", async () => {
    const { settings, run } = await installation(null);
    const { stderr } = await run("install --http --port 9000", { env: { CLAUDE_MPM_SOCKETIO_AUTH: "on" } });
    expect(stderr).toContain("token create --scope publish");
    expect(JSON.parse(read(settings)).hooks.Stop[0].hooks[0]).toMatchObject({
      type: "http",
      headers: { Authorization: "Bearer $CLAUDE_MPM_SOCKETIO_TOKEN" },
      allowedEnvVars: ["CLAUDE_MPM_SOCKETIO_TOKEN"],
    });
    expect((await run("status")).exitCode).toBe(0);
    await run("install --http --port 9000");
    expect(JSON.parse(read(settings)).hooks.Stop[0].hooks[0]).not.toHaveProperty("headers");
    await run("uninstall");
    expect(readdirSync(dirname(settings))).toEqual([]);
  });

  test("--http for another machine is over TLS, unless the token may go in plain text", async () => {
    const { settings, run } = await installation(null);
    const urlOf = async (env: Record<string, string>) => {
      await run("install --http --host box.example --port 9000", { env });
      return JSON.parse(read(settings)).hooks.Stop[0].hooks[0].url;
    };
    expect(await urlOf({})).toBe("https://box.example:9000/api/hooks/claude");
    expect(await urlOf({ CLAUDE_MPM_SOCKETIO_ALLOW_PLAIN_HTTP: "true" })).toBe(
      "http://box.example:9000/api/hooks/claude",
    );
  });

  test("goes where --scope and CLAUDE_CONFIG_DIR say", async () => {
    const { own, run } = await installation(null);
    const cwd = join(own.home, "project");
    mkdirSync(cwd);
    expect((await run("install --scope project", { cwd })).stderr).toContain("shares this project");
    await run("install --scope=local", { cwd });
    await run("install", { cwd, env: { CLAUDE_CONFIG_DIR: join(own.home, "conf") } });
    expect(readdirSync(join(cwd, ".claude")).toSorted()).toEqual(["settings.json", "settings.local.json"]);
    expect(readdirSync(join(own.home, "conf"))).toEqual(["settings.json"]);
    expect(readdirSync(own.home)).not.toContain(".claude");
    const { exitCode, stdout } = await run("status", { cwd });
    expect(exitCode).toBe(1);
    expect(stdout).toContain("registered in the scopes project and local");
  });

  test("a file that is broken is refused with its line, also as JSON, and left as it is", async () => {
    const text = '{\n  "model": "opus"\n  "hooks": {}\n}\n';
    const { settings, run } = await installation(text);
    const { exitCode, stdout, stderr } = await run("install");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      `Error: ${settings}, line 3, column 3: comma expected\nMend it there, and try again; nothing was changed\n`,
    );
    const document = JSON.parse((await run("install --json")).stdout);
    expect(document.error.message).toContain("line 3");
    expect((await run("uninstall")).exitCode).toBe(1);
    expect(read(settings)).toBe(text);
    expect(readdirSync(dirname(settings))).toEqual(["settings.json"]);
  });

  test("what this user may not write is refused, and left as it is", async () => {
    const { own, settings, run } = await installation();
    // Root may write everything, so it becomes somebody else.
    const root = process.getuid?.() === 0;
    const asUser = async () => {
      if (!root) return run("install");
      const command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", await binary()];
      const child = Bun.spawn([...command, "hooks", "install"], {
        env: own.env,
        stdout: "pipe",
        stderr: "pipe",
      });
      return { exitCode: await child.exited, stderr: await new Response(child.stderr).text() };
    };
    for (const path of [dirname(await binary()), own.home, dirname(settings)]) chmodSync(path, 0o755);
    for (const [file, directory] of [
      [0o444, 0o777],
      [0o666, 0o555],
    ] as const) {
      chmodSync(settings, file);
      chmodSync(dirname(settings), directory);
      const { exitCode, stderr } = await asUser();
      expect([exitCode, stderr.trimEnd().split("\n").length]).toEqual([1, 2]);
      expect(stderr).toMatch(/cannot be (written|backed up): EACCES/);
      expect(read(settings)).toBe(MINE);
      expect(statSync(settings).mode & 0o777).toBe(file);
    }
    chmodSync(dirname(settings), 0o755);
  });

  test("several at once register the hook once", async () => {
    const { settings, run } = await installation();
    const runs = await Promise.all(Array.from({ length: 8 }, () => run("install")));
    expect(runs.map(({ exitCode }) => exitCode)).toEqual(runs.map(() => 0));
    expect(JSON.parse(read(settings)).hooks.Stop).toHaveLength(2);
    await run("uninstall");
    expect(read(settings)).toBe(MINE);
  });

  test("hooks that are switched off are said", async () => {
    const { run } = await installation('{"disableAllHooks": true}');
    const { exitCode, stderr } = await run("install");
    expect(exitCode).toBe(0);
    expect(stderr).toContain("hooks are switched off: disableAllHooks in ");
  });
});

test("doctor tells whether the hook is registered, and of a program that is gone", async () => {
  const { own, settings, run } = await installation(null);
  const hooksRow = async () => {
    const { stdout } = await own.run(["doctor", "--json", "--port", "0"]);
    return JSON.parse(stdout).checks.find(({ name }: { name: string }) => name === "hooks");
  };
  expect(await hooksRow()).toMatchObject({
    status: "ok",
    message: expect.stringContaining("not registered"),
  });
  await run("install");
  expect(await hooksRow()).toMatchObject({
    status: "ok",
    message: expect.stringContaining("registered (user)"),
  });
  write(settings, read(settings).replaceAll("my bin", "gone"));
  expect(await hooksRow()).toMatchObject({
    status: "failed",
    hint: expect.stringContaining("hooks install"),
  });
});
