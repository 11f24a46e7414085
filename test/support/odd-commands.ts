/** A command line whose texts hold what shells and roff would take for their own. */
import type { CliModel, CommandModel, FlagModel, Value } from "../../src/cli/command-model.ts";

export const ODD_TEXT = String.raw`.It's a "test" [of: \n], $HOME, ${"`id`"} & 'x' ‘y’ … (a) {b} ~ ^ * -`;

const value: Value = { hint: "one|two", kind: "choice", choices: ["one", "two"] };

const flag: FlagModel = {
  name: "odd",
  letter: "o",
  description: ODD_TEXT,
  value,
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
  runs: true,
  commands: [],
};

export const ODD_MODEL: CliModel = {
  program: "claude-mpm-socketio",
  root: { ...command, path: [], details: null, flags: [], commands: [command] },
  settings: [
    {
      key: "odd",
      description: ODD_TEXT,
      value,
      defaultText: "one",
      allowed: ODD_TEXT,
      variable: "ODD",
    },
  ],
};
