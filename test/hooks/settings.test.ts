/** Claude Code's settings: what is put in comes out again to the byte, and nothing else is touched. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parse, type ParseError } from "jsonc-parser";
import { addHooks, type HooksByEvent, hooksIn, removeHooks } from "../../src/hooks/settings/document.ts";
import { HOOK_EVENTS } from "../../src/hooks/settings/events.ts";
import { readSettingsFile, removeSettingsFile, writeSettingsFile } from "../../src/hooks/settings/file.ts";
import { installHooks, uninstallHooks } from "../../src/hooks/settings/install.ts";
import { readOwnHook, registeredHooks } from "../../src/hooks/settings/own-hook.ts";
import { SOAK } from "../support/soak.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const hooksOf = (...command: string[]) => registeredHooks({ command }, "linux");
const HOOKS = hooksOf("/usr/local/bin/claude-mpm-socketio", "hook");
const OTHERS = hooksOf("/opt/claude-mpm-socketio", "hook", "--port", "9000");
const isOurs = (hook: unknown) => readOwnHook(hook, "linux") !== null;

const settingsFile = (text?: string) => {
  const path = join(temporaryDirectory(), ".claude", "settings.json");
  if (text === undefined) return path;
  mkdirSync(dirname(path));
  writeFileSync(path, text);
  return path;
};
const install = (path: string, hooks: HooksByEvent = HOOKS) => installHooks(path, hooks, "linux");
const uninstall = (path: string) => uninstallHooks(path, "linux");
const read = (path: string) => readFileSync(path, "utf8");
const backupsOf = (path: string) => readdirSync(dirname(path)).filter((name) => name.includes(".backup-"));
const valueIn = (text: string) => {
  const mistakes: ParseError[] = [];
  const value =
    text.trim() === "" ? {} : parse(text.replace(/^\uFEFF/, ""), mistakes, { allowTrailingComma: true });
  if (mistakes.length > 0) throw new Error(`broken: ${text}`);
  return value;
};
const ownIn = (text: string) => hooksIn(text, "").filter(({ hook }) => isOurs(hook));

const FOREIGN = { matcher: "Bash", hooks: [{ type: "command", command: "~/bin/check.sh", timeout: 10 }] };
const COMMON = {
  $schema: "https://json.schemastore.org/claude-code-settings.json",
  model: "opus",
  hooks: { PreToolUse: [FOREIGN, { hooks: [{ type: "command", command: "say hi" }] }], Custom: [FOREIGN] },
  permissions: { allow: ["Bash(git *)"], deny: [] },
};

const SHAPES: Record<string, string> = {
  "what Claude Code writes itself": `${JSON.stringify(COMMON, null, 2)}\n`,
  "no final newline": JSON.stringify(COMMON, null, 2),
  "four spaces": JSON.stringify(COMMON, null, 4),
  tabs: JSON.stringify(COMMON, null, "\t"),
  "no indentation": '{\n"a": 1,\n"hooks": {\n"Stop": [\n]\n}\n}\n',
  minified: JSON.stringify(COMMON),
  "one line with spaces": '{ "model": "opus", "hooks": { "Stop": [ ] } }\n',
  "CR LF": JSON.stringify(COMMON, null, 2).replaceAll("\n", "\r\n"),
  "mixed line breaks": '{\r\n  "a": 1,\n  "b": 2\r\n}\n',
  "byte order mark": `\uFEFF${JSON.stringify(COMMON, null, 2)}`,
  "empty object": "{}",
  "empty object on lines": "{\n}\n",
  "empty object with a space": "{ }",
  "empty file": "",
  "white space": " \n\t\n",
  "byte order mark alone": "\uFEFF",
  "white space around": '\n\n  {"a": 1}  \n\n',
  "empty hooks": '{\n  "hooks": {}\n}\n',
  "empty hooks on lines": '{\n  "hooks": {\n  }\n}\n',
  "empty event": '{\n  "hooks": {\n    "Stop": []\n  }\n}\n',
  "empty event on lines": '{\n  "hooks": {\n    "Stop": [\n    ],\n    "SessionEnd": [  ]\n  }\n}\n',
  "empty group": '{\n  "hooks": {\n    "Stop": [{ "matcher": "", "hooks": [] }]\n  }\n}\n',
  "hooks in the middle": '{\n  "hooks": {\n    "Stop": []\n  },\n  "z": true\n}\n',
  "groups on one line":
    '{\n  "hooks": {\n    "Stop": [{ "hooks": [{ "type": "command", "command": "x" }] }]\n  }\n}\n',
  "trailing commas": '{\n  "a": [1,],\n  "hooks": {\n    "Stop": [\n      {"hooks": [],},\n    ],\n  },\n}\n',
  "comments everywhere":
    '// top\n{ // a\n  "a": 1, // b\n  /* c */ "hooks": { // d\n    "Stop": [ // e\n    ], // f\n  }, // g\n} // h',
  "a comment alone": "{ // nothing yet\n}",
  "a block comment": "{ /* nothing yet */ }",
  "a comment behind the last": '{\n  "a": 1 // one\n}',
  "keys twice": '{"hooks": {"Stop": 1}, "a": 1, "a": 2, "hooks": {"Stop": [], "Stop": []}}',
  "deep indentation": '    {\n        "a": 1\n    }',
  "keys that are special": '{\n  "__proto__": {"a": 1},\n  "constructor": 1,\n  "hooks": {"toString": []}\n}',
  "text beyond ASCII": '{\n  "é": "日本語 \\u00e9 👩‍👩‍👧",\n  "url": "http://x//y"\n}',
};

