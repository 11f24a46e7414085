/** Completion for bash, from 3.2 (macOS) on, without the package bash-completion. */
import { type CliModel, type CommandModel, type Value, withSubCommands } from "../command-model.ts";

/** The script for `~/.bashrc`, or for a file that bash-completion loads. */
export function bashCompletion({ program, root, settings }: CliModel): string {
  const name = `_${program.replaceAll("-", "_")}`;
  const cases = withSubCommands(root).map((command) => describe(command));
  const settingWords = settings.map(({ key, value }) => `${key}=${valueWord(value)}`);
  return `# bash completion for ${program}, made by "${program} completions bash"

# What stands behind the command "$1". Of a flag or key with a value, what it takes follows "=".
${name}_describe() {
  commands='' flags='' operands='' takes_command=''
  case $1 in
${cases.join("\n")}
  esac
}

# Sets "value" to what the flag or key "$1" takes, as the words after it say.
${name}_find() {
  local name=$1 word
  shift
  value=''
  for word; do
    if [[ $word == "$name="* ]]; then value=\${word#*=}; fi
  done
}

${name}() {
  local IFS=$' \\t\\n' commands flags operands takes_command
  local settings='${settingWords.join(" ")}'
  local words=() word last=\${COMP_WORDS[COMP_CWORD]} command='' value='' prefix='' given=0 i
  COMPREPLY=()

  # bash takes --flag=value for three words.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    if ((i > 1)) && [[ \${COMP_WORDS[i]} == = || \${COMP_WORDS[i - 1]} == = ]]; then
      words[\${#words[@]} - 1]+=\${COMP_WORDS[i]}
    else
      words[\${#words[@]}]=\${COMP_WORDS[i]}
    fi
  done
  if [[ $last == = ]]; then last=''; fi

  ${name}_describe ''
  for ((i = 0; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    if [[ -n $value ]]; then
      value=''
    elif [[ $word == -- ]]; then
      if [[ -z $takes_command ]]; then compopt +o default 2>/dev/null; return; fi
      # Its first word is a program, and then nobody knows.
      if ((i == \${#words[@]} - 2)); then
        COMPREPLY=($(compgen -c -- "$last"))
      fi
      return
    elif [[ $word == -* ]]; then
      ${name}_find "$word" $flags
    elif [[ " $commands " == *" $word "* ]]; then
      command="$command\${command:+ }$word"
      ${name}_describe "$command"
    else
      given=$((given + 1))
    fi
  done

  local current=\${words[\${#words[@]} - 1]} candidates=''
  if [[ -z $value && $current == -*=* ]]; then
    prefix=\${current%%=*}=
    ${name}_find "\${prefix%=}" $flags
    value=\${value:-<text>}
  fi
  if [[ -z $value ]]; then
    if ((given == 0)); then candidates=$commands; fi
    if [[ -n $operands ]]; then
      words=($operands)
      value=\${words[given]-}
    fi
    if [[ $current == -* || -z $commands$operands ]]; then
      value=''
      for word in $flags; do candidates="$candidates \${word%%=*}"; done
    fi
  fi
  if [[ $value == '<setting>' ]]; then
    word=\${current#"$prefix"}
    if [[ $word == *=* ]]; then
      prefix=$prefix\${word%%=*}=
      ${name}_find "\${word%%=*}" $settings
    else
      value=''
      for word in $settings; do candidates="$candidates \${word%%=*}="; done
      compopt -o nospace 2>/dev/null
    fi
  fi

  case $value in
    '<file>') return ;;
    '<directory>') compopt +o default -o dirnames 2>/dev/null; return ;;
    '<text>') ;;
    ?*) candidates=\${value//|/ } ;;
  esac
  compopt +o default 2>/dev/null
  # bash replaces only what follows its last "=".
  for word in $candidates; do
    word=$prefix$word
    if [[ $word == "$current"* ]]; then COMPREPLY[\${#COMPREPLY[@]}]=\${word:\${#current} - \${#last}}; fi
  done
}

complete -o default -F ${name} ${program}
`;
}

function describe({ path, commands, flags, operands, takesCommand }: CommandModel): string {
  const lists = {
    commands: commands.map((next) => next.path.at(-1)),
    flags: flags.flatMap(({ name, letter, value }) => {
      const spellings = letter === null ? [`--${name}`] : [`--${name}`, `-${letter}`];
      return spellings.map((flag) => (value === null ? flag : `${flag}=${valueWord(value)}`));
    }),
    operands: operands.map(({ value }) => valueWord(value)),
    takes_command: takesCommand ? ["yes"] : [],
  };
  if (takesCommand) lists.flags.push("--");
  const assignments = Object.entries(lists)
    .filter(([, words]) => words.length > 0)
    .map(([name, words]) => `      ${name}='${words.join(" ")}'`);
  return [`    '${path.join(" ")}')`, ...assignments, "      ;;"].join("\n");
}

/** One word without white space or quotes. */
function valueWord({ kind, choices }: Value): string {
  return kind === "choice" ? choices.join("|") : `<${kind}>`;
}
