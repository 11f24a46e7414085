/** What a log on Redis costs against one on disk, and how far one Redis goes: nodes beside each other on this machine. */
import { join } from "node:path";
import { onEnd } from "../support/cleanup.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { join as joinServer, measureDelivery } from "./delivery.ts";
import { BATCH, EVENT, post } from "./ingest.ts";
import { type Latency, measureLatency } from "./latency.ts";
import { median } from "./measure.ts";
import { privateBytes } from "./memory.ts";
import { startSubject, type Subject } from "./subjects.ts";

const ROUNDS = 5;
const SUBSCRIBERS = 1000;
/** So many that ticks of the CPU clock do not blur it. */
const EVENTS = 2000;
/** Nodes as processes, and besides them others that only read: more do not fit on one machine. */
const CROWDS: { log: Log; nodes: number; readers: number }[] = [
  { log: "SQLite", nodes: 1, readers: 0 },
  { log: "Redis", nodes: 1, readers: 0 },
  { log: "Redis", nodes: 3, readers: 0 },
  { log: "Redis", nodes: 10, readers: 0 },
  { log: "Redis", nodes: 1, readers: 99 },
];
const MIB = 1024 * 1024;

type Log = "SQLite" | "Redis";

export interface ClusterFigures {
  /** Microseconds of CPU for each delivered event, and of Redis for each event. */
  delivery: { log: Log; microseconds: number; redisPerEvent: number; perSecond: number }[];
  latency: ({ way: string } & Latency)[];
  /** Events per second. */
  ingest: { load: string; sqlite: number; redis: number }[];
  tailing: TailingFigure[];
  /** Private memory of a node behind 10,000 events of 1 KB, in MiB. */
  memory: { log: Log; mib: number }[];
  /** Microseconds of a node's CPU for one ping of a connection and its answer: all that an idle one costs. */
  ping: number;
}

export interface TailingFigure {
  load: string;
  log: Log;
  nodes: number;
  /** Of which so many only read the stream. */
  readers: number;
  /** Microseconds of CPU for each event: of Redis, of the node that takes events, and of each that only follows. */
  redis: number;
  taking: number | null;
  following: number | null;
}

export async function benchCluster(say: (text: string) => void): Promise<ClusterFigures | null> {
  if (!Bun.which("redis-server")) {
    say("left out: several nodes, which want redis-server (Debian: apt-get install redis-server)");
    return null;
  }
  return {
    delivery: await benchDelivery(say),
    latency: await benchLatency(say),
    ingest: await benchIngest(say),
    tailing: await benchTailing(say),
    memory: await benchMemory(say),
    ping: await benchPings(say),
  };
}

/** Nodes on one new Redis, which writes its file every second; or one on SQLite. */
async function withNodes<T>(
  log: Log,
  count: number,
  run: (nodes: [Subject, ...Subject[]], redis: RedisServer | null) => Promise<T>,
): Promise<T> {
  const redis = log === "Redis" ? await startRedis({ aof: true }) : null;
  const nodes: Subject[] = [];
  try {
    const settings = redis ? ["--redis-url", redis.url] : [];
    const starting = Array.from({ length: count }, () => startSubject("this server", { settings }));
    nodes.push(...(await Promise.all(starting)));
    return await run(nodes as [Subject, ...Subject[]], redis);
  } finally {
    for (const node of nodes) node.stop();
    await redis?.kill();
  }
}

async function benchDelivery(say: (text: string) => void): Promise<ClusterFigures["delivery"]> {
  const runs: Record<Log, ClusterFigures["delivery"]> = { SQLite: [], Redis: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const log of ["SQLite", "Redis"] as const) {
      await withNodes(log, 1, async ([node], redis) => {
        let before = 0;
        const run = await measureDelivery(node, SUBSCRIBERS, EVENTS, async () => {
          before = (await redis?.cpu()) ?? 0;
        });
        const spent = ((await redis?.cpu()) ?? 0) - before;
        runs[log].push({ log, ...run, redisPerEvent: (spent / EVENTS) * 1e6 });
      });
    }
  }
  const figures = (["SQLite", "Redis"] as const).map((log) => ({
    log,
    microseconds: median(runs[log].map(({ microseconds }) => microseconds)),
    redisPerEvent: median(runs[log].map(({ redisPerEvent }) => redisPerEvent)),
    perSecond: median(runs[log].map(({ perSecond }) => perSecond)),
  }));
  const [alone] = figures as [ClusterFigures["delivery"][number]];
  for (const { log, microseconds, redisPerEvent, perSecond } of figures) {
    say(
      `N=${SUBSCRIBERS} log on ${log.padEnd(6)} ${microseconds.toFixed(3)} µs of the server per delivered event, ${(microseconds / alone.microseconds).toFixed(2)}×; ${redisPerEvent.toFixed(0)} µs of Redis per event; ${Math.round(perSecond)} deliveries/s`,
    );
  }
  return figures;
}

