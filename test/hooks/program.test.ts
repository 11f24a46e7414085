/** What is registered: a path that lasts, in words that the shell leaves as they are. */
import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HOOK_EVENTS } from "../../src/hooks/settings/events.ts";
import { quote, readOwnHook, registeredHooks } from "../../src/hooks/settings/own-hook.ts";
import { isVersioned, type Self, stableProgram } from "../../src/hooks/settings/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NAME = "claude-mpm-socketio";

describe("the events", () => {
  test("are all that observe, and none that acts", () => {
    expect(HOOK_EVENTS).toHaveLength(28);
    expect(new Set(HOOK_EVENTS).size).toBe(28);
    for (const never of ["WorktreeCreate", "FileChanged", "MessageDisplay"]) {
      expect(HOOK_EVENTS as readonly string[]).not.toContain(never);
    }
  });

  test("have a command that is waited for, but not for long", () => {
    const hooks = registeredHooks({ command: ["/bin/x", "hook"] }, "linux");
    expect([...hooks.keys()]).toEqual([...HOOK_EVENTS]);
    for (const hook of hooks.values())
      expect(hook).toEqual({ type: "command", command: "/bin/x hook", timeout: 10 });
  });

  test("can be posted by Claude Code itself, save the two at which it does not", () => {
    const url = "http://localhost:8765/api/hooks/claude";
    const hooks = registeredHooks({ command: ["/bin/x", "hook"], url }, "linux");
    const commands = [...hooks].filter(([, { type }]) => type === "command").map(([event]) => event);
    expect(commands).toEqual(["SessionStart", "Setup"]);
    expect(hooks.get("Stop")).toEqual({ type: "http", url, timeout: 10 });
  });
});

describe("the path", () => {
  /** A program in a directory below one that no rule takes for temporary. */
  const machine = () => {
    const root = temporaryDirectory();
    const place = (path: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      return join(root, path);
    };
    const program = (path: string) => {
      writeFileSync(place(path), "#!/bin/sh\n", { mode: 0o755 });
      return join(root, path);
    };
    const link = (path: string, target: string) => {
      symlinkSync(target, place(path));
      return join(root, path);
    };
    const choose = (executable: string, more: Partial<Self> = {}) => {
      const self = { command: [executable], compiled: true, argv0: NAME, path: join(root, "bin"), cwd: root };
      return stableProgram({ ...self, temporary: [], ...more });
    };
    return { root, place, program, link, choose };
  };

  test("is the link on PATH, when the executable stands below a version", () => {
    for (const versioned of [
      `versions/1.2.3/${NAME}`,
      `Cellar/${NAME}/1.2.3_1/bin/${NAME}`,
      `app@1.2.3/${NAME}`,
    ]) {
      const { program, link, choose } = machine();
      const executable = program(versioned);
      const stable = link(`bin/${NAME}`, executable);
      expect(choose(executable)).toEqual({ command: [stable], warnings: [] });
    }
  });

  test("is the link on PATH also where none has a version, and the first of several", () => {
    const { root, program, link, choose } = machine();
    const executable = program(`opt/${NAME}`);
    const [first] = [link(`one/${NAME}`, executable), link(`two/${NAME}`, executable)];
    expect(choose(executable, { path: `.:relative::${root}/none:${root}/one:${root}/two` }).command).toEqual([
      first ?? "",
    ]);
  });

  test("is never a link that has a version itself, leads elsewhere or nowhere, or cannot be run", () => {
    const { root, program, link, choose } = machine();
    const executable = program(`opt/${NAME}`);
    link(`2.0.0/${NAME}`, executable);
    link(`broken/${NAME}`, "/nowhere");
    copyFileSync(executable, program(`copy/${NAME}`));
    chmodSync(program(`plain/${NAME}`), 0o644);
    const path = ["2.0.0", "broken", "copy", "plain"].map((directory) => join(root, directory)).join(":");
    expect(choose(executable, { path }).command).toEqual([executable]);
    expect(choose(executable, { path: undefined }).command).toEqual([executable]);
  });

  test("is the link it was called by, when PATH has none", () => {
    const { root, program, link, choose } = machine();
    const executable = program(`versions/1.2.3/${NAME}`);
    const current = link(`current/${NAME}`, executable);
    expect(choose(executable, { argv0: current })).toEqual({ command: [current], warnings: [] });
    expect(choose(executable, { argv0: `./current/${NAME}` }).command).toEqual([current]);
    const renamed = link("bin/cms", executable);
    expect(choose(executable, { argv0: "cms" }).command).toEqual([renamed]);
    expect(root).toBe(dirname(dirname(current)));
  });

  test("comes with a warning when it will not last", () => {
    const { program, choose } = machine();
    const warningOf = (path: string) => choose(program(path)).warnings.join();
    expect(warningOf(`versions/1.2.3/${NAME}`)).toContain("has a version in it");
    expect(warningOf(`project/dist/${NAME}`)).toContain("output of a build");
    expect(warningOf(`_npx/ab12/${NAME}`)).toContain("cleaned away");
    const inTemporary = stableProgram({
      command: [join(tmpdir(), NAME)],
      compiled: true,
      argv0: NAME,
      path: "",
      cwd: "/",
    });
    expect(inTemporary.warnings.join()).toContain("cleaned away");
  });

  test("of a checkout is Bun and the entry, with a warning", () => {
    const self = {
      command: ["/usr/bin/bun", "/x/src/main.ts"],
      compiled: false,
      argv0: "bun",
      path: "",
      cwd: "/",
    };
    const { command, warnings } = stableProgram(self);
    expect(command).toEqual(["/usr/bin/bun", "/x/src/main.ts"]);
    expect(warnings.join()).toContain("checkout");
  });

  test("versions are seen in every form, and not where none is", () => {
    for (const path of [
      "/opt/1.2.3/x",
      "/opt/v1.2/x",
      "/opt/x@1.2.3/x",
      "/opt/x-1.2.3-rc.1/x",
      "/opt/x-1.2.3",
      "C:\\tools\\x-1.2.3.exe",
      "/nix/store/abc-x-0.1.0/bin/x",
      "/opt/homebrew/Cellar/x/1.2.3_1/bin/x",
    ]) {
      expect([path, isVersioned(path)]).toEqual([path, true]);
    }
    for (const path of [
      "/usr/local/bin/x",
      "/home/u2/.local/bin/x",
      "/opt/python3.11/x",
      "/opt/x-linux-x64",
      "/1/x",
    ]) {
      expect([path, isVersioned(path)]).toEqual([path, false]);
    }
  });
});

