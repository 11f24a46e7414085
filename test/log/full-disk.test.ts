/** A disk that is full: old events make room for new ones. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DurableLogOptions, openSqliteLog } from "../../src/log/durable.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import { damage } from "../support/damage.ts";
import { eventually } from "../support/eventually.ts";
import { smallDisk } from "../support/small-disk.ts";
import { SOAK } from "../support/soak.ts";
import { startTestServer } from "../support/server.ts";

const BATCH = 50;
const disk = smallDisk("48m");

/** A log on the small disk, alone there, with its reserve taken. */
async function openThere(options: Partial<DurableLogOptions> = {}) {
  const directory = join(disk?.path as string, crypto.randomUUID());
  mkdirSync(directory);
  const path = join(directory, "events.db");
  const recoveries: unknown[][] = [];
  const log = openSqliteLog({
    path,
    maxEvents: 1_000_000,
    lookMs: 50,
    onRecovery: (...said) => void recoveries.push(said),
    ...options,
  });
  await eventually(() => hasReserve(path));
  let next = 1;
  return {
    directory,
    path,
    log,
    recoveries,
    /** So many more events; each of them has to get in. */
    async append(count: number) {
      for (const end = next + count; next < end; next += BATCH) {
        const batch = Array.from({ length: BATCH }, (_, n) => largeEvent(next + n));
        const seqs = (await log.append(batch)).map(({ seq }) => seq);
        expect(seqs).toEqual(batch.map((_, n) => next + n));
        // As a server has it, in which other things happen too.
        await Bun.sleep(0);
      }
    },
    async end() {
      await log.close();
      rmSync(directory, { recursive: true });
      disk?.resize("48m");
    },
  };
}

function hasReserve(path: string): boolean {
  return statSync(`${path}.reserve`, { throwIfNoEntry: false })?.size === 8 * 1024 * 1024;
}

function largeEvent(number: number): PendingEvent {
  const body = JSON.stringify({ id: `e${number}`, text: `${number} `.repeat(600) });
  return { id: `e${number}`, type: "t", session_id: "s", project: "/w", received_at: Date.now(), body };
}

/** Takes what is free, to the last byte. */
function fill(path: string): void {
  for (const size of [1024 * 1024, 4096, 1]) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(size), { flag: "a" });
    } catch {
      // No piece of this size has room any more.
    }
  }
}

describe.skipIf(disk === null)("a disk that is full (needs root)", () => {
  test("because of the log itself: it goes on, with fewer old events, until there is room again", async () => {
    const { log, path, append, recoveries, end } = await openThere();
    await append(500);
    expect(log.check().status).toBe("healthy");
    for (let most = 0; most < 60_000 && recoveries.length === 0; most += 500) await append(500);
    expect(recoveries[0]).toEqual([
      "retention_tightened",
      expect.stringContaining("disk is full"),
      { limit: expect.any(Number), forgotten: expect.any(Number) },
    ]);
    expect(log.check()).toMatchObject({
      status: "degraded",
      message: expect.stringMatching(/only the newest \d+ events are kept/),
    });
    // As much again as the disk holds.
    await append(10_000);
    const { first_seq, last_seq } = log.position();
    expect(last_seq - first_seq).toBeGreaterThan(1000);
    const { events } = await log.readAfter(first_seq - 1, 100_000);
    expect(events[0]?.seq).toBe(first_seq);
    expect(await log.append([largeEvent(last_seq)])).toMatchObject([{ seq: last_seq, stored: null }]);

    disk?.resize("200m");
    await eventually(() => log.check().status === "healthy");
    await eventually(() => hasReserve(path));
    const before = log.size().events;
    await append(2000);
    expect(log.size().events).toBe(before + 2000);
    await end();
  });

  test("because of something else, from one moment to the next", async () => {
    const { log, directory, append, recoveries, end } = await openThere();
    await append(3000);
    fill(join(directory, "filler"));
    await append(10_000);
    expect(recoveries.length).toBeGreaterThan(0);
    expect(log.check().status).toBe("degraded");
    expect(log.size().events).toBeGreaterThan(500);
    rmSync(join(directory, "filler"));
    await eventually(() => log.check().status === "healthy");
    await end();
  });

  test("while the index for search has much to join", async () => {
    const first = await openThere();
    const spoken = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => spokenEvent(from + n, 3000));
    for (let next = 1; next <= 1000; next += BATCH) await first.log.append(spoken(next, BATCH));
    await eventually(() => first.log.size().index_backlog === 0, { limitMs: 30_000 });
    await first.log.close();
    const log = openSqliteLog({ path: first.path, maxEvents: 1_000_000, lookMs: 50 });
    fill(join(first.directory, "filler"));
    for (let next = 1001; next <= 1500; next += 100) {
      expect((await log.append(spoken(next, 100))).at(-1)?.seq).toBe(next + 99);
      await Bun.sleep(0);
    }
    expect(log.size().events).toBeGreaterThan(500);
    const { total_available } = await log.query({ filter: { q: '"e1500"' }, before: 1501, limit: 10 });
    expect(total_available).toBe(1);
    await log.close();
    rmSync(first.directory, { recursive: true });
  });

  test("a log that is damaged there goes on with as much as finds room", async () => {
    const { log, path, directory, append, recoveries, end } = await openThere();
    await append(2000);
    await eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });
    fill(join(directory, "filler"));
    damage(path, 0.01, 0.2);
    await log.query({ filter: {}, after: 0, limit: 1000 });
    await log.readAfter(log.position().first_seq - 1, 1_000_000);
    expect(recoveries.map(([action]) => action)).toContain("log_set_aside");
    await append(1000);
    expect(log.position().last_seq).toBe(3000);
    await end();
  });

  test("a damaged log that finds no room for a new one is there at the next start", async () => {
    const { log, path, directory, append } = await openThere();
    await append(2000);
    await eventually(() => log.size().index_backlog === 0, { limitMs: 30_000 });
    await log.close();
    rmSync(`${path}.reserve`);
    damage(path, 0.01, 0.2);
    fill(join(directory, "filler"));
    expect(() => openSqliteLog({ path })).toThrow("full");
    rmSync(join(directory, "filler"));
    const again = openSqliteLog({ path });
    expect(again.position().last_seq).toBe(2000);
    await again.close();
    rmSync(directory, { recursive: true });
  });

  test("a server starts on it, takes events, and says what is the matter", async () => {
    const path = disk?.path as string;
    const settings = { state_dir: path, port: "0", persistent: "true" };
    const first = await startTestServer(settings);
    const body = Array.from({ length: 500 }, (_, n) => ({ n, text: "y".repeat(2000) }));
    expect((await first.post("/api/events", body)).status).toBe(200);
    await eventually(() => hasReserve(first.paths.events));
    await first.stop();
    fill(join(path, "filler"));
    const again = await startTestServer({ ...settings, port: `${first.port}` });
    for (let round = 0; round < 5; round += 1) {
      expect(await again.post("/api/events", body)).toMatchObject({ status: 200, body: { accepted: 500 } });
    }
    const { status, body: health } = await again.get("/health");
    expect([status, health.status]).toEqual([200, "degraded"]);
    const failing = health.checks
      .filter((check: any) => check.status !== "healthy")
      .map(({ name }: any) => name);
    expect(failing).toContain("log");
    rmSync(join(path, "filler"));
    await eventually(async () => (await again.get("/health")).body.status === "healthy");
    expect((await again.get("/api/events?after=0&limit=1")).body.last_seq).toBe(3000);
    await again.stop();
  });
});