describe("install, then uninstall, gives the same bytes", () => {
  for (const [name, text] of Object.entries(SHAPES)) {
    test(name, () => {
      const path = settingsFile(text);
      const before = valueIn(text);
      expect(install(path).changed).toBe(true);

      const installed = read(path);
      expect(
        ownIn(installed)
          .map(({ event }) => event)
          .toSorted(),
      ).toEqual(HOOK_EVENTS.toSorted());
      expect(valueIn(removeHooks(installed, isOurs, before))).toEqual(before);
      if (!/\/\/|\/\*|,\s*[\]}]/.test(text)) JSON.parse(installed.replace(/^\uFEFF/, ""));
      expect(install(path)).toMatchObject({ changed: false, backup: null });
      expect(read(path)).toBe(installed);

      // Another path and port, and back: nothing is doubled, and nothing moves.
      expect(install(path, OTHERS)).toMatchObject({ changed: true, replaced: true, backup: null });
      expect(ownIn(read(path))).toHaveLength(HOOK_EVENTS.length);
      install(path);
      expect(read(path)).toBe(installed);

      expect(uninstall(path)).toMatchObject({ removedFile: false });
      expect(read(path)).toBe(text);
      expect(uninstall(path)).toMatchObject({ events: [] });
      expect(backupsOf(path)).toHaveLength(1);
    });
  }

  test("no file: it is made, its directory too, and gone again", () => {
    const path = settingsFile();
    expect(install(path)).toMatchObject({ changed: true, backup: null });
    expect(read(path)).toStartWith('{\n  "hooks": {\n    "SessionStart": [\n      {\n        "hooks": [\n');
    expect(read(path)).toEndWith("}\n");
    expect(install(path, OTHERS).changed).toBe(true);
    expect(uninstall(path)).toMatchObject({ removedFile: true });
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test("random settings", () => {
    const rounds = SOAK ? 20_000 : 400;
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    const random = mulberry32(seed);
    const path = settingsFile("");
    for (let round = 0; round < rounds; round += 1) {
      const text = randomSettings(random);
      writeFileSync(path, text);
      const what = `seed ${seed}, round ${round}: ${JSON.stringify(text)}`;
      const hooks = random() < 0.5 ? HOOKS : OTHERS;
      expect([what, install(path, hooks).changed]).toEqual([what, true]);
      expect([what, ownIn(read(path)).length]).toEqual([what, HOOK_EVENTS.length]);
      expect([what, valueIn(removeHooks(read(path), isOurs, valueIn(text)))]).toEqual([what, valueIn(text)]);
      uninstall(path);
      expect([what, read(path)]).toEqual([what, text]);
    }
    expect(backupsOf(path).length).toBeLessThanOrEqual(5);
  });
});