async function benchLatency(say: (text: string) => void): Promise<ClusterFigures["latency"]> {
  const load = { perSecond: 1000, text: "x".repeat(170) };
  const ways: Record<string, () => Promise<Latency>> = {
    "one node, SQLite": () => withNodes("SQLite", 1, ([node]) => measureLatency(node, 1, load)),
    "one node, Redis": () => withNodes("Redis", 1, ([node]) => measureLatency(node, 1, load)),
    "from one node to another, of three": () =>
      withNodes("Redis", 3, ([from, to]) => measureLatency(to as Subject, 1, load, from)),
  };
  const runs = new Map<string, Latency[]>(Object.keys(ways).map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [way, measure] of Object.entries(ways)) runs.get(way)?.push(await measure());
  }
  return [...runs].map(([way, values]) => {
    const [p50, p99] = [median(values.map((run) => run.p50)), median(values.map((run) => run.p99))];
    say(
      `${load.perSecond} events/s ${way.padEnd(34)} p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (p50 of the runs: ${values.map((run) => run.p50.toFixed(2)).join(", ")})`,
    );
    return { way, p50, p99 };
  });
}

async function benchIngest(say: (text: string) => void): Promise<ClusterFigures["ingest"]> {
  if (!Bun.which("wrk")) {
    say("left out: HTTP ingest, which wants wrk (Debian: apt-get install wrk)");
    return [];
  }
  const cases = [
    { load: "single events, 16 connections", connections: 16, perRequest: 1 },
    { load: "single events, 64 connections", connections: 64, perRequest: 1 },
    { load: `batches of ${BATCH}, 16 connections`, connections: 16, perRequest: BATCH },
  ];
  const figures: ClusterFigures["ingest"] = [];
  for (const { load, connections, perRequest } of cases) {
    const rates: Record<Log, number[]> = { SQLite: [], Redis: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const log of ["SQLite", "Redis"] as const) {
        const body = perRequest === 1 ? EVENT : Array.from({ length: perRequest }, () => EVENT);
        rates[log].push((await withNodes(log, 1, ([node]) => post(node, connections, body))).perSecond);
      }
    }
    const [sqlite, redis] = [median(rates.SQLite) * perRequest, median(rates.Redis) * perRequest];
    figures.push({ load, sqlite, redis });
    say(
      `${load}: ${Math.round(sqlite)} events/s on SQLite, ${Math.round(redis)} on Redis, ${(redis / sqlite).toFixed(2)}×`,
    );
  }
  return figures;
}

/** Events sent at a steady rate to one of several nodes, and what they cost Redis and each of the nodes. */
async function benchTailing(say: (text: string) => void): Promise<TailingFigure[]> {
  const seconds = 3;
  const loads = [
    { load: "no events", perSecond: 0, perRequest: 1 },
    { load: "100 events/s", perSecond: 100, perRequest: 1 },
    { load: "1,000 events/s", perSecond: 1000, perRequest: 1 },
    { load: `5,000 events/s in batches of ${BATCH}`, perSecond: 5000, perRequest: BATCH },
  ];
  const figures: TailingFigure[] = [];
  for (const { load, perSecond, perRequest } of loads) {
    for (const { log, nodes: count, readers } of CROWDS) {
      const runs: Pick<TailingFigure, "redis" | "taking" | "following">[] = [];
      for (let round = 0; round < 3; round += 1) {
        await withNodes(log, count, async (nodes, redis) => {
          const reading = readers > 0 ? await startReaders(redis as RedisServer, readers) : null;
          await sendSteadily(nodes[0], perSecond, perRequest, 1);
          const spent = async () => [(await redis?.cpu()) ?? 0, ...nodes.map((node) => node.cpu())];
          const before = await spent();
          await sendSteadily(nodes[0], perSecond, perRequest, seconds);
          const after = await spent();
          // Without events it is microseconds in a second.
          const each = perSecond === 0 ? seconds : seconds * perSecond;
          const [ofRedis = 0, taking = 0, ...following] = after.map(
            (value, n) => ((value - (before[n] ?? 0)) / each) * 1e6,
          );
          reading?.kill("SIGKILL");
          runs.push({ redis: ofRedis, taking, following: following.length > 0 ? mean(following) : null });
        });
      }
      const figure = {
        load,
        log,
        nodes: count + readers,
        readers,
        redis: median(runs.map((run) => run.redis)),
        taking: median(runs.map((run) => run.taking ?? 0)),
        following: count === 1 ? null : median(runs.map((run) => run.following ?? 0)),
      };
      figures.push(figure);
      say(
        `${load}, ${log}, ${String(count + readers).padStart(3)} nodes${readers > 0 ? ` (${readers} only read)` : ""}: ${figure.redis.toFixed(0)} µs of Redis, ${figure.taking.toFixed(0)} of the node that takes them${figure.following === null ? "" : `, ${figure.following.toFixed(0)} of each that follows`}, per ${perSecond === 0 ? "second" : "event"}`,
      );
    }
  }
  return figures;
}

