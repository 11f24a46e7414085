import { modelOf } from "../command-model.ts";
import { SHELL_NAMES, SHELLS } from "../completions/shells.ts";
import { CommandError, EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Print the script with which a shell completes commands, flags and values",
  args: {
    shell: {
      type: "positional",
      description: "The shell it is for",
      required: false,
      valueHint: SHELL_NAMES.join("|"),
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

Packages for Debian, Fedora and Homebrew bring it along for bash, zsh and fish.`,
  async run({ args, tree }) {
    const { shell } = args;
    if (shell === undefined || shell === "") {
      throw new CommandError(
        "The shell is missing",
        `Write completions ${SHELL_NAMES.join(", or completions ")}; --help says how to install it`,
        EXIT.usage,
      );
    }
    const known = SHELL_NAMES.find((name) => name === shell);
    if (known === undefined) {
      throw new CommandError(
        `There is no completion for the shell "${shell}"`,
        `There is one for ${SHELL_NAMES.join(", ")}`,
        EXIT.usage,
      );
    }
    print(SHELLS[known](await modelOf(tree)).trimEnd());
    return EXIT.done;
  },
} satisfies Command;
