/** The manual page of section 1, in the macros of man(7), which groff and mandoc both read. */
import { configFiles, serverPaths } from "../config/paths.ts";
import {
  type CliModel,
  type CommandModel,
  type FlagModel,
  type SettingModel,
  withSubCommands,
} from "./command-model.ts";
import { EXIT } from "./output.ts";

export interface ManualOptions {
  model: CliModel;
  version: string;
  /** ISO 8601, the day alone. */
  date: string;
}

/** A flag that as many commands have is explained once. */
const COMMON = 5;

const EVERYWHERE = ["help", "json"];

/** Columns of the source's lines. */
const WIDTH = 78;

const STATE_DIR = "~/.claude-mpm/socketio";

/** The text of `claude-mpm-socketio(1)`. */
export function manualPage({ model, version, date }: ManualOptions): string {
  const { program, root, settings } = model;
  const commands = withSubCommands(root).filter(({ path, runs }) => path.length > 0 && runs);
  const common = commonFlags(commands);
  const paths = serverPaths(STATE_DIR, 8765);

  const lines = [
    `.TH ${program.toUpperCase()} 1 ${date} "${program} ${version}" "User Commands"`,
    // Names and addresses are not broken at the end of a line, nor spread over it.
    ".nh",
    ".ad l",
    heading("NAME"),
    `${escape(program)} \\- ${escape("event server for coding agents")}`,
    heading("SYNOPSIS"),
    `${bold(program)} ${italic("command")} [${italic("flags")}]`,
    ".br",
    `${bold(`${program} --help`)}`,
    ".br",
    `${bold(`${program} --version`)}`,
    heading("DESCRIPTION"),
    ...wrapped(
      "A local server that takes the events of coding agents in, numbers them, keeps them on disk, and sends them on at " +
        "once to every Socket.IO client, browser or script that listens. Who comes late gets the history, also after a " +
        "restart. There is one server per port, in the background or in the foreground.",
    ),
    ...paragraph(
      "Every command has --help. Those that report take --json, and then print one JSON document on standard output. " +
        "Diagnostics go to standard error: one line what failed, one line what to do next.",
    ),
    heading("COMMANDS"),
    ...commands.flatMap((command) => commandLines(command, common)),
    heading("COMMON FLAGS"),
    ...wrapped("Commands say whether they take these."),
    ...common.flatMap(flagLines),
    heading("CONFIGURATION"),
    ...wrapped(
      "A value comes from, each before those that follow: a flag; the environment variable; the configuration file; the " +
        "preset of the environment; the default. The file is JSON and may hold comments: the one that --config names, " +
        "else the one that CLAUDE_MPM_SOCKETIO_CONFIG names, else the first of those under FILES that is there. The " +
        "folder you stand in is never a source.",
    ),
    ...settings.flatMap(settingLines),
    heading("ENVIRONMENT"),
    ...tagged(bold("CLAUDE_MPM_SOCKETIO_CONFIG"), "The configuration file, where --config names none."),
    ...tagged(
      bold("CLAUDE_MPM_SOCKETIO_*"),
      "Each key of the configuration, as listed there. An empty one counts as unset.",
    ),
    ...tagged(bold("NO_COLOR"), "Where it is set, nothing is coloured."),
    ...tagged(bold("BROWSER"), "The browser for open."),
    ...tagged(bold("CLAUDE_CONFIG_DIR"), "Where Claude Code keeps its settings, instead of ~/.claude."),
    ...tagged(
      [bold("DOCKER_CONTAINER"), bold("ENVIRONMENT"), bold("NODE_ENV")].join(", "),
      "By these, where environment is not set, a container and production are detected.",
    ),
    heading("FILES"),
    ...configFiles({ platform: "linux", env: { HOME: "~" } }).flatMap((path) =>
      tagged(italic(path), "Configuration."),
    ),
    ...paragraph(`What belongs to the server on port 8765, where state_dir is ${STATE_DIR}:`),
    ...tagged(italic(paths.events), "The history (SQLite)."),
    ...tagged(italic(paths.mirror), "With redis_url a copy of it, while the server runs."),
    ...tagged(italic(paths.log), "The log of a server in the background."),
    ...tagged(
      italic(paths.instance),
      "The server that runs: its PID, address and start; removed when it stops.",
    ),
    ...tagged(italic(paths.serverId), "Its name, kept across restarts."),
    ...tagged(italic(paths.spool), "Events of hooks that wait for the server."),
    heading("EXIT STATUS"),
    ...tagged(bold(`${EXIT.done}`), "Done."),
    ...tagged(bold(`${EXIT.failed}`), "Failed."),
    ...tagged(bold(`${EXIT.usage}`), "Wrong usage."),
    ...tagged(bold(`${EXIT.notRunning}`), "No server is running, and the command starts none."),
    ...tagged(bold(`${EXIT.config}`), "The configuration is invalid."),
    ...paragraph(
      "hook always exits 0. run exits with the code of its command, 126 or 127 where that cannot be run or found, and 128 " +
        "and the number of the signal where it was killed.",
    ),
    heading("EXAMPLES"),
    ...example(
      "Start a server, look at it in the browser, stop it:",
      `${program} start`,
      `${program} open`,
      `${program} stop`,
    ),
    ...example("On another port, saying more:", `${program} start --port 9000 --log-level DEBUG`),
    ...example(
      "Connect Claude Code, and watch what it does:",
      `${program} hooks install`,
      `${program} tail --type 'hook.*'`,
    ),
    ...example(
      "Send an event, and find it again:",
      `${program} emit build.done '{"target":"web"}'`,
      `${program} history --search web --json`,
    ),
    ...example("Which value is in effect, and why:", `${program} config show`),
    heading("SEE ALSO"),
    `${reference("curl", 1)}, ${reference("systemctl", 1)}, ${reference("journalctl", 1)}`,
    ...paragraph("https://github.com/bobmatnyc/claude-mpm-socketio"),
  ];
  return `${lines.join("\n")}\n`;
}

