/** The completion scripts, in the shells they are for. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandModel, modelOf, withSubCommands } from "../../src/cli/command-model.ts";
import { SHELL_NAMES, type Shell, SHELLS } from "../../src/cli/completions/shells.ts";
import { type Args, type Group, type Lazy, TREE } from "../../src/cli/tree.ts";
import { fieldOf, KEYS, SCHEMA } from "../../src/config/schema.ts";
import { SCOPES } from "../../src/hooks/settings/scopes.ts";
import { run } from "../support/command.ts";
import { ODD_MODEL } from "../support/odd-commands.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

/** Those that are to be had here. */
const RUN = ["bash", "zsh", "fish"] as const satisfies Shell[];

const model = await modelOf(TREE);
const commands = withSubCommands(model.root);
const levels = [...SCHEMA.log_level.choices];

/** What is typed behind the program's name, and what is offered. */
const CASES: [typed: string, offered: readonly string[]][] = [
  ["", Object.keys(TREE.commands)],
  ["sta", ["start", "status"]],
  ["hooks ", ["install", "status", "uninstall"]],
  ["hooks install --scope ", SCOPES],
  ["hooks install --scope=l", ["local"]],
  ["hooks install --http --sc", ["--scope"]],
  ["start --log-level ", levels],
  ["start --log-level=", levels],
  ["start --port 9000 --log-level=W", ["WARNING"]],
  ["serve --environment ", [...SCHEMA.environment.choices]],
  ["serve --set log_", KEYS.filter((key) => key.startsWith("log_"))],
  ["serve --set=log_f", ["log_file_path", "log_format"]],
  ["serve --set port=1 --set log_level=", levels],
  ["serve --set=log_level=D", ["DEBUG"]],
  ["serve --set persistent=", ["false", "true"]],
  // Refused by this release.
  ["serve --auth ", ["auto", "off", "on"]],
  ["serve --host ", []],
  ["serve --ba", []],
  ["completions ", ["bash", "fish", "powershell", "zsh"]],
  ["logs --li", ["--lines"]],
  ["run --no", ["--no-monitor"]],
  ["emit build.done --se", ["--server-id", "--session", "--set"]],
  ["emit build.done ", []],
  ["history ", ["clear", "export", "import"]],
  ["history --search x --lim", ["--limit"]],
  ["history import --tr", ["--trim"]],
];

/** Where a file or a folder belongs. */
const FILES: [typed: string, offered: readonly string[]][] = [
  ["start --config m", ["my file.json"]],
  ["start --config=m", ["my file.json"]],
  ["start --tls-cert m", ["my file.json"]],
  ["start --state-dir ", ["a folder"]],
  ["run -- cat m", ["my file.json"]],
  ["history import m", ["my file.json"]],
];

test("the model has every command and flag of the tree that is not hidden", async () => {
  const found: (readonly string[])[][] = [];
  const read = async (path: string[], entry: Group | Lazy): Promise<void> => {
    if ("commands" in entry) {
      const below = Object.entries(entry.commands);
      if (entry.load) await readFlags(path, entry.load);
      for (const [name, next] of below) await read([...path, name], next);
    } else await readFlags(path, entry.load);
  };
  const readFlags = async (path: string[], load: Lazy["load"]): Promise<void> => {
    const args: Args = (await load()).default.args ?? {};
    const names = Object.entries(args).filter(([, { type, hidden }]) => type !== "positional" && !hidden);
    found.push([path, names.map(([name]) => name)]);
  };
  await read([], TREE);
  const known = commands
    .filter(({ runs }) => runs)
    .map(({ path, flags }) => [
      path,
      flags.map(({ name }) => name).filter((name) => name !== "help" && !name.startsWith("no-")),
    ]);
  expect(known).toEqual(found);
});

