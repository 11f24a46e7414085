import { checkReach } from "../../config/load.ts";
import { readInstance } from "../../daemon/instance.ts";
import { stopServer } from "../../daemon/stop.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS, serverArgs } from "../flags.ts";
import { CommandError } from "../output.ts";
import type { Command } from "../tree.ts";
import { startAndReport } from "./start.ts";

export default {
  description: "Stop the server and start it again with the flags it had, and those given here",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const asked = loadForCommand(rawArgs);
    const { host, port, state_dir: stateDir } = asked.values;
    const file = readInstance(stateDir, port);
    const before = file.found === "instance" && Array.isArray(file.instance.args) ? file.instance.args : [];
    // What was given last wins, so the flags of this command follow those of the running server.
    const given = [...before, ...serverArgs(rawArgs, asked)];
    const loaded = loadForCommand(given);
    // Each of them once: what was replaced needs no place in the next restart.
    const flags = serverArgs(given, loaded);
    // Before anything is stopped: a server that runs is worth more than one that will not start.
    checkReach(loaded);

    const stopped = await stopServer({ stateDir, host, port });
    if (stopped.outcome === "failed") throw new CommandError(stopped.message, stopped.hint);
    return startAndReport(loaded, flags, args.json === true);
  },
} satisfies Command;