async function startReaders({ url }: RedisServer, count: number): Promise<Bun.Subprocess> {
  const script = join(import.meta.dir, "subjects", "tailers.ts");
  const child = Bun.spawn([process.execPath, script, url, `${count}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onEnd(() => child.kill("SIGKILL"));
  await child.stdout.getReader().read();
  return child;
}

async function sendSteadily({ port }: Subject, perSecond: number, perRequest: number, seconds: number) {
  const event = { type: "bench", session_id: "s", cwd: "/home/dev/app", text: "x".repeat(170) };
  const body = JSON.stringify(perRequest === 1 ? event : Array.from({ length: perRequest }, () => event));
  const requests = (perSecond * seconds) / perRequest;
  const start = performance.now();
  const open: Promise<unknown>[] = [];
  for (let n = 0; n < requests; n += 1) {
    const due = start + (n * 1000 * perRequest) / perSecond;
    while (performance.now() < due) await Bun.sleep(Math.max(0, Math.floor(due - performance.now())));
    open.push(fetch(`http://127.0.0.1:${port}/api/events`, { method: "POST", body }).then(expectStored));
  }
  await Promise.all(open);
  await Bun.sleep(Math.max(0, start + seconds * 1000 - performance.now()));
}

async function expectStored(response: Response): Promise<void> {
  const text = await response.text();
  if (!response.ok) throw new Error(`an event was refused: ${text}`);
}

async function benchMemory(say: (text: string) => void): Promise<ClusterFigures["memory"]> {
  if (process.platform !== "linux") return [];
  const figures: ClusterFigures["memory"] = [];
  for (const log of ["SQLite", "Redis"] as const) {
    const runs: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await withNodes(log, 1, async ([node]) => {
        const body = JSON.stringify(
          Array.from({ length: BATCH }, () => ({ type: "bench", text: "x".repeat(1000) })),
        );
        for (let n = 0; n < 10_000; n += BATCH) {
          await expectStored(
            await fetch(`http://127.0.0.1:${node.port}/api/events`, { method: "POST", body }),
          );
        }
        await Bun.sleep(3000);
        runs.push(privateBytes(node.pid) / MIB);
      });
    }
    const mib = median(runs);
    figures.push({ log, mib });
    say(`a node behind 10,000 events of 1 KB, log on ${log}: ${mib.toFixed(0)} MiB of its own`);
  }
  return figures;
}

async function benchPings(say: (text: string) => void): Promise<number> {
  const [connections, seconds] = [2000, 5];
  const runs: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const subject = await startSubject("this server", { settings: ["--set", "ping_interval=1"] });
    try {
      const clients = await Promise.all(
        Array.from({ length: connections }, () => joinServer(subject, () => {})),
      );
      await Bun.sleep(2000);
      const before = subject.cpu();
      await Bun.sleep(seconds * 1000);
      runs.push(((subject.cpu() - before) / (connections * seconds)) * 1e6);
      for (const { ws } of clients) ws.close();
    } finally {
      subject.stop();
    }
  }
  say(`a ping of one of ${connections} connections, and its answer: ${median(runs).toFixed(1)} µs`);
  return median(runs);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