describe("the command", () => {
  for (const shell of SHELL_NAMES) {
    test(`prints the script for ${shell}`, async () => {
      const { exitCode, stdout, stderr } = await cli("completions", shell);
      expect([exitCode, stderr]).toEqual([0, ""]);
      expect(stdout).toBe(SHELLS[shell](model));
    });
  }

  test("names the shells there are, where none of them is given", async () => {
    for (const args of [[], ["tcsh"]]) {
      const { exitCode, stdout, stderr } = await cli("completions", ...args);
      expect([exitCode, stdout, stderr.trimEnd().split("\n").length]).toEqual([2, "", 2]);
      for (const shell of SHELL_NAMES) expect(stderr).toContain(shell);
    }
  });

  test("says in its help how each shell gets its script", async () => {
    const { stdout } = await cli("completions", "--help");
    for (const place of ["~/.bashrc", "~/.zshrc", "~/.config/fish/completions/", "$PROFILE"]) {
      expect(stdout).toContain(place);
    }
  });

  function cli(...args: string[]) {
    const entry = join(import.meta.dir, "..", "..", "src", "main.ts");
    return run([process.execPath, entry, ...args], {
      env: { HOME: temporaryDirectory(), PATH: "/usr/bin:/bin" },
    });
  }
});

for (const shell of RUN) {
  describe(shell, () => {
    testWith([shell], "offers what fits where one stands", async () => {
      const offered = await complete(
        shell,
        SHELLS[shell](model),
        CASES.map(([typed]) => typed),
      );
      expect(offered.map((candidates, index) => [CASES[index]?.[0], candidates])).toEqual(
        CASES.map(([typed, wanted]) => [typed, wanted.toSorted()]),
      );
    });

    testWith([shell], "offers each flag of each command, and none that is hidden", async () => {
      const offered = await complete(
        shell,
        SHELLS[shell](model),
        commands.map(({ path }) => [...path, "--"].join(" ")),
      );
      expect(offered.map((candidates, index) => [commands[index]?.path, candidates])).toEqual(
        commands.map((command) => [command.path, flagNames(command)]),
      );
    });

    testWith([shell], "takes texts with quotes and what else it could read as its own", async () => {
      const offered = await complete(shell, SHELLS[shell](ODD_MODEL), [
        "",
        "go --od",
        "go --odd ",
        "go -o t",
      ]);
      expect(offered).toEqual([["go"], ["--odd"], ["one", "two"], ["two"]]);
    });
  });
}

for (const shell of ["zsh", "fish"] as const) {
  testWith([shell], `${shell} offers files and folders where they belong`, async () => {
    const offered = await complete(
      shell,
      SHELLS[shell](model),
      FILES.map(([typed]) => typed),
    );
    expect(offered).toEqual(FILES.map(([, wanted]) => [...wanted]));
  });
}

testWith(["fish"], "fish offers a command after -- of run", async () => {
  expect(await complete("fish", SHELLS.fish(model), ["run --no-monitor -- mktem"])).toEqual([["mktemp"]]);
});

/** What a person sees who presses the tabulator: the words the program would get. */
const TYPED: [typed: string, words: string[]][] = [
  ["sto", ["stop"]],
  ["start --log-level=D", ["start", "--log-level=DEBUG"]],
  ["run --no-monitor -- mktem", ["run", "--no-monitor", "--", "mktemp"]],
  ["start --set log_le", ["start", "--set", "log_level=x"]],
  ["start --config my\\ fi", ["start", "--config", "my file.json"]],
  ["start --config=my\\ fi", ["start", "--config=my file.json"]],
  ["start --config 'my fi", ["start", "--config", "my file.json"]],
  ["start --state-dir a", ["start", "--state-dir", "a folder"]],
  ["start --set tls_cert=my\\ fi", ["start", "--set", "tls_cert=my file.json"]],
];

const TERMINALS = {
  bash: { argv: ["bash", "--norc", "--noprofile", "-i"], load: "source ./_claude-mpm-socketio" },
  // As a package installs it.
  zsh: { argv: ["zsh", "-f", "-i"], load: "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D" },
};

for (const shell of ["bash", "zsh"] as const) {
  const { argv, load } = TERMINALS[shell];
  testWith([shell], `${shell} on a terminal puts what is completed in place`, async () => {
    const directory = folder();
    writeFileSync(join(directory, "_claude-mpm-socketio"), SHELLS[shell](model));
    let shown = "";
    const child = Bun.spawn(argv, {
      cwd: directory,
      env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TERM: "dumb", HOME: directory },
      terminal: {
        cols: 500,
        rows: 50,
        data: (_terminal, data) => void (shown += new TextDecoder().decode(data)),
      },
    });
    const { terminal } = child;
    terminal?.write(`${load}; claude-mpm-socketio() { printf '<%s>' "$@"; echo; }\r`);
    for (const [typed] of TYPED) {
      // What follows a key, and has no space before it, is its value.
      terminal?.write(`claude-mpm-socketio ${typed}\t${typed.endsWith("log_le") ? "x" : ""}\r`);
    }
    terminal?.write("exit\r");
    await child.exited;
    expect(
      [...shown.matchAll(/^((?:<[^<>]*>)+)\r?$/gm)].map(([, words]) => words?.replaceAll("/>", ">")),
    ).toEqual(TYPED.map(([, words]) => words.map((word) => `<${word}>`).join("")));
  });
}

