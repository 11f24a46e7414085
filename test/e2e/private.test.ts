/** What events hold is nobody else's: modes of files, directories that others have a hand in, planted links. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const windows = process.platform === "win32";
const HOOK = JSON.stringify({ hook_event_name: "Stop", session_id: "s" });

/** Every file below a directory with its mode, links as they are. */
function modesBelow(directory: string): [path: string, mode: string][] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path, (lstatSync(path).mode & 0o777).toString(8)];
  });
}

describe.skipIf(windows)("files", () => {
  test("are for their owner alone, whatever the umask, and while the server runs and after", async () => {
    const user = account();
    const port = `${await freePort()}`;
    const { env, home } = user;
    const withOpenUmask = (...args: string[]) =>
      Bun.spawn(["/bin/sh", "-c", 'umask 000; exec "$0" "$@"', bin, ...args], {
        env: { ...env, CLAUDE_MPM_SOCKETIO_DURABILITY: "full" },
        cwd: home,
        stdin: new Blob([HOOK]),
        stdout: "ignore",
        stderr: "ignore",
      }).exited;
    const bin = await binary();
    expect(await withOpenUmask("hook", "--port", port)).toBe(0);
    const expectPrivate = () => {
      const modes = modesBelow(dirname(user.stateDir));
      const isOpen = ([path, mode]: [string, string]) =>
        mode !== (lstatSync(path).isDirectory() ? "700" : "600");
      expect(modes.filter(isOpen)).toEqual([]);
      return modes.length;
    };
    expect(await withOpenUmask("start", "--port", port)).toBe(0);
    expect(await withOpenUmask("emit", "--port", port, "t", "{}")).toBe(0);
    // The log with what stands beside it, the lock, the name, the instance, the token, the server's log.
    expect(expectPrivate()).toBeGreaterThanOrEqual(8);
    expect(await withOpenUmask("stop", "--port", port)).toBe(0);
    expect(await withOpenUmask("hook", "--port", port)).toBe(0);
    expectPrivate();
  });

  test("that an earlier release has left open are closed", async () => {
    const user = account();
    const port = `${await freePort()}`;
    for (const command of ["start", "stop"]) await user.run([command, "--port", port]);
    const events = join(user.stateDir, port, "events.db");
    chmodSync(events, 0o644);
    chmodSync(dirname(events), 0o755);
    expect((await user.run(["start", "--port", port])).exitCode).toBe(0);
    expect(lstatSync(events).mode & 0o777).toBe(0o600);
    expect(lstatSync(dirname(events)).mode & 0o777).toBe(0o700);
  });
});

describe.skipIf(windows)("a directory that others may write into", () => {
  const PLACES = { "the state directory": [], "that of the port": ["PORT"] };
  for (const [what, below] of Object.entries(PLACES)) {
    for (const mode of [0o777, 0o770, 0o1777, 0o720]) {
      test(`${what}, with mode ${mode.toString(8)}, is refused with what to do, and nothing is put in it`, async () => {
        const user = account();
        const port = `${await freePort()}`;
        const place = join(user.stateDir, ...below.map(() => port));
        mkdirSync(place, { recursive: true, mode: 0o700 });
        chmodSync(place, mode);
        for (const command of ["serve", "start"]) {
          const { exitCode, stderr } = await user.run([command, "--port", port]);
          expect([command, exitCode]).toEqual([command, 1]);
          expect(stderr).toContain(
            `Other users may write into ${place} (mode ${(mode & 0o777).toString(8)})`,
          );
          expect(stderr).toContain(`chmod 700 ${place}`);
        }
        await user.run(["hook", "--port", port], { stdin: HOOK });
        expect(modesBelow(place).filter(([path]) => lstatSync(path).isFile())).toEqual([]);
        chmodSync(place, 0o700);
        expect((await user.run(["start", "--port", port])).exitCode).toBe(0);
      });
    }
  }

  test("doctor says so", async () => {
    const user = account();
    mkdirSync(user.stateDir, { recursive: true });
    chmodSync(user.stateDir, 0o777);
    const { exitCode, stdout } = await user.run(["doctor", "--port", `${await freePort()}`]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`Other users may write into ${user.stateDir}`);
  });
});

describe.skipIf(windows)("a planted link", () => {
  /** A file of somebody's that must stay as it is. */
  let victim: string;

  const NAMES: (string | null)[] = [
    null,
    "",
    "server.json",
    "events.db",
    "events.db-wal",
    "lock.db",
    "server_id",
    "server.log",
    "spool",
    "../tokens.json",
    "../local-token",
  ];
  for (const name of NAMES) {
    const what = name === null ? "the state directory" : name === "" ? "the directory of the port" : name;
    test(`in the place of ${what} is not followed`, async () => {
      const user = account();
      const port = `${await freePort()}`;
      const directory = join(user.stateDir, port);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const place = name === null ? user.stateDir : join(directory, name);
      const isDirectory = name === null || name === "" || name === "spool";
      victim = join(temporaryDirectory(), "victim");
      if (isDirectory) {
        rmSync(place, { recursive: true, force: true });
        mkdirSync(victim, { mode: 0o700 });
      } else {
        if (existsSync(place)) renameSync(place, `${place}.old`);
        writeFileSync(victim, "precious", { mode: 0o644 });
      }
      symlinkSync(victim, place);
      for (const command of ["start", "serve"]) {
        // What is no instance file is removed by whoever looks for a server, the link and not what it leads to.
        if (name === "server.json" && command === "start") continue;
        const { exitCode, stderr } = await user.run([command, "--port", port]);
        expect([command, exitCode]).toEqual([command, 1]);
        expect(stderr).toContain("is a symbolic link");
      }
      await user.run(["hook", "--port", port], { stdin: HOOK });
      if (isDirectory) expect(readdirSync(victim)).toEqual([]);
      else {
        expect(readFileSync(victim, "utf8")).toBe("precious");
        expect(lstatSync(victim).mode & 0o777).toBe(0o644);
      }
      rmSync(place, { force: true });
      expect((await user.run(["start", "--port", port])).exitCode).toBe(0);
      await user.run(["stop", "--port", port]);
    });
  }
});
