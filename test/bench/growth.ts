/** What publishing and asking cost with 1,000 events in the log, and with 1,000,000. */
import { median } from "./measure.ts";
import { startSubject, type Subject } from "./subjects.ts";

const SIZES = [1000, 1_000_000];
const BATCH = 1000;
/** As many in either log, so that an answer holds the same and counts the same. */
const IN_SESSION = 200;
const ROUNDS = 5;
/** Events sent to either, those of the small log again and again: their code is then equally warm. */
const WARM_UP = 300_000;
const PUBLISHED = 2000;
const ASKED = 200;
const SETTINGS = ["--set", "max_history_size=2000000"];
const MARK = "needle-in-the-haystack";

export interface GrowthFigure {
  operation: string;
  /** Milliseconds, for each of the sizes. */
  milliseconds: number[];
}

export async function benchGrowth(say: (text: string) => void): Promise<GrowthFigure[]> {
  const subjects = await Promise.all(SIZES.map(() => startSubject("this server", { settings: SETTINGS })));
  try {
    for (const [index, subject] of subjects.entries()) await fill(subject, SIZES[index] as number, say);
    const asks: Record<string, string> = {
      "the newest 100": "limit=100",
      "100 after a seq": "limit=100&after=500",
      "100 of a session": "limit=100&session_id=wanted",
      "a search for a rare text": `limit=100&q=${MARK}`,
    };
    const operations: Record<string, (subject: Subject) => Promise<number>> = {
      ...Object.fromEntries(
        Object.entries(asks).map(([name, query]) => [name, (subject: Subject) => ask(subject, query)]),
      ),
      // Last, as the logs grow by it.
      "publish, a batch of 100": publish,
    };
    const figures: GrowthFigure[] = [];
    for (const [operation, run] of Object.entries(operations)) {
      const times: number[][] = SIZES.map(() => []);
      for (let round = -1; round < ROUNDS; round += 1) {
        for (const [index, subject] of subjects.entries()) {
          const time = await run(subject);
          if (round >= 0) times[index]?.push(time);
        }
      }
      const milliseconds = times.map((values) => median(values));
      const [small = 0, large = 0] = milliseconds;
      figures.push({ operation, milliseconds });
      say(
        `${operation.padEnd(30)} ${milliseconds.map((value) => `${value.toFixed(2)} ms`).join(" → ")}, ${(large / small).toFixed(2)}×`,
      );
    }
    return figures;
  } finally {
    for (const subject of subjects) subject.stop();
  }
}

/** Fills a log, and waits until its index has come to the end. */
async function fill(subject: Subject, size: number, say: (text: string) => void): Promise<void> {
  const start = performance.now();
  for (let sent = 0; sent < Math.max(size, WARM_UP); sent += BATCH) {
    const events = Array.from({ length: BATCH }, (_, index) => {
      const n = (sent + index) % size;
      const wanted = n % (size / IN_SESSION) === 0;
      return {
        id: `event-${n}`,
        type: `hook.${["pre_tool_use", "post_tool_use", "stop"][n % 3]}`,
        session_id: wanted ? "wanted" : `s${n % 50}`,
        cwd: "/home/me/app",
        data: { tool_name: "Bash", text: wanted ? `${MARK} ${n}` : `step ${n} of the work` },
      };
    });
    await post(subject, events);
  }
  const stored = performance.now();
  while ((await backlog(subject)) > 0) await Bun.sleep(100);
  say(
    `a log of ${size}: stored in ${((stored - start) / 1000).toFixed(1)} s, indexed ${((performance.now() - stored) / 1000).toFixed(1)} s later`,
  );
}

async function publish(subject: Subject): Promise<number> {
  const events = Array.from({ length: 100 }, (_, n) => ({
    type: "bench",
    session_id: "b",
    text: `event ${n} ${"x".repeat(150)}`,
  }));
  const times: number[] = [];
  for (let sent = 0; sent < PUBLISHED; sent += events.length) {
    const start = performance.now();
    await post(subject, events);
    times.push(performance.now() - start);
  }
  return median(times);
}

async function ask({ port }: Subject, query: string): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < ASKED; count += 1) {
    const start = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/api/events?${query}`);
    const { returned } = (await response.json()) as { returned: number };
    times.push(performance.now() - start);
    if (returned !== 100) throw new Error(`${returned} events for ${query}`);
  }
  return median(times);
}

async function post({ port }: Subject, events: object[]): Promise<void> {
  const url = `http://127.0.0.1:${port}/api/events`;
  const { status } = await fetch(url, { method: "POST", body: JSON.stringify(events) });
  if (status !== 200) throw new Error(`publishing was answered with ${status}`);
}

async function backlog({ port }: Subject): Promise<number> {
  const stats = (await (await fetch(`http://127.0.0.1:${port}/stats`)).json()) as {
    log: { index_backlog: number };
  };
  return stats.log.index_backlog;
}
