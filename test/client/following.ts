/** Follows the server at a URL and writes what it is told as JSON lines, until its standard input ends. */
import { ClientManager } from "../../src/client/index.ts";

const manager = new ClientManager({
  url: process.argv[2] as string,
  reconnectionDelayMs: 5,
  reconnectionDelayMaxMs: 20,
});
for (const name of ["connected", "disconnected", "event", "gap"] as const) {
  manager.on(name, (payload) => process.stdout.write(`${JSON.stringify({ name, payload })}\n`));
}
manager.start();
process.stdin.resume().on("end", () => manager.stop());
