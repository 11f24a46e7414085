import { describe, expect, test } from "bun:test";
import { createHub } from "../../src/hub/hub.ts";
import { createSameHook } from "../../src/hub/same-hook.ts";
import type { EventLog } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { hookEvent, hookEventId, SAME_HOOK_MS } from "../../src/protocol/hook-event.ts";

const PAYLOAD = { hook_event_name: "Stop", session_id: "s" };
const NOW = 1_790_000_000_000;

describe("the same payload", () => {
  const at = (time: number) => hookEventId(PAYLOAD, NOW + time);

  test("within two seconds is the first one, later it is a new one", () => {
    const same = createSameHook();
    expect([0, 3, SAME_HOOK_MS, SAME_HOOK_MS + 1].map(at).map(same)).toEqual([
      at(0),
      at(0),
      at(0),
      at(SAME_HOOK_MS + 1),
    ]);
  });

  test("is measured from the one that counted, not from its last duplicate", () => {
    const same = createSameHook();
    expect([0, 1500, 3000, 4500].map(at).map(same)).toEqual([at(0), at(0), at(3000), at(3000)]);
  });

  test("may come out of order", () => {
    const same = createSameHook();
    expect([5, 0].map(at).map(same)).toEqual([at(5), at(5)]);
  });
});

test("other payloads and other ids keep their own", () => {
  const same = createSameHook();
  const ids = [
    hookEventId(PAYLOAD, NOW),
    hookEventId({ ...PAYLOAD, session_id: "t" }, NOW),
    "cc-mine",
    "any",
  ];
  expect(ids.map(same)).toEqual(ids);
});

test("of thousands of contents the newest are remembered", () => {
  const same = createSameHook();
  const id = (n: number, time: number) => hookEventId({ n }, NOW + time);
  for (let n = 0; n < 10_000; n += 1) same(id(n, 0));
  expect(same(id(9000, 5))).toBe(id(9000, 0));
  expect(same(id(0, 5))).toBe(id(0, 5));
});

describe("in the hub", () => {
  const hubOn = (log: EventLog) => createHub({ log, serverId: "test", maxEventBytes: 10_000 });

  test("a hook registered twice is stored once: one by one, in one batch, and after a restart", async () => {
    const log = createMemoryLog();
    const hub = hubOn(log);
    await hub.publish(hookEvent(PAYLOAD, NOW));
    await hub.publish(hookEvent(PAYLOAD, NOW + 1));
    await hub.publishBatch([2, 3, 5000, 5001].map((time) => hookEvent(PAYLOAD, NOW + time)));
    const restarted = hubOn(log);
    await restarted.recall();
    await restarted.publish(hookEvent(PAYLOAD, NOW + 5002));
    expect(log.size().events).toBe(2);
    await restarted.publish(hookEvent(PAYLOAD, NOW + 9000));
    expect(log.size().events).toBe(3);
  });
});
