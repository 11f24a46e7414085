import { EXIT, print } from "../output.ts";
import type { Command } from "../root.ts";
import { examine, printFindings } from "./doctor.ts";

export default {
  description: "Kept for old scripts: nothing has to be installed; runs the self-check",
  async run() {
    print("Nothing has to be installed: this program holds all it needs. Checking it:\n");
    printFindings(await examine([]));
    return EXIT.done;
  },
} satisfies Command;