describe("what others edit in between stays", () => {
  test("a file written anew by Claude Code", () => {
    const path = settingsFile(JSON.stringify(COMMON, null, 4));
    install(path);
    const edited = { ...valueIn(read(path)), model: "sonnet", extra: { a: [1] } };
    writeFileSync(path, `${JSON.stringify(edited, null, 2)}\n`);
    uninstall(path);
    expect(read(path)).toBe(
      `${JSON.stringify({ ...COMMON, model: "sonnet", extra: { a: [1] } }, null, 2)}\n`,
    );
  });

  test("hooks of others, behind ours, before them, and in our own group", () => {
    const path = settingsFile("{}\n");
    install(path);
    const value = valueIn(read(path));
    value.hooks.Stop.push(FOREIGN);
    value.hooks.PreToolUse.unshift(FOREIGN);
    value.hooks.Notification[0].hooks.push(FOREIGN.hooks[0]);
    value.hooks.SessionEnd[0].hooks.unshift(FOREIGN.hooks[0]);
    writeFileSync(path, JSON.stringify(value, null, 2));
    uninstall(path);
    expect(read(path)).toBe(
      JSON.stringify(
        {
          hooks: {
            PreToolUse: [FOREIGN],
            Notification: [{ hooks: FOREIGN.hooks }],
            Stop: [FOREIGN],
            SessionEnd: [{ hooks: FOREIGN.hooks }],
          },
        },
        null,
        2,
      ),
    );
  });

  test("what was empty before is empty again, what was not there is gone", () => {
    for (const [text, expected] of [
      ['{"hooks": {}}', { hooks: {}, more: 1 }],
      ['{"hooks": {"Stop": []}}', { hooks: { Stop: [] }, more: 1 }],
      ["{}", { more: 1 }],
    ] as const) {
      const path = settingsFile(text);
      install(path);
      writeFileSync(path, JSON.stringify({ ...valueIn(read(path)), more: 1 }));
      uninstall(path);
      expect(JSON.parse(read(path))).toEqual(expected);
    }
  });

  test("comments are never lost, and never swallow what follows", () => {
    const path = settingsFile('{\n  "a": 1\n}\n');
    install(path);
    const [head, ...rest] = read(path).split(',\n  "hooks"');
    writeFileSync(path, `${head}, // keep\n  "hooks"${rest.join("")}`.replace(/\n\}\n$/, "}"));
    uninstall(path);
    expect(valueIn(read(path))).toEqual({ a: 1 });
    expect(read(path)).toContain("// keep");
  });

  test("ours are taken out however old, doubled, or mixed with others", () => {
    const old = (command: string, more = {}) => ({ hooks: [{ type: "command", command, ...more }] });
    const ours = [
      old("/opt/claude-mpm-socketio-0.1.0/claude-mpm-socketio hook"),
      old("claude-mpm-socketio hook", { async: true }),
      old("'/Users/a b/claude-mpm-socketio' hook --port 9000 --state-dir '/x y'"),
      old('"C:/Program Files/claude-mpm-socketio.exe" hook'),
      old("/usr/bin/bun /gone/claude-mpm-socketio/src/main.ts hook"),
      old(`bun ${join(import.meta.dir, "..", "..", "src", "main.ts")} hook`),
      old("timeout 2 ~/bin/claude-mpm-socketio-linux-x64 hook --config=/a.json"),
      old("/x/claude-mpm-socketio", { args: ["hook", "--port", "1"] }),
      { hooks: [{ type: "http", url: "http://localhost:8765/api/hooks/claude" }] },
    ];
    const theirs = [
      old("claude-mpm-socketio emit stop"),
      old("claude-mpm-socketio hook | tee log"),
      old("claude-mpm-socketio hook; say done"),
      old("claude-mpm-socketio hook > /tmp/x"),
      old("my-claude hook"),
      old("bun /home/dev/another/src/main.ts hook"),
      old("~/bin/claude-mpm-socketio-wrapper.sh hook"),
      old("/opt/claude-mpm/claude-hook-handler.sh"),
      old("echo claude-mpm-socketio"),
      old("claude-mpm-socketio hooks status"),
      old("claude-mpm-socketio hook extra"),
      old("claude-mpm-socketio 'hook"),
      { hooks: [{ type: "http", url: "http://localhost:8765/api/other" }] },
      { hooks: [{ type: "prompt", prompt: "claude-mpm-socketio hook" }] },
      { hooks: ["claude-mpm-socketio hook"] },
    ];
    for (const group of ours)
      expect([group, ownIn(JSON.stringify({ hooks: { Stop: [group] } })).length]).toEqual([group, 1]);
    const path = settingsFile(JSON.stringify({ hooks: { Stop: [...ours, ...theirs, ...ours] } }, null, 2));
    expect(uninstall(path).events).toEqual(["Stop"]);
    expect(JSON.parse(read(path))).toEqual({ hooks: { Stop: theirs } });
    install(path);
    uninstall(path);
    expect(JSON.parse(read(path))).toEqual({ hooks: { Stop: theirs } });
  });
});