describe("PowerShell, which is not at hand: what can be said of its script", () => {
  test("each command, flag, value and key stands in it, and nothing that is hidden", () => {
    const words = new Set(stringsOf(SHELLS.powershell(model)).texts);
    const wanted = commands.flatMap((command) => [
      command.path.join(" "),
      ...flagNames(command),
      ...command.flags.map(({ description }) => description),
      ...command.flags.flatMap(({ value }) => (value?.kind === "choice" ? [value.choices.join("|")] : [])),
    ]);
    expect(
      [...wanted, ...KEYS, ...KEYS.map((key) => fieldOf(key).description)].filter((word) => !words.has(word)),
    ).toEqual([]);
    expect(words).not.toContain("--background");
  });

  test("its quotes and brackets close, whatever the texts are", () => {
    for (const each of [model, ODD_MODEL]) {
      const { code } = stringsOf(SHELLS.powershell(each));
      const open: string[] = [];
      for (const bracket of code.match(/[()[\]{}]/g) ?? []) {
        const opening = { ")": "(", "]": "[", "}": "{" }[bracket];
        if (opening === undefined) open.push(bracket);
        else expect(open.pop()).toBe(opening);
      }
      expect(open).toEqual([]);
      expect(code).not.toMatch(/["'\u2018-\u201B]/);
    }
  });

  /** The script without its single-quoted strings, in which any quote is written twice, and these. */
  function stringsOf(script: string): { texts: string[]; code: string } {
    const texts: string[] = [];
    const code = script
      .replace(/^ *#.*$/gm, "")
      .replace(/'((?:[^'\u2018-\u201B]|(['\u2018-\u201B])\2)*)'/g, (_all, text: string) => {
        texts.push(text.replace(/(['\u2018-\u201B])\1/g, "$1"));
        return "";
      });
    return { texts, code };
  }
});

function flagNames({ flags, takesCommand }: CommandModel): string[] {
  return [...flags.map(({ name }) => `--${name}`), ...(takesCommand ? ["--"] : [])].toSorted();
}

/** A folder with something to complete. */
function folder(): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "a folder"));
  writeFileSync(join(directory, "my file.json"), "");
  return directory;
}

/** What the shell offers after the program and what is typed: sorted, and without what stands there already. */
async function complete(
  shell: (typeof RUN)[number],
  script: string,
  lines: readonly string[],
): Promise<string[][]> {
  const directory = folder();
  const path = join(temporaryDirectory(), "script");
  writeFileSync(path, script);
  const options = { bash: ["--norc"], zsh: ["-f"], fish: ["--no-config"] }[shell] ?? [];
  const driver = join(import.meta.dir, "shells", `complete.${shell}`);
  const { stdout, stderr, exitCode } = await run([shell, ...options, driver, path], {
    cwd: directory,
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TERM: "dumb", HOME: directory },
    stdin: lines.map((line) => `claude-mpm-socketio ${line}\n`).join(""),
  });
  expect([stderr, exitCode]).toEqual(["", 0]);
  const answers = stdout.trimEnd().split("\n");
  return lines.map((line, index) => {
    const words = (answers[index] ?? "").split("\t").slice(shell === "bash" ? 1 : 0);
    const begun = line.slice(line.lastIndexOf(" ") + 1);
    return [...new Set(words.map((word) => plain(word, begun)).filter((word) => word !== ""))].toSorted();
  });
}

/** Shells differ in what they leave out of a candidate, and in how they quote it. */
function plain(word: string, begun: string): string {
  const given = begun.slice(0, begun.lastIndexOf("=") + 1);
  const rest = given !== "" && word.startsWith(given) ? word.slice(given.length) : word;
  return rest.replaceAll("\\", "").replace(/[=/]$/, "");
}
