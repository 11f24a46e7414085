import { describe, expect, test } from "bun:test";
import { createHub, type Hub } from "../../src/hub/hub.ts";
import type { EventLog } from "../../src/log/log.ts";
import { createMemoryLog, type MemoryLogOptions } from "../../src/log/memory.ts";
import type { HistoryGap } from "../../src/protocol/messages.ts";
import { eventually } from "../support/eventually.ts";

/** A log that takes several turns for everything, as one on a disk or another machine does. */
function slowLog(options: MemoryLogOptions = {}): EventLog {
  const log = createMemoryLog(options);
  const turns = async () => {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...log,
    async append(batch) {
      const appended = await log.append(batch);
      await turns();
      return appended;
    },
    async readAfter(seq, maxChars) {
      await turns();
      const page = await log.readAfter(seq, maxChars);
      await turns();
      return page;
    },
  };
}

const hubOn = (log: EventLog): Hub => createHub({ log, serverId: "test", maxEventBytes: 10_000 });

function receiver(id: string) {
  const seqs: number[] = [];
  const gaps: HistoryGap[] = [];
  return {
    id,
    seqs,
    gaps,
    onEvent: ({ seq }: { seq: number }) => void seqs.push(seq),
    onGap: (gap: HistoryGap) => void gaps.push(gap),
    onFailure() {},
    buffered: () => 0,
    drained: async () => {},
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("live", () => {
  test("everybody but the sender gets an event, in order", async () => {
    const hub = hubOn(createMemoryLog());
    const [a, b] = [receiver("a"), receiver("b")];
    hub.subscribe(a);
    hub.subscribe(b);
    await Promise.all(range(1, 100).map((n) => hub.publish({ n }, n % 2 === 0 ? "a" : undefined)));
    expect(a.seqs).toEqual(range(1, 100).filter((n) => n % 2 === 1));
    expect(b.seqs).toEqual(range(1, 100));
  });

  test("a receiver that throws costs the others nothing, and the sender neither", async () => {
    const hub = hubOn(createMemoryLog());
    const good = receiver("good");
    hub.subscribe({
      id: "bad",
      onEvent: () => {
        throw new Error("broken");
      },
      onGap() {},
      onFailure() {},
      buffered: () => 0,
      drained: async () => {},
    });
    hub.subscribe(good);
    expect(await hub.publish({})).toMatchObject({ seq: 1 });
    expect(good.seqs).toEqual([1]);
    expect(hub.stats().errors).toBe(1);
  });

  test("a delivery that fails costs no sender the acknowledgement, nor those who come after", async () => {
    const hub = hubOn(createMemoryLog());
    const filtered = {
      ...receiver("bad"),
      buffered: () => {
        throw new Error("broken");
      },
    };
    hub.subscribe(filtered, { filter: { types: ["hook.*"] } });
    expect(await hub.publish({ type: "hook.a" })).toMatchObject({ seq: 1 });
    expect(await hub.publish({ type: "hook.b" })).toMatchObject({ seq: 2 });
    await hub.close();
  });

  test("a filter narrows, can be changed and lifted", async () => {
    const hub = hubOn(createMemoryLog());
    const a = receiver("a");
    const subscription = hub.subscribe(a, { filter: { types: ["hook.*"] } });
    await hub.publishBatch([{ type: "hook.a" }, { type: "x" }]);
    subscription.setFilter({ session_id: "s" });
    await hub.publishBatch([{ type: "hook.a" }, { data: { session_id: "s" } }]);
    subscription.setFilter(null);
    await hub.publish({});
    subscription.close();
    await hub.publish({});
    expect(a.seqs).toEqual([1, 4, 5]);
  });
});

describe("resume", () => {
  test("everything after the position comes first, then what is live, once and in order, whatever the log's pace", async () => {
    const log = slowLog();
    const hub = hubOn(log);
    await hub.publishBatch(range(1, 1200).map((n) => ({ n })));
    const receivers = range(0, 20).map((index) => receiver(`r${index}`));
    const publishing = (async () => {
      for (const n of range(1, 60)) await hub.publish({ n }, n % 3 === 0 ? "r7" : undefined);
    })();
    for (const one of receivers) {
      hub.subscribe(one, { resume: { epoch: log.position().epoch, seq: 700 } });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await publishing;
    await eventually(() => receivers.every(({ seqs }) => seqs.at(-1) === 1259 || seqs.at(-1) === 1260));
    for (const { id, seqs, gaps } of receivers) {
      const own =
        id === "r7"
          ? range(1, 60)
              .filter((n) => n % 3 === 0)
              .map((n) => 1200 + n)
          : [];
      const unexpected = range(701, 1260).filter((seq) => !own.includes(seq) && !seqs.includes(seq));
      expect(unexpected).toEqual([]);
      expect(seqs).toEqual(seqs.toSorted((x, y) => x - y));
      expect(new Set(seqs).size).toBe(seqs.length);
      expect(gaps).toEqual([]);
    }
  });

  test("nobody gets what it sent on this connection, not even when it is still catching up", async () => {
    const log = slowLog();
    const hub = hubOn(log);
    await hub.publishBatch(range(1, 600).map((n) => ({ n })));
    const a = receiver("a");
    hub.subscribe(a, { resume: { epoch: log.position().epoch, seq: 0 } });
    await Promise.all(range(1, 5).map(() => hub.publish({}, "a")));
    await hub.publish({});
    await eventually(() => a.seqs.includes(606));
    expect(a.seqs).toEqual([...range(1, 600), 606]);
  });

  test("a range the log no longer holds is said, and what it holds follows", async () => {
    const log = createMemoryLog({ maxEvents: 10 });
    const hub = hubOn(log);
    await hub.publishBatch(range(1, 50).map((n) => ({ n })));
    const a = receiver("a");
    hub.subscribe(a, { resume: { epoch: log.position().epoch, seq: 20 } });
    await eventually(() => a.seqs.length === 10);
    expect(a.gaps).toEqual([{ from_seq: 21, to_seq: 40, reason: "trimmed" }]);
    expect(a.seqs).toEqual(range(41, 50));
  });

  test("a position beyond the end is said", async () => {
    const log = createMemoryLog();
    const hub = hubOn(log);
    await hub.publish({});
    const a = receiver("a");
    hub.subscribe(a, { resume: { epoch: log.position().epoch, seq: 9 } });
    await hub.publish({});
    expect(a.gaps).toEqual([{ from_seq: 2, to_seq: 9, reason: "beyond_end" }]);
    expect(a.seqs).toEqual([2]);
  });

  test("what the log has trimmed before it was delivered still comes live, and is not called a gap", async () => {
    const memory = createMemoryLog({ maxEvents: 5 });
    let stored = Promise.resolve();
    // Stores at once, and is done only when it is told to be.
    const log: EventLog = {
      ...memory,
      append: (batch) => memory.append(batch).then((done) => stored.then(() => done)),
    };
    const hub = hubOn(log);
    await hub.publish({});
    const { epoch } = hub.position();
    const gate = Promise.withResolvers<void>();
    stored = gate.promise;
    const publishing = hub.publishBatch(range(1, 20).map(() => ({})));
    await eventually(() => log.position().last_seq === 21);
    expect(hub.position()).toMatchObject({ first_seq: 2, last_seq: 1 });
    const a = receiver("a");
    hub.subscribe(a, { resume: { epoch, seq: 0 } });
    await eventually(() => a.gaps.length === 1);
    gate.resolve();
    await publishing;
    await eventually(() => a.seqs.at(-1) === 21);
    expect(a.gaps).toEqual([{ from_seq: 1, to_seq: 1, reason: "trimmed" }]);
    expect(a.seqs).toEqual(range(2, 21));
  });

  test("a log that cannot be read ends the feed and says so, for the client to come again", async () => {
    const log = createMemoryLog();
    for (const readAfter of [
      () => Promise.reject(new Error("disk gone")),
      async () => ({ first_seq: 1, events: [] }),
    ]) {
      const hub = hubOn({ ...log, readAfter });
      await hub.publish({});
      let failures = 0;
      hub.subscribe(
        { ...receiver("a"), onFailure: () => (failures += 1) },
        { resume: { epoch: log.position().epoch, seq: 0 } },
      );
      await eventually(() => failures === 1);
      expect(hub.stats().delivery.lagging_clients).toBe(0);
    }
  });

  test("a log that cannot be read is nothing to who has gone meanwhile", async () => {
    const read = Promise.withResolvers<never>();
    const log = createMemoryLog();
    const hub = hubOn({ ...log, readAfter: () => read.promise });
    await hub.publish({});
    let failures = 0;
    const gone = { ...receiver("a"), onFailure: () => (failures += 1) };
    hub.subscribe(gone, { resume: { epoch: log.position().epoch, seq: 0 } }).close();
    read.reject(new Error("disk gone"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toBe(0);
  });

  test("an unknown epoch is said, and the whole of this one follows", async () => {
    const hub = hubOn(createMemoryLog());
    await hub.publishBatch([{}, {}]);
    const a = receiver("a");
    hub.subscribe(a, { resume: { epoch: "another", seq: 7 } });
    await eventually(() => a.seqs.length === 2);
    expect(a.gaps).toMatchObject([{ reason: "unknown_epoch" }]);
    expect(a.seqs).toEqual([1, 2]);
  });
});

describe("publishing", () => {
  test("an event of the same id is acknowledged with its first seq and not sent again", async () => {
    const hub = hubOn(createMemoryLog());
    const a = receiver("a");
    hub.subscribe(a);
    const results = await Promise.all([
      hub.publish({ id: "x" }),
      hub.publish({ id: "x" }),
      hub.publish({ id: "y" }),
    ]);
    expect(results.map(({ seq }) => seq)).toEqual([1, 1, 2]);
    expect(a.seqs).toEqual([1, 2]);
    expect(hub.stats().events_processed).toBe(2);
  });

  test("what the sender stamped is replaced, everything else is kept", async () => {
    const hub = hubOn(createMemoryLog());
    const event = {
      seq: 99,
      server_id: "me",
      received_at: 5,
      id: "mine",
      type: "t",
      text: "ünï\u2028code \ud83d\ude00",
      nested: { a: [null, 1.5, ""] },
    };
    await hub.publish(event);
    const [stored] = (await hub.history({ filter: {}, limit: 1 })).events;
    const { seq, server_id, received_at, ...rest } = JSON.parse(stored?.json ?? "");
    expect({ seq, server_id }).toEqual({ seq: 1, server_id: "test" });
    expect(new Date(received_at).toISOString()).toBe(received_at);
    const { seq: _seq, server_id: _id, received_at: _at, ...sent } = event;
    expect(rest).toEqual(sent);
  });

  test("one bad item refuses the whole batch with the index of each", async () => {
    const hub = hubOn(createMemoryLog());
    const refused = await hub
      .publishBatch([{}, 5, {}, { type: 1 }, { x: "y".repeat(20_000) }])
      .catch((error) => error);
    expect(refused).toMatchObject({ code: "invalid_events", status: 400 });
    expect(refused.items.map(({ index, code }: any) => [index, code])).toEqual([
      [1, "invalid_event"],
      [3, "invalid_event"],
      [4, "event_too_large"],
    ]);
    expect(hub.stats().log.events).toBe(0);
  });

  test("an event's size is counted in bytes, not characters", async () => {
    const hub = hubOn(createMemoryLog());
    expect(await hub.publish({ x: "ü".repeat(6000) }).catch(({ code }) => code)).toBe("event_too_large");
    expect(await hub.publish({ x: "u".repeat(6000) })).toMatchObject({ seq: 1 });
  });

  test("bytes cannot be stored as JSON and are refused; text that looks like them is not", async () => {
    const hub = hubOn(createMemoryLog());
    expect(await hub.publish({ deep: [{ data: Buffer.from("abc") }] }).catch(({ code }) => code)).toBe(
      "binary_event",
    );
    expect(await hub.publish({ x: { type: "Buffer", data: [1] } })).toMatchObject({ seq: 1 });
  });

  test("an event may be as large as the limit as its sender wrote it, and nested as deep as any client can read", async () => {
    const hub = hubOn(createMemoryLog());
    const sized = (bytes: number) => ({ x: "y".repeat(bytes - '{"x":""}'.length) });
    const nested = (depth: number) => {
      let value: unknown = 1;
      for (let level = 0; level < depth; level += 1) value = [value];
      return { value };
    };
    const codeOf = (event: object) =>
      hub.publish(event).then(
        () => null,
        ({ code }) => code,
      );
    expect([await codeOf(sized(10_000)), await codeOf(sized(10_001))]).toEqual([null, "event_too_large"]);
    expect([await codeOf(nested(200)), await codeOf(nested(201)), await codeOf(nested(100_000))]).toEqual([
      null,
      "invalid_event",
      "invalid_event",
    ]);
    expect(await codeOf(Buffer.from("abc"))).toBe("binary_event");
  });

  test("a log that refuses refuses the sender, and the next event goes through", async () => {
    const log = createMemoryLog();
    let broken = true;
    const hub = hubOn({
      ...log,
      append: (batch) => (broken ? Promise.reject(new Error("disk full")) : log.append(batch)),
    });
    expect(await hub.publish({}).catch(({ message }) => message)).toBe("disk full");
    broken = false;
    expect(await hub.publish({})).toMatchObject({ seq: 1 });
  });

  test("closing finishes what was accepted", async () => {
    const log = slowLog();
    const hub = hubOn(log);
    const accepted = range(1, 50).map(() => hub.publish({}));
    await hub.close();
    expect(log.size().events).toBe(50);
    expect(await Promise.all(accepted)).toHaveLength(50);
    expect(await hub.publish({}).catch(({ code }) => code)).toBe("not_ready");
  });
});
