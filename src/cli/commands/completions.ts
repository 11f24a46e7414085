import { type CliModel, modelOf } from "../command-model.ts";
import { bashCompletion } from "../completions/bash.ts";
import { fishCompletion } from "../completions/fish.ts";
import { powershellCompletion } from "../completions/powershell.ts";
import { zshCompletion } from "../completions/zsh.ts";
import { CommandError, EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

const SHELLS: Record<string, (model: CliModel) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  powershell: powershellCompletion,
};

const NAMES = Object.keys(SHELLS);

export default {
  description: "Print the script with which a shell completes commands, flags and values",
  args: {
    shell: {
      type: "positional",
      description: "The shell it is for",
      required: false,
      valueHint: NAMES.join("|"),
    },
  },
  details: `To have it in every new shell:

  bash        add to ~/.bashrc:
                eval "$(claude-mpm-socketio completions bash)"
  zsh         add to ~/.zshrc, after compinit:
                eval "$(claude-mpm-socketio completions zsh)"
  fish        run once:
                claude-mpm-socketio completions fish > ~/.config/fish/completions/claude-mpm-socketio.fish
  PowerShell  add to the file that $PROFILE names:
                claude-mpm-socketio completions powershell | Out-String | Invoke-Expression

The deb and the rpm bring it along for bash, zsh and fish.`,
  async run({ args, tree }) {
    const { shell } = args;
    if (typeof shell !== "string" || shell === "") {
      throw new CommandError(
        "The shell is missing",
        `Write completions ${NAMES.join(", or completions ")}; --help says how to install it`,
        EXIT.usage,
      );
    }
    if (!Object.hasOwn(SHELLS, shell)) {
      throw new CommandError(
        `There is no completion for the shell "${shell}"`,
        `There is one for ${NAMES.join(", ")}`,
        EXIT.usage,
      );
    }
    const script = SHELLS[shell]?.(await modelOf(tree)) ?? "";
    print(script.trimEnd());
    return EXIT.done;
  },
} satisfies Command;
