/** Hubs that share a log: what each of its own clients gets of it. */
import { describe, expect, test } from "bun:test";
import { createHub } from "../../src/hub/hub.ts";
import type { EventLog, LogFollower } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { HistoryGap } from "../../src/protocol/messages.ts";
import { hookEvent } from "../../src/protocol/hook-event.ts";
import { eventually } from "../support/eventually.ts";
import { createSharedLog, type NodeLog } from "../support/shared-log.ts";

interface Warning {
  message: string;
  fields: object;
}

function hubOn(log: EventLog, warnings: Warning[] = []) {
  return createHub({
    log,
    serverId: "test",
    maxEventBytes: 10_000,
    warn: (message, fields) => void warnings.push({ message, fields }),
  });
}

/** Two nodes of one log. */
function setUp() {
  const shared = createSharedLog();
  const [logA, logB] = [shared.node(), shared.node()];
  const warnings: Warning[] = [];
  return { shared, logA, logB, a: hubOn(logA), b: hubOn(logB, warnings), warnings };
}

/** One node, whose log tells of what is stored at once, and of all else when the test does. */
function tellingLog() {
  const memory = createMemoryLog();
  let follower: LogFollower | null = null;
  const log: EventLog = {
    ...memory,
    follow: (next) => void (follower = next),
    async append(batch, origins = []) {
      const appended = await memory.append(batch);
      follower?.onStored(
        appended.flatMap(({ stored }) => stored ?? []),
        origins,
      );
      return appended;
    },
  };
  return { log, follower: () => follower as unknown as LogFollower };
}

interface Told {
  seqs: number[];
  gaps: HistoryGap[];
  failures: number;
  /** Everything, in the order in which it came. */
  story: string[];
}

