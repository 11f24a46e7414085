import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { starterFile } from "../../config/documents.ts";
import { processEnv } from "../../config/env.ts";
import { configFiles } from "../../config/paths.ts";
import { CommandError, EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Write a commented starter file; without --config to the user's place",
  args: {
    config: { type: "string", description: "Where to write it", valueHint: "FILE" },
    force: { type: "boolean", description: "Replace a file that is there" },
  },
  run({ args }) {
    const [userFile = ""] = configFiles({ platform: process.platform, env: processEnv() });
    const path = typeof args.config === "string" ? resolve(args.config) : userFile;
    if (existsSync(path) && args.force !== true) {
      throw new CommandError(`${path} is there already`, "Edit it, or replace it with --force");
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, starterFile(), { mode: 0o600 });
    print(`Wrote ${path}`);
    return EXIT.done;
  },
} satisfies Command;
