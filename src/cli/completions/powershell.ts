/** Completion for PowerShell, from 5.1 (Windows) on. */
import { type CliModel, type CommandModel, type Value, withSubCommands } from "../command-model.ts";

/** The script for `$PROFILE`. */
export function powershellCompletion({ program, root, settings }: CliModel): string {
  const entries = settings.map(({ key, description, value }) => entry(key, description, value));
  return `# PowerShell completion for ${program}, made by "${program} completions powershell"

Register-ArgumentCompleter -Native -CommandName '${program}', '${program}.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # Of each name: what it is for, and what it takes: '' nothing, '<text>', '<file>', or a|b|c.
    $settings = [ordered]@{
${entries.join("\n")}
    }
    $tree = @{
${withSubCommands(root).map(describe).join("\n")}
    }

    $offer = {
        param($text, $about, $type)
        if ($text -like ([WildcardPattern]::Escape($wordToComplete) + '*')) {
            [System.Management.Automation.CompletionResult]::new($text, $text, $type, $about)
        }
    }
    $offerValues = {
        param($prefix, $takes)
        if ($takes -eq '<setting>') {
            $given = $wordToComplete.Substring($prefix.Length)
            $key = $given.Split('=')[0]
            if (-not $given.Contains('=')) {
                foreach ($name in $settings.Keys) {
                    & $offer ($prefix + $name + '=') $settings[$name][0] 'ParameterValue'
                }
                return
            }
            if (-not $settings.Contains($key)) { return }
            $prefix += $key + '='
            $takes = $settings[$key][1]
        }
        # Files and folders are what PowerShell itself completes where nothing is offered.
        if ($takes -like '<*') { return }
        foreach ($value in $takes.Split('|')) { & $offer ($prefix + $value) $value 'ParameterValue' }
    }

    $command = ''
    $operand = 0
    $takes = ''
    $elements = @($commandAst.CommandElements | Select-Object -Skip 1)
    foreach ($element in $elements) {
        if ($element.Extent.EndOffset -ge $cursorPosition) { break }
        $word = $element.Extent.Text
        $here = $tree[$command]
        if ($takes) { $takes = '' }
        elseif ($word -eq '--') { return }
        elseif ($word.StartsWith('-')) {
            if ($here.Flags.Contains($word)) { $takes = $here.Flags[$word][1] }
        }
        elseif ($here.Commands.Contains($word)) { $command = ($command + ' ' + $word).Trim() }
        else { $operand++ }
    }

    $here = $tree[$command]
    if ($takes) {
        & $offerValues '' $takes
        return
    }
    if ($wordToComplete -match '^(--?[^=]+)=') {
        $flag = $Matches[1]
        if ($here.Flags.Contains($flag) -and $here.Flags[$flag][1]) {
            & $offerValues ($flag + '=') $here.Flags[$flag][1]
        }
        return
    }
    if (-not $wordToComplete.StartsWith('-')) {
        foreach ($name in $here.Commands.Keys) { & $offer $name $here.Commands[$name][0] 'Command' }
        if ($operand -lt $here.Operands.Count) { & $offerValues '' $here.Operands[$operand] }
    }
    if ($wordToComplete.StartsWith('-') -or ($here.Commands.Count -eq 0 -and $here.Operands.Count -eq 0)) {
        foreach ($name in $here.Flags.Keys) { & $offer $name $here.Flags[$name][0] 'ParameterName' }
    }
}
`;
}

function describe({ path, commands, flags, operands, takesCommand }: CommandModel): string {
  const flagEntries = flags.flatMap(({ name, letter, description, value }) => {
    const spellings = letter === null ? [`--${name}`] : [`--${name}`, `-${letter}`];
    return spellings.map((flag) => entry(flag, description, value));
  });
  if (takesCommand) flagEntries.push(entry("--", "The command to run follows", null));
  const commandEntries = commands.map((next) => entry(next.path.at(-1) ?? "", next.summary, null));
  return [
    `        ${quote(path.join(" "))} = @{`,
    `            Commands = ${table(commandEntries)}`,
    `            Flags = ${table(flagEntries)}`,
    `            Operands = @(${operands.map(({ value }) => quote(valueText(value))).join(", ")})`,
    "        }",
  ].join("\n");
}

function table(entries: readonly string[]): string {
  if (entries.length === 0) return "@{}";
  return ["[ordered]@{", ...entries.map((line) => `        ${line}`), "            }"].join("\n");
}

function entry(name: string, description: string, value: Value | null): string {
  return `        ${quote(name)} = @(${quote(description)}, ${quote(value === null ? "" : valueText(value))})`;
}

function valueText({ kind, choices }: Value): string {
  return kind === "choice" ? choices.join("|") : `<${kind}>`;
}

/** PowerShell takes typographic quotes for quotes, too. */
function quote(text: string): string {
  return `'${text.replace(/['\u2018-\u201B]/g, "$&$&")}'`;
}
