import { expect, test } from "bun:test";
import { watchEventLoop } from "../../src/health/event-loop.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

function watched(windowMs: number) {
  const loop = watchEventLoop(windowMs);
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

test("a loop that was blocked for a second is degraded, and recovers when that has passed out of the window", async () => {
  const loop = watched(300);
  await eventually(() => loop.delays().p50 > 0);
  block(1200);
  await eventually(() => loop.delays().max > 1000);
  expect(loop.check()).toMatchObject({ status: "degraded", message: expect.stringContaining("served late") });
  await eventually(() => loop.check().status === "healthy");
});

test("many short waits count as well as one that is long", async () => {
  const loop = watched(60_000);
  await eventually(async () => {
    block(170);
    return loop.delays().p99 > 100;
  });
  expect(loop.delays().max).toBeLessThan(1000);
  expect(loop.check()).toMatchObject({ status: "degraded" });
});
