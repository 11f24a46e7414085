/** The entry: runs the root command. The only place that ends the process. */
import { writeSync } from "node:fs";
import { RELEASE_VERSION } from "./version.ts";

const args = process.argv.slice(2);

// Answered before anything is loaded: installers and editors ask for it often. Written past `process.stdout`,
// whose streams alone would double the time.
if (args.length === 1 && args[0] === "--version") {
  try {
    writeSync(1, `${RELEASE_VERSION}\n`);
  } catch {
    process.exit(1);
  }
} else {
  const { runCli } = await import("./cli/root.ts");
  process.exit(await runCli(args));
}
