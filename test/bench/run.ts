/**
 * `bun run bench`: what the product promises in time and memory, measured side by side and given as ratios. Every
 * figure is the median of interleaved runs; absolute times on a shared machine say little. `--only start,growth` runs
 * some of it, `--readme` puts the results into README. They go to dist/bench.json as well.
 */
import { mkdirSync } from "node:fs";
import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp } from "../support/cleanup.ts";
import { benchAbuse } from "./abuse.ts";
import { benchCluster } from "./cluster.ts";
import { benchDashboard } from "./dashboard.ts";
import { benchDelivery, lengthOfFrame } from "./delivery.ts";
import { benchGrowth } from "./growth.ts";
import { benchHook } from "./hook.ts";
import { benchIngest } from "./ingest.ts";
import { benchBesideSlow, benchLatency } from "./latency.ts";
import { benchMemory } from "./memory.ts";
import { benchRedaction } from "./redaction.ts";
import { intoReadme, type Results } from "./report.ts";
import { benchResume } from "./resume.ts";
import { benchStart } from "./start.ts";
import type { SubjectName } from "./subjects.ts";
import { benchUpgrade } from "./upgrade.ts";

const README = join(import.meta.dir, "../../README.md");
const RESULTS = join(import.meta.dir, "../../dist/bench.json");

const { values } = parseArgs({ options: { only: { type: "string" }, readme: { type: "boolean" } } });
const wanted = values.only?.split(",");

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

const loadBefore = load();
const results: Record<string, unknown> = {};
let frame: Promise<number> | undefined;
const frameLength = () => (frame ??= lengthOfFrame());

const parts: Record<string, () => Promise<unknown>> = {
  start: () => benchStart(say),
  hook: () => benchHook(say),
  ingest: () => benchIngest(say),
  redaction: () => benchRedaction(say),
  delivery: async () => benchDelivery(say, subjects, await frameLength()),
  latency: async () => benchLatency(say, subjects, await frameLength()),
  slow: () => benchBesideSlow(say),
  abuse: () => benchAbuse(say),
  memory: () => benchMemory(say, subjects),
  resume: () => benchResume(say),
  growth: () => benchGrowth(say),
  dashboard: () => benchDashboard(say),
  upgrade: () => benchUpgrade(say),
  cluster: () => benchCluster(say),
};

try {
  for (const [name, run] of Object.entries(parts)) {
    if (wanted && !wanted.includes(name)) continue;
    say(`\n${name}`);
    results[name] = await run();
  }
} finally {
  await cleanUp();
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  os: `${platform()} ${arch()}`,
  bun: Bun.version,
  load_before: loadBefore,
  load_after: load(),
};
mkdirSync(join(RESULTS, ".."), { recursive: true });
const all = { date: new Date().toISOString(), machine, ...results };
await Bun.write(RESULTS, `${JSON.stringify(all, null, 2)}\n`);
if (values.readme)
  await Bun.write(README, intoReadme(await Bun.file(README).text(), all as unknown as Results));
say(`\nload before: ${machine.load_before}, after: ${machine.load_after}; all figures: dist/bench.json`);
