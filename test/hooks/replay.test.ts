import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../src/hooks/outcome.ts";
import { keepReplaying, replay } from "../../src/hooks/replay.ts";
import { lockFile, openSpool, type SpooledEvent, spoolStatus } from "../../src/hooks/spool.ts";
import { acquireLock } from "../../src/log/lock.ts";
import { CodedError } from "../../src/protocol/errors.ts";
import { startTestServer } from "../support/server.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NOW = Date.now() - 60_000;

/** A spool in which events 1 to `count` wait, and what a receiver got of them. */
function setUp(count: number, text: (n: number) => string = (n) => JSON.stringify({ n })) {
  const directory = join(temporaryDirectory(), "8765", "spool");
  const spool = openSpool(directory);
  for (let n = 1; n <= count; n += 1) spool.add(text(n), NOW + n);
  const batches: unknown[][] = [];
  /** A receiver that answers as told. */
  const receiver =
    (answer: (numbers: unknown[]) => Outcome = () => "stored") =>
    async (events: readonly SpooledEvent[]): Promise<Outcome> => {
      const numbers = events.map(({ event }) => event.n);
      const outcome = answer(numbers);
      if (outcome === "stored") batches.push(numbers);
      return outcome;
    };
  return { directory, spool, batches, receiver };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe("a replay", () => {
  test("sends everything in order, in batches, and leaves nothing", async () => {
    const { spool, batches, receiver, directory } = setUp(250);
    expect(await replay({ spool, send: receiver() })).toBe(true);
    expect(batches.map((batch) => batch.length)).toEqual([100, 100, 50]);
    expect(batches.flat()).toEqual(upTo(250));
    expect(spoolStatus(directory)).toMatchObject({ waiting: 0, dropped: 0 });
  });

  test("a batch holds at most 1 MiB", async () => {
    const { spool, batches, receiver } = setUp(5, (n) => JSON.stringify({ n, text: "x".repeat(400_000) }));
    await replay({ spool, send: receiver() });
    expect(batches).toEqual([[1, 2], [3, 4], [5]]);
  });

  test("stops where the server does not take it for now, and keeps the rest in its order", async () => {
    const { spool, batches, receiver } = setUp(250);
    const once = receiver((numbers) => (numbers.includes(101) ? "later" : "stored"));
    expect(await replay({ spool, send: once })).toBe(false);
    expect(batches.flat()).toEqual(upTo(100));
    expect(await replay({ spool, send: receiver() })).toBe(true);
    expect(batches.flat()).toEqual(upTo(250));
  });

  test("of a batch that is refused only the one is given up that is refused alone", async () => {
    const { spool, batches, receiver, directory } = setUp(10);
    const send = receiver((numbers) => (numbers.includes(4) ? { refused: 413 } : "stored"));
    expect(await replay({ spool, send })).toBe(true);
    expect(batches.flat()).toEqual(upTo(10).filter((n) => n !== 4));
    expect(spoolStatus(directory)).toMatchObject({ waiting: 0, dropped: 1, last_reason: "refused_413" });
  });

  test("sends what is too large for its receiver shortened, and the rest as it was written", async () => {
    const texts = ["x".repeat(5000), "y".repeat(100)];
    const { spool } = setUp(2, (n) => ` ${JSON.stringify({ n, data: { text: texts[n - 1] } })}`);
    const sent: SpooledEvent[] = [];
    const send = async (events: readonly SpooledEvent[]): Promise<Outcome> => {
      sent.push(...events);
      return "stored";
    };
    expect(await replay({ spool, send, maxEventBytes: 1000 })).toBe(true);
    expect(sent[0]?.text.length).toBeLessThanOrEqual(1000);
    expect(JSON.parse(sent[0]?.text ?? "")).toEqual(sent[0]?.event);
    expect(sent[0]?.event).toMatchObject({ n: 1, data: { text: expect.stringContaining("left out]") } });
    expect(sent[1]?.text).toBe(` ${JSON.stringify({ n: 2, data: { text: texts[1] } })}`);
  });

  test("what is damaged keeps nothing else waiting", async () => {
    const { spool, batches, receiver, directory } = setUp(3, (n) =>
      n === 2 ? '{"n":' : JSON.stringify({ n }),
    );
    expect(await replay({ spool, send: receiver() })).toBe(true);
    expect(batches.flat()).toEqual([1, 3]);
    expect(spoolStatus(directory)).toMatchObject({ dropped: 1 });
  });

  test("takes what is written while it runs", async () => {
    const { spool, batches, receiver } = setUp(1);
    let added = false;
    const send = receiver(() => {
      if (!added) spool.add('{"n":2}', NOW + 2);
      added = true;
      return "stored";
    });
    expect(await replay({ spool, send })).toBe(true);
    expect(batches).toEqual([[1], [2]]);
  });

  test("leaves at once while another is at it", async () => {
    const { spool, batches, receiver, directory } = setUp(1);
    const release = acquireLock(lockFile(directory), 0);
    expect(await replay({ spool, send: receiver() })).toBe(false);
    expect(batches).toEqual([]);
    release?.();
    expect(await replay({ spool, send: receiver() })).toBe(true);
  });

  test("ends between two batches when its time is over", async () => {
    const { spool, batches, receiver } = setUp(300);
    expect(await replay({ spool, send: receiver(), isOver: () => batches.length === 2 })).toBe(false);
    expect(batches.flat()).toEqual(upTo(200));
  });

  test("many at once send each event in its place, and nothing is left by all of them", async () => {
    const { spool, receiver } = setUp(200);
    const stored: unknown[] = [];
    const replayers = upTo(8).map((n) => async () => {
      spool.add(JSON.stringify({ n: 1000 + n }), Date.now());
      const send = receiver((numbers) => {
        stored.push(...numbers);
        return "stored";
      });
      await replay({ spool, send });
    });
    await Promise.all(replayers.map((run) => run()));
    expect(stored.slice(0, 200)).toEqual(upTo(200));
    expect(stored).toHaveLength(208);
    expect(spool.isEmpty()).toBe(true);
  });
});

describe("a server", () => {
  test("takes what waits, what comes later, and what it could not store at first", async () => {
    const { spool } = setUp(2);
    const stored: unknown[] = [];
    let full = true;
    const publish = async (events: any[]) => {
      if (full) throw new CodedError("log_unavailable");
      stored.push(...events.map(({ n }) => n));
    };
    const end = keepReplaying({
      spool,
      publish,
      maxEventBytes: 1000,
      onError: (error) => stored.push(error),
    });
    spool.add('{"n":3}', NOW + 3);
    full = false;
    await eventually(() => stored.length === 3);
    spool.add('{"n":4}', NOW + 4);
    await eventually(() => stored.length === 4);
    expect(stored).toEqual([1, 2, 3, 4]);
    await end();
  });

  test("gives up what it can never store", async () => {
    const { spool, directory } = setUp(2);
    const stored: unknown[] = [];
    const publish = async (events: any[]) => {
      if (events.some(({ n }) => n === 1)) throw new CodedError("invalid_events");
      stored.push(...events);
    };
    const end = keepReplaying({ spool, publish, maxEventBytes: 1000, onError: () => {} });
    await eventually(() => spool.isEmpty());
    await end();
    expect(stored).toEqual([{ n: 2 }]);
    expect(spoolStatus(directory)).toMatchObject({ dropped: 1, last_reason: "refused_400" });
  });

  test("shortens what is larger than it takes, and counts what cannot be shortened by its true reason", async () => {
    const large = { data: { text: "x".repeat(5000) } };
    const hopeless = Object.fromEntries(upTo(300).map((n) => [`k${n}`, n]));
    const { spool, directory } = setUp(2, (n) => JSON.stringify({ n, ...(n === 1 ? large : hopeless) }));
    const server = await startTestServer({ max_http_buffer_size: "1024" });
    renameSync(directory, server.paths.spool);
    await eventually(() => openSpool(server.paths.spool).isEmpty());
    const { events } = (await server.get("/api/events")).body;
    expect(events).toMatchObject([
      { n: 1, data: { text: expect.stringMatching(/^x+… \[[\d,]+ characters/) } },
    ]);
    expect(spoolStatus(server.paths.spool)).toMatchObject({ dropped: 1, last_reason: "refused_413" });
    expect(spool.isEmpty()).toBe(true);
  });

  test("says once why it cannot read what waits, and takes it when it can", async () => {
    const { spool, directory } = setUp(1);
    const [errors, stored]: [string[], unknown[]] = [[], []];
    renameSync(directory, `${directory}.aside`);
    symlinkSync(directory, directory);
    const publish = async (events: unknown[]) => stored.push(...events);
    const onError = (error: unknown) => errors.push(String(error));
    const end = keepReplaying({ spool, publish, maxEventBytes: 1000, onError });
    await eventually(() => errors.length > 0);
    await Bun.sleep(1500);
    expect(errors).toEqual([expect.stringContaining("ELOOP")]);
    rmSync(directory);
    renameSync(`${directory}.aside`, directory);
    await eventually(() => stored.length === 1);
    await end();
  });
});