function receiver(id: string) {
  const told: Told = { seqs: [], gaps: [], failures: 0, story: [] };
  let full = false;
  let onDrained = () => {};
  return {
    id,
    told,
    /** While it is full it takes nothing more. */
    fill(next: boolean) {
      full = next;
      onDrained();
    },
    onEvent({ seq }: { seq: number }) {
      told.seqs.push(seq);
      told.story.push(`${seq}`);
    },
    onGap(gap: HistoryGap) {
      told.gaps.push(gap);
      told.story.push(`${gap.reason} ${gap.from_seq}-${gap.to_seq}`);
    },
    onEpoch: (epoch: string, seq: number) => void told.story.push(`${epoch} from ${seq}`),
    onFailure: () => void (told.failures += 1),
    buffered: () => (full ? 1024 * 1024 : 0),
    drained: () => new Promise<void>((resolve) => (onDrained = resolve)),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const some = (count: number) => Array.from({ length: count }, () => ({}));

describe("events", () => {
  test("come to the clients of all nodes, once and in one order", async () => {
    const { a, b } = setUp();
    const [atA, atB, filtered] = [receiver("a"), receiver("b"), receiver("f")];
    a.subscribe(atA);
    b.subscribe(atB);
    b.subscribe(filtered, { filter: { types: ["x"] } });
    await Promise.all(range(1, 40).map((n) => (n % 2 ? a : b).publish({ type: n % 4 ? "y" : "x" })));
    await eventually(() => [atA, atB].every(({ told }) => told.seqs.length === 40));
    expect([atA.told.seqs, atB.told.seqs]).toEqual([range(1, 40), range(1, 40)]);
    const { events } = await a.history({ filter: { types: ["x"] }, limit: 100 });
    expect(filtered.told.seqs).toEqual(events.map(({ seq }) => seq));
    expect([a.eventsProcessed(), b.eventsProcessed()]).toEqual([20, 20]);
    expect(a.measures.bytesReceived).toBeGreaterThan(0);
    const idle = hubOn(createSharedLog().node());
    expect(idle.stats()).toMatchObject({ events_processed: 0, last_activity: null });
  });

  test("are acknowledged when this node's clients have been given them", async () => {
    const { a, logA } = setUp();
    const here = receiver("a");
    a.subscribe(here);
    logA.hold();
    let acknowledged = false;
    const sent = a.publish({}).then(() => (acknowledged = true));
    await Bun.sleep(30);
    expect([acknowledged, here.told.seqs]).toEqual([false, []]);
    logA.release();
    await sent;
    expect(here.told.seqs).toEqual([1]);
  });

  test("do not come back to whom they are from, who is live or catching up; to another of that id elsewhere they do", async () => {
    const { a, b } = setUp();
    await a.publishBatch(some(5));
    const [live, late, other] = [receiver("live"), receiver("late"), receiver("live")];
    a.subscribe(live);
    b.subscribe(other);
    late.fill(true);
    a.subscribe(late, { resume: { epoch: a.position().epoch, seq: 0 } });
    await a.publish({}, "live");
    await a.publish({}, "late");
    late.fill(false);
    await eventually(() => late.told.seqs.includes(6) && other.told.seqs.includes(7));
    expect([live.told.seqs, late.told.seqs]).toEqual([[7], [1, 2, 3, 4, 5, 6]]);
    expect(other.told.seqs.slice(-2)).toEqual([6, 7]);
  });

  test("of one id are stored once, whichever node they reach, and are told of once", async () => {
    const { a, b } = setUp();
    const atB = receiver("b");
    b.subscribe(atB);
    const [first, second] = [await a.publish({ id: "x" }), await b.publish({ id: "x" })];
    await b.publish({});
    expect([first.seq, second.seq, second.stored]).toEqual([1, 1, null]);
    expect(atB.told.seqs).toEqual([1, 2]);
  });

  test("of a hook that is registered twice count once, though two nodes are told of it", async () => {
    const { a, b } = setUp();
    const input = { session_id: "5e550000-0000-4000-8000-000000000001", hook_event_name: "Stop" };
    const now = Date.now();
    const first = await a.publish(hookEvent(input, now));
    await eventually(() => b.position().last_seq === 1);
    expect((await b.publish(hookEvent(input, now + 500))).seq).toBe(first.seq);
    expect((await b.publish(hookEvent(input, now + 5000))).seq).toBe(2);
  });

  test("come to who is slow as soon as it can take them, all and in order", async () => {
    const { a, b } = setUp();
    const [slow, quick] = [receiver("slow"), receiver("quick")];
    b.subscribe(slow);
    b.subscribe(quick);
    slow.fill(true);
    for (const _ of range(1, 30)) await a.publishBatch(some(10));
    await eventually(() => quick.told.seqs.length === 300);
    expect(b.stats().delivery.lagging_clients).toBe(1);
    slow.fill(false);
    await eventually(() => slow.told.seqs.length === 300);
    expect(slow.told.story).toEqual(range(1, 300).map(String));
    expect(b.stats().delivery.lagging_clients).toBe(0);
  });
});

test("a node that has been away too long tells everybody what is missing, and goes on", async () => {
  const { shared, logB, a, b, warnings } = setUp();
  await a.publishBatch(some(3));
  await eventually(() => b.position().last_seq === 3);
  const [live, filtered, late] = [receiver("live"), receiver("filtered"), receiver("late")];
  b.subscribe(live);
  b.subscribe(filtered, { filter: { types: ["x"] } });
  late.fill(true);
  b.subscribe(late, { resume: { epoch: b.position().epoch, seq: 1 } });
  logB.hold();
  await a.publishBatch(some(10));
  shared.trimTo(9);
  logB.release();
  await eventually(() => live.told.seqs.includes(13));
  await a.publish({ type: "x" });
  await eventually(() => filtered.told.seqs.includes(14));
  late.fill(false);
  await eventually(() => late.told.seqs.includes(14));
  expect(live.told.story).toEqual(["trimmed 4-9", "10", "11", "12", "13", "14"]);
  expect(filtered.told.story).toEqual(["trimmed 4-9", "14"]);
  expect(late.told.story).toEqual(["trimmed 2-9", "10", "11", "12", "13", "14"]);
  expect(b.measures.gaps.trimmed).toBe(3);
  expect(warnings).toEqual([{ message: expect.any(String), fields: { from_seq: 4, to_seq: 9 } }]);
});

describe("an epoch", () => {
  test("that loses nothing changes the name alone, before its first event", async () => {
    const { shared, a, b, warnings } = setUp();
    await a.publishBatch(some(5));
    await eventually(() => b.position().last_seq === 5);
    const { epoch: first } = b.position();
    const [live, filtered, late] = [receiver("live"), receiver("filtered"), receiver("late")];
    b.subscribe(live);
    b.subscribe(filtered, { filter: { types: ["x"] } });
    late.fill(true);
    b.subscribe(late, { resume: { epoch: first, seq: 1 } });
    shared.beginEpoch();
    await a.publish({ type: "x" });
    await eventually(() => live.told.seqs.includes(6));
    late.fill(false);
    await eventually(() => late.told.seqs.includes(6));
    const { epoch: second } = b.position();
    expect(second).not.toBe(first);
    expect(live.told.story).toEqual([`${second} from 5`, "6"]);
    expect(filtered.told.story).toEqual([`${second} from 5`, "6"]);
    expect(late.told.story).toEqual([`${second} from 1`, "2", "3", "4", "5", "6"]);
    expect([live, filtered, late].map(({ told }) => told.failures)).toEqual([0, 0, 0]);
    expect(warnings).toEqual([]);

    for (const resume of [
      { epoch: first, seq: 5 },
      { epoch: first, seq: 2 },
      { epoch: second, seq: 6 },
      { epoch: second, seq: 3 },
    ]) {
      const again = receiver("again");
      a.subscribe(again, { resume });
      await eventually(() => again.told.seqs.length === 6 - resume.seq);
      expect(again.told.story).toEqual(range(resume.seq + 1, 6).map(String));
    }
  });

  test("that begins ahead of a node leaves its clients alone, which get what comes before it", async () => {
    const { shared, logB, a, b } = setUp();
    const live = receiver("live");
    b.subscribe(live);
    await a.publishBatch(some(4));
    await eventually(() => b.position().last_seq === 4);
    logB.hold();
    await a.publishBatch(some(4));
    shared.rewindTo(6);
    await a.publish({});
    logB.release();
    await eventually(() => live.told.seqs.includes(7));
    expect(live.told.story).toEqual(["1", "2", "3", "4", "5", "6", `${b.position().epoch} from 6`, "7"]);
    expect(live.told.failures).toBe(0);
  });

  test("that is told of before the last events it has in common with the one before", async () => {
    const { log, follower } = tellingLog();
    const hub = hubOn(log);
    const live = receiver("live");
    hub.subscribe(live);
    await hub.publishBatch(some(2));
    follower().onEpoch({ epoch: "later", start_seq: 4 });
    expect(hub.position()).toMatchObject({ epoch: "later", last_seq: 2 });
    await hub.publishBatch(some(3));
    expect(live.told.story).toEqual(["1", "2", "later from 2", "3", "4", "5"]);
  });

  test("that goes on from before what was delivered has every client come again, and tells it what is lost", async () => {
    const { shared, a, b, warnings } = setUp();
    const [live, filtered, late] = [receiver("live"), receiver("filtered"), receiver("late")];
    b.subscribe(live);
    b.subscribe(filtered, { filter: { types: ["x"] } });
    late.fill(true);
    await a.publishBatch(some(8));
    await eventually(() => live.told.seqs.includes(8));
    const { epoch: first } = b.position();
    b.subscribe(late, { resume: { epoch: first, seq: 1 } });
    shared.rewindTo(6);
    await a.publishBatch(some(4));
    await eventually(() => b.position().last_seq === 10);
    late.fill(false);
    expect([live, filtered, late].map(({ told }) => told.failures)).toEqual([1, 1, 1]);
    expect(live.told.seqs).toEqual(range(1, 8));
    expect(late.told.seqs).toEqual([]);
    expect(warnings).toEqual([
      {
        message: expect.any(String),
        fields: { epoch_before: first, delivered: 8, epoch: b.position().epoch, start_seq: 6, lost: 2 },
      },
    ]);
    const again = receiver("again");
    b.subscribe(again, { resume: { epoch: first, seq: 8 } });
    await eventually(() => again.told.seqs.length === 4);
    expect(again.told.story).toEqual(["beyond_end 7-8", "7", "8", "9", "10"]);
  });
});

describe("sessions", () => {
  const session = "5e550000-0000-4000-8000-000000000001";
  let clock = Date.now();
  const prompt = (text: string) =>
    hookEvent({ session_id: session, hook_event_name: "UserPromptSubmit", prompt: text }, (clock += 10));

  test("follow the events of all nodes", async () => {
    const { a, b } = setUp();
    await a.publish(prompt("one"));
    await b.publish(prompt("two"));
    await eventually(() => a.position().last_seq === 2);
    for (const hub of [a, b]) {
      expect(await hub.sessions.get(session)).toMatchObject({ event_count: 2, prompt: "two" });
    }
  });

  test("count what comes again after a loss once, and what is lost not at all", async () => {
    const { shared, a, b } = setUp();
    const events = ["one", "two", "three"].map(prompt);
    await a.publishBatch(events);
    await eventually(() => b.position().last_seq === 3);
    expect(await b.sessions.get(session)).toMatchObject({ event_count: 3, prompt: "three" });
    shared.rewindTo(1);
    await eventually(() => b.position().last_seq === 1);
    expect(await b.sessions.get(session)).toMatchObject({ event_count: 1, prompt: "one" });
    await a.publish({});
    await a.publishBatch(events);
    await eventually(() => b.position().last_seq === 4);
    expect(await b.sessions.get(session)).toMatchObject({ event_count: 3 });
  });

  test("are told of without what is lost while they are asked for", async () => {
    const { shared, a, b } = setUp();
    await a.publishBatch(Array.from({ length: 3000 }, (_, index) => prompt(`${index}`)));
    await eventually(() => b.position().last_seq === 3000);
    const asked = b.sessions.get(session);
    shared.rewindTo(1);
    expect(await asked).toMatchObject({ event_count: 1 });
  });

  test("go on from where they were in another epoch, and over what is trimmed", async () => {
    const { shared, logB, a, b } = setUp();
    await a.publish(prompt("one"));
    await eventually(() => b.position().last_seq === 1);
    shared.beginEpoch();
    await a.publish(prompt("two"));
    await eventually(() => b.position().last_seq === 2);
    logB.hold();
    await a.publishBatch(["three", "four"].map(prompt));
    shared.trimTo(3);
    logB.release();
    await eventually(() => b.position().last_seq === 4);
    expect(await b.sessions.get(session)).toMatchObject({ event_count: 3, prompt: "four" });
  });

  test("answer when a gap is the last thing there is", async () => {
    const { shared, logB, a, b } = setUp();
    await a.publish(prompt("one"));
    await eventually(() => b.position().last_seq === 1);
    logB.hold();
    await a.publishBatch(["two", "three"].map(prompt));
    shared.trimTo(3);
    logB.release();
    await eventually(() => b.position().last_seq === 3);
    expect(await b.sessions.get(session)).toMatchObject({ event_count: 1 });
  });
});

test("sessions take what came right before a gap", async () => {
  const { log, follower } = tellingLog();
  const hub = hubOn(log);
  const session = "5e550000-0000-4000-8000-000000000001";
  await hub.publish(hookEvent({ session_id: session, hook_event_name: "Stop" }, Date.now()));
  follower().onSkipped(3);
  expect(await hub.sessions.get(session)).toMatchObject({ event_count: 1 });
});

describe("a position that another node has given", () => {
  /** B is behind; it is asked for a position of A's. */
  async function behind(act: (b: ReturnType<typeof hubOn>, logB: NodeLog, epoch: string) => Promise<void>) {
    const { shared, logB, a, b } = setUp();
    logB.hold();
    shared.beginEpoch();
    await a.publishBatch(some(3));
    await act(b, logB, a.position().epoch);
  }

  test("is waited for", () =>
    behind(async (b, logB, epoch) => {
      const reached = b.reach?.({ epoch, seq: 3 });
      expect(reached).toBeInstanceOf(Promise);
      logB.release();
      await reached;
      expect(b.position()).toMatchObject({ epoch, last_seq: 3 });
      expect(b.reach?.({ epoch, seq: 3 })).toBeNull();
      expect(b.reach?.({ epoch: "1-first", seq: 0 })).toBeNull();
    }));

  test("is waited for in the history", () =>
    behind(async (b, logB) => {
      const asked = b.history({ filter: {}, after: 2, limit: 10 });
      logB.release();
      expect(await asked).toMatchObject({ events: [{ seq: 3 }], gap: null, last_seq: 3 });
    }));

  test("is not waited for for ever", () =>
    behind(async (b) => {
      const { gap } = await b.history({ filter: {}, after: 2, limit: 10 });
      expect(gap).toMatchObject({ reason: "beyond_end" });
    }));
});

test("what is refused is refused to the sender, and nobody is told of it", async () => {
  const { logA, a, b } = setUp();
  const atB = receiver("b");
  b.subscribe(atB);
  logA.refuse(true);
  expect(await a.publish({}).catch(({ code }) => code)).toBe("log_unavailable");
  logA.refuse(false);
  await a.publish({});
  await eventually(() => atB.told.seqs.length === 1);
  expect(atB.told.seqs).toEqual([1]);
});