describe("the command", () => {
  const WORDS = [
    ["/usr/local/bin/claude-mpm-socketio", "hook"],
    ["/Users/A User/bin/claude-mpm-socketio", "hook", "--port", "9000"],
    ['/it\'s "here"/$HOME/`x`/\\y/claude-mpm-socketio', "hook", "--state-dir", "/a b;c|d&e (f)*?~#!"],
    ["/日本語/claude-mpm-socketio", "hook", "--config", "/line\nbreak\t"],
  ];

  test("reaches the program through sh as it was", async () => {
    for (const words of WORDS) {
      const command = words.map((word) => quote(word, "linux")).join(" ");
      const child = Bun.spawn(["sh", "-c", `printf '%s\\0' ${command}`], { stdout: "pipe" });
      expect((await new Response(child.stdout).text()).split("\0").slice(0, -1)).toEqual(words);
      expect(readOwnHook({ type: "command", command }, "linux")?.program).toEqual(words.slice(0, 1));
    }
  });

  test("is plain for every shell of Windows where it can be, quoted for bash where it must", async () => {
    expect(quote(String.raw`C:\Users\dev\bin\claude-mpm-socketio.exe`, "win32")).toBe(
      "C:/Users/dev/bin/claude-mpm-socketio.exe",
    );
    const word = String.raw`C:\Program Files\$x\claude-mpm-socketio.exe`;
    const quoted = quote(word, "win32");
    const child = Bun.spawn(["sh", "-c", `printf %s ${quoted}`], { stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toBe(word.replaceAll("\\", "/"));
    const own = readOwnHook({ type: "command", command: `${quoted} hook` }, "win32");
    expect(own?.program).toEqual([word.replaceAll("\\", "/")]);
    const old = readOwnHook(
      { type: "command", command: String.raw`C:\bin\claude-mpm-socketio.exe hook` },
      "win32",
    );
    expect(old?.program).toEqual([String.raw`C:\bin\claude-mpm-socketio.exe`]);
  });
});
