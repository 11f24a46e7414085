import { describeHolder } from "../../daemon/failure.ts";
import { instancePorts } from "../../daemon/instance.ts";
import { type Stopped, stopServer } from "../../daemon/stop.ts";
import { JSON_ARG, loadInNeed, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { addressOf } from "../reach.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Stop the server gracefully",
  args: {
    ...SERVER_ARGS,
    ...JSON_ARG,
    all: { type: "boolean", description: "Stop the servers on all ports" },
  },
  async run({ args, rawArgs }) {
    const address = addressOf(loadInNeed(rawArgs));
    const { stateDir, port } = address;
    const ports = args.all === true ? instancePorts(stateDir) : [port];
    const results = await Promise.all(
      ports.map(async (one) => ({ port: one, ...(await stopServer({ ...address, port: one })) })),
    );

    const failed = results.find((result) => result.outcome === "failed");
    if (args.json === true) {
      printJson({ servers: results });
      if (failed) return EXIT.failed;
    } else if (results.length === 0) print(`No server runs from ${stateDir}`);
    else for (const result of results) print(textOf(result));

    if (failed) throw new CommandError(`Port ${failed.port}: ${failed.message}`, failed.hint);
    return results.some(({ outcome }) => outcome !== "not_running") ? EXIT.done : EXIT.notRunning;
  },
} satisfies Command;

function textOf(result: Stopped & { port: number }): string {
  switch (result.outcome) {
    case "stopped":
      return `Stopped: port ${result.port} (PID ${result.pid})`;
    case "killed":
      return `Killed: port ${result.port} (PID ${result.pid}) did not stop in time`;
    case "not_running":
      if (result.holder)
        return `Port ${result.port} is held by ${describeHolder(result.holder)}, no server of ours`;
      return `No server runs on port ${result.port}${result.stale ? `; removed ${result.stale}` : ""}`;
    case "failed":
      return `Not stopped: port ${result.port}`;
  }
}
