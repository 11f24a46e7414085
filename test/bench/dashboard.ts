/** How the dashboard keeps up: frames and heap of a real browser while events come in, and how soon it is of use. */
import type { CDPSession } from "playwright-core";
import { agentEvents, take } from "../support/agent-events.ts";
import { openPage, type OpenPage } from "../support/browser.ts";
import { account } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { median, quantile } from "./measure.ts";

const STORED = 105_000;
const BATCH = 1000;
const PER_SECOND = 500;
const SECONDS = 60;
const TICKS_PER_SECOND = 20;
const HEAP_EVERY_SECONDS = 10;
const OPENINGS = 7;

export interface DashboardFigures {
  /** Milliseconds between frames. */
  frames: { p50: number; p95: number; p999: number; worst: number; count: number };
  /** MiB of the page's heap after collecting garbage, every ten seconds. */
  heap: number[];
  rows: string;
  sent: number;
  missing: number;
  /** Milliseconds from the request for the page to the newest event in the list. */
  usable: number;
  usableSlowest: number;
  /** The same of a page that does nothing but ask for the newest events and write them down. */
  plain: number;
  kilobytes: number;
}

export async function benchDashboard(say: (text: string) => void): Promise<DashboardFigures> {
  const user = account();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await user.spawn([
    "serve",
    "--port",
    `${port}`,
    "--set",
    "max_history_size=300000",
    "--log-level",
    "ERROR",
  ]);
  await eventually(async () => (await fetch(`${url}/ready`).catch(() => null))?.ok === true);
  const events = agentEvents(5);
  for (let sent = 0; sent < STORED; sent += BATCH) await post(url, take(events, BATCH));

  const kilobytes = (await (await fetch(url)).text()).length / 1024;
  // The text index takes what was filled in at once for minutes, on one of the cores.
  await eventually(async () => (await statsOf(url)).index_backlog === 0, { limitMs: 300_000 });
  const plain = plainPage(url);
  const [openings, plainOpenings]: [number[], number[]] = [[], []];
  for (let round = 0; round < OPENINGS; round += 1) {
    openings.push(await timeToUse(`${url}/#/events`, url));
    plainOpenings.push(await timeToUse(plain.url.href, url));
  }
  await plain.stop(true);

  const page = await openPage(`${url}/#/events`);
  await page.getByText(/100,\d{3} events/).waitFor({ timeout: 120_000 });
  const cdp = await page.context().newCDPSession(page);
  await countFrames(page);
  const heap: number[] = [];
  const lookAtHeap = async () => {
    // To collect the garbage stops the page, which is the measurement's doing and not the page's.
    await page.evaluate(() => void ((globalThis as unknown as Recorder).isOn = false));
    heap.push(await heapOf(cdp));
    await page.evaluate(() => {
      requestAnimationFrame(() => {
        requestAnimationFrame(() => void ((globalThis as unknown as Recorder).isOn = true));
      });
    });
  };
  await lookAtHeap();
  const sent = await produce(url, events, lookAtHeap);
  const frames = await page.evaluate(() => (globalThis as unknown as Recorder).frames);
  const missing = await missingFrom(page, url);
  const rows = await page.locator(".event-foot [role=status]").innerText();
  await page.context().close();

  const sorted = frames.toSorted((a, b) => a - b);
  const figures: DashboardFigures = {
    frames: {
      p50: quantile(sorted, 0.5),
      p95: quantile(sorted, 0.95),
      p999: quantile(sorted, 0.999),
      worst: sorted.at(-1) ?? Number.NaN,
      count: sorted.length,
    },
    heap,
    rows,
    sent,
    missing,
    usable: median(openings),
    usableSlowest: Math.max(...openings),
    plain: median(plainOpenings),
    kilobytes,
  };
  const { p50, p95, p999, worst, count } = figures.frames;
  say(
    `${PER_SECOND} events/s for ${SECONDS} s, list of ${rows}: ${count} frames, p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms (below 33), p99.9 ${p999.toFixed(1)} ms (below 100), longest ${worst.toFixed(1)} ms`,
  );
  say(`heap every ${HEAP_EVERY_SECONDS} s: ${heap.map((size) => size.toFixed(1)).join(", ")} MiB`);
  say(`${sent} events sent, ${missing} missing in the page`);
  say(
    `page of ${kilobytes.toFixed(0)} KB (at most 350); opened until the newest of ${STORED} events is in the list: ${figures.usable.toFixed(0)} ms, slowest ${figures.usableSlowest.toFixed(0)} ms (at most 500), a page that only writes them down ${figures.plain.toFixed(0)} ms`,
  );
  return figures;
}

