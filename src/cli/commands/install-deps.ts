import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";
import { examine, printFindings } from "./doctor.ts";

export default {
  description: "Kept for old scripts: nothing has to be installed; runs the self-check",
  args: JSON_ARG,
  async run({ args }) {
    const findings = await examine([]);
    if (args.json === true) {
      printJson({ installed: true, checks: findings });
      return EXIT.done;
    }
    print("Nothing has to be installed: this program holds all it needs. It was checked:\n");
    printFindings(findings);
    return EXIT.done;
  },
} satisfies Command;
