import { expect, test } from "bun:test";
import { createRateLimit } from "../../src/auth/rate-limit.ts";

/** A limit, and a clock in seconds. */
function setUp(rate: number, burst?: number) {
  const clock = { seconds: 0 };
  const now = () => clock.seconds * 1000;
  const limit = createRateLimit(burst === undefined ? { rate, now } : { rate, burst, now });
  return { ...limit, clock };
}

test("a second's worth at once, then as much as comes in", () => {
  const { bucket, take, clock } = setUp(10);
  const mine = bucket();
  for (let n = 0; n < 10; n += 1) expect(take(mine, 1)).toBe(0);
  expect(take(mine, 1)).toBeCloseTo(0.1);
  clock.seconds = 0.1;
  expect(take(mine, 1)).toBe(0);
  expect(take(mine, 3)).toBeCloseTo(0.3);
  clock.seconds = 100;
  expect(take(mine, 10)).toBe(0);
  expect(take(mine, 1)).toBeGreaterThan(0);
});

test("what is refused costs nothing", () => {
  const { bucket, take, clock } = setUp(10);
  const mine = bucket();
  take(mine, 10);
  for (let n = 0; n < 100; n += 1) take(mine, 5);
  clock.seconds = 0.5;
  expect(take(mine, 5)).toBe(0);
});

test("more than a bucket holds is taken from a full one, which is then empty for as much longer", () => {
  const { bucket, take, clock } = setUp(10);
  const mine = bucket();
  expect(take(mine, 100)).toBe(0);
  expect(take(mine, 1)).toBeCloseTo(9.1);
  clock.seconds = 9.2;
  expect(take(mine, 1)).toBe(0);
  expect(take(mine, 100)).toBeCloseTo(0.9);
});

test("less than one a second", () => {
  const { bucket, take, clock, isFull } = setUp(0.5);
  const mine = bucket();
  expect(take(mine, 1)).toBe(0);
  expect(isFull(mine)).toBe(false);
  expect(take(mine, 1)).toBeCloseTo(2);
  clock.seconds = 2;
  expect(isFull(mine)).toBe(true);
  expect(take(mine, 1)).toBe(0);
});
