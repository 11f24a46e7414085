/** The entry: runs the root command. The only place that ends the process. */
import { runHook } from "./hooks/hook.ts";
import { RELEASE_VERSION } from "./version.ts";

const args = process.argv.slice(2);

// Answered before anything is loaded: installers and editors ask for it often. Written past `process.stdout`,
// whose streams alone would double the time.
if (args.length === 1 && args[0] === "--version") {
  try {
    const { writeSync } = await import("node:fs");
    writeSync(1, `${RELEASE_VERSION}\n`);
  } catch {
    process.exit(1);
  }
} else if (args[0] === "hook" && !args.includes("--help") && !args.includes("-h")) {
  // It runs at every step of an agent: no command tree for it, no chunk of its own, and no failure that anybody sees.
  // Whatever goes wrong beside it, it goes on: its event is not in the spool yet.
  for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, () => {});
  await runHook(args.slice(1));
  process.exit(0);
} else {
  const { runCli } = await import("./cli/root.ts");
  process.exit(await runCli(args));
}