/** Words that differ, so that the index for search grows as it does in use. */
function spokenEvent(number: number, chars: number): PendingEvent {
  let text = "";
  while (text.length < chars) text += `${Bun.hash(`${number} ${text.length}`).toString(36)} `;
  const body = JSON.stringify({ id: `e${number}`, text });
  return { id: `e${number}`, type: "t", session_id: `s${number % 7}`, project: "/w", received_at: 0, body };
}

const CASES = SOAK
  ? ["20m", "40m", "60m"].flatMap((size) => [1, 100, 500, 1000].map((batch) => ({ size, batch })))
  : [{ size: "20m", batch: 500 }];

describe.skipIf(disk === null).each(CASES)(
  "a disk of $size, in batches of $batch (needs root)",
  ({ size, batch }) => {
    test.each(SOAK ? [true, false] : [true])(
      "takes all that comes, the reserve being there: %p",
      async (isReserved) => {
        const small = smallDisk(size);
        const path = join(small?.path as string, "events.db");
        const options = { path, lookMs: 50, maxEvents: 100_000 };
        let log = openSqliteLog(options);
        if (isReserved) await eventually(() => hasReserve(path));
        const mebibytes = Number.parseInt(size, 10);
        let next = 1;
        async function take(chars: number) {
          for (const end = next + chars / 3000; next < end; next += batch) {
            const events = Array.from({ length: batch }, (_, n) => spokenEvent(next + n, 3000));
            expect((await log.append(events)).at(-1)?.seq).toBe(next + batch - 1);
            // The index takes them in, which is what fills the disk.
            if (batch > 1 || next % 500 === 0) {
              await eventually(() => log.size().index_backlog === 0, { limitMs: 250 }).catch(() => {});
            }
          }
          const { first_seq, last_seq } = log.position();
          expect(last_seq).toBe(next - 1);
          expect(last_seq - first_seq + 1).toBeGreaterThanOrEqual(100);
          let seen = first_seq - 1;
          while (seen < last_seq) {
            for (const { seq, id } of (await log.readAfter(seen, 1_000_000)).events) {
              expect([seq, id]).toEqual([seen + 1, `e${seq}`]);
              seen = seq;
            }
          }
        }
        await take(mebibytes * 1_000_000);
        expect(log.check().status).toBe("degraded");
        const before = log.position();
        await log.close();
        log = openSqliteLog(options);
        const { epoch, first_seq, last_seq } = log.position();
        expect([epoch, last_seq]).toEqual([before.epoch, before.last_seq]);
        // What waits to be removed may be there again.
        expect(first_seq).toBeLessThanOrEqual(before.first_seq);
        await take(mebibytes * 500_000);
        await log.close();
      },
      600_000,
    );
  },
);
