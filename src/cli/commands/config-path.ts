import { existsSync } from "node:fs";
import { processEnv } from "../../config/env.ts";
import { configFiles } from "../../config/paths.ts";
import { ENV_PREFIX } from "../../config/schema.ts";
import { JSON_ARG, loadForCommand } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Show where configuration files are looked for, and which one is in use",
  args: { config: { type: "string", description: "Configuration file", valueHint: "FILE" }, ...JSON_ARG },
  run({ args, rawArgs }) {
    const { file } = loadForCommand(rawArgs);
    const searched = configFiles({ platform: process.platform, env: processEnv() });
    if (args.json === true) {
      printJson({ file, searched: searched.map((path) => ({ path, exists: existsSync(path) })) });
      return EXIT.done;
    }
    print(`in use: ${file ?? "none"}`);
    print(`looked for, first match first: --config, ${ENV_PREFIX}CONFIG, ${searched.join(", ")}`);
    return EXIT.done;
  },
} satisfies Command;
