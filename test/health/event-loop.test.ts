import { expect, test } from "bun:test";
import { watchEventLoop } from "../../src/health/event-loop.ts";
import type { Thresholds } from "../../src/health/level.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

function watched(windowMs: number, longMs?: Thresholds) {
  const loop = watchEventLoop(windowMs, longMs);
  onEnd(() => loop.stop());
  return loop;
}

test("a loop that is free is healthy, and says its figures", async () => {
  const loop = watched(60_000);
  await eventually(() => loop.delays().p50 > 0);
  expect(loop.check()).toEqual({
    name: "event_loop",
    status: "healthy",
    message: expect.stringMatching(
      /^99 of 100 turns begin within [\d.]+ ms, the longest wait was [\d.]+ ms$/,
    ),
  });
});

test("turns that are late again and again are degraded, and it recovers when they are over", async () => {
  const loop = watched(500);
  await eventually(async () => {
    block(320);
    return loop.check().status === "degraded";
  });
  expect(loop.check().message).toContain("served late");
  expect(loop.delays().p99).toBeGreaterThan(100);
  await eventually(() => loop.check().status === "healthy");
});

test("one long wait counts at once", async () => {
  const loop = watched(60_000, { degraded: { from: 1000, until: 200 } });
  await eventually(() => loop.delays().p50 > 0);
  // Another server in the same process has a measurement of its own.
  watched(10);
  block(400);
  await eventually(() => loop.delays().max > 300);
  expect(loop.check().status).toBe("healthy");
  block(1200);
  await eventually(() => loop.check().status === "degraded");
});

test("one long wait alone makes no turn in a hundred late, however few turns there were", async () => {
  const loop = watched(60_000);
  await eventually(() => loop.delays().p50 > 0);
  block(500);
  await eventually(() => loop.delays().max > 300);
  expect(loop.delays().p99).toBeLessThan(300);
  block(500);
  await eventually(() => loop.delays().p99 > 300);
});
