import { expect, test } from "bun:test";
import { createIngest, type IngestOptions } from "../../src/hub/ingest.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { PendingEvent } from "../../src/protocol/event.ts";
import { eventually } from "../support/eventually.ts";

const event = (id: string, text = ""): PendingEvent => ({
  id,
  received_at: 0,
  body: JSON.stringify({ id, text }),
  type: null,
  session_id: null,
  project: null,
});

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** An ingest over a log in memory that remembers the batches it was given. */
function setUp(options: Partial<IngestOptions> = {}) {
  const log = createMemoryLog({ maxEvents: 1000 });
  const batches: string[][] = [];
  const ingest = createIngest({
    log: {
      ...log,
      append(batch) {
        batches.push(batch.map(({ id }) => id));
        return log.append(batch);
      },
    },
    onStored: () => {},
    ...options,
  });
  return { ingest, batches };
}

test("a lone event is stored by the end of the next turn, no timer in between", async () => {
  const { ingest, batches } = setUp();
  void ingest.enqueue([event("a")], undefined);
  await nextTurn();
  await nextTurn();
  expect(batches).toEqual([["a"]]);
});

test("events of one turn are one batch, in their order", async () => {
  const { ingest, batches } = setUp();
  const stored = await Promise.all(["a", "b", "c"].map((id) => ingest.enqueue([event(id)], undefined)));
  expect(batches).toEqual([["a", "b", "c"]]);
  expect(stored.map(([appended]) => appended?.seq)).toEqual([1, 2, 3]);
});

test("turns that bring more and more are gathered, and stored though they never end", async () => {
  const { ingest, batches } = setUp();
  let sent = 0;
  while (batches.length < 3) {
    // As with requests, the next turn brings its event before the batch looks for more.
    const turn = nextTurn();
    void ingest.enqueue([event(`${(sent += 1)}`)], undefined);
    await turn;
  }
  await ingest.close();
  expect(batches[0]?.length).toBeGreaterThan(1);
  expect(batches.flat()).toEqual(Array.from({ length: sent }, (_, index) => `${index + 1}`));
});

test("what exceeds the room for waiting is refused, and room comes again", async () => {
  const { ingest } = setUp({ maxWaiting: 100 });
  const first = ingest.enqueue([event("a", "x".repeat(200))], undefined);
  await expect(ingest.enqueue([event("b")], undefined)).rejects.toMatchObject({ code: "overloaded" });
  await first;
  expect(await ingest.enqueue([event("b")], undefined)).toMatchObject([{ seq: 2 }]);
});

test("a batch the log refuses is refused to each of its senders, and the next one is stored", async () => {
  let failures = 1;
  const log = createMemoryLog({ maxEvents: 10 });
  const { ingest } = setUp({
    log: {
      ...log,
      append: (batch) => (failures-- > 0 ? Promise.reject(new Error("full")) : log.append(batch)),
    },
  });
  const refused = ["a", "b"].map((id) => ingest.enqueue([event(id)], undefined));
  expect(await Promise.allSettled(refused)).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  expect(await ingest.enqueue([event("c")], undefined)).toMatchObject([{ seq: 1 }]);
});

test("closing stores what was accepted, and takes nothing more", async () => {
  const { ingest, batches } = setUp();
  const accepted = ingest.enqueue([event("a")], undefined);
  const closed = ingest.close();
  await expect(ingest.enqueue([event("b")], undefined)).rejects.toMatchObject({ code: "not_ready" });
  await closed;
  expect(await accepted).toMatchObject([{ seq: 1 }]);
  await eventually(() => batches.length === 1);
});
