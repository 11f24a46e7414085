import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import { installedService, MODE_ARG, modeOf } from "../service.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Start the service by its manager",
  args: { ...MODE_ARG, ...JSON_ARG },
  run({ args }) {
    const mode = modeOf(args);
    const manager = installedService(mode);
    manager.start();
    const { running, pid } = manager.state();
    if (args.json === true) printJson({ mode, running, pid });
    else print(`Started the service${pid === null ? "" : ` (PID ${pid})`}`);
    return EXIT.done;
  },
} satisfies Command;
