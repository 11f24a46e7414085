/** Which program a service is to run. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chooseProgram } from "../../src/service/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NAME = "claude-mpm-socketio";

/** A program, with what else leads to it, and a PATH of the directories in which something does. */
function machine(place: string, ...links: string[]) {
  const root = temporaryDirectory();
  const executable = join(root, place);
  mkdirSync(dirname(executable), { recursive: true });
  writeFileSync(executable, "", { mode: 0o755 });
  for (const link of links) {
    mkdirSync(dirname(join(root, link)), { recursive: true });
    symlinkSync(executable, join(root, link));
  }
  const installed = join(root, "home/.local/bin", NAME);
  const path = ["usr/bin", "brew/bin", "home/.local/bin"].map((directory) => join(root, directory)).join(":");
  const self = { command: [executable], compiled: true, argv0: NAME, path, cwd: root, temporary: [] };
  const choose = (mode: "user" | "system") => chooseProgram(self, mode, installed);
  return { root, installed, self, choose };
}

test("a package's program is used where it stands", () => {
  const { root, choose } = machine(`usr/bin/${NAME}`);
  expect(choose("user")).toEqual({ program: join(root, "usr/bin", NAME), copy: false });
});

test("of a program in a version's own directory, the link on PATH", () => {
  const { root, choose } = machine(`brew/Cellar/${NAME}/1.2.3/bin/${NAME}`, `brew/bin/${NAME}`);
  expect(choose("user")).toEqual({ program: join(root, "brew/bin", NAME), copy: false });
});

test("a download, a version's own directory without a link, the output of a build: these are copied", () => {
  for (const place of [`home/Downloads/${NAME}`, `node/v20.1.0/bin/${NAME}`, `src/dist/${NAME}`]) {
    const { installed, choose } = machine(place);
    expect(choose("user")).toEqual({ program: installed, copy: true });
  }
});

test("a program that is where it belongs is not copied onto itself", () => {
  const { installed, choose } = machine(`home/.local/bin/${NAME}`);
  expect(choose("user")).toEqual({ program: installed, copy: false });
});

test("the machine does not run what somebody else could replace, or its own user cannot reach", () => {
  // Its directory, being a temporary one, is for its owner alone, below one that everybody writes to.
  const { root, installed, choose } = machine(`usr/bin/${NAME}`);
  expect(choose("system")).toEqual({ program: installed, copy: true });
  chmodSync(root, 0o755);
  expect(choose("system")).toEqual({ program: installed, copy: true });
});

test("a checkout is refused", () => {
  const { self, installed } = machine(`usr/bin/${NAME}`);
  expect(() => chooseProgram({ ...self, compiled: false }, "user", installed)).toThrow("checkout");
});
