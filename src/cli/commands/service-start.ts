import { SCHEMA } from "../../config/schema.ts";
import type { ServerAddress } from "../../daemon/find.ts";
import type { Mode } from "../../service/manager.ts";
import { placesOf } from "../../service/places.ts";
import { readReceipt, type Receipt } from "../../service/receipt.ts";
import { JSON_ARG } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { addressOf } from "../reach.ts";
import { installedService, machineOf, MODE_ARG, modeOf, planOf } from "../service.ts";
import { afterFailure, answers, checkPort } from "../service-server.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Start the service by its manager; returns once its server answers",
  args: { ...MODE_ARG, ...JSON_ARG },
  async run({ args }) {
    const mode = modeOf(args);
    const manager = installedService(mode);
    const receipt = readReceipt(placesOf(mode, machineOf()).receipt);
    const { address, refusal } = expected(mode, receipt);
    const otherPort = `claude-mpm-socketio service install${mode === "user" ? "" : ` --mode ${mode}`} --port N`;
    await checkPort(address, manager.state(), { receipt, otherPort });
    try {
      manager.start();
      await answers(address, manager);
    } catch (error) {
      const { failure } = manager.state();
      if (refusal !== null || failure === null) throw refusal ?? error;
      throw new CommandError(
        `The service did not start: ${failure.why}`,
        afterFailure(failure, mode, manager.logHint),
        failure.exitCode === EXIT.config ? EXIT.config : EXIT.failed,
      );
    }
    const { running, pid } = manager.state();
    if (args.json === true) printJson({ mode, running, pid });
    else print(`Started the service${pid === null ? "" : ` (PID ${pid})`}`);
    return EXIT.done;
  },
} satisfies Command;

/**
 * Where its server will listen. What is wrong with its configuration is told once it has not come up: systemd may give
 * it variables that nobody else sees.
 */
function expected(mode: Mode, receipt: Receipt | null): { address: ServerAddress; refusal: unknown } {
  const installed = receipt ?? {
    ...placesOf(mode, machineOf()),
    host: SCHEMA.host.default,
    port: SCHEMA.port.default,
  };
  try {
    const { loaded } = planOf(mode, machineOf(), receipt?.args ?? []);
    const isTold = receipt === null || receipt.args !== undefined;
    return { address: isTold ? addressOf(loaded) : installed, refusal: null };
  } catch (refusal) {
    return { address: installed, refusal };
  }
}