/** Flags that several commands have in the same form and meaning; those every command has are named above them all. */
function commonFlags(commands: readonly CommandModel[]): FlagModel[] {
  const counts = new Map<string, { flag: FlagModel; count: number }>();
  for (const flag of commands.flatMap(({ flags }) => flags)) {
    const key = JSON.stringify(flag);
    counts.set(key, { flag, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()]
    .filter(({ flag, count }) => count >= COMMON && !EVERYWHERE.includes(flag.name))
    .map(({ flag }) => flag);
}

function commandLines(command: CommandModel, common: readonly FlagModel[]): string[] {
  const { path, description, details, flags, operands, takesCommand } = command;
  const known = new Set(common.map((flag) => JSON.stringify(flag)));
  const shared = flags.filter((flag) => known.has(JSON.stringify(flag)));
  const own = flags.filter((flag) => !shared.includes(flag) && flag.name !== "help");
  const words = [
    ...operands.map(({ name }) => `[${name.toUpperCase()}]`),
    ...(takesCommand ? ["-- COMMAND"] : []),
  ];
  return [
    `.SS ${argument([...path, ...words].join(" "))}`,
    ...wrapped(sentence(description)),
    ...operands.flatMap(({ name, description: about }) =>
      tagged(italic(name.toUpperCase()), sentence(about)),
    ),
    ...own.flatMap(flagLines),
    ...(shared.length === 0 ? [] : [".PP", ...fill(sharedText(shared, common))]),
    ...(details === null ? [] : [".PP", ".nf", ...details.split("\n").map(line), ".fi"]),
  ];
}

function sharedText(shared: readonly FlagModel[], common: readonly FlagModel[]): string {
  if (shared.length === common.length) return "It takes the common flags.";
  return `Of the common flags it takes ${shared.map(({ name }) => bold(`--${name}`)).join(", ")}.`;
}

function flagLines({ name, letter, description, value }: FlagModel): string[] {
  const hint = value === null ? "" : `=${italic(value.hint)}`;
  const short = letter === null ? "" : `${bold(`-${letter}`)}, `;
  return tagged(`${short}${bold(`--${name}`)}${hint}`, sentence(description));
}

function settingLines(setting: SettingModel): string[] {
  const { key, description, defaultText, allowed, variable } = setting;
  const standard = defaultText === "" || defaultText === "–" ? "none" : defaultText;
  const sentences = [description, `Default: ${standard}`, `Takes ${allowed}`, `Variable: ${variable}`];
  return tagged(bold(key), `${sentences.join(". ")}.`);
}

function heading(title: string): string {
  return `.SH ${argument(title)}`;
}

function tagged(tag: string, text: string): string[] {
  return [".TP", tag, ...wrapped(text)];
}

function paragraph(text: string): string[] {
  return [".PP", ...wrapped(text)];
}

/** What is to be typed, with what it is for. */
function example(text: string, ...commands: string[]): string[] {
  return [".TP", line(text), ".nf", ...commands.map(line), ".fi"];
}

function reference(name: string, section: number): string {
  return `${bold(name)}(${section})`;
}

function bold(text: string): string {
  return `\\fB${escape(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escape(text)}\\fR`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function wrapped(text: string): string[] {
  return fill(escape(text));
}

/** Text that is escaped already, in lines of which each begins a sentence or goes on with one. */
function fill(text: string): string[] {
  return text.split(/(?<=[.!?]) (?=[A-Z])/).flatMap((part) => {
    const lines: string[] = [];
    for (const word of part.split(/\s+/).filter((each) => each !== "")) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + word.length < WIDTH)
        lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    return lines.map(guarded);
  });
}

/** One line that stays as it is. */
function line(text: string): string {
  return guarded(escape(text));
}

/** The argument of a macro. */
function argument(text: string): string {
  return `"${escape(text)}"`;
}

/** A dot or a quote at the beginning would make the line a request. */
function guarded(text: string): string {
  return /^[.']/.test(text) ? `\\&${text}` : text;
}

const GLYPHS: Record<string, string> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Characters as they are typed: roff makes typographic ones of some. */
function escape(text: string): string {
  return text.replace(/[\\\-'"`^~]|[^ -~]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return GLYPHS[character] ?? `\\[u${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}