interface Recorder {
  frames: number[];
  isOn: boolean;
}

async function countFrames(page: OpenPage): Promise<void> {
  await page.evaluate(() => {
    const recorder = globalThis as unknown as Recorder;
    recorder.frames = [];
    let last = performance.now();
    const frame = (now: number) => {
      if (recorder.isOn) recorder.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

/** Sends at an even pace; resolves with how many. */
async function produce(url: string, events: Iterator<unknown>, look: () => Promise<void>): Promise<number> {
  const size = PER_SECOND / TICKS_PER_SECOND;
  const begin = performance.now();
  let sent = 0;
  for (let tick = 1; tick <= SECONDS * TICKS_PER_SECOND; tick += 1) {
    await post(url, take(events, size));
    sent += size;
    if (tick % (HEAP_EVERY_SECONDS * TICKS_PER_SECOND) === 0) void look();
    await Bun.sleep(Math.max(0, begin + (tick * 1000) / TICKS_PER_SECOND - performance.now()));
  }
  return sent;
}

async function post(url: string, batch: unknown[]): Promise<void> {
  const { ok, status } = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(batch) });
  if (!ok) throw new Error(`the server answers ${status}`);
}

async function heapOf(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize / 2 ** 20;
}

/** Goes through the list from its end, and counts the sequence numbers of the log that are not in it. */
async function missingFrom(page: OpenPage, url: string): Promise<number> {
  const { log } = (await (await fetch(`${url}/stats`)).json()) as { log: { last_seq: number } };
  await page.locator(`[data-seq="${log.last_seq}"]`).waitFor();
  return page.evaluate(async (lastSeq) => {
    const scroller = document.querySelector<HTMLElement>(".event-rows");
    if (!scroller) return Number.NaN;
    const seen = new Set<number>();
    const look = () => {
      for (const row of scroller.querySelectorAll<HTMLElement>("[data-seq]"))
        seen.add(Number(row.dataset.seq));
    };
    // The newest 30,000 came live.
    for (let at = scroller.scrollHeight; at > scroller.scrollHeight - 31_000 * 26; at -= 600) {
      scroller.scrollTop = at;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      look();
    }
    let missing = 0;
    for (let seq = lastSeq - 30_000 + 1; seq <= lastSeq; seq += 1) if (!seen.has(seq)) missing += 1;
    return missing;
  }, log.last_seq);
}

async function timeToUse(address: string, url: string): Promise<number> {
  const { last_seq: last } = await statsOf(url);
  const page = await openPage("about:blank");
  const start = performance.now();
  await page.goto(address);
  await page.locator(`[data-seq="${last}"]`).waitFor();
  const time = performance.now() - start;
  await page.context().close();
  return time;
}

async function statsOf(url: string): Promise<{ last_seq: number; index_backlog: number }> {
  const { log } = (await (await fetch(`${url}/stats`)).json()) as {
    log: { last_seq: number; index_backlog: number };
  };
  return log;
}

/** As little as a page can do that shows the newest events. */
function plainPage(url: string) {
  const html = `<!doctype html><title>plain</title><script type="module">
    const { events } = await (await fetch("/events")).json();
    for (const { seq, type } of events) {
      const row = document.createElement("p");
      row.dataset.seq = seq;
      row.textContent = type;
      document.body.append(row);
    }
  </script>`;
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      new URL(request.url).pathname === "/events"
        ? fetch(`${url}/api/events?limit=200`)
        : new Response(html, { headers: { "Content-Type": "text/html" } }),
  });
}
