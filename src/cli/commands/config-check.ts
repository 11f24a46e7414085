import { checkConfigFiles } from "../config-files.ts";
import { weakNotes } from "../exposure.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { EXIT, print, printError, printJson } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Check the configuration; exit 78 when it is invalid",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  run({ args, rawArgs }) {
    const loaded = loadForCommand(rawArgs);
    checkConfigFiles(loaded);
    const { file } = loaded;
    const weak = weakNotes(loaded.values).map(({ message, hint }) => `${message}: ${hint}`);
    for (const warning of weak) printError(`Warning: ${warning}`);
    const warnings = [...loaded.warnings, ...weak];
    if (args.json === true) printJson({ valid: true, file, warnings });
    else print(`The configuration is valid (${file ?? "no file"})`);
    return EXIT.done;
  },
} satisfies Command;
