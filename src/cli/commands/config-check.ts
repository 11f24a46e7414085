import { checkConfigFiles } from "../config-files.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Check the configuration; exit 78 when it is invalid",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  run({ args, rawArgs }) {
    const loaded = loadForCommand(rawArgs);
    checkConfigFiles(loaded);
    const { file, warnings } = loaded;
    if (args.json === true) printJson({ valid: true, file, warnings });
    else print(`The configuration is valid (${file ?? "no file"})`);
    return EXIT.done;
  },
} satisfies Command;
