import { findServer } from "../../daemon/find.ts";
import { displayUrl } from "../../protocol/hosts.ts";
import { placesOf } from "../../service/places.ts";
import { readReceipt } from "../../service/receipt.ts";
import { managerFor } from "../../service/service.ts";
import { JSON_ARG } from "../flags.ts";
import { checkRows, failing } from "../check-rows.ts";
import { EXIT, print, printJson, style, table } from "../output.ts";
import { addressOf } from "../reach.ts";
import { elsewhere, machineOf, MODE_ARG, modeOf, planOf } from "../service.ts";
import { afterFailure, healthOf } from "../service-server.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Show whether the service is installed and runs; exit 3 when it does not run",
  args: { ...MODE_ARG, ...JSON_ARG },
  async run({ args }) {
    const mode = modeOf(args);
    const machine = machineOf();
    const manager = managerFor(mode, machine);
    const state = manager.state();
    const receipt = readReceipt(placesOf(mode, machine).receipt);
    const address = receipt ?? addressOf(planOf(mode, machine, []).loaded);
    const { host, port } = address;
    const health = state.running ? healthOf(await findServer(address), state.pid) : null;
    const url = displayUrl(host, port);
    if (args.json === true)
      printJson({
        mode,
        manager: manager.name,
        ...state,
        url,
        health: health?.status ?? null,
        checks: health?.checks ?? [],
      });
    else if (!state.installed) print(`No service is installed (mode ${mode})${elsewhere(mode)}`);
    else {
      const why = state.failure === null ? "" : `: ${state.failure.why}`;
      const running = state.running ? style("running", "green") : `not running${why}`;
      print(`The service (mode ${mode}) is ${running}`);
      print(
        table([
          ["  manager", manager.name],
          ["  definition", state.definition ?? "unknown"],
          ...(state.program === null ? [] : [["  program", state.program]]),
          ["  starts itself", state.enabled ? "yes" : "no"],
          ...(state.pid === null ? [] : [["  PID", `${state.pid}`]]),
          ...(state.running
            ? [["  health", health?.status ?? `no answer at ${url}; see ${manager.logHint}`]]
            : []),
        ]),
      );
      const problems = failing(health?.checks);
      if (problems.length > 0) print(table(checkRows(problems)));
      if (state.failure !== null) print(afterFailure(state.failure, mode, manager.logHint));
    }
    return state.running ? EXIT.done : EXIT.notRunning;
  },
} satisfies Command;
