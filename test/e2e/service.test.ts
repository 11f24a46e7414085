/**
 * The compiled binary as a service: what is written where, and what is left when something fails. systemctl is a
 * stand-in, which can be told to fail; service-systemd.test.ts has the real one, where that can run.
 */
import { describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { account, binary } from "../support/binary.ts";
import { onEnd } from "../support/cleanup.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");

/** An account on a machine where systemctl says what it is told to, and nobody else's settings are. */
async function user({ state = "running" }: { state?: string } = {}) {
  const own = account();
  const bin = temporaryDirectory();
  const put = (name: string, text: string) => writeFileSync(join(bin, name), text);
  put("state", `${state}\n`);
  put("fails", "");
  put("calls", "");
  copyFileSync(join(import.meta.dir, "..", "support", "systemctl.sh"), join(bin, "systemctl"));
  onEnd(() => process.kill(Number(readFileSync(join(bin, "pid"), "utf8")), "SIGKILL"));
  const env = { PATH: `${bin}:/usr/bin:/bin` };
  const port = await freePort();
  const program = join(own.home, ".local", "bin", "claude-mpm-socketio");
  return {
    ...own,
    port,
    program,
    unit: join(own.home, ".config", "systemd", "user", "claude-mpm-socketio.service"),
    config: join(own.home, ".claude-mpm", "socketio_config.json"),
    run: (...args: string[]) => own.run(args, { env }),
    installed: (...args: string[]) => runProgram(program, args, { ...own.env, ...env }),
    with: (more: Record<string, string>, ...args: string[]) => own.run(args, { env: { ...env, ...more } }),
    fail: (...verbs: string[]) => put("fails", verbs.map((verb) => `${verb}\n`).join("")),
    calls: () => readFileSync(join(bin, "calls"), "utf8").trim().split("\n"),
    forgetCalls: () => put("calls", ""),
    files: () => filesIn(own.home),
  };
}

