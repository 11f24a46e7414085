import { signal } from "@preact/signals";
import { expect, test } from "bun:test";
import { measureDelays } from "../../src/dashboard/state/delivery-delays.ts";
import type { Arrival } from "../../src/dashboard/state/event-list.ts";
import type { Phase } from "../../src/dashboard/state/feed.ts";
import { rowOf } from "../../src/dashboard/state/row.ts";

function measured(phaseBefore: Phase = "live") {
  const phase = signal<Phase>(phaseBefore);
  const page = { isSeen: true, aheadMs: 0 };
  let tell: (arrivals: readonly Arrival[]) => void = () => {};
  const onArrivals = (listener: typeof tell) => {
    tell = listener;
    return () => (tell = () => {});
  };
  const delays = measureDelays(
    { phase, onArrivals },
    () => page.isSeen,
    () => page.aheadMs,
  );
  /** Events that reached the server so many milliseconds after the present. */
  const come = (...offsets: number[]) =>
    tell(
      offsets.map((offset) => {
        const event = { type: "x", received_at: new Date(Date.now() + offset).toISOString() };
        return { event, row: rowOf(event) };
      }),
    );
  return { phase, page, delays, come };
}

test("what comes while nobody looks is not measured, nor kept", () => {
  const { page, delays, come } = measured();
  page.isSeen = false;
  for (let batch = 0; batch < 100; batch += 1) come(50, 50);
  expect(delays.take()).toEqual([]);
  page.isSeen = true;
  come(50);
  expect(delays.take()).toEqual([0]);
  come(50);
  delays.forget();
  expect(delays.take()).toEqual([]);
});

test("of very many only the newest are kept", () => {
  const { delays, come } = measured();
  for (let batch = 0; batch < 80; batch += 1) come(...Array.from({ length: 100 }, () => 5));
  expect(delays.take()).toHaveLength(5000);
});

test("what is caught up after a reconnection is no delay, though the page is live when it is told of it", () => {
  const { phase, delays, come } = measured("catching_up");
  come(-60_000);
  phase.value = "live";
  come(-60_000, -1000, 20);
  expect(delays.take()).toEqual([0]);
});

test("another clock than the server's is reckoned with", () => {
  const { page, delays, come } = measured();
  page.aheadMs = 10_000;
  come(-9000, -11_000);
  const [only, ...others] = delays.take();
  expect(only).toBeGreaterThanOrEqual(8999);
  expect(others).toEqual([]);
});

test("it ends", () => {
  const { delays, come } = measured();
  delays.stop();
  come(5);
  expect(delays.take()).toEqual([]);
});
