/** HTTP ingest with the durable log on, against a bare endpoint that parses the same JSON; loaded by wrk. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temporary.ts";
import { median } from "./measure.ts";
import { startSubject, type Subject, type SubjectName } from "./subjects.ts";

const ROUNDS = 5;
const SECONDS = 2;
/** Until both are compiled. */
const WARM_UP_SECONDS = 1;
export const BATCH = 100;
const SUBJECTS: SubjectName[] = ["this server", "bare Bun.serve, JSON parsed"];

export const EVENT = {
  type: "hook.pre_tool_use",
  session_id: "8d7c2f6e",
  cwd: "/home/me/app",
  data: { tool_name: "Bash", tool_input: { command: "ls -la" }, text: "x".repeat(70) },
};

export interface IngestFigure {
  load: string;
  /** Events per second. */
  ours: number;
  bare: number;
}

export async function benchIngest(say: (text: string) => void): Promise<IngestFigure[]> {
  if (!Bun.which("wrk")) {
    say("left out: HTTP ingest, which wants wrk (Debian: apt-get install wrk)");
    return [];
  }
  const figures: IngestFigure[] = [];
  const cases = [
    { name: "single events, 16 connections", connections: 16, perRequest: 1 },
    { name: "single events, 64 connections", connections: 64, perRequest: 1 },
    { name: `batches of ${BATCH}, 16 connections`, connections: 16, perRequest: BATCH },
  ];
  for (const { name, connections, perRequest } of cases) {
    const rates = new Map<SubjectName, number[]>(SUBJECTS.map((subject) => [subject, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const subject of SUBJECTS) rates.get(subject)?.push(await load(subject, connections, perRequest));
    }
    const [ours = 0, bare = 0] = SUBJECTS.map((subject) => median(rates.get(subject) ?? []) * perRequest);
    figures.push({ load: name, ours, bare });
    say(
      `${name}: ${Math.round(ours)} events/s, ${(ours / bare).toFixed(2)}× a bare endpoint (${Math.round(bare)} events/s)`,
    );
  }
  return figures;
}

/** Requests per second. */
async function load(name: SubjectName, connections: number, perRequest: number): Promise<number> {
  const subject = await startSubject(name);
  try {
    const body = perRequest === 1 ? EVENT : Array.from({ length: perRequest }, () => EVENT);
    return (await post(subject, connections, body)).perSecond;
  } finally {
    subject.stop();
  }
}

export interface Posted {
  requests: number;
  perSecond: number;
  /** Seconds of server CPU. */
  cpu: number;
}

/** Posts a body again and again, for a while that does not count and then for one that does. */
export async function post(
  subject: Subject,
  connections: number,
  body: object,
  measuredSeconds = SECONDS,
): Promise<Posted> {
  const script = join(temporaryDirectory(), "post.lua");
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.body = [==[${JSON.stringify(body)}]==]\nwrk.headers["Content-Type"] = "application/json"\n`,
  );
  const url = `http://127.0.0.1:${subject.port}/api/events`;
  const run = async (seconds: number): Promise<Posted> => {
    const command = ["wrk", "-t1", `-c${connections}`, `-d${seconds}`, "-s", script, url];
    const before = subject.cpu();
    const text = await new Response(Bun.spawn(command, { stdout: "pipe" }).stdout).text();
    const cpu = subject.cpu() - before;
    if (/Non-2xx/.test(text)) throw new Error("events were refused");
    const figure = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
    return { requests: figure(/(\d+) requests in/), perSecond: figure(/Requests\/sec:\s+([\d.]+)/), cpu };
  };
  await run(WARM_UP_SECONDS);
  return run(measuredSeconds);
}
