/** What is said about the hooks that are registered. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { HOOK_EVENTS } from "../../src/hooks/settings/events.ts";
import { inspectHooks } from "../../src/hooks/settings/inspect.ts";
import { installHooks } from "../../src/hooks/settings/install.ts";
import { registeredHooks } from "../../src/hooks/settings/own-hook.ts";
import { type Scope, settingsPath } from "../../src/hooks/settings/scopes.ts";
import { checkHooks } from "../../src/cli/doctor/hook-checks.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NAME = "claude-mpm-socketio";

/** A user with a program, standing in a project. */
function user() {
  const home = temporaryDirectory();
  const cwd = join(home, "project");
  mkdirSync(cwd);
  const program = join(home, NAME);
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const around = { env: { HOME: home, PATH: "/usr/bin:/bin" }, cwd, platform: "linux" as const };
  const write = (scope: Scope, text: string) => {
    const path = settingsPath(scope, around);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const install = (scope: Scope, ...command: string[]) => {
    const words = command.length > 0 ? command : [program, "hook"];
    return installHooks(settingsPath(scope, around), registeredHooks({ command: words }, "linux"), "linux");
  };
  const look = () => {
    const { scopes, problems } = inspectHooks(around);
    return {
      states: Object.fromEntries(scopes.map(({ scope, state }) => [scope, state])),
      kinds: problems.map(({ kind, scope }) => [kind, scope]),
      text: problems.map(({ message, hint }) => `${message} → ${hint}`).join("\n"),
      findings: checkHooks(inspectHooks(around)),
    };
  };
  return { home, cwd, program, around, write, install, look };
}

/** A text with only these hooks in it. */
const withHooks = (hooks: Record<string, string[]>, more: object = {}) => {
  const groups = (commands: string[]) => [
    { hooks: commands.map((command) => ({ type: "command", command })) },
  ];
  const entries = Object.entries(hooks).map(([event, commands]) => [event, groups(commands)]);
  return JSON.stringify({ ...more, hooks: Object.fromEntries(entries) });
};
const everywhere = (...commands: string[]) =>
  Object.fromEntries(HOOK_EVENTS.map((event) => [event, commands]));

describe("the state", () => {
  test("none, where nothing is: a hint, and no failure", () => {
    const { look } = user();
    expect(look()).toEqual({
      states: { user: "none", project: "none", local: "none" },
      kinds: [],
      text: "",
      findings: [
        {
          name: "hooks",
          status: "ok",
          message: "not registered in Claude Code's settings",
          hint: "To see sessions here: claude-mpm-socketio hooks install",
        },
      ],
    });
  });

  for (const scope of ["user", "project", "local"] as const) {
    test(`installed, in the scope ${scope}`, () => {
      const { install, look } = user();
      install(scope);
      expect(look()).toMatchObject({ states: { [scope]: "installed" }, kinds: [] });
      expect(look().findings).toMatchObject([
        { status: "ok", message: expect.stringContaining(`registered (${scope})`) },
      ]);
    });
  }

  test("partial, with what is missing", () => {
    const { program, write, look } = user();
    const { Stop: _, ...rest } = everywhere(`${program} hook`);
    write("user", withHooks(rest));
    expect(look()).toMatchObject({ states: { user: "partial" }, kinds: [["missing_events", "user"]] });
    expect(look().text).toBe(
      "not registered: Stop → Register them: claude-mpm-socketio hooks install --scope user",
    );
    expect(look().findings).toMatchObject([{ status: "warning", message: expect.stringContaining("Stop") }]);
  });

  test("broken, with the line", () => {
    const { write, look } = user();
    write("project", '{\n"a": }');
    expect(look()).toMatchObject({ states: { project: "broken" }, kinds: [["broken", "project"]] });
    expect(look().text).toContain("line 2, column 6: value expected");
    write("project", '{"hooks": {"Stop": {}}}');
    expect(look().text).toContain("`hooks.Stop` is no array → Mend it");
  });

  test("CLAUDE_CONFIG_DIR is where the user's settings are", () => {
    const { around, home } = user();
    const env = { ...around.env, CLAUDE_CONFIG_DIR: join(home, "elsewhere") };
    expect(settingsPath("user", { ...around, env })).toBe(join(home, "elsewhere", "settings.json"));
  });

  test("standing at home, the user's file is not counted as the project's too", () => {
    const { around, home, install } = user();
    install("user");
    const { scopes, problems } = inspectHooks({ ...around, cwd: home });
    expect(scopes.map(({ scope }) => scope)).toEqual(["user", "local"]);
    expect(problems).toEqual([]);
  });

  test("one file linked into two scopes is one", () => {
    const { around, write, install } = user();
    const path = write("user", "{}");
    const link = write("project", "");
    rmSync(link);
    symlinkSync(path, link);
    install("user");
    expect(inspectHooks(around).problems).toEqual([]);
  });
});

describe("problems", () => {
  test("registered twice in one file", () => {
    const { program, write, look } = user();
    write(
      "user",
      withHooks({ ...everywhere(`${program} hook`), Stop: [`${program} hook`, `${program} hook`] }),
    );
    expect(look().kinds).toEqual([["duplicated", "user"]]);
    expect(look().text).toContain("registered more than once, and counted once: Stop → Register each once");
  });

  test("in several scopes: the same command, or another", () => {
    const { program, install, look } = user();
    install("user");
    install("local");
    expect(look().kinds).toEqual([["duplicated", null]]);
    expect(look().text).toContain("in the scopes user and local: Claude Code runs the same command once");
    install("local", program, "hook", "--port", "9000");
    expect(look().text).toContain("more than once, and counted once → Take one out");
    expect(look().text).toContain("hooks uninstall --scope local");
    expect(look().findings).toMatchObject([{ status: "warning" }]);
  });

  test("different commands in one file", () => {
    const { program, write, look } = user();
    write("user", withHooks({ ...everywhere(`${program} hook`), Stop: [`${program} hook --port 9000`] }));
    expect(look().kinds).toEqual([["different_commands", "user"]]);
    expect(look().text).toContain("--port 9000");
  });

  test("behind a matcher that narrows it", () => {
    const { program, write, look, install } = user();
    const value = JSON.parse(withHooks(everywhere(`${program} hook`)));
    for (const event of ["PreToolUse", "PostToolUse"]) value.hooks[event][0].matcher = "Bash";
    value.hooks.Notification[0].matcher = "*";
    value.hooks.SessionStart[0].matcher = "";
    write("user", JSON.stringify(value));
    expect(look().kinds).toEqual([["narrowed", "user"]]);
    expect(look().text).toBe(
      "a matcher keeps the hook from some of: PreToolUse, PostToolUse → Register it for all: claude-mpm-socketio hooks install --scope user",
    );
    expect(look().findings).toMatchObject([{ status: "warning" }]);
    install("user");
    expect(look()).toMatchObject({ states: { user: "installed" }, kinds: [] });
  });

  test("http hooks have a command beside them, and that is no difference", () => {
    const { around, program, look } = user();
    const url = "http://localhost:8765/api/hooks/claude";
    installHooks(
      settingsPath("user", around),
      registeredHooks({ command: [program, "hook"], url }, "linux"),
      "linux",
    );
    expect(look()).toMatchObject({ states: { user: "installed" }, kinds: [] });
  });

  test("a program that is gone, cannot be run, or is a directory", () => {
    const { program, install, look } = user();
    install("user");
    for (const spoil of [() => chmodSync(program, 0o644), () => rmSync(program), () => mkdirSync(program)]) {
      spoil();
      expect(look().kinds).toEqual([["missing_program", "user"]]);
      expect(look().text).toContain(
        `${program} is registered, and is not there or no program → Register this one`,
      );
      expect(look().findings).toMatchObject([{ status: "failed" }]);
    }
  });

  test("to register it again keeps the server it is for", () => {
    const { program, around, look } = user();
    const command = [program, "hook", "--port", "9300", "--state-dir", "/w/my state"];
    installHooks(settingsPath("user", around), registeredHooks({ command }, "linux"), "linux");
    rmSync(program);
    expect(look().text).toEndWith(
      "Register this one: claude-mpm-socketio hooks install --scope user --port 9300 --state-dir '/w/my state'",
    );
  });

  test("programs are looked for as the shell would", () => {
    const { home, write, look } = user();
    for (const [command, missing] of [
      [`~/${NAME} hook`, false],
      [`~/none/${NAME} hook`, true],
      [`$HOME/none/${NAME} hook`, false],
      [`${NAME} hook`, true],
      [`${process.execPath} ${home}/${NAME}/src/main.ts hook`, true],
      [`/none/bun ${home}/${NAME}/../${NAME} hook`, true],
      [`timeout 2 ~/${NAME} hook`, false],
    ] as const) {
      write("user", withHooks(everywhere(command)));
      expect([command, look().kinds.map(([kind]) => kind === "missing_program")]).toEqual([
        command,
        missing ? [true] : [],
      ]);
    }
  });

  test("hooks that are switched off, and files that Claude Code skips", () => {
    const { program, write, install, look } = user();
    install("user");
    write("local", '{"disableAllHooks": true}');
    expect(look().kinds).toEqual([["off", "local"]]);
    write("local", "{}");
    write("user", `// mine\n${withHooks(everywhere(`${program} hook`))}`);
    expect(look().kinds).toEqual([["skipped", "user"]]);
    expect(look().text).toContain("comments");
  });
});
