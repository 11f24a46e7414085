import { findSettledServer } from "../../daemon/find.ts";
import { readInstance } from "../../daemon/instance.ts";
import { stopServer } from "../../daemon/stop.ts";
import type { Mode } from "../../service/manager.ts";
import { serviceRunning } from "../../service/service.ts";
import { checkConfigFiles } from "../config-files.ts";
import { JSON_ARG, loadForCommand, readServerFlags, SERVER_ARGS, withoutSecrets } from "../flags.ts";
import { lostSecrets } from "../lost-secrets.ts";
import { CommandError, EXIT, printError } from "../output.ts";
import { addressOf } from "../reach.ts";
import { machineOf, restartByService } from "../service.ts";
import type { Command } from "../tree.ts";
import { reportStart, startAndReport } from "./start.ts";

export default {
  description:
    "Stop the server and start it again with the flags it had, and those given here; one that a service runs is restarted by it",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const asked = loadForCommand(rawArgs);
    const address = addressOf(asked);
    const { port, stateDir } = address;
    const file = readInstance(stateDir, port);
    const before = file.found === "instance" ? file.instance : null;
    // What was given last wins, so the flags of this command follow those of the running server.
    const given = [...withoutSecrets(before?.args ?? []), ...rawArgs];
    const loaded = loadForCommand(given);
    // The machine's service keeps its files where a user, and root as well, does not look for them: it is known by its PID.
    const found = await findSettledServer(address);
    const running = "pid" in found ? found.pid : null;
    const service = running === null ? null : serviceRunning({ pid: running, port }, machineOf());
    if (running !== null && service !== null) {
      refuseFlags(rawArgs, service);
      const { state: _is, ...server } = await restartByService(service, { ...address, pid: running });
      return reportStart({ outcome: "started", ...server, firstToken: null }, asked, args.json === true);
    }
    // Before anything is stopped: a server that runs is worth more than one that will not start.
    checkConfigFiles(loaded);
    const lost = lostSecrets(before, loaded);
    if (running !== null && lost.includes("redis_url")) {
      throw new CommandError(
        "redis_url was given on the command line or by a variable, and this restart does not have it: the server would leave the others, and have another history",
        "Give it again, or put it into the file; --redis-url null starts it without, on a log of its own",
      );
    }
    const stopped = await stopServer(address);
    if (stopped.outcome === "failed") throw new CommandError(stopped.message, stopped.hint);
    for (const key of lost) {
      printError(
        `Warning: ${key} was given on the command line or by a variable, and this restart does not have it: give it again, or put it into the file`,
      );
    }
    return startAndReport(loaded, given, args.json === true);
  },
} satisfies Command;

/** A service starts its server with the flags of its definition, and no others. */
function refuseFlags(rawArgs: readonly string[], service: Mode): void {
  const { flags, configFile } = readServerFlags(rawArgs);
  const others = Object.keys(flags).filter((key) => !["host", "port", "state_dir"].includes(key));
  if (others.length === 0 && configFile === undefined) return;
  throw new CommandError(
    "The server is run by its service, with the flags that one was installed with",
    `Install it anew with those it is to have: claude-mpm-socketio service install --mode ${service}`,
    EXIT.usage,
  );
}
