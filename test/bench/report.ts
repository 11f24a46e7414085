/** The results as README shows them. */
import type { AbuseFigure } from "./abuse.ts";
import type { DashboardFigures } from "./dashboard.ts";
import type { DeliveryFigure } from "./delivery.ts";
import type { GrowthFigure } from "./growth.ts";
import type { HookFigures } from "./hook.ts";
import type { IngestFigure } from "./ingest.ts";
import type { LatencyFigure } from "./latency.ts";
import type { MemoryFigure } from "./memory.ts";
import type { RedactionFigure } from "./redaction.ts";
import type { ResumeFigure } from "./resume.ts";
import type { StartFigures } from "./start.ts";

export interface Results {
  date: string;
  machine: { cpu: string; cores: number; memory_gib: number; os: string; bun: string; load_before: string };
  start: StartFigures;
  hook: HookFigures;
  ingest: IngestFigure[];
  redaction: RedactionFigure[];
  delivery: DeliveryFigure[];
  latency: LatencyFigure[];
  slow: LatencyFigure[];
  abuse: AbuseFigure[];
  memory: MemoryFigure[];
  resume: ResumeFigure[];
  growth: GrowthFigure[];
  dashboard: DashboardFigures;
}

const [START, END] = ["<!-- bench: made by `npm run bench -- --readme` -->", "<!-- /bench -->"];

/** Puts the results in the place of the earlier ones. */
export function intoReadme(readme: string, results: Results): string {
  const [before, rest = ""] = readme.split(START);
  const [, after] = rest.split(END);
  if (after === undefined) throw new Error(`README has no part between ${START} and ${END}`);
  return `${before}${START}\n\n${report(results)}\n\n${END}${after}`;
}

function report({ date, machine, ...parts }: Results): string {
  const {
    start,
    hook,
    ingest,
    redaction,
    delivery,
    latency,
    slow,
    abuse,
    memory,
    resume,
    growth,
    dashboard,
  } = parts;
  const subjects = delivery.filter(({ subscribers }) => subscribers === 1000).map(({ subject }) => subject);
  const row = (name: string, valueOf: (subject: string) => string) =>
    `| ${name} | ${subjects.map(valueOf).join(" | ")} |`;
  const deliveryAt = (count: number) => (subject: string) => {
    const found = delivery.find((figure) => figure.subject === subject && figure.subscribers === count);
    return found ? `${digits(found.microseconds)} µs` : "–";
  };
  const latencyOf = (subject: string) => {
    const found = latency.find((figure) => figure.subject === subject);
    return found ? `${digits(found.p50)} / ${digits(found.p99)} ms` : "–";
  };
  const perConnection = (subject: string) => {
    const found = memory.find((figure) => figure.subject === subject);
    return found ? `${digits(found.kilobytes)} KB` : "–";
  };
  const times = (small = Number.NaN, large = Number.NaN) => `${(large / small).toFixed(2)}×`;
  return [
    `Measured on ${date.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, ${machine.os}, Bun ${machine.bun}, load before ${machine.load_before}.`,
    "",
    `| | ${subjects.join(" | ")} |`,
    `| --- |${subjects.map(() => " --- |").join("")}`,
    ...[10, 100, 1000].map((count) =>
      row(
        `server CPU for each delivered event, ${count} subscribers, 50 events in flight`,
        deliveryAt(count),
      ),
    ),
    row("100 events/s to 100 subscribers: p50 / p99", latencyOf),
    row("an idle connection, of 5,000", perConnection),
    "",
    "| HTTP ingest, events/s | this server | a bare endpoint that parses the same JSON | |",
    "| --- | --- | --- | --- |",
    ...ingest.map(
      ({ load, ours, bare }) =>
        `| ${load} | ${thousands(ours)} | ${thousands(bare)} | ${(ours / bare).toFixed(2)}× |`,
    ),
    "",
    "| server CPU for each event that comes in | secrets masked | `redact` false | |",
    "| --- | --- | --- | --- |",
    ...redaction.map(
      ({ load, masked, plain }) =>
        `| ${load} | ${digits(masked)} µs | ${digits(plain)} µs | ${times(plain, masked)} |`,
    ),
    "",
    "| as the log grows | 1,000 events | 1,000,000 events | |",
    "| --- | --- | --- | --- |",
    ...growth.map(
      ({ operation, milliseconds: [small, large] }) =>
        `| ${operation} | ${small?.toFixed(2)} ms | ${large?.toFixed(2)} ms | ${times(small, large)} |`,
    ),
    "",
    ...resume.map(
      ({ way, milliseconds, cpuMilliseconds }) =>
        `- ${way}, 10,000 events: ${digits(milliseconds)} ms, ${digits(cpuMilliseconds)} ms of server CPU`,
    ),
    ...slow.map(
      ({ subject, p50, p99 }) =>
        `- A client that gets 500 events of 10 KB a second, ${subject}: p50 ${digits(p50)} ms, p99 ${digits(p99)} ms`,
    ),
    ...abuse.map(
      (figure) =>
        `- Ten clients that send 200 events a second, ${figure.scene}: p99 of acknowledgements ${digits(figure.ack)} ms, of deliveries ${digits(figure.delivery)} ms`,
    ),
    `- \`--version\`: ${start.version.toFixed(1)} ms, an empty compiled program ${start.empty.toFixed(1)} ms; \`start\` until it answers: ${digits(start.health)} ms`,
    `- \`hook\`, whole process: ${hook.hook.toFixed(1)} ms, curl with the same body ${hook.curl.toFixed(1)} ms, Python with requests ${digits(hook.python)} ms; without a server ${hook.down.toFixed(1)} ms, behind 9,000 events that wait ${hook.downBehindMany.toFixed(1)} ms; with one that never answers ${digits(hook.silent)} ms`,
    `- The dashboard in Chromium, 500 events/s for a minute, 100,000 rows in the list: frames p95 ${digits(dashboard.frames.p95)} ms, p99.9 ${digits(dashboard.frames.p999)} ms, heap ${digits(dashboard.heap.at(-1) ?? Number.NaN)} MiB; opened until the newest event is shown ${digits(dashboard.usable)} ms, a page that does next to nothing ${digits(dashboard.plain)} ms`,
  ].join("\n");
}

/** Two significant digits, or whole numbers. */
function digits(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}
