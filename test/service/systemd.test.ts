/** The unit, as systemd reads it. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandLine, SYSTEM_STATE_DIR, systemdUnit, UNIT } from "../../src/service/systemd.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const PROGRAM = "/usr/bin/claude-mpm-socketio";
const withoutAnalyze = Bun.which("systemd-analyze") === null;

/** Writes the unit for a program that is there, which `verify` looks at. */
function written(options: Partial<Parameters<typeof systemdUnit>[0]>): string {
  const path = join(temporaryDirectory(), UNIT);
  writeFileSync(path, systemdUnit({ mode: "system", program: "/bin/true", args: [], ...options }));
  return path;
}

function analyze(...args: string[]) {
  const runtime = temporaryDirectory();
  mkdirSync(join(runtime, "systemd"));
  const { exitCode, stdout, stderr } = Bun.spawnSync(["systemd-analyze", "--no-pager", ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: runtime, XDG_RUNTIME_DIR: runtime },
  });
  return { exitCode, said: `${stdout}${stderr}` };
}

test("the unit of the machine", () => {
  expect(systemdUnit({ mode: "system", program: PROGRAM, args: [] })).toMatchSnapshot();
});

test("the unit of a user", () => {
  expect(systemdUnit({ mode: "user", program: PROGRAM, args: ["--set", "port=9000"] })).toMatchSnapshot();
});

test.skipIf(withoutAnalyze)(
  "systemd-analyze finds nothing to say about either (needs systemd-analyze)",
  () => {
    const args = ["--set", "server_id=a b", "--config", '/srv/100% "é"\\$HOME/c.json'];
    expect(analyze("verify", written({ args }))).toEqual({ exitCode: 0, said: "" });
    expect(analyze("verify", written({ args, lowPort: true }))).toEqual({ exitCode: 0, said: "" });
    expect(analyze("--user", "verify", written({ args, mode: "user" }))).toEqual({ exitCode: 0, said: "" });
  },
);

test.skipIf(withoutAnalyze)(
  "the unit of the machine is exposed to at most 4.0 of 10 (needs systemd-analyze)",
  () => {
    for (const lowPort of [false, true]) {
      const { exitCode, said } = analyze("security", "--offline=yes", "--threshold=40", written({ lowPort }));
      expect([exitCode, Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]) <= 4]).toEqual([0, true]);
    }
    const { exitCode } = analyze("security", "--offline=yes", "--threshold=40", written({ mode: "user" }));
    expect(exitCode).toBe(1);
  },
);

test("nothing in it breaks a just-in-time compiler, and only a low port gets a capability", () => {
  const unit = (lowPort: boolean) => systemdUnit({ mode: "system", program: PROGRAM, args: [], lowPort });
  expect(unit(false)).not.toMatch(/^(MemoryDenyWriteExecute|LimitAS|LimitDATA)=/m);
  expect(unit(false)).toMatch(/^CapabilityBoundingSet=$/m);
  expect(unit(true)).toMatch(/^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  expect(unit(true)).toContain(`STATE_DIR=${SYSTEM_STATE_DIR}\n`);
});

test("the configuration is checked with the server's own flags before it is started", () => {
  const unit = systemdUnit({ mode: "user", program: "/a b/c", args: ["--set", "port=1"] });
  expect(unit).toContain(
    '\nExecStartPre="/a b/c" config check --set port=1\nExecStart="/a b/c" serve --set port=1\n',
  );
});

test("words are quoted by systemd's rules", () => {
  expect(commandLine("/a/b", [])).toBe("/a/b");
  expect(commandLine("/100%/$x", ["100%", "$HOME", "${x}"])).toBe('/100%%/$x 100%% $$HOME "$${x}"');
  expect(commandLine("/it's/$p", ["$x"])).toBe(String.raw`/bin/sh -c "exec \"$$0\" \"$$@\"" "/it's/$$p" $$x`);
  expect(commandLine("/p", ["", "a b", `'"`, "\\", ";", "a\nb"])).toBe(
    String.raw`/p "" "a b" "'\"" "\\" ";" "a\x0ab"`,
  );
});
