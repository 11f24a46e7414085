/** The documents name only what there is: their command lines parse, their links lead somewhere, and what can be run is. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type CommandModel, type FlagModel, modelOf } from "../src/cli/command-model.ts";
import { TREE } from "../src/cli/tree.ts";
import { account, binary } from "./support/binary.ts";
import { freePort } from "./support/ports.ts";

const ROOT = join(import.meta.dir, "..");
const PROGRAM = "claude-mpm-socketio";
const GUIDES = readdirSync(join(ROOT, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => join("docs", name));
const DOCUMENTS = ["README.md", ...GUIDES].map((path) => {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
});

/** What may stand on stderr without anything being wrong; the last is the log of a server in the foreground. */
const ACCEPTED = /^Warning: |^No server was running; started one|^\d{4}-\d\d-\d\dT\S+ (DEBUG|INFO) /;

const { root } = await modelOf(TREE);

describe("command lines", () => {
  for (const { path, text } of DOCUMENTS) {
    test(`in ${path} name commands, flags and values there are`, () => {
      const lines = shownCommands(text);
      if (["README.md", "docs/running.md"].includes(path)) expect(lines.length).toBeGreaterThan(10);
      expect(lines.flatMap((line) => mistakes(line).map((mistake) => `${line}: ${mistake}`))).toEqual([]);
    });
  }

  test("that are wrong are found", () => {
    const wrong = [
      `${PROGRAM} sart`,
      `${PROGRAM} hooks instal`,
      `${PROGRAM} start --prot 1`,
      `${PROGRAM} serve --background`,
      `${PROGRAM} start --log-level LOUD`,
      `${PROGRAM} logs -x`,
      `${PROGRAM} stop now`,
      `${PROGRAM} start --port`,
    ];
    expect(wrong.filter((line) => mistakes(line).length === 0)).toEqual([]);
  });
});

describe("links", () => {
  for (const { path, text } of DOCUMENTS) {
    test(`in ${path} lead to a file, and to a heading in it`, () => {
      const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
      const dead = targets.filter((target) => {
        if (/^[a-z]+:/.test(target)) return false;
        const [file = "", anchor] = target.split("#");
        const full = file === "" ? join(ROOT, path) : join(ROOT, dirname(path), file);
        if (relative(ROOT, full).startsWith("..") || !existsSync(full)) return true;
        return anchor !== undefined && !headings(readFileSync(full, "utf8")).includes(anchor);
      });
      expect(dead).toEqual([]);
    });
  }
});

describe("blocks of commands", () => {
  test("say whether they are run here, or what runs them instead", () => {
    for (const { path, text } of DOCUMENTS.filter(({ path: each }) => GUIDES.includes(each))) {
      const unmarked = blocks(text).filter(({ mark }) => mark !== "run" && !mark.startsWith("not run: "));
      expect([path, unmarked]).toEqual([path, []]);
      const named = blocks(text).flatMap(({ mark }) => mark.match(/\btest\/[\w./-]+/g) ?? []);
      expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    }
  });

  for (const { path, text } of DOCUMENTS) {
    const lines = blocks(text)
      .filter(({ mark }) => mark === "run")
      .flatMap(({ commands }) => commands);
    if (lines.length === 0) continue;
    test(`of ${path} work, in the order shown`, async () => {
      const user = account();
      const port = `${await freePort()}`;
      // Nobody at this machine shall see a browser.
      const env = { ...user.env, [`CLAUDE_MPM_SOCKETIO_PORT`]: port, BROWSER: "true" };
      const PATH = `${dirname(await binary())}:${user.env.PATH}`;
      for (const line of lines) {
        if (line.startsWith("curl ") && Bun.which("curl") === null) continue;
        // The ports that are shown may be in use.
        const command = line
          .replaceAll("8765", port)
          .replace("--port 8766", `--port ${await freePort()}`)
          .replace(/^curl /, "curl -q -fsS --noproxy '*' ");
        const child = Bun.spawn(["sh", "-c", `exec ${command}`], {
          cwd: user.home,
          env: { ...env, PATH },
          stdio: ["ignore", "pipe", "pipe"],
        });
        const stderr = new Response(child.stderr).text();
        const endless = / (serve|tail|logs -f)\b/.test(command);
        if (endless) {
          await child.stdout.getReader().read();
          child.kill("SIGINT");
        } else await new Response(child.stdout).text();
        // Of the folder the binary of a test lies in, and of the variable its port is in, hooks install warns.
        const complaints = (await stderr).split("\n").filter((said) => said !== "" && !ACCEPTED.test(said));
        expect([line, complaints]).toEqual([line, []]);
        // Interrupted, a command may say so.
        expect([line, endless ? [0, 130] : [0]]).toEqual([
          line,
          expect.arrayContaining([await child.exited]),
        ]);
      }
    });
  }
});

