/**
 * `bun run bench`: what the product promises in time, measured side by side and given as ratios. Every figure is the
 * median of interleaved runs; absolute times on a shared machine say little.
 */
import { loadavg } from "node:os";
import { cleanUp } from "../support/cleanup.ts";
import { benchStart } from "./start.ts";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

say(
  `load before: ${loadavg()
    .map((load) => load.toFixed(2))
    .join(" ")}`,
);
try {
  await benchStart(say);
} finally {
  await cleanUp();
}
say(
  `load after: ${loadavg()
    .map((load) => load.toFixed(2))
    .join(" ")}`,
);
