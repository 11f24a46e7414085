/** The entry: runs the root command. The only place that ends the process. */
import { RELEASE_VERSION } from "./version.ts";

const args = process.argv.slice(2);

// Answered before anything is loaded: installers and editors ask for it often.
if (args.length === 1 && args[0] === "--version") {
  process.stdout.write(`${RELEASE_VERSION}\n`);
} else {
  const { runCli } = await import("./cli/root.ts");
  process.exit(await runCli(args));
}