describe("behind a matcher", () => {
  const grouped = (group: object) => ({
    hooks: Object.fromEntries([...HOOKS].map(([event, hook]) => [event, [{ ...group, hooks: [hook] }]])),
  });

  for (const matcher of ["", "*"]) {
    test(`${JSON.stringify(matcher)}, that is everything, nothing is to be done`, () => {
      const path = settingsFile(JSON.stringify(grouped({ matcher })));
      expect(install(path).changed).toBe(false);
    });
  }

  test("that narrows it, it is renewed for everything, and what else stands there stays", () => {
    const value = grouped({ matcher: "Bash" });
    value.hooks.PreToolUse?.[0]?.hooks.push(FOREIGN.hooks[0] as never);
    const path = settingsFile(JSON.stringify(value));
    expect(install(path)).toMatchObject({ changed: true, replaced: true });
    const { hooks } = valueIn(read(path));
    expect(hooks.PreToolUse).toEqual([FOREIGN, { hooks: [HOOKS.get("PreToolUse")] }]);
    expect(hooks.Stop).toEqual([{ hooks: [HOOKS.get("Stop")] }]);
    expect(install(path).changed).toBe(false);
  });
});

describe("refused, and left as it is", () => {
  const broken: [what: string, text: string, says: string][] = [
    ["a missing comma", '{\n  "a": 1\n  "b": 2\n}', "line 3, column 3: comma expected"],
    ["a missing brace", '{\n  "a": 1', "line 2, column 9: close brace expected"],
    ["text that is no JSON", "model = opus", "line 1, column 1: invalid symbol"],
    ["something behind it", '{}\n{"a": 1}', "line 2, column 1: end of file expected"],
    ["a list", "[]", "line 1, column 1: this is no JSON object"],
    ["null", "null", "this is no JSON object"],
    ["a comment alone", "// nothing\n", "line 2, column 1: value expected"],
    ["hooks that are a list", '{\r\n  "hooks": []\r\n}', "line 2, column 12: `hooks` is no object"],
    ["hooks that are null", '{"hooks": null}', "`hooks` is no object"],
    ["an event that is no list", '{"hooks": {"Stop": {}}}', "line 1, column 20: `hooks.Stop` is no array"],
    ["a group that is text", '{"hooks": {"Stop": ["x"]}}', "in `hooks.Stop` stands what is no group"],
    [
      "a hook without a group",
      '{"hooks": {"Stop": [{"type": "command", "command": "x"}]}}',
      "in `hooks.Stop` stands what is no group",
    ],
    ["depth", "[".repeat(100_000), "nested too deeply"],
    ["a halved file", `${JSON.stringify(COMMON, null, 2).slice(0, 200)}`, "line "],
  ];
  for (const [what, text, says] of broken) {
    test(what, () => {
      const path = settingsFile(text);
      expect(() => install(path)).toThrow(says);
      expect(() => install(path)).toThrow(path);
      expect(read(path)).toBe(text);
      expect(readdirSync(dirname(path))).toEqual(["settings.json"]);
    });
  }

  test("a directory, bytes that are no UTF-8, what is huge, a place that cannot be", () => {
    const directory = settingsFile();
    mkdirSync(directory, { recursive: true });
    expect(() => install(directory)).toThrow("is a directory");

    const bytes = settingsFile("");
    writeFileSync(bytes, Buffer.from('{"a": "\xFF\xFE"}', "latin1"));
    expect(() => install(bytes)).toThrow("is not UTF-8 text");

    const huge = settingsFile(`{"a": "${"x".repeat(16 * 1024 * 1024)}"}`);
    expect(() => install(huge)).toThrow("larger than 16 MiB");

    const file = settingsFile("{}");
    expect(() => install(join(file, "settings.json"))).toThrow("cannot be read: ENOTDIR");
    const loop = settingsFile("{}");
    symlinkSync("b.json", join(dirname(loop), "a.json"));
    symlinkSync("a.json", join(dirname(loop), "b.json"));
    expect(() => install(join(dirname(loop), "a.json"))).toThrow("cannot be read: ELOOP");
    expect(() => install("/proc/none/settings.json")).toThrow("cannot be written");
  });

  test("broken JSON is refused by uninstall too", () => {
    const path = settingsFile('{"hooks": {');
    expect(() => uninstall(path)).toThrow("line 1, column 12");
    expect(read(path)).toBe('{"hooks": {');
  });
});

