/** What the server spends on each delivered event: one producer, many WebSocket subscribers, so many in flight. */
import { median } from "./measure.ts";
import { startSubject, type Subject, type SubjectName } from "./subjects.ts";

const ROUNDS = 3;
const IN_FLIGHT = 50;
const PAYLOAD = { type: "bench", text: "x".repeat(170) };
/** Deliveries a run should come to, so that ticks of the CPU clock do not blur it. */
const DELIVERIES = 600_000;
const SLOW: ReadonlySet<SubjectName> = new Set(["python-socketio"]);

export interface DeliveryFigure {
  subject: SubjectName;
  subscribers: number;
  /** Microseconds of server CPU for each delivered event. */
  microseconds: number;
  /** Deliveries a second; the subscribers, all in one process, are part of it. */
  perSecond: number;
}

export async function benchDelivery(
  say: (text: string) => void,
  subjects: SubjectName[],
  frameLength: number,
): Promise<DeliveryFigure[]> {
  const figures: DeliveryFigure[] = [];
  for (const subscribers of [10, 100, 1000]) {
    const runs = new Map<SubjectName, DeliveryRun[]>(subjects.map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of subjects) runs.get(name)?.push(await measure(name, subscribers, frameLength));
    }
    const cost = (name: SubjectName) => median((runs.get(name) ?? []).map((run) => run.microseconds));
    const ours = cost("this server");
    for (const [subject, values] of runs) {
      const microseconds = cost(subject);
      const perSecond = median(values.map((run) => run.perSecond));
      figures.push({ subject, subscribers, microseconds, perSecond });
      say(
        `N=${String(subscribers).padEnd(4)} ${subject.padEnd(30)} ${microseconds.toFixed(2)} µs per delivered event, ${(microseconds / ours).toFixed(2)}× this server; ${Math.round(perSecond)} deliveries/s`,
      );
    }
  }
  return figures;
}

export type DeliveryRun = Pick<DeliveryFigure, "microseconds" | "perSecond">;

async function measure(name: SubjectName, subscribers: number, frameLength: number): Promise<DeliveryRun> {
  const subject = await startSubject(name, { frameLength });
  try {
    return await measureDelivery(
      subject,
      subscribers,
      Math.ceil(DELIVERIES / subscribers / (SLOW.has(name) ? 30 : 1)),
    );
  } finally {
    subject.stop();
  }
}

/** @param onMeasured is told when the warm-up is over and what counts begins */
export async function measureDelivery(
  subject: Subject,
  subscribers: number,
  events: number,
  onMeasured: () => unknown = () => {},
): Promise<DeliveryRun> {
  const count = { received: 0 };
  const onFrame = () => {
    count.received += 1;
  };
  const clients = await Promise.all(Array.from({ length: subscribers }, () => join(subject, onFrame)));
  const producer = await join(subject, () => {});
  await send(producer, Math.ceil(events / 10));
  await until(() => count.received >= Math.ceil(events / 10) * subscribers);
  count.received = 0;
  await onMeasured();
  const [start, before] = [performance.now(), subject.cpu()];
  await send(producer, events);
  await until(() => count.received >= events * subscribers);
  const [seconds, spent] = [(performance.now() - start) / 1000, subject.cpu() - before];
  for (const client of [...clients, producer]) client.ws.close();
  const deliveries = events * subscribers;
  return { microseconds: (spent / deliveries) * 1e6, perSecond: deliveries / seconds };
}

export interface Client {
  ws: WebSocket;
  onAck: (text: string) => void;
}

/** Joins as a Socket.IO client does, on a bare WebSocket so that the client's own cost stays small. */
export function join(
  { port }: Subject,
  onFrame: (frame: string) => void,
  auth: object = {},
): Promise<Client> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  const client: Client = { ws, onAck: () => {} };
  return new Promise((resolve, reject) => {
    ws.addEventListener("error", () => reject(new Error("no connection")));
    ws.addEventListener("open", () => {
      ws.send(`40${JSON.stringify(auth)}`);
      // The bare server says nothing of its own accord.
      setTimeout(() => resolve(client), 200);
    });
    ws.addEventListener("message", ({ data }) => {
      const text = data as string;
      if (text === "2") ws.send("3");
      else if (text.startsWith("43")) client.onAck(text);
      else if (text.startsWith('42["claude_event"') || text.startsWith("xx")) {
        onFrame(text);
      }
    });
  });
}

function send(producer: Client, events: number): Promise<void> {
  return new Promise((resolve) => {
    let [sent, acknowledged] = [0, 0];
    const next = () => {
      producer.ws.send(`42${sent}${JSON.stringify(["claude_event", PAYLOAD])}`);
      sent += 1;
    };
    producer.onAck = () => {
      acknowledged += 1;
      if (acknowledged === events) resolve();
      else if (sent < events) next();
    };
    while (sent < Math.min(IN_FLIGHT, events)) next();
  });
}

/** Characters of a frame as this server sends it: the bare one sends frames of the same length. */
export async function lengthOfFrame(): Promise<number> {
  const subject = await startSubject("this server");
  const frames: string[] = [];
  await join(subject, (frame) => frames.push(frame));
  const producer = await join(subject, () => {});
  await send(producer, 1);
  await until(() => frames.length > 0);
  subject.stop();
  return (frames[0] as string).length;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}