/** Every command line of the program in a document: in its blocks of commands, and in its text. */
function shownCommands(text: string): string[] {
  const inBlocks = blocks(text).flatMap(({ commands }) => commands);
  const inText = [...text.replace(/```[\s\S]*?```/g, "").matchAll(/`([^`\n]+)`/g)].map(
    ([, code]) => code ?? "",
  );
  return [...inBlocks, ...inText]
    .flatMap((line) => line.split(/&&|\|\||[|;]/))
    .map((line) => line.trim().replace(/^(sudo |exec |[A-Z_]+=\S+ )+/, ""))
    .filter((line) => line.startsWith(`${PROGRAM} `) && !line.includes("…"));
}

interface Block {
  /** What the comment above it says. */
  mark: string;
  commands: string[];
}

function blocks(text: string): Block[] {
  return [...text.matchAll(/(?:<!-- (.*?) -->\s*)?```sh\n([\s\S]*?)```/g)].map(
    ([, mark = "", block = ""]) => {
      const commands = block
        .replaceAll("\\\n", " ")
        .split("\n")
        .map((line) => line.replace(/(^| +)# .*/, "").trim());
      return { mark, commands: commands.filter((line) => line !== "") };
    },
  );
}

/** What the program would refuse of a command line. */
function mistakes(line: string): string[] {
  const words = (line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) => word.replace(/['"]/g, ""));
  let command: CommandModel = root;
  let given = 0;
  const found: string[] = [];
  const rest = words.slice(1);
  while (rest.length > 0) {
    const word = rest.shift() ?? "";
    const next = command.commands.find(({ path }) => path.at(-1) === word);
    if (word === "--") {
      if (!command.takesCommand) found.push("no command may follow");
      break;
    }
    if (word.startsWith("-") && word !== "-") found.push(...flagMistakes(word, rest, command.flags));
    else if (next !== undefined && given === 0) command = next;
    else if (command.commands.length > 0) found.push(`there is no command ${word}`);
    else {
      const operand = command.operands[given];
      given += 1;
      if (operand === undefined) found.push(`${word} is not expected`);
      else if (!fits(word, operand.value)) found.push(`${word} is none of ${operand.value.hint}`);
    }
  }
  return found;
}

function flagMistakes(word: string, rest: string[], flags: readonly FlagModel[]): string[] {
  const [, dashes, name, own] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const flag = flags.find((each) => (dashes === "--" ? each.name : each.letter) === name);
  if (flag === undefined) return [`there is no flag ${word}`];
  if (flag.value === null) return own === undefined ? [] : [`${word} takes no value`];
  const value = own ?? rest.shift();
  if (value === undefined) return [`${word} needs a value`];
  return fits(value, flag.value) ? [] : [`${value} is none of ${flag.value.hint}`];
}

function fits(value: string, { kind, choices }: NonNullable<FlagModel["value"]>): boolean {
  return kind !== "choice" || choices.includes(value);
}

/** Headings as GitHub makes anchors of them. */
function headings(text: string): string[] {
  return [...text.replace(/```[\s\S]*?```/g, "").matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => {
    return title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  });
}
