/** What a log in memory promises beyond any log: a bound on what it holds. */
import { expect, test } from "bun:test";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";

const event = (id: string, body = `{"id":"${id}"}`): PendingEvent => {
  return { id, type: null, session_id: null, project: null, received_at: 0, body };
};

test("events go by weight, but the newest always stays", async () => {
  const log = createMemoryLog({ maxTotalChars: 100 });
  await log.append([event("a", `{"x":"${"y".repeat(500)}"}`)]);
  expect(log.size().events).toBe(1);
  await log.append([event("b")]);
  expect(log.position()).toMatchObject({ first_seq: 2, last_seq: 2 });
});
