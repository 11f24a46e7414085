/** Completion for zsh: a file for `$fpath`, which may be evaluated as well. */
import { type CliModel, type CommandModel, type FlagModel, type Value } from "../command-model.ts";

/** The script, as a file named `_claude-mpm-socketio` or for `eval` in `~/.zshrc`. */
export function zshCompletion({ program, root, settings }: CliModel): string {
  const name = `_${program}`;
  const withValues = settings.flatMap(({ key, value }) => {
    const action = actionOf(value, name);
    return action === ""
      ? []
      : [`      ${key}) ${action.startsWith("(") ? `compadd -- ${action.slice(1, -1)}` : action} ;;`];
  });
  return `#compdef ${program}
# zsh completion for ${program}, made by "${program} completions zsh"

${name}-setting() {
  if compset -P '*='; then
    case \${\${IPREFIX%=}##*=} in
${withValues.join("\n")}
      *) _message value ;;
    esac
    return
  fi
  local -a settings=(
${settings.map(({ key, description }) => `    ${quote(`${key}:${description}`)}`).join("\n")}
  )
  _describe -t settings 'configuration key' settings -qS =
}

${group(root, name, program)}
if [[ $funcstack[1] == ${name} ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`;
}

/** A function that completes what stands behind the group, and before it those of the groups in it. */
function group({ path, commands, flags }: CommandModel, name: string, program: string): string {
  const own = [name, ...path].join("-");
  const groups = commands.filter((next) => next.commands.length > 0);
  const cases = commands.map((next) => {
    const word = next.path.at(-1);
    return next.commands.length > 0
      ? `    ${word}) ${own}-${word} ;;`
      : `    ${word})\n${leaf(next, name)}\n      ;;`;
  });
  const described = commands.map((next) => `    ${quote(`${next.path.at(-1)}:${next.summary}`)}`);
  return `${groups.map((next) => group(next, name, program)).join("")}${own}() {
  local context state state_descr line curcontext="$curcontext"
  local -A opt_args
  local -a listed=(
${described.join("\n")}
  )
  _arguments -C ${flags.flatMap((flag) => flagSpecs(flag, name)).join(" ")} '1: :->command' '*:: :->rest' && return
  if [[ $state == command ]]; then
    _describe -t commands '${[program, ...path].join(" ")} command' listed
    return
  fi
  case $words[1] in
${cases.join("\n")}
  esac
}

`;
}

function leaf({ flags, operands, takesCommand }: CommandModel, name: string): string {
  const specs = flags.flatMap((flag) => flagSpecs(flag, name));
  if (takesCommand) specs.push("'1: :(--)'");
  for (const { name: operand, value } of operands) {
    specs.push(quote(`:${operand.replaceAll(":", "\\:")}:${actionOf(value, name)}`));
  }
  const call = ["_arguments -S", ...specs].join(" \\\n        ");
  if (!takesCommand) return `      ${call}`;
  return `      if (( \${words[(i)--]} < CURRENT )); then
        (( CURRENT -= \${words[(i)--]} ))
        shift \${words[(i)--]} words
        if (( CURRENT == 1 )); then _command_names -e; else _normal; fi
        return
      fi
      ${call.replace("-S ", "")}`;
}

function flagSpecs(
  { name: flag, letter, description, value, repeatable }: FlagModel,
  name: string,
): string[] {
  const about = `[${description.replace(/[\\\][:]/g, "\\$&")}]`;
  const argument = value === null ? "" : `:${value.hint.replaceAll(":", "\\:")}:${actionOf(value, name)}`;
  const spellings = [
    ...(letter === null ? [] : [value === null ? `-${letter}` : `-${letter}+`]),
    value === null ? `--${flag}` : `--${flag}=`,
  ];
  const others = repeatable ? "*" : letter === null ? "" : `(-${letter} --${flag})`;
  // Nothing else is read where help is asked for.
  const excluded = flag === "help" || flag === "version" ? "(- : *)" : others;
  return spellings.map((spelling) => quote(`${excluded}${spelling}${about}${argument}`));
}

function actionOf({ kind, choices }: Value, name: string): string {
  const actions = {
    choice: `(${choices.join(" ")})`,
    file: "_files",
    directory: "_files -/",
    setting: `${name}-setting`,
    text: "",
  };
  return actions[kind];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
