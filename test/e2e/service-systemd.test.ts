/** The service under the real systemd, on a machine of its own: installed, killed, misconfigured, taken away again. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { commandLine, systemdUnit } from "../../src/service/systemd.ts";
import { binary } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { OWN_TARGET, programOf, publish } from "../support/release.ts";
import { type Machine, obstacleToSystemd, startMachine } from "../support/systemd.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const obstacle = obstacleToSystemd();
const DOWNLOADED = "/opt/download/claude-mpm-socketio";
const INSTALLED = "/usr/local/bin/claude-mpm-socketio";
const UNIT = "claude-mpm-socketio.service";
const CONFIG = "/etc/claude-mpm/socketio_config.json";

let machine: Machine;

describe.skipIf(obstacle !== null)(`systemd${obstacle === null ? "" : ` (${obstacle})`}`, () => {
  beforeAll(async () => {
    machine = await startMachine(await binary());
  });

  const shown = async (...names: string[]) => {
    const { stdout } = await machine.root("systemctl", "show", `--property=${names.join()}`, UNIT);
    return Object.fromEntries(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=")),
    );
  };
  const statusOf = async (port: number) => {
    return JSON.parse((await machine.root("curl", "-s", `http://localhost:${port}/health`)).stdout);
  };

  test("install copies the program, writes the unit, starts it, and it answers with all its restrictions on", async () => {
    const { stdout, stderr, exitCode } = await machine.root(
      DOWNLOADED,
      "service",
      "install",
      "--mode",
      "system",
    );
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(/^Warning: Claude Code's hooks .+ token create --mode system .+\n$/),
    ]);
    expect(stdout).toContain(`Copied the program to ${INSTALLED}\n`);
    expect(stdout).toContain(`Installed the service: /etc/systemd/system/${UNIT}\n`);
    const { MainPID, UnitFileState } = await shown("MainPID", "UnitFileState");
    expect(UnitFileState).toBe("enabled");
    expect(stdout).toContain(`It runs at http://localhost:8765 (PID ${MainPID})`);
    expect(await statusOf(8765)).toMatchObject({ status: "healthy", pid: Number(MainPID) });

    const process = readFileSync(machine.path(`/proc/${MainPID}/status`), "utf8");
    expect(process).toMatch(/^NoNewPrivs:\t1$/m);
    expect(process).toMatch(/^Seccomp:\t2$/m);
    expect(process).toMatch(/^CapEff:\t0+$/m);
    expect(process).not.toMatch(/^Uid:\t0\t/m);
    const log = readFileSync(machine.path("/var/log/claude-mpm-socketio/server.log"), "utf8");
    expect(log).toContain("listening");
  });

  test("logs point root at the log of the machine's service", async () => {
    const { exitCode, stderr } = await machine.root(INSTALLED, "logs");
    const [hint] = /(?<=claude-mpm-socketio )logs --set .+/.exec(stderr) ?? [];
    expect([exitCode, hint]).toEqual([1, expect.any(String)]);
    const log = await machine.root(INSTALLED, ...(hint ?? "").split(" "));
    expect([log.exitCode, log.stdout]).toEqual([0, expect.stringContaining("listening")]);
    expect((await machine.user(INSTALLED, "logs")).stderr).toContain("claude-mpm-socketio start");
  });

  test("a kill is followed by a restart, and the history is still there; a reload keeps the process", async () => {
    const body = '{"type":"kept"}';
    await machine.root("curl", "-s", "-d", body, "http://localhost:8765/api/events");
    const before = await shown("MainPID");
    await machine.root("systemctl", "kill", "--signal=KILL", UNIT);
    await eventually(async () => (await shown("NRestarts")).NRestarts === "1", { what: "the restart" });
    const events = await eventually(
      async () => {
        const { stdout } = await machine.root("curl", "-s", "http://localhost:8765/api/events");
        return stdout === "" ? null : JSON.parse(stdout);
      },
      { what: "the answer" },
    );
    expect(events.events.map(({ type }: { type: string }) => type)).toEqual(["kept"]);
    const after = await shown("MainPID");
    expect(after).not.toEqual(before);
    expect((await machine.root("systemctl", "reload", UNIT)).exitCode).toBe(0);
    expect(await shown("MainPID", "ActiveState")).toEqual({ ...after, ActiveState: "active" });
  });

  test("it counts as started when it takes traffic, and not before", async () => {
    for (let round = 0; round < 3; round += 1) {
      expect((await machine.root("systemctl", "restart", UNIT)).exitCode).toBe(0);
      const { stdout } = await machine.root("curl", "-s", "http://localhost:8765/ready");
      expect(JSON.parse(stdout)).toMatchObject({ ready: true });
    }
    expect(await shown("Type", "WatchdogUSec", "ActiveState")).toEqual({
      Type: "notify",
      WatchdogUSec: "30s",
      ActiveState: "active",
    });
  });

  test("a server whose event loop hangs is ended and started anew, one that works is not", async () => {
    const dropIn = `/run/systemd/system/${UNIT}.d`;
    mkdirSync(machine.path(dropIn), { recursive: true });
    writeFileSync(machine.path(`${dropIn}/soon.conf`), "[Service]\nWatchdogSec=2\n");
    await machine.root("systemctl", "daemon-reload");
    await machine.root("systemctl", "restart", UNIT);
    const before = await shown("MainPID");
    // Longer than it may hang.
    await Bun.sleep(3000);
    expect(await shown("MainPID", "NRestarts", "ActiveState")).toEqual({
      ...before,
      NRestarts: "0",
      ActiveState: "active",
    });
    await machine.root("systemctl", "kill", "--signal=STOP", UNIT);
    await eventually(async () => (await shown("NRestarts")).NRestarts === "1", {
      what: "the restart",
      limitMs: 30_000,
    });
    const status = await eventually(() => statusOf(8765).catch(() => null), { what: "the answer" });
    expect(status).toMatchObject({ status: "healthy", pid: Number((await shown("MainPID")).MainPID) });
    expect(status.pid).not.toBe(Number(before.MainPID));
    rmSync(machine.path(dropIn), { recursive: true });
    await machine.root("systemctl", "daemon-reload");
    await machine.root("systemctl", "restart", UNIT);
  });

  test("one that asks for tokens: root makes them, users and their hooks get in by them, root needs none", async () => {
    const ours = (...args: string[]) => machine.root(INSTALLED, ...args);
    const open = await ours("service", "install", "--mode", "system", "--host", "0.0.0.0");
    expect(open.stdout).toContain("token create --mode system\n");
    const journal = await machine.root("journalctl", "-u", UNIT, "-o", "cat", "--no-pager");
    if (journal.stdout.includes("Ready at")) expect(journal.stdout).toMatch(/shown this once: cms_[\w-]{43}/);
    expect((await ours("service", "install", "--mode", "system", "--auth", "on")).exitCode).toBe(0);
    const made = await ours("token", "create", "--mode", "system", "--name", "ada", "--json");
    const { token, state_dir: stateDir } = JSON.parse(made.stdout);
    expect(stateDir).toBe("/var/lib/claude-mpm-socketio");
    const { uid, mode } = statSync(machine.path("/var/lib/private/claude-mpm-socketio/tokens.json"));
    expect([uid >= 61_184, mode & 0o777]).toEqual([true, 0o600]);

    const user = (command: string) => machine.user("sh", "-c", command);
    const given = `CLAUDE_MPM_SOCKETIO_TOKEN=${token} ${INSTALLED}`;
    expect(await user(`${INSTALLED} emit x`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("asks for a token"),
    });
    expect(await user(`${given} emit by-command`)).toMatchObject({ exitCode: 0, stderr: "" });
    await user(`echo '{"hook_event_name":"Stop"}' | ${given} hook`);
    const types = async () => {
      const { stdout } = await ours("history", "--json", "--state-dir", stateDir, "--limit", "2");
      return JSON.parse(stdout).events.map(({ type }: { type: string }) => type);
    };
    expect(await types()).toEqual(["by-command", "hook.stop"]);
    expect((await user(`${given} token list --mode system`)).exitCode).toBe(1);

    expect((await ours("service", "status", "--mode", "system", "--json")).stdout).toContain('"healthy"');
    expect(await ours("restart")).toMatchObject({ exitCode: 0 });
    expect(await user(`${given} emit x`)).toMatchObject({ exitCode: 0 });
    expect((await ours("token", "revoke", "ada", "--mode", "system")).exitCode).toBe(0);
    await eventually(async () => (await user(`${given} emit x`)).exitCode === 1, { what: "the refusal" });
    expect((await ours("service", "install", "--mode", "system")).exitCode).toBe(0);
  });

  test("status tells of it, stop and start go through systemd", async () => {
    const service = async (...args: string[]) =>
      machine.root(INSTALLED, "service", ...args, "--mode", "system", "--json");
    const running = await service("status");
    expect(running.exitCode).toBe(0);
    expect(JSON.parse(running.stdout)).toMatchObject({
      manager: "systemd",
      installed: true,
      enabled: true,
      running: true,
      health: "healthy",
      program: INSTALLED,
    });
    expect((await machine.root(INSTALLED, "doctor")).stdout).toMatch(
      /^service +ok +runs \(PID \d+\), mode system$/m,
    );
    expect((await machine.root(DOWNLOADED, "doctor")).stdout).toMatch(
      /^service +warning +runs \/usr\/local\/bin/m,
    );
    expect((await service("stop")).exitCode).toBe(0);
    expect((await machine.root(INSTALLED, "doctor")).stdout).toMatch(/^service +warning .+does not run/m);
    const stopped = await service("status");
    expect(stopped.exitCode).toBe(3);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ installed: true, running: false, pid: null });
    expect(await shown("Result")).toEqual({ Result: "success" });
    expect((await service("start")).exitCode).toBe(0);
    expect((await service("status")).exitCode).toBe(0);
  });

  test("restart goes through systemd as well, for root alone", async () => {
    const before = await shown("MainPID");
    expect((await machine.user(INSTALLED, "restart")).exitCode).toBe(1);
    expect(await shown("MainPID")).toEqual(before);
    const { exitCode, stdout } = await machine.root(INSTALLED, "restart", "--json");
    const { MainPID, ActiveState } = await shown("MainPID", "ActiveState");
    expect([exitCode, JSON.parse(stdout).pid, ActiveState]).toEqual([0, Number(MainPID), "active"]);
    expect(MainPID).not.toBe(before.MainPID);
  });

  test("upgrade lets systemd restart it with the newer program, and its history goes on", async () => {
    const releases = temporaryDirectory();
    const newer = readFileSync(await programOf("9.9.9"));
    publish(releases, "9.9.9", { targets: [OWN_TARGET], program: () => newer });
    cpSync(releases, machine.path("/opt/release"), { recursive: true });
    const before = await shown("MainPID");
    const { exitCode, stdout, stderr } = await machine.root(
      INSTALLED,
      "upgrade",
      "--base-url",
      "/opt/release",
    );
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Restarted the server on port 8765");
    expect((await machine.root(INSTALLED, "--version")).stdout).toBe("9.9.9\n");

    const { MainPID, ActiveState } = await shown("MainPID", "ActiveState");
    expect([MainPID === before.MainPID, ActiveState]).toEqual([false, "active"]);
    expect(await statusOf(8765)).toMatchObject({ status: "healthy", pid: Number(MainPID) });
    const { stdout: events } = await machine.root("curl", "-s", "http://localhost:8765/api/events");
    expect(JSON.parse(events).events[0]).toMatchObject({ type: "kept", seq: 1 });
  });

  test("install again with other flags renews it; one that cannot come up leaves the old one running", async () => {
    const install = (...flags: string[]) =>
      machine.root(INSTALLED, "service", "install", "--mode", "system", ...flags);
    const { exitCode, stdout } = await install("--port", "9000", "--server-id", "a:b");
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("Renewed the service")]);
    expect(await statusOf(9000)).toMatchObject({ server_id: "a:b" });

    // The configuration is for root alone: what root finds valid the service cannot read.
    writeFileSync(machine.path("/etc/claude-mpm/other.json"), "{}", { mode: 0o600 });
    const failed = await install("--port", "9001", "--config", "/etc/claude-mpm/other.json");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("What was done so far was undone");
    await eventually(async () => (await statusOf(9000).catch(() => null))?.status === "healthy", {
      what: "the service as it was",
    });
    const unit = readFileSync(machine.path(`/etc/systemd/system/${UNIT}`), "utf8");
    expect(unit).toContain("port=9000");
  });

  test("an invalid configuration is refused before anything changes", async () => {
    writeFileSync(machine.path(CONFIG), '{"ping_timeout": "long"}');
    const { exitCode } = await machine.root(INSTALLED, "service", "install", "--mode", "system");
    expect(exitCode).toBe(78);
    expect(await statusOf(9000)).toMatchObject({ status: "healthy" });
    writeFileSync(machine.path(CONFIG), "{}");
  });

  test("once its configuration is mended, start works at once, however often systemd has tried", async () => {
    writeFileSync(machine.path(CONFIG), '{"ping_timeout": "long"}');
    for (let attempt = 1; attempt <= 6; attempt += 1) await machine.root("systemctl", "restart", UNIT);
    writeFileSync(machine.path(CONFIG), "{}");
    const { exitCode, stderr } = await machine.root(INSTALLED, "service", "start", "--mode", "system");
    expect([exitCode, stderr]).toEqual([0, ""]);
    await eventually(async () => (await statusOf(9000).catch(() => null))?.status === "healthy", {
      what: "the service",
    });
  });

  test("start tells of an invalid configuration by its key, and of whoever holds the port", async () => {
    const service = (verb: string) => machine.root(INSTALLED, "service", verb, "--mode", "system");
    await service("stop");
    writeFileSync(machine.path(CONFIG), '{"ping_timeout": "long"}');
    const invalid = await service("start");
    const status = await service("status");
    expect([status.exitCode, status.stdout]).toEqual([
      3,
      expect.stringMatching(/^The service \(mode system\) is not running: it ended with exit code 78\n/),
    ]);
    const [check] = /(?<=claude-mpm-socketio )config check [^;]+/.exec(status.stdout) ?? [];
    expect(check).toBe(`config check --config ${CONFIG} --set port=9000 --set server_id=a:b`);
    const checked = await machine.root(INSTALLED, ...(check ?? "").split(" "));
    expect([checked.exitCode, checked.stderr]).toEqual([78, expect.stringContaining("ping_timeout")]);
    writeFileSync(machine.path(CONFIG), "{}");
    expect([invalid.exitCode, invalid.stderr]).toEqual([78, expect.stringContaining("ping_timeout")]);

    // What root finds valid the service cannot read.
    chmodSync(machine.path(CONFIG), 0o600);
    const unreadable = await service("start");
    chmodSync(machine.path(CONFIG), 0o644);
    expect([unreadable.exitCode, unreadable.stderr]).toEqual([
      78,
      expect.stringMatching(
        /^Error: The service did not start: it ended with exit code 78\n.+ config check /,
      ),
    ]);

    await machine.root(INSTALLED, "start", "--port", "9000");
    const taken = await service("start");
    await machine.root(INSTALLED, "stop", "--port", "9000");
    expect([taken.exitCode, taken.stdout, taken.stderr]).toEqual([
      1,
      "",
      expect.stringMatching(
        /^Error: A server already runs on port 9000 \(PID \d+\), and it is not this service\n/,
      ),
    ]);
    expect((await service("start")).exitCode).toBe(0);
  });

  test("doctor tells of a service whose program is gone", async () => {
    renameSync(machine.path(INSTALLED), machine.path(`${INSTALLED}.away`));
    const { stdout } = await machine.root(DOWNLOADED, "doctor");
    renameSync(machine.path(`${INSTALLED}.away`), machine.path(INSTALLED));
    expect(stdout).toMatch(
      /^service +failed .+ which is not there \(mode system\)\n.+ service install --mode system$/m,
    );
  });

  test("status tells of a server that was killed until systemd gave it up", async () => {
    const dropIn = `/run/systemd/system/${UNIT}.d`;
    mkdirSync(machine.path(dropIn), { recursive: true });
    writeFileSync(machine.path(`${dropIn}/once.conf`), "[Service]\nRestart=no\n");
    await machine.root("systemctl", "daemon-reload");
    await machine.root("systemctl", "kill", "--signal=KILL", UNIT);
    const status = await eventually(
      async () => {
        const { stdout } = await machine.root(INSTALLED, "service", "status", "--mode", "system");
        return stdout.includes("not running") ? stdout : null;
      },
      { what: "its end" },
    );
    expect(status).toMatch(/ is not running: systemd says signal\n/);
    expect(status).toEndWith(`\nSee why: journalctl --unit ${UNIT}\n`);
    rmSync(machine.path(dropIn), { recursive: true });
    await machine.root("systemctl", "daemon-reload");
  });

  test("uninstall of a user's points at the machine's", async () => {
    expect((await machine.root(INSTALLED, "uninstall")).stdout).toBe(
      "Nothing is installed (mode user), so nothing was removed; there is one of mode system: --mode system\n",
    );
  });

  test("uninstall leaves the data, --purge nothing", async () => {
    const uninstall = (...flags: string[]) =>
      machine.root(DOWNLOADED, "uninstall", "--mode", "system", ...flags);
    const first = await uninstall();
    expect(first.exitCode).toBe(0);
    expect(first.stdout).toContain(`Removed the program: ${INSTALLED}\n`);
    expect(await shown("LoadState")).toEqual({ LoadState: "not-found" });
    expect(existsSync(machine.path(INSTALLED))).toBe(false);
    expect(existsSync(machine.path("/var/lib/private/claude-mpm-socketio/8765/events.db"))).toBe(true);

    expect((await uninstall("--purge")).exitCode).toBe(0);
    const left = ["/var/lib/private", "/var/log/private"].flatMap((path) => readdirSync(machine.path(path)));
    expect(left).toEqual([]);
    for (const path of ["/etc/claude-mpm/socketio_config.json", "/var/lib/claude-mpm-socketio"]) {
      expect(lstatSync(machine.path(path), { throwIfNoEntry: false })).toBeUndefined();
    }
    const again = await uninstall();
    expect([again.exitCode, again.stdout]).toEqual([
      0,
      "Nothing is installed (mode system), so nothing was removed\n",
    ]);
  });

  test("a user's service runs under that user's own systemd, and without one is refused", async () => {
    const place = "/home/somebody/.local/bin/claude-mpm-socketio";
    const unit = `/home/somebody/.config/systemd/user/${UNIT}`;
    const refused = await machine.user(DOWNLOADED, "service", "install");
    expect(refused.exitCode).toBe(1);
    expect(readdirSync(machine.path("/home/somebody"))).toEqual([]);

    await machine.root("systemctl", "start", "somebody.service");
    const { exitCode, stdout } = await machine.user(DOWNLOADED, "service", "install", "--port", "9100");
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("loginctl enable-linger")]);
    expect(await statusOf(9100)).toMatchObject({ status: "healthy" });
    expect([place, unit].map((path) => existsSync(machine.path(path)))).toEqual([true, true]);
    expect((await machine.user(place, "logs")).stdout).toBe("");
    expect((await machine.user(place, "logs", "--port", "9100")).stdout).toContain("listening");

    expect((await machine.user(place, "service", "uninstall")).exitCode).toBe(0);
    expect([place, unit].map((path) => existsSync(machine.path(path)))).toEqual([false, false]);
  });

  test("on a disk that is full nothing is left behind", async () => {
    const directory = dirname(INSTALLED);
    await machine.root("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory);
    const { exitCode, stderr } = await machine.root(DOWNLOADED, "service", "install", "--mode", "system");
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining(`${INSTALLED} cannot be written: ENOSPC`),
    ]);
    expect(readdirSync(machine.path(directory))).toEqual([]);
    await machine.root("umount", directory);
    expect(existsSync(machine.path(`/etc/systemd/system/${UNIT}`))).toBe(false);
  });

  test("a package's unit is left to the package", async () => {
    const unit = machine.path(`/usr/lib/systemd/system/${UNIT}`);
    writeFileSync(unit, systemdUnit({ mode: "system", program: DOWNLOADED, args: [] }));
    await machine.root("systemctl", "daemon-reload");
    expect((await machine.root(DOWNLOADED, "service", "start", "--mode", "system")).exitCode).toBe(0);
    const { exitCode, stderr } = await machine.root(DOWNLOADED, "uninstall", "--mode", "system");
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringContaining(`/lib/systemd/system/${UNIT} goes with the package`),
    ]);
    expect([existsSync(unit), await shown("ActiveState")]).toEqual([true, { ActiveState: "inactive" }]);
  });

  test("paths and arguments come through whatever is in them", async () => {
    const args = [
      "",
      "a b",
      `'"`,
      "\\",
      "\\n",
      "100%",
      "%h",
      "$HOME",
      "${HOME}",
      "$$",
      ";",
      "é",
      "a\nb",
      "@x",
      "#",
    ];
    for (const directory of ["/opt/100% %h é", "/opt/$HOME ${HOME}", `/opt/it's "$HOME" \\x41`]) {
      mkdirSync(machine.path(directory));
      const script = "#!/bin/sh\nprintf '%s\\0' \"$@\" > /run/printed\n";
      writeFileSync(machine.path(`${directory}/print`), script, { mode: 0o755 });
      const unit = `[Service]\nType=oneshot\nExecStart=${commandLine(`${directory}/print`, args)}\n`;
      writeFileSync(machine.path("/etc/systemd/system/print.service"), unit);
      await machine.root("systemctl", "daemon-reload");
      const started = await machine.root("systemctl", "start", "print.service");
      expect([directory, started]).toEqual([directory, { exitCode: 0, stdout: "", stderr: "" }]);
      expect(readFileSync(machine.path("/run/printed"), "utf8").split("\0").slice(0, -1)).toEqual(args);
      rmSync(machine.path("/run/printed"));
    }
  });

  test("the machine's service is for root", async () => {
    const { exitCode, stderr } = await machine.user(DOWNLOADED, "service", "install", "--mode", "system");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`sudo ${DOWNLOADED} …`)]);
  });
});
