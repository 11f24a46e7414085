/** What an idle connection keeps of the server's memory: private memory after garbage collection, before and with N. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../build/compile.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { median } from "./measure.ts";
import { startSubject, type Subject, type SubjectName } from "./subjects.ts";

const ROUNDS = 3;
const CONNECTIONS = 5000;
/** Come and go before the first look, so that code, its compilation and what allocators keep is not counted. */
const WARM_UP = 500;
/** Handshakes under way at a time. */
const AT_ONCE = 100;

export interface MemoryFigure {
  subject: SubjectName;
  /** Kilobytes of 1000 bytes for each connection. */
  kilobytes: number;
}

/** Linux alone: it reads /proc. Other systems get no figures. */
export async function benchMemory(
  say: (text: string) => void,
  subjects: SubjectName[],
): Promise<MemoryFigure[]> {
  if (process.platform !== "linux") {
    say("left out: memory for each connection, which is read from Linux' /proc");
    return [];
  }
  const program = await collectableServer();
  const costs = new Map<SubjectName, number[]>(subjects.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of subjects) costs.get(name)?.push(await measure(name, program));
  }
  const ours = median(costs.get("this server") ?? []);
  return [...costs].map(([subject, values]) => {
    const kilobytes = median(values);
    say(
      `${CONNECTIONS} idle connections, ${subject.padEnd(30)} ${kilobytes.toFixed(1)} KB each, ${(kilobytes / ours).toFixed(2)}× this server`,
    );
    return { subject, kilobytes };
  });
}

/** The product compiled as ever, around it the signal that collects garbage. */
async function collectableServer(): Promise<string> {
  const outfile = join(temporaryDirectory(), "out", "this-server");
  mkdirSync(join(outfile, ".."));
  await compile({ entry: join(import.meta.dir, "subjects", "this-server.ts"), outfile });
  return outfile;
}

/** Kilobytes for each connection. */
async function measure(name: SubjectName, program: string): Promise<number> {
  const subject = await startSubject(name, { frameLength: 200, program });
  try {
    await close(await open(subject, WARM_UP));
    const before = await settledBytes(subject);
    const clients = await open(subject, CONNECTIONS);
    const after = await settledBytes(subject);
    if (clients.some(({ readyState }) => readyState !== WebSocket.OPEN))
      throw new Error(`${name} has lost connections`);
    await close(clients);
    return (after - before) / CONNECTIONS / 1000;
  } finally {
    subject.stop();
  }
}

async function open({ port, greets }: Subject, count: number): Promise<WebSocket[]> {
  const clients: WebSocket[] = [];
  while (clients.length < count) {
    const some = Math.min(AT_ONCE, count - clients.length);
    clients.push(...(await Promise.all(Array.from({ length: some }, () => connect(port, greets)))));
  }
  return clients;
}

/** Joins as a Socket.IO client does; without compression, for which some of the servers would keep 100 KB and more. */
function connect(port: number, greets: boolean): Promise<WebSocket> {
  const url = `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
  // Bun has this option; the types are the browser's.
  const ws = new WebSocket(url, { perMessageDeflate: false } as never);
  return new Promise((resolve, reject) => {
    ws.addEventListener("error", () => reject(new Error("no connection")));
    ws.addEventListener("open", () => {
      ws.send("40");
      if (!greets) resolve(ws);
    });
    ws.addEventListener("message", ({ data }) => {
      if (data === "2") ws.send("3");
      else if (String(data).startsWith("40")) resolve(ws);
    });
  });
}

async function close(clients: WebSocket[]): Promise<void> {
  const closed = clients.map((ws) => new Promise((resolve) => ws.addEventListener("close", resolve)));
  for (const ws of clients) ws.close();
  await Promise.all(closed);
}

const LOOK_EVERY_MS = 300;
const MAX_LOOKS = 40;
/** Looks in a row without a new low after which no more is to be expected: allocators give back late. */
const STEADY_LOOKS = 5;
const STEADY_BYTES = 100_000;

/** Private memory, as low as repeated garbage collection brings it. */
async function settledBytes({ pid }: Subject): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY;
  for (let looks = 0, steady = 0; looks < MAX_LOOKS && steady < STEADY_LOOKS; looks += 1) {
    process.kill(pid, "SIGUSR2");
    await Bun.sleep(LOOK_EVERY_MS);
    const bytes = privateBytes(pid);
    steady = bytes < lowest - STEADY_BYTES ? 0 : steady + 1;
    lowest = Math.min(lowest, bytes);
  }
  return lowest;
}

/** proc(5): pages shared with other processes, such as the runtime's code, are not counted. */
export function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  let sum = 0;
  for (const [, kilobytes] of rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)) {
    sum += Number(kilobytes) * 1024;
  }
  return sum;
}
