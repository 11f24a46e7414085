import { findServer } from "../../daemon/find.ts";
import { JSON_ARG, loadInNeed, SERVER_ARGS } from "../flags.ts";
import { checkRows } from "../check-rows.ts";
import { EXIT, print, printError, printJson, table } from "../output.ts";
import { addressOf, whyNotRunning } from "../reach.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Ask the running server; exit 0 healthy or degraded, 1 unhealthy, 3 when none runs",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const loaded = loadInNeed(rawArgs);
    const found = await findServer(addressOf(loaded));
    if (found.state === "guarded") {
      const { status } = found;
      const reason = whyNotRunning(found, loaded);
      if (args.json === true) printJson({ status, reason });
      else print(`${status}\n  ${reason}`);
      return status === "unhealthy" ? EXIT.failed : EXIT.done;
    }
    if (found.state === "hung") {
      if (args.json === true) printJson({ status: "unhealthy", reason: whyNotRunning(found, loaded) });
      else printError(whyNotRunning(found, loaded));
      return EXIT.failed;
    }
    if (found.state !== "running") {
      if (args.json === true) printJson({ status: "not_running", reason: whyNotRunning(found, loaded) });
      else printError(whyNotRunning(found, loaded));
      return EXIT.notRunning;
    }
    const { health } = found;
    if (args.json === true) printJson(health);
    else {
      print(health.status);
      print(table(checkRows(health.checks)));
    }
    return health.status === "unhealthy" ? EXIT.failed : EXIT.done;
  },
} satisfies Command;
