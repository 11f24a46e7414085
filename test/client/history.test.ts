/** Questions that take more than one page. */
import { beforeAll, describe, expect, test } from "bun:test";
import { type HistoryQuestion, readHistory } from "../../src/client/history.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const EVENTS = 2500;
/** Events 601 to 2500: the first were trimmed. */
const HELD = 1900;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ max_history_size: `${HELD}` });
  for (let at = 0; at < EVENTS; at += 500) {
    await server.post(
      "/api/events",
      Array.from({ length: 500 }, (_, n) => ({ type: (at + n + 1) % 2 === 0 ? "even" : "odd" })),
    );
  }
});

interface Answer {
  seqs: number[];
  pages: number;
  total: number | undefined;
}

async function ask(question: Partial<HistoryQuestion>, url = server.url): Promise<Answer> {
  const answer: Answer = { seqs: [], pages: 0, total: undefined };
  for await (const page of readHistory(
    { url, token: null },
    { filter: new URLSearchParams(), limit: 100, ...question },
  )) {
    answer.pages += 1;
    answer.total = page.total_available;
    answer.seqs.push(...page.events.map(({ seq }) => seq));
  }
  return answer;
}

const range = (from: number, to: number, step = 1) => {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => from + n * step);
};
const EVEN = new URLSearchParams({ type: "even" });

describe("the history gives, oldest first,", () => {
  const cases: [what: string, question: Partial<HistoryQuestion>, seqs: number[]][] = [
    ["the newest", {}, range(2401, 2500)],
    ["the newest thousand", { limit: 1000 }, range(1501, 2500)],
    ["more than a page", { limit: 1001 }, range(1500, 2500)],
    ["more than there are", { limit: 5000 }, range(601, 2500)],
    ["as many as there are", { limit: HELD }, range(601, 2500)],
    ["all", { limit: Number.POSITIVE_INFINITY }, range(601, 2500)],
    ["none", { limit: 0 }, []],
    ["the newest after a seq", { after: 2450 }, range(2451, 2500)],
    ["the newest of many after a seq", { after: 1000, limit: 1200 }, range(1301, 2500)],
    ["all after a seq", { after: 1000, limit: 5000 }, range(1001, 2500)],
    ["what is held after a seq that is not", { after: 5, limit: Number.POSITIVE_INFINITY }, range(601, 2500)],
    ["nothing after the end", { after: 9999 }, []],
    ["the newest before a seq", { before: 700 }, range(601, 699)],
    ["between two", { after: 700, before: 2400, limit: 1500 }, range(900, 2399)],
    ["those of a type", { filter: EVEN, limit: 3 }, [2496, 2498, 2500]],
    ["all of a type", { filter: EVEN, limit: Number.POSITIVE_INFINITY }, range(602, 2500, 2)],
    ["nothing of a type nobody sent", { filter: new URLSearchParams({ type: "x" }), limit: 2000 }, []],
  ];
  for (const [what, question, seqs] of cases) {
    test(what, async () => expect((await ask(question)).seqs).toEqual(seqs));
  }

  test("what there is in all, also with nothing", async () => {
    expect(await ask({ limit: 0, filter: EVEN })).toEqual({ seqs: [], pages: 1, total: HELD / 2 });
  });

  test("one page with one request where one is enough", async () => {
    expect((await ask({ limit: 1000 })).pages).toBe(1);
  });

  test("large events, of which few fit into a page", async () => {
    const large = await startTestServer();
    const body = JSON.stringify(Array.from({ length: 8 }, () => ({ text: "x".repeat(900_000) })));
    await large.post("/api/events", body);
    expect((await ask({ limit: 7 }, large.url)).seqs).toEqual(range(2, 8));
    expect((await ask({ limit: Number.POSITIVE_INFINITY }, large.url)).seqs).toEqual(range(1, 8));
  });

  test("what was there when it was asked, not what comes meanwhile", async () => {
    const own = await startTestServer();
    const batch = Array.from({ length: 1000 }, () => ({}));
    await own.post("/api/events", batch);
    await own.post("/api/events", batch);
    const seqs: number[] = [];
    const question = { filter: new URLSearchParams(), limit: Number.POSITIVE_INFINITY };
    for await (const { events } of readHistory({ url: own.url, token: null }, question)) {
      if (seqs.length < 2000) await own.post("/api/events", batch);
      seqs.push(...events.map(({ seq }) => seq));
    }
    expect(seqs).toEqual(range(1, 2000));
  });
});

test("numbers of more digits than a double holds stay as they are", async () => {
  const own = await startTestServer();
  await own.post("/api/events", '{"at": 1795362251231000123}');
  for await (const page of readHistory(
    { url: own.url, token: null },
    { filter: new URLSearchParams(), limit: 1 },
  )) {
    expect(JSON.stringify(page.events)).toContain('"at":1795362251231000123');
  }
});

test("a question the server does not take is refused with its words", async () => {
  const asked = ask({ filter: new URLSearchParams({ since: "yesterday" }) });
  await expect(asked).rejects.toMatchObject({ status: 400, message: expect.stringContaining("`since`") });
});
