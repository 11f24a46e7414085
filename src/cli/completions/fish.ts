/** Completion for fish, from 3.0 on. */
import {
  type CliModel,
  type CommandModel,
  type FlagModel,
  type Value,
  withSubCommands,
} from "../command-model.ts";

/** The script for `~/.config/fish/completions/`. */
export function fishCompletion({ program, root, settings }: CliModel): string {
  const name = `__${program.replaceAll("-", "_")}`;
  const complete = `complete -c ${program}`;
  const lines = withSubCommands(root).flatMap((command) => {
    return linesOf(command, name).map((line) => `${complete} ${line}`);
  });
  const choices = settings.flatMap(({ key, value }) => {
    return value.kind === "choice"
      ? [`        case ${key}\n            printf '%s\\n' $key=${value.choices.join(` $key=`)}`]
      : [];
  });
  return `# fish completion for ${program}, made by "${program} completions fish"

# Whether the words after the program begin with these.
function ${name}_in
    set -l words (commandline -opc)
    set -e words[1]
    string match -q -- "$argv *" "$words "
end

# Whether these are all the words after the program, but for flags.
function ${name}_at
    set -l words (string match -v -- '-*' (commandline -opc))
    set -e words[1]
    test "$words" = "$argv"
end

# Whether a command follows, which is not ours.
function ${name}_after_dashes
    contains -- -- (commandline -opc)
end

function ${name}_command
    set -l words (commandline -opc)
    set -e words[1..(contains -i -- -- $words)]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

function ${name}_setting
    set -l key (string match -r '([a-z_]+)=[^=]*$' -- (commandline -ct))[2]
    switch "$key"
${choices.join("\n")}
        case '*'
            printf '%s\\t%s\\n' \\
${settings.map(({ key, description }) => `                ${key}= ${quote(description)}`).join(" \\\n")}
    end
end

${complete} -f
${lines.join("\n")}
`;
}

function linesOf(command: CommandModel, name: string): string[] {
  const { path, commands, flags, operands, takesCommand, runs } = command;
  const words = path.map((word) => ` ${word}`).join("");
  const at = `-n '${name}_at${words}'`;
  const lines = commands.map(({ path: next, summary }) => `${at} -a ${next.at(-1)} -d ${quote(summary)}`);
  const elsewhere = [
    ...commands.map(({ path: next }) => `${name}_in ${next.join(" ")}`),
    ...(takesCommand ? [`${name}_after_dashes`] : []),
  ];
  // The flags of a group that does nothing by itself stand before the command in it.
  const inside = runs
    ? `-n '${[`${name}_in${words}`, ...elsewhere.map((other) => `not ${other}`)].join("; and ")}'`
    : at;
  lines.push(...flags.map((flag) => `${inside} ${flagText(flag, name)}`));
  if (takesCommand) {
    lines.push(`${inside} -a --`);
    lines.push(`-n '${name}_in${words}; and ${name}_after_dashes' -a '(${name}_command)'`);
  }
  // fish counts no operands: the values of the first are what it offers.
  const [first] = operands;
  if (first?.value.kind === "choice") lines.push(`${at} ${valueText(first.value, name).replace("-x ", "")}`);
  if (first?.value.kind === "file") lines.push(`${at} -F`);
  return lines;
}

function flagText({ name: flag, letter, description, value }: FlagModel, name: string): string {
  const short = letter === null ? [] : [`-s ${letter}`];
  const takes = value === null ? [] : [valueText(value, name)];
  return [...short, `-l ${flag}`, ...takes, `-d ${quote(description)}`].join(" ");
}

function valueText({ kind, choices }: Value, name: string): string {
  const texts = {
    choice: `-x -a '${choices.join(" ")}'`,
    file: "-r -F",
    directory: "-x -a '(__fish_complete_directories)'",
    setting: `-x -a '(${name}_setting)'`,
    text: "-x",
  };
  return texts[kind];
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