async function runProgram(program: string, args: string[], env: Record<string, string>) {
  const child = Bun.spawn([program, ...args], { env, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr, exitCode: await child.exited };
}

/** Every file below, and no directory. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => !statSync(join(directory, name)).isDirectory())
    .toSorted();
}

function writeConfig(path: string, port: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ port }));
}

const healthOf = async (port: number) => (await fetch(`http://127.0.0.1:${port}/health`)).json();
const sameFile = async (path: string) => readFileSync(path).equals(readFileSync(await binary()));

describe("install", () => {
  test("copies the program, writes the unit, lets systemctl start it, and says how to undo it", async () => {
    const { run, port, program, unit, calls, config } = await user();
    const { exitCode, stdout, stderr } = await run("service", "install", "--port", `${port}`);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      new RegExp(
        `^Copied the program to ${program}\nWrote a configuration file to fill in: ${config}\nInstalled the service: .+\n` +
          String.raw`It runs at http://localhost:${port} \(PID \d+\), .+journalctl --user-unit .+\n.+linger.*\nTo undo it: .+\n$`,
      ),
    );
    expect(calls().filter((call) => !/show|is-system/.test(call))).toEqual([
      "--user daemon-reload",
      "--user enable claude-mpm-socketio.service",
      "--user reset-failed claude-mpm-socketio.service",
      "--user restart claude-mpm-socketio.service",
    ]);
    expect(readFileSync(unit, "utf8")).toContain(`\nExecStart=${program} serve --set port=${port}\n`);
    expect([await sameFile(program), statSync(program).mode & 0o777]).toEqual([true, 0o755]);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect((await healthOf(port)).status).toBe("healthy");
  });

  test("a second time it renews the service, and replaces the program by a newer one", async () => {
    const { run, installed, port, program, files } = await user();
    await run("install", "--port", `${port}`);
    const before = await healthOf(port);
    writeFileSync(`${program}.new`, "#!/bin/sh\necho 0.0.1 # CLAUDE_MPM_SOCKETIO_\n", { mode: 0o755 });
    rmSync(program);
    copyFileSync(`${program}.new`, program);
    rmSync(`${program}.new`);
    const { exitCode, stdout } = await run("install", "--port", `${port}`, "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      mode: "user",
      program,
      copied: true,
      renewed: true,
    });
    expect(await sameFile(program)).toBe(true);
    expect((await healthOf(port)).pid).not.toBe(before.pid);
    expect(files().filter((name) => /\.(old|tmp)$/.test(name))).toEqual([]);

    const own = await installed("install", "--port", `${port}`);
    expect([own.exitCode, own.stdout]).toEqual([0, expect.not.stringContaining("the program")]);
  });

  test("a second time it names the flags that the service no longer has, and how to give them again", async () => {
    const { run, home, port, config } = await user();
    const file = join(home, "it's mine.json");
    for (const path of [config, file]) writeConfig(path, port);
    await run("service", "install", "--port", `${port}`, "--config", file, "--server-id", "a:b");
    const { exitCode, stdout } = await run("service", "install", "--server-id", "c:d");
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining(
        `\nIt no longer has the flags it had: --config '${home}/it'\\''s mine.json' --set port=${port}\n` +
          "To have them again: claude-mpm-socketio service install --set server_id=c:d --config ",
      ),
    ]);
    const again = await run("service", "install", "--json");
    expect(JSON.parse(again.stdout).dropped_flags).toEqual(["--set", "server_id=c:d"]);
    expect((await run("service", "install")).stdout).not.toContain("no longer has");
  });

  test("says which version replaces which", async () => {
    const { run, port, program } = await user();
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, "#!/bin/sh\necho 0.0.1 # CLAUDE_MPM_SOCKETIO_\n", { mode: 0o755 });
    const { stdout } = await run("install", "--port", `${port}`);
    expect(stdout).toMatch(/^Replaced the program \S+: 0\.0\.1 by \d+\.\d+\.\d+\n/);
  });

  test("another program of that name in its place is left alone", async () => {
    const { run, port, program, files } = await user();
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, "#!/bin/sh\ntouch ~/run\n", { mode: 0o755 });
    const { exitCode, stderr } = await run("install", "--port", `${port}`);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("is another program of that name")]);
    expect(files()).toEqual([".local/bin/claude-mpm-socketio"]);
    expect(readFileSync(program, "utf8")).toContain("touch");
  });

  for (const verb of ["daemon-reload", "enable", "restart"]) {
    test(`leaves nothing behind when systemctl ${verb} fails`, async () => {
      const { run, fail, files, port } = await user();
      fail(verb);
      const { exitCode, stderr } = await run("service", "install", "--port", `${port}`);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(
        `failed: Failed to ${verb}: told to. What was done so far was undone\nSee why: `,
      );
      expect(files()).toEqual([]);
    });
  }

  test("when renewing fails, program, unit and server are those that were there", async () => {
    const { run, fail, program, unit, port } = await user();
    await run("install", "--port", `${port}`);
    const before = readFileSync(unit, "utf8");
    writeFileSync(`${program}.older`, "an older program: CLAUDE_MPM_SOCKETIO_", { mode: 0o755 });
    rmSync(program);
    copyFileSync(`${program}.older`, program);
    fail("enable");
    const { exitCode } = await run("install", "--port", `${await freePort()}`);
    expect(exitCode).toBe(1);
    expect(readFileSync(unit, "utf8")).toBe(before);
    expect(readFileSync(program, "utf8")).toBe("an older program: CLAUDE_MPM_SOCKETIO_");
  });

  test("a place that cannot be written to changes nothing", async () => {
    const { run, home, calls, files, port } = await user();
    writeFileSync(join(home, ".local"), "a file");
    const { exitCode, stderr } = await run("install", "--port", `${port}`);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(".local")]);
    expect(files()).toEqual([".local"]);
    expect(calls().filter((call) => /enable|restart/.test(call))).toEqual([]);
  });

  test("from a checkout it is refused, with the next step", async () => {
    const { env, files } = await user();
    const { exitCode, stderr } = await runProgram(process.execPath, [MAIN, "service", "install"], env);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("bun run build")]);
    // Bun itself keeps what it has translated.
    expect(files().filter((name) => !name.startsWith(".bun/"))).toEqual([]);
  });
});

describe("what keeps a service from being installed", () => {
  const INSTEAD = /systemd does not run here.*\n.*claude-mpm-socketio start.*@reboot.*restart policy/;

  test("no systemd: said, with what to do instead, and nothing is written", async () => {
    const { run, with: runWith, files } = await user({ state: "offline" });
    const { exitCode, stderr } = await run("service", "install");
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(INSTEAD)]);
    const missing = await runWith({ PATH: "/nowhere" }, "service", "install");
    expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringMatching(INSTEAD)]);
    expect(stderr).toContain(`: @reboot ${await binary()} start; `);
    expect(files()).toEqual([]);
  });

  test("an invalid configuration: exit 78, and nothing is written", async () => {
    const { run, files } = await user();
    expect((await run("install", "--port", "99999")).exitCode).toBe(78);
    expect((await run("install", "--set", "ping_interval=0")).exitCode).toBe(78);
    expect(files()).toEqual([]);
  });

  test("a server that was started otherwise, or another program, on the port", async () => {
    const { run, port, files } = await user();
    await run("start", "--port", `${port}`);
    const ours = await run("service", "install", "--port", `${port}`);
    expect(ours.stderr).toMatch(
      /already runs on port \d+ \(PID \d+\), and it is not this service\nStop it first: /,
    );
    await run("stop", "--port", `${port}`);

    const stranger = createServer((socket) => socket.end("no\r\n")).listen(0, "127.0.0.1");
    await new Promise((resolve) => stranger.once("listening", resolve));
    const taken = (stranger.address() as { port: number }).port;
    const theirs = await run("service", "install", "--port", `${taken}`);
    stranger.close();
    expect([theirs.exitCode, theirs.stderr]).toEqual([
      1,
      expect.stringContaining(`Port ${taken} is taken by PID`),
    ]);
    expect(files().filter((name) => !name.includes("socketio/"))).toEqual([]);
  });

  test("flags a definition cannot hold", async () => {
    const { run, home, files } = await user();
    const cases: [string[], RegExp][] = [
      [
        ["--redis-url", "redis://me:secret@host"],
        /--redis-url would stand .* every user can read it\n.*config path/,
      ],
      [["--set", "token=secret"], /--set token would stand/],
      [["--mode", "system", "--set", "token=secret"], /CLAUDE_MPM_SOCKETIO_TOKEN=… into .*\.env.*mode 600/],
      [["--port", "0"], /needs a port/],
      [["--mode", "both"], /--mode both is none/],
      [["--platform", "darwin"], /--print/],
      [["--mode", "system", "--state-dir", "/srv/x"], /\/var\/lib\/claude-mpm-socketio/],
      [["--mode", "system", "--set", `log_file_path=${home}/x.log`], /does not see/],
    ];
    for (const [flags, reason] of cases) {
      const { exitCode, stderr } = await run("service", "install", ...flags);
      expect([flags, exitCode, stderr]).toEqual([flags, 2, expect.stringMatching(reason)]);
      expect(stderr).not.toContain("secret@");
    }
    expect(files()).toEqual([]);
  });

  test("a variable that the service will not see is pointed out", async () => {
    const { with: runWith, port } = await user();
    const variable = { CLAUDE_MPM_SOCKETIO_SERVER_ID: "here" };
    const { exitCode, stderr } = await runWith(variable, "install", "--port", `${port}`);
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringContaining("CLAUDE_MPM_SOCKETIO_SERVER_ID is set here"),
    ]);
    expect((await healthOf(port)).server_id).not.toBe("here");
  });
});

test("--print writes each platform's definition, and changes nothing", async () => {
  const { run, files, home, calls } = await user({ state: "offline" });
  const print = async (platform: string, ...flags: string[]) => {
    const { exitCode, stdout } = await run("service", "install", "--print", "--platform", platform, ...flags);
    expect(exitCode).toBe(0);
    return stdout;
  };
  const hard = ["--config", `${home}/it's 100% "$HOME".json`];
  writeFileSync(hard[1] ?? "", "{}");
  expect(await print("linux", ...hard)).toContain(`--config "${home}/it's 100%% \\"$$HOME\\".json"\n`);
  expect(await print("darwin", ...hard)).toContain(
    `<string>${home}/it's 100% &quot;$HOME&quot;.json</string>`,
  );
  expect(await print("windows", "--set", "server_id=ab")).toContain(
    "serve --background --set server_id=ab</Arguments>",
  );
  expect(await print("linux", "--mode", "system")).toContain("\nDynamicUser=yes\n");
  expect(await print("darwin", "--mode", "system")).toContain(
    "state_dir=/var/lib/claude-mpm-socketio</string>",
  );
  expect(await print("windows", "--mode", "system")).toContain("<UserId>S-1-5-19</UserId>");
  expect(files()).toHaveLength(1);
  expect(calls()).toEqual([""]);
});

test("--no-service puts program and configuration in place, with the flags in the file", async () => {
  const { run, program, config, files, calls } = await user({ state: "offline" });
  const { exitCode, stdout } = await run(
    "install",
    "--no-service",
    "--environment",
    "development",
    "--port",
    "9123",
  );
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`Copied the program to ${program}`)]);
  expect(files()).toEqual([
    ".claude-mpm/socketio_config.json",
    ".claude-mpm/socketio_service.json",
    ".local/bin/claude-mpm-socketio",
  ]);
  const text = readFileSync(config, "utf8");
  expect(text).toMatch(/^ {2}"port": 9123,$/m);
  expect(text).toMatch(/^ {2}"environment": "development",$/m);
  const shown = JSON.parse((await run("config", "show", "--json")).stdout);
  expect(JSON.stringify(shown)).toContain("9123");
  const again = await run("install", "--no-service", "--environment", "development", "--port", "9123");
  expect([again.exitCode, again.stderr, again.stdout]).toEqual([
    0,
    "",
    expect.stringContaining("nothing was changed\n"),
  ]);
  expect(readFileSync(config, "utf8")).toBe(text);
  expect((await run("install", "--no-service", "--port", "9124")).stderr).toContain("left as it is");
  const more = await run("install", "--no-service", "--port", "9123", "--server-id", "a");
  expect([more.exitCode, more.stderr]).toEqual([1, expect.stringContaining("left as it is")]);
  expect((await run("uninstall")).exitCode).toBe(0);
  expect(files()).toEqual([".claude-mpm/socketio_config.json"]);
  expect(calls().filter((call) => /enable|restart/.test(call))).toEqual([]);
});

describe("status, start and stop", () => {
  test("tell of a service that is not there with exit 3", async () => {
    const { run } = await user();
    for (const verb of ["status", "start", "stop"]) {
      expect([verb, (await run("service", verb)).exitCode]).toEqual([verb, 3]);
    }
    expect((await run("service", "start")).stderr).toContain("service install");
  });

  test("ask systemctl, and the server on the port it was installed with", async () => {
    const { run, port, unit } = await user();
    await run("service", "install", "--port", `${port}`);
    const { pid } = await healthOf(port);
    const { exitCode, stdout } = await run("service", "status", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      pid,
      enabled: true,
      health: "healthy",
      url: `http://localhost:${port}`,
    });
    expect((await run("service", "stop")).stdout).toBe("Stopped the service\n");
    const stopped = await run("service", "status");
    expect([stopped.exitCode, stopped.stdout]).toEqual([3, expect.stringContaining("not running")]);
    expect(existsSync(unit)).toBe(true);
    expect((await run("service", "start")).stdout).toMatch(/^Started the service \(PID \d+\)\n$/);
    expect((await healthOf(port)).status).toBe("healthy");
  });

  test("start tells who holds the port, and starts nothing", async () => {
    const { run, port, calls, forgetCalls } = await user();
    await run("service", "install", "--port", `${port}`);
    await run("service", "stop");
    forgetCalls();
    await run("start", "--port", `${port}`);
    const ours = await run("service", "start");
    expect([ours.exitCode, ours.stderr]).toEqual([
      1,
      expect.stringMatching(
        /already runs on port \d+ \(PID \d+\), and it is not this service\nStop it first: /,
      ),
    ]);
    await run("stop", "--port", `${port}`);

    const stranger = createServer((socket) => socket.end("no\r\n")).listen(port, "127.0.0.1");
    await new Promise((resolve) => stranger.once("listening", resolve));
    const theirs = await run("service", "start");
    stranger.close();
    expect([theirs.exitCode, theirs.stdout, theirs.stderr]).toEqual([
      1,
      "",
      expect.stringContaining(`Port ${port} is taken by PID ${process.pid}`),
    ]);
    expect(calls().filter((call) => / start /.test(call))).toEqual([]);
  });

  test("start tells of a server that does not come up, by the key where it is its configuration", async () => {
    const { run, port, unit, config } = await user();
    await run("service", "install", "--port", `${port}`);
    await run("service", "stop");
    writeFileSync(config, '{"ping_timeout": "long"}');
    const invalid = await run("service", "start");
    expect([invalid.exitCode, invalid.stdout, invalid.stderr]).toEqual([
      78,
      "",
      expect.stringContaining("ping_timeout"),
    ]);
    writeFileSync(config, "{}");
    writeFileSync(unit, "[Service]\nExecStart=/bin/false\n");
    const ended = await run("service", "start");
    expect([ended.exitCode, ended.stderr]).toEqual([
      1,
      expect.stringMatching(/does not answer on port \d+\nSee why: journalctl/),
    ]);
  });

  test("start finds its server on the port that the configuration has now", async () => {
    const { run, port, config } = await user();
    writeConfig(config, port);
    await run("service", "install");
    await run("service", "stop");
    const other = await freePort();
    writeConfig(config, other);
    expect(await run("service", "start")).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await healthOf(other)).status).toBe("healthy");
  });
});

test("restart lets the service restart its server, which keeps the flags it was installed with", async () => {
  const { run, port } = await user();
  await run("service", "install", "--port", `${port}`);
  const before = await healthOf(port);
  const other = await run("restart", "--port", `${port}`, "--log-level", "DEBUG");
  expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining("run by its service")]);
  expect((await healthOf(port)).pid).toBe(before.pid);

  const { exitCode, stdout } = await run("restart", "--port", `${port}`, "--json");
  const { pid } = await healthOf(port);
  expect([exitCode, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ outcome: "started", pid })]);
  expect(pid).not.toBe(before.pid);
  expect(JSON.parse((await run("service", "status", "--json")).stdout)).toMatchObject({ running: true, pid });
});

describe("uninstall", () => {
  test("removes what install put there and the hooks, keeps the data, and a second time has nothing to do", async () => {
    const { run, installed, home, port, files } = await user();
    await run("install", "--port", `${port}`);
    await installed("hooks", "install");
    await fetch(`http://127.0.0.1:${port}/api/events`, { method: "POST", body: '{"type":"kept"}' });
    expect(existsSync(join(home, ".claude", "settings.json"))).toBe(true);

    const { exitCode, stdout } = await installed("uninstall");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^Removed the service: .+\nRemoved our hooks in .+\nRemoved the program: .+\nKept .+--purge.+\nKept .+\n$/,
    );
    const left = files();
    expect(left).toContain(`.claude-mpm/socketio/${port}/events.db`);
    expect(left.filter((name) => !name.startsWith(".claude-mpm/socketio"))).toEqual([]);
    expect(await healthOf(port).catch(() => "gone")).toBe("gone");

    const again = await run("uninstall");
    expect([again.exitCode, again.stdout]).toEqual([
      0,
      "Nothing is installed (mode user), so nothing was removed\n",
    ]);
  });

  test("a program that somebody else has put there is used, and stays", async () => {
    const { installed, program, unit, port } = await user();
    mkdirSync(dirname(program), { recursive: true });
    copyFileSync(await binary(), program);
    expect((await installed("install", "--port", `${port}`)).stdout).not.toContain("the program");
    expect(readFileSync(unit, "utf8")).toContain(`\nExecStart=${program} serve`);
    expect((await installed("uninstall")).exitCode).toBe(0);
    expect([existsSync(unit), existsSync(program)]).toEqual([false, true]);
  });

  test("--purge removes data and configuration, and nothing that is not ours or lies behind a link", async () => {
    const { run, home, stateDir, port, files } = await user();
    await run("install", "--port", `${port}`);
    const outside = temporaryDirectory();
    writeFileSync(join(outside, "lock.db"), "");
    writeFileSync(join(stateDir, "notes.txt"), "mine");
    symlinkSync(outside, join(stateDir, "9999"));
    symlinkSync(outside, join(stateDir, `${port}`, "linked"));
    mkdirSync(join(stateDir, "2024"));
    writeFileSync(join(stateDir, "2024", "diary.txt"), "mine too");
    const { exitCode, stdout } = await run("uninstall", "--purge");
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(join(stateDir, `${port}`))]);
    expect(files()).toEqual([".claude-mpm/socketio/2024/diary.txt", ".claude-mpm/socketio/notes.txt"]);
    expect(readdirSync(outside)).toEqual(["lock.db"]);
    rmSync(join(home, ".claude-mpm"), { recursive: true });
  });

  test("says of a kept file or directory only where it is true that --purge would find it", async () => {
    const { run, home, port } = await user();
    const [stateDir, config] = [join(home, "elsewhere"), join(home, "mine.json")];
    writeFileSync(config, "{}");
    await run("install", "--port", `${port}`, "--state-dir", stateDir, "--config", config);
    const { stdout } = await run("uninstall");
    expect(stdout).toContain(`\nKept ${stateDir}\nKept ${config}\n`);

    await run("install", "--port", `${port}`, "--state-dir", stateDir, "--config", config);
    const purged = JSON.parse((await run("uninstall", "--purge", "--json")).stdout);
    expect([purged.kept, existsSync(stateDir), existsSync(config)]).toEqual([[config], false, true]);
  });

  test("tells of a server that runs on without its program, which nobody can stop by that any more", async () => {
    const { run, installed, port } = await user({ state: "offline" });
    await run("install", "--no-service");
    const { pid } = JSON.parse((await installed("start", "--port", `${port}`, "--json")).stdout);
    const { exitCode, stderr } = await run("uninstall");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`port ${port}, PID ${pid}`)]);
    await run("stop", "--all");
  });

  test("a program that cannot be removed at once is removed by the next attempt", async () => {
    const { run, program, port } = await user();
    await run("install", "--port", `${port}`);
    rmSync(program);
    mkdirSync(program);
    const { exitCode, stderr } = await run("uninstall");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("The program cannot be removed")]);
    rmSync(program, { recursive: true });
    copyFileSync(await binary(), program);
    expect((await run("uninstall")).stdout).toStartWith(`Removed the program: ${program}\n`);
    expect(existsSync(program)).toBe(false);
  });

  test("--purge is refused while another server works with the data", async () => {
    const { run, port, files } = await user();
    const other = await freePort();
    await run("install", "--port", `${port}`);
    await run("start", "--port", `${other}`);
    const before = files();
    const { exitCode, stderr } = await run("uninstall", "--purge");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`port ${other}`)]);
    expect(files()).toEqual(before);
    expect((await healthOf(port)).status).toBe("healthy");
    await run("stop", "--port", `${other}`);
  });
});
