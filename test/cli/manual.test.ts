/** The manual page, as the programs that show manuals read it. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CliModel, modelOf, withSubCommands } from "../../src/cli/command-model.ts";
import { manualPage } from "../../src/cli/manual.ts";
import { TREE } from "../../src/cli/tree.ts";
import { KEYS } from "../../src/config/schema.ts";
import { ODD_MODEL, ODD_TEXT } from "../support/odd-commands.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

const model = await modelOf(TREE);

/** What a reader sees, and what the program that shows it complains of; each of them prints without overstriking. */
const READERS: Record<string, { show: string[]; check: string[] }> = {
  groff: {
    show: ["groff", "-k", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u"],
    check: ["groff", "-ww", "-k", "-man", "-z"],
  },
  mandoc: { show: ["mandoc", "-Tutf8"], check: ["mandoc", "-Tlint", "-Wall"] },
  man: { show: ["man", "-l"], check: ["man", "--warnings", "-l", "-Tutf8"] },
};

describe("every command, flag, key and variable stands in it", () => {
  testWith(["groff"], "as groff shows it", async () => {
    const { text } = await shown("groff", model);
    const wanted = withSubCommands(model.root).flatMap(({ path, flags }) => [
      path.join(" "),
      ...flags.flatMap(({ name, letter }) => [`--${name}`, letter === null ? "" : `-${letter}`]),
    ]);
    const settings = model.settings.flatMap(({ key, variable }) => [key, variable]);
    expect(settings).toContain(KEYS.at(-1) ?? "");
    expect([...wanted, ...settings].filter((word) => !text.includes(word))).toEqual([]);
    expect(text).not.toContain("--background");
  });
});

for (const reader of Object.keys(READERS)) {
  testWith([reader], `${reader} finds nothing wrong with it`, async () => {
    expect((await shown(reader, model)).complaints).toBe("");
  });

  testWith([reader], `${reader} shows any text as it is typed`, async () => {
    const { text, complaints } = await shown(reader, ODD_MODEL);
    expect(complaints).toBe("");
    expect(text).toContain(ODD_TEXT);
    expect(text).toContain("'a line");
    expect(text).toContain(".another line");
  });
}

test("it has the usual sections in the usual order", () => {
  const page = manualPage({ model, version: "1.2.3", date: "2026-01-31" });
  expect([...page.matchAll(/^\.SH "(.*)"$/gm)].map(([, title]) => title)).toEqual([
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "COMMANDS",
    "COMMON FLAGS",
    "CONFIGURATION",
    "ENVIRONMENT",
    "FILES",
    "EXIT STATUS",
    "EXAMPLES",
    "SEE ALSO",
  ]);
  expect(page).toContain('.TH CLAUDE-MPM-SOCKETIO 1 2026-01-31 "claude-mpm-socketio 1.2.3"');
});

async function shown(reader: string, of: CliModel): Promise<{ text: string; complaints: string }> {
  const path = join(temporaryDirectory(), "page.1");
  writeFileSync(path, manualPage({ model: of, version: "0.0.0", date: "2026-01-31" }));
  const { show = [], check = [] } = READERS[reader] ?? {};
  const [read, checked] = await Promise.all([run([...show, path]), run([...check, path])]);
  // mandoc overstrikes for bold, whatever it writes to, and says what it finds on stdout.
  // oxlint-disable-next-line no-control-regex
  const text = read.stdout.replace(/.\x08/g, "").replace(/\s+/g, " ");
  return { text, complaints: checked.stderr + (reader === "mandoc" ? checked.stdout : "") };
}

async function run(argv: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { PATH: "/usr/bin:/bin", LANG: "C.UTF-8", MANWIDTH: "200", MAN_KEEP_FORMATTING: "" };
  const child = Bun.spawn(argv, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr };
}
