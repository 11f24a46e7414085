/** A command line whose texts hold what shells and roff would take for their own. */
import type { CliModel, CommandModel, FlagModel } from "../../src/cli/command-model.ts";

export const ODD_TEXT = String.raw`.It's a "test" [of: \n], $HOME, ${"`id`"} & 'x' ‘y’ … (a) {b} ~ ^ * -`;

const flag: FlagModel = {
  name: "odd",
  letter: "o",
  description: ODD_TEXT,
  value: { hint: "one|two", kind: "choice", choices: ["one", "two"] },
  repeatable: false,
};

const command: CommandModel = {
  path: ["go"],
  summary: ODD_TEXT,
  description: ODD_TEXT,
  details: `${ODD_TEXT}\n'a line\n.another line`,
  flags: [flag],
  operands: [],
  takesCommand: false,
  commands: [],
};

export const ODD_MODEL: CliModel = {
  program: "claude-mpm-socketio",
  root: { ...command, path: [], details: null, flags: [], commands: [command] },
  settings: [
    {
      key: "odd",
      description: ODD_TEXT,
      value: flag.value!,
      defaultText: "one",
      allowed: ODD_TEXT,
      variable: "ODD",
      pending: null,
    },
  ],
};
