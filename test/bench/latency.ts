/** How long an event is on its way: sent at a steady rate, to the moment each subscriber has it. */
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "./delivery.ts";
import { median, quantile } from "./measure.ts";
import { startSubject, type Subject, type SubjectName } from "./subjects.ts";

const ROUNDS = 3;
const SECONDS = 5;
const SUBSCRIBERS = 100;
/** What each of the subjects can keep up with. */
const SMALL: Load = { perSecond: 100, text: "x".repeat(170) };
/** Enough for clients that do not read to fall behind within seconds. */
const LARGE: Load = { perSecond: 500, text: "x".repeat(10_000) };

export interface LatencyFigure {
  subject: string;
  /** Milliseconds from sending an event to a subscriber's receiving it. */
  p50: number;
  p99: number;
}

/** The same load on each subject. */
export async function benchLatency(
  say: (text: string) => void,
  subjects: SubjectName[],
  frameLength: number,
): Promise<LatencyFigure[]> {
  const measured = new Map<SubjectName, Latency[]>(subjects.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of subjects) {
      const subject = await startSubject(name, { frameLength });
      try {
        measured.get(name)?.push(await measureLatency(subject, SUBSCRIBERS, SMALL));
      } finally {
        subject.stop();
      }
    }
  }
  return [...measured].map(([subject, runs]) => report(say, subject, runs));
}

/** A fast client beside others that do not read: what it notices of them. */
export async function benchBesideSlow(say: (text: string) => void): Promise<LatencyFigure[]> {
  const counts = [0, 1, 10];
  const measured = new Map<number, Latency[]>(counts.map((count) => [count, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const count of counts) {
      const subject = await startSubject("this server");
      const slow = await Promise.all(Array.from({ length: count }, () => joinWithoutReading(subject)));
      try {
        measured.get(count)?.push(await measureLatency(subject, 1, LARGE));
        if (count > 0) await expectLagging(subject, count);
      } finally {
        for (const socket of slow) socket.destroy();
        subject.stop();
      }
    }
  }
  return [...measured].map(([count, runs]) => report(say, `beside ${count} that do not read`, runs));
}

export interface Load {
  perSecond: number;
  text: string;
}

export interface Latency {
  p50: number;
  p99: number;
}

function report(say: (text: string) => void, subject: string, runs: Latency[]): LatencyFigure {
  const [p50, p99] = [median(runs.map((run) => run.p50)), median(runs.map((run) => run.p99))];
  say(`${subject.padEnd(30)} p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
  return { subject, p50, p99 };
}

/** @param from where the events are sent to, when that is another server */
export async function measureLatency(
  subject: Subject,
  subscribers: number,
  { perSecond, text }: Load,
  from: Subject = subject,
): Promise<Latency> {
  const warmUp = perSecond;
  const total = warmUp + perSecond * SECONDS;
  const sentAt = new Float64Array(total);
  const times: number[] = [];
  let received = 0;
  const clients = await Promise.all(
    Array.from({ length: subscribers }, () => {
      // Order holds on every subject, so a subscriber's nth event is the nth that was sent.
      let next = 0;
      return join(subject, () => {
        if (next >= warmUp) times.push(performance.now() - (sentAt[next] as number));
        next += 1;
        received += 1;
      });
    }),
  );
  const producer = await join(from, () => {});
  const start = performance.now();
  for (let n = 0; n < total; n += 1) {
    // A late timer sends what is due, and the wait for it counts.
    const due = start + (n * 1000) / perSecond;
    while (performance.now() < due) await Bun.sleep(Math.max(0, Math.floor(due - performance.now())));
    sentAt[n] = performance.now();
    producer.ws.send(`42${n}${JSON.stringify(["claude_event", { type: "bench", text }])}`);
  }
  while (received < total * subscribers) await Bun.sleep(5);
  for (const client of [...clients, producer]) client.ws.close();
  times.sort((a, b) => a - b);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** A WebSocket client of Socket.IO that joins and then leaves everything in its socket. */
function joinWithoutReading({ port }: Subject): Promise<Socket> {
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", reject);
    socket.write(
      `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      // "40" as a masked text frame, with a mask of zeros (RFC 6455, 5.2).
      if (text.includes("0{") && !text.includes("server_status")) {
        socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]));
      }
      if (text.includes("server_status")) {
        socket.pause();
        resolve(socket);
      }
    });
  });
}

async function expectLagging({ port }: Subject, count: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/stats`);
  const stats = (await response.json()) as { delivery: { lagging_clients: number } };
  if (stats.delivery.lagging_clients !== count) {
    throw new Error(`${stats.delivery.lagging_clients} of ${count} clients lag: they were to fall behind`);
  }
}
