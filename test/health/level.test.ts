import { expect, test } from "bun:test";
import { createLevel } from "../../src/health/level.ts";

test("a figure near its threshold does not flap", () => {
  const level = createLevel({ degraded: { from: 10, until: 8 }, unhealthy: { from: 20, until: 15 } });
  const seen = [9, 10, 9, 8, 7, 9, 20, 16, 14, 9, 7].map(level);
  expect(seen).toEqual(
    "healthy degraded degraded degraded healthy healthy unhealthy unhealthy degraded degraded healthy".split(
      " ",
    ) as any,
  );
});

test("a figure that is best of all ends every status", () => {
  const level = createLevel({ degraded: { from: 5, until: 1 } });
  expect([level(5), level(1), level(0)]).toEqual(["degraded", "degraded", "healthy"]);
});