describe("the file itself", () => {
  test("keeps its mode, as does the backup, and nothing else is left beside it", () => {
    const path = settingsFile("{}");
    chmodSync(path, 0o640);
    const { backup } = install(path);
    expect(readdirSync(dirname(path))).toHaveLength(2);
    expect([path, backup ?? ""].map((file) => statSync(file).mode & 0o777)).toEqual([0o640, 0o640]);
    expect(read(backup ?? "")).toBe("{}");
    uninstall(path);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test("is written through links, also one whose file is yet to be made", () => {
    for (const text of ['{\n  "a": 1\n}\n', null]) {
      const dotfiles = temporaryDirectory();
      const target = join(dotfiles, "claude.json");
      if (text !== null) writeFileSync(target, text);
      const path = settingsFile("");
      const link = join(dirname(path), "linked.json");
      symlinkSync(target, link);
      install(link);
      expect(readlinkSync(link)).toBe(target);
      expect(ownIn(read(target))).toHaveLength(HOOK_EVENTS.length);
      expect(readdirSync(dotfiles)).toEqual(["claude.json"]);
      uninstall(link);
      expect(existsSync(target) ? read(target) : null).toBe(text);
    }
  });

  test("is written through a link inside a linked directory, whose file is yet to be made", () => {
    const dotfiles = temporaryDirectory();
    for (const name of ["claude", "store"]) mkdirSync(join(dotfiles, name));
    symlinkSync("../store/settings.json", join(dotfiles, "claude", "settings.json"));
    const home = temporaryDirectory();
    symlinkSync(join(dotfiles, "claude"), join(home, ".claude"));
    install(join(home, ".claude", "settings.json"));
    expect(readdirSync(join(dotfiles, "store"))).toEqual(["settings.json"]);
    expect(readdirSync(home)).toEqual([".claude"]);
  });

  test("is left to whoever changed it since it was read", () => {
    for (const before of ["{}", undefined]) {
      const path = settingsFile(before);
      const file = readSettingsFile(path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '{"theirs": 1}');
      expect(() => writeSettingsFile(file, '{"ours": 1}')).toThrow("was changed meanwhile");
      expect(() => removeSettingsFile(file)).toThrow("was changed meanwhile");
      expect(read(path)).toBe('{"theirs": 1}');
      expect(readdirSync(dirname(path))).toEqual(["settings.json"]);
    }
  });

  test("is not written over a temporary file that is somebody else's", () => {
    const path = settingsFile("{}");
    const theirs = `${path}.${process.pid}.tmp`;
    writeFileSync(theirs, "theirs");
    expect(() => writeSettingsFile(readSettingsFile(path), "{ }")).toThrow("cannot be written: EEXIST");
    expect([read(theirs), read(path)]).toEqual(["theirs", "{}"]);
  });

  test("is backed up before each first change, at most five times, and not again when nothing has changed", () => {
    const path = settingsFile("{}");
    const first = install(path).backup;
    expect(install(path, OTHERS).backup).toBeNull();
    uninstall(path);
    expect(install(path).backup).toBe(first);
    for (let round = 0; round < 8; round += 1) {
      uninstall(path);
      writeFileSync(path, `{"round": ${round}}`);
      expect(read(install(path).backup ?? "")).toBe(`{"round": ${round}}`);
    }
    expect(backupsOf(path)).toHaveLength(5);
    uninstall(path);
    expect(read(path)).toBe('{"round": 7}');
  });

  test("without its backups it still loses only what is ours", () => {
    const path = settingsFile(JSON.stringify(COMMON, null, 2));
    install(path);
    const installed = read(path);
    const alone = settingsFile(installed);
    uninstall(alone);
    expect(read(alone)).toBe(JSON.stringify(COMMON, null, 2));
  });
});

test("what is put in reads as its surroundings do", () => {
  const [hook] = HOOKS.values();
  const one = new Map([["Stop", hook ?? {}]]);
  const json = '{"type":"command","command":"/usr/local/bin/claude-mpm-socketio hook","timeout":10}';
  expect(addHooks('{"a":1}', one)).toBe(`{"a":1,"hooks":{"Stop":[{"hooks":[${json}]}]}}`);
  expect(addHooks('{\n\t"hooks": {\n\t\t"Stop": []\n\t}\n}', one)).toBe(
    [
      "{",
      '\t"hooks": {',
      '\t\t"Stop": [',
      "\t\t\t{",
      '\t\t\t\t"hooks": [',
      "\t\t\t\t\t{",
      '\t\t\t\t\t\t"type": "command",',
      '\t\t\t\t\t\t"command": "/usr/local/bin/claude-mpm-socketio hook",',
      '\t\t\t\t\t\t"timeout": 10',
      "\t\t\t\t\t}",
      "\t\t\t\t]",
      "\t\t\t}",
      "\t\t]",
      "\t}",
      "}",
    ].join("\n"),
  );
});

/** https://github.com/cprosche/mulberry32 */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Settings in any layout: white space, comments and trailing commas wherever JSON with comments allows them. */
function randomSettings(random: () => number): string {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T;
  const eol = pick(["\n", "\r\n"]);
  const lenient = random() < 0.3;
  const spaces = pick<readonly string[]>([
    [""],
    ["", " "],
    ["", " ", eol, `${eol}  `, `${eol}\t`],
    [`${eol}    `],
  ]);
  const space = (): string => {
    const plain = pick(spaces);
    if (!lenient || random() < 0.85) return plain;
    return `${plain}${pick([`// "c" {${eol}`, "/* [, */"])}${pick(spaces)}`;
  };
  const joined = (items: string[], open: string, close: string): string => {
    const trailing = lenient && items.length > 0 && random() < 0.3 ? `,${space()}` : "";
    return `${open}${space()}${items.join(`${space()},${space()}`)}${space()}${trailing}${close}`;
  };
  const list = (make: () => string, most: number): string[] => {
    return Array.from({ length: Math.floor(random() * (most + 1)) }, make);
  };
  const object = (entries: [string, string][]) => {
    const distinct = new Map(entries);
    return joined(
      [...distinct].map(([key, value]) => `${JSON.stringify(key)}${space()}:${space()}${value}`),
      "{",
      "}",
    );
  };
  const hook = () =>
    object([
      ["type", '"command"'],
      ["command", JSON.stringify(pick(["x", "say 'hi'", "a//b", "{"]))],
    ]);
  const group = () => {
    const matcher: [string, string][] = random() < 0.5 ? [["matcher", pick(['""', '"Bash"'])]] : [];
    return object([...matcher, ["hooks", joined(list(hook, 2), "[", "]")]]);
  };
  const event = (): [string, string] => [pick([...HOOK_EVENTS, "Custom"]), joined(list(group, 2), "[", "]")];
  const events = () => object(Array.from({ length: Math.floor(random() * 5) }, event));
  const member = (): [string, string] => {
    const key = pick(["a", "b", "model", "ü", "x y"]);
    return [key, pick(["1", '"text, with // [marks]"', "[]", "{}", "null", '[1, {"a": 2}]'])];
  };
  const members: [string, string][] = Array.from({ length: Math.floor(random() * 4) }, member);
  if (random() < 0.7) members.splice(Math.floor(random() * (members.length + 1)), 0, ["hooks", events()]);
  return `${random() < 0.1 ? "\uFEFF" : ""}${space()}${object(members)}${space()}${pick(["", eol])}`;
}
