/** How long a client takes to catch up on 10,000 events it missed. */
import { median } from "./measure.ts";
import { startSubject, type Subject } from "./subjects.ts";

const EVENTS = 10_000;
const ROUNDS = 5;
const BATCH = 100;

export interface ResumeFigure {
  way: string;
  /** Wall time until the last event is there. */
  milliseconds: number;
  /** Server CPU of it. */
  cpuMilliseconds: number;
}

export async function benchResume(say: (text: string) => void): Promise<ResumeFigure[]> {
  const subject = await startSubject("this server");
  try {
    const body = JSON.stringify(
      Array.from({ length: BATCH }, () => ({ type: "bench", text: "x".repeat(170) })),
    );
    const url = `http://127.0.0.1:${subject.port}`;
    for (let sent = 0; sent < EVENTS; sent += BATCH) {
      await fetch(`${url}/api/events`, { method: "POST", body });
    }
    const { log } = (await (await fetch(`${url}/stats`)).json()) as { log: { epoch: string } };
    const ways = {
      "Socket.IO with resume": () => overSocket(subject, log.epoch),
      "stream with Last-Event-ID": () => overStream(url, log.epoch),
    };
    const figures: ResumeFigure[] = [];
    for (const [way, run] of Object.entries(ways)) {
      const [times, spent]: [number[], number[]] = [[], []];
      for (let round = -1; round < ROUNDS; round += 1) {
        const [start, cpu] = [performance.now(), subject.cpu()];
        await run();
        if (round < 0) continue;
        times.push(performance.now() - start);
        spent.push((subject.cpu() - cpu) * 1000);
      }
      const figure = { way, milliseconds: median(times), cpuMilliseconds: median(spent) };
      figures.push(figure);
      say(
        `${way.padEnd(30)} ${EVENTS} events in ${figure.milliseconds.toFixed(0)} ms, ${figure.cpuMilliseconds.toFixed(0)} ms of server CPU`,
      );
    }
    return figures;
  } finally {
    subject.stop();
  }
}

function overSocket({ port }: Subject, epoch: string): Promise<void> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  return new Promise((resolve, reject) => {
    let received = 0;
    ws.addEventListener("error", () => reject(new Error("no connection")));
    ws.addEventListener("open", () => ws.send(`40${JSON.stringify({ resume: { epoch, seq: 0 } })}`));
    ws.addEventListener("message", ({ data }) => {
      if (!(data as string).startsWith('42["claude_event"')) return;
      received += 1;
      if (received < EVENTS) return;
      ws.close();
      resolve();
    });
  });
}

async function overStream(url: string, epoch: string): Promise<void> {
  const abort = new AbortController();
  const response = await fetch(`${url}/api/events/stream`, {
    headers: { "Last-Event-ID": `${epoch}:0` },
    signal: abort.signal,
  });
  const decoder = new TextDecoder();
  let last = "";
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    last = (last + decoder.decode(chunk, { stream: true })).slice(-1000);
    if (last.includes(`id: ${epoch}:${EVENTS}\n`)) break;
  }
  abort.abort();
}
