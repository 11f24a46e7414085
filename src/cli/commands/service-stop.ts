import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import { installedService, MODE_ARG, modeOf } from "../service.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Stop the service by its manager",
  args: { ...MODE_ARG, ...JSON_ARG },
  run({ args }) {
    const mode = modeOf(args);
    const manager = installedService(mode);
    manager.stop();
    const { running, pid } = manager.state();
    if (args.json === true) printJson({ mode, running, pid });
    else print("Stopped the service");
    return EXIT.done;
  },
} satisfies Command;
