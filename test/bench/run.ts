/**
 * `bun run bench`: what the product promises in time, measured side by side and given as ratios. Every figure is the
 * median of interleaved runs; absolute times on a shared machine say little.
 */
import { loadavg } from "node:os";
import { cleanUp } from "../support/cleanup.ts";
import { benchDelivery } from "./delivery.ts";
import { benchIngest } from "./ingest.ts";
import { benchMemory } from "./memory.ts";
import { benchStart } from "./start.ts";
import type { SubjectName } from "./subjects.ts";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const load = () =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(" ");

const python = Bun.spawnSync(["/usr/bin/python3", "-c", "import socketio, aiohttp"]).success;
const subjects: SubjectName[] = ["this server", "bare Bun publish", "stock Socket.IO on bun-engine"];
if (Bun.which("node")) subjects.push("Socket.IO on Node");
if (python) subjects.push("python-socketio");
else say("left out: python-socketio, which is not installed");

say(`load before: ${load()}`);
try {
  await benchStart(say);
  await benchIngest(say);
  await benchDelivery(say, subjects);
  await benchMemory(say, subjects);
} finally {
  await cleanUp();
}
say(`load after: ${load()}`);
