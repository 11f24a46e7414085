/** What well-behaved clients notice of those who misuse the server: the way of an event, and of its acknowledgement. */
import { join as joinPaths } from "node:path";
import { join } from "./delivery.ts";
import { median, quantile } from "./measure.ts";
import { startSubject, type Subject } from "./subjects.ts";

const ROUNDS = 3;
const SECONDS = 5;
const CLIENTS = 10;
/** Of each of them. */
const PER_SECOND = 20;
const ATTACKER = joinPaths(import.meta.dir, "subjects", "attacker.ts");

interface Scene {
  name: string;
  /** What `attacker.ts` does. */
  attack?: "slow" | "idle" | "readers" | "flood";
  settings?: string[];
}

const SCENES: Scene[] = [
  { name: "undisturbed" },
  { name: "beside 500 slow handshakes", attack: "slow" },
  { name: "beside 5,000 idle connections, which wait for something else", attack: "idle" },
  // No misuse, but what so many dashboards would cost: a million deliveries a second, read on the same machine.
  { name: "beside 5,000 connections that get every event and read it", attack: "readers" },
  { name: "beside a client that sends 50,000 events/s", attack: "flood" },
  {
    name: "the same, max_events_per_second = 1000",
    attack: "flood",
    settings: ["--set", "max_events_per_second=1000"],
  },
];

/** Milliseconds. */
interface Latencies {
  /** From sending an event to its acknowledgement. */
  ack: number;
  /** To another client's having it. */
  delivery: number;
}

/** The p99 of each. */
export interface AbuseFigure extends Latencies {
  scene: string;
}

export async function benchAbuse(say: (text: string) => void): Promise<AbuseFigure[]> {
  const runs = new Map<Scene, Latencies[]>(SCENES.map((scene) => [scene, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const scene of SCENES) runs.get(scene)?.push(await measure(scene));
  }
  const figures = [...runs].map(([{ name }, values]) => ({
    scene: name,
    ack: median(values.map(({ ack }) => ack)),
    delivery: median(values.map(({ delivery }) => delivery)),
  }));
  const [calm] = figures as [AbuseFigure];
  for (const { scene, ack, delivery } of figures) {
    const [acks, deliveries] = [ack / calm.ack, delivery / calm.delivery].map((ratio) => ratio.toFixed(1));
    say(
      `${scene.padEnd(61)} p99 of acknowledgements ${ack.toFixed(2)} ms (${acks}×), of deliveries ${delivery.toFixed(2)} ms (${deliveries}×)`,
    );
  }
  return figures;
}

async function measure({ attack, settings = [] }: Scene): Promise<Latencies> {
  const subject = await startSubject("this server", { settings });
  const attacker = attack && (await startAttack(attack, subject));
  try {
    return await exchange(subject);
  } finally {
    attacker?.kill("SIGKILL");
    subject.stop();
  }
}

async function startAttack(kind: string, { port }: Subject): Promise<Bun.Subprocess> {
  const child = Bun.spawn([process.execPath, ATTACKER, kind, `${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await child.stdout.getReader().read();
  return child;
}

/** Each client sends at its pace, and gets the events of the next one. */
async function exchange(subject: Subject): Promise<Latencies> {
  const acks: number[] = [];
  const deliveries: number[] = [];
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index) => {
      const client = await join(
        subject,
        (text) => {
          const sentAt = Number(/"sent_at":([\d.]+)/.exec(text)?.[1]);
          deliveries.push(performance.now() - sentAt);
        },
        { subscribe: { types: [`bench.${(index + 1) % CLIENTS}`] } },
      );
      const sent: number[] = [];
      client.onAck = (text) => {
        const id = Number(/^43(\d+)/.exec(text)?.[1]);
        acks.push(performance.now() - (sent[id] as number));
      };
      return { ...client, sent, index };
    }),
  );
  const total = PER_SECOND * SECONDS;
  await Promise.all(
    clients.map(async ({ ws, sent, index }) => {
      const start = performance.now() + (index * 1000) / PER_SECOND / CLIENTS;
      for (let n = 0; n < total; n += 1) {
        const due = start + (n * 1000) / PER_SECOND;
        await Bun.sleep(Math.max(0, due - performance.now()));
        sent[n] = performance.now();
        const event = { type: `bench.${index}`, sent_at: sent[n], text: "x".repeat(150) };
        ws.send(`42${n}${JSON.stringify(["claude_event", event])}`);
      }
    }),
  );
  const all = total * CLIENTS;
  while (acks.length < all || deliveries.length < all) await Bun.sleep(5);
  for (const { ws } of clients) ws.close();
  const p99 = (values: number[]) =>
    quantile(
      values.toSorted((a, b) => a - b),
      0.99,
    );
  return { ack: p99(acks), delivery: p99(deliveries) };
}
