/** A history that moves from one server to another: every seq, id and byte of it, and whoever was following it. */
import { describe, expect, test } from "bun:test";
import type { Key } from "../../src/config/schema.ts";
import { eventually } from "../support/eventually.ts";
import { connect } from "../support/clients.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const NDJSON = { headers: { "Content-Type": "application/x-ndjson" } };
const HUGE = { max_history_size: "1000000" };

interface History {
  header: any;
  events: string[];
  text: string;
}

async function exported(server: TestServer): Promise<History> {
  const { status, body } = await server.get("/api/history/export");
  expect(status).toBe(200);
  const [first = "", ...events] = (body as string).trimEnd().split("\n");
  return { header: JSON.parse(first), events, text: body };
}

const imported = (server: TestServer, history: string) => server.post("/api/history/import", history, NDJSON);

/** The events from one seq to another, as a part of their own. */
function part({ header, events }: History, from: number, to: number, more = false): string {
  const own = events.slice(from - header.first_seq, to - header.first_seq + 1);
  const first = { ...header, first_seq: from, last_seq: to, ...(more ? { more } : {}) };
  return `${[JSON.stringify(first), ...own].join("\n")}\n`;
}

/** Of several sessions, with texts that are easily changed on the way. */
const event = (index: number) => ({
  id: `e${index}`,
  type: index % 3 === 0 ? "hook.stop" : "hook.pre_tool_use",
  session_id: `s${index % 4}`,
  cwd: "/w/app",
  data: { text: `é \u2028 "${index}" \\ \u0001 12345678901234567890` },
});

async function filled(count: number, settings: Partial<Record<Key, string>> = {}): Promise<TestServer> {
  const server = await startTestServer(settings);
  for (let from = 0; from < count; from += 1000) {
    const batch = Array.from({ length: Math.min(1000, count - from) }, (_, index) => event(from + index));
    expect((await server.post("/api/events", batch)).status).toBe(200);
  }
  return server;
}

const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const seqOf = ({ seq }: { seq: number }) => seq;

/** A client with what it has received so far. */
async function listener(url: string, auth: Record<string, unknown>) {
  const client = await connect(url, auth);
  const { socket, received, events: heard } = client;
  const gaps = () => received.filter(({ name }) => name === "history_gap").map(({ args }) => args[0]);
  return { socket, ack: await client.next("connection_ack"), heard, gaps };
}

interface Kind {
  name: string;
  /** What a server with an empty log of this kind is started with. */
  settings: () => Promise<Partial<Record<Key, string>>>;
  needs: readonly string[];
}

const KINDS: readonly Kind[] = [
  { name: "on disk", settings: async () => ({}), needs: [] },
  { name: "in memory", settings: async () => ({ persistent: "false" }), needs: [] },
  { name: "on Redis", settings: async () => ({ redis_url: (await startRedis()).url }), needs: REDIS },
];

for (const from of KINDS) {
  for (const to of KINDS) {
    describe(`from a log ${from.name} into one ${to.name}`, () => {
      testWith(
        [...from.needs, ...to.needs],
        "everything comes over as it was, and is all there",
        async () => {
          const old = await filled(2500, await from.settings());
          const house = await startTestServer(await to.settings());
          const history = await exported(old);
          expect(history.header).toMatchObject({
            schema: 1,
            server_id: old.serverId,
            first_seq: 1,
            last_seq: 2500,
          });
          expect(history.events).toHaveLength(2500);

          const { status, body } = await imported(house, history.text);
          expect([status, body]).toEqual([
            200,
            {
              epoch: expect.any(String),
              first_seq: 1,
              last_seq: 2500,
              stored: 2500,
              max_history_size: 10_000,
            },
          ]);
          const again = await exported(house);
          expect(again.events).toEqual(history.events);
          expect(again.header.epochs).toEqual([
            ...history.header.epochs,
            { epoch: body.epoch, start_seq: 2500 },
          ]);
          expect((await house.get("/stats")).body.log).toMatchObject({ first_seq: 1, last_seq: 2500 });

          for (const question of ["session_id=s1", "type=hook.stop", "q=e1234", "project=app&limit=3"]) {
            const path = `/api/events?${question}`;
            const { events, total_available } = (await old.get(path)).body;
            expect((await house.get(path)).body).toMatchObject({ events, total_available });
          }
          const sessions = async (server: TestServer) => (await server.get("/api/sessions")).body.sessions;
          expect(await sessions(house)).toEqual(await sessions(old));
          expect((await sessions(house)).length).toBe(4);

          // Sent again by somebody who was not sure whether it had arrived.
          expect((await house.post("/api/events", event(7))).body).toMatchObject({
            duplicates: 1,
            first_seq: 8,
          });
          expect((await house.post("/api/events", event(2500))).body).toMatchObject({ first_seq: 2501 });
        },
      );
    });
  }
}

test("what was masked stays so, and nothing is masked anew", async () => {
  const key = `sk-ant-api03-${"a1B2".repeat(24)}`;
  const old = await startTestServer();
  await old.post("/api/events", { type: "t", data: { masked: key } });
  const open = await startTestServer({ redact: "false" });
  await open.post("/api/events", { type: "t", data: { open: key } });
  for (const server of [old, open]) {
    const history = await exported(server);
    expect(history.text.includes(key)).toBe(server === open);
    const house = await startTestServer();
    expect((await imported(house, history.text)).status).toBe(200);
    expect((await exported(house)).events).toEqual(history.events);
  }
});

for (const { name, settings, needs } of KINDS) {
  testWith(needs, `a client goes on in the new house where it was in the old one, ${name}`, async () => {
    const old = await filled(50);
    const { ack } = await listener(old.url, {});
    const house = await startTestServer(await settings());
    const history = await exported(old);
    await imported(house, history.text);
    await house.post("/api/events", event(50));

    for (const seq of [30, 50, 0]) {
      const { heard, gaps } = await listener(house.url, { resume: { epoch: ack.epoch, seq } });
      await eventually(() => heard().length === 51 - seq);
      expect(heard().map(seqOf)).toEqual(seqs(seq + 1, 51));
      expect(gaps()).toEqual([]);
    }
    // The old house went on: what it has given since is not here.
    await old.post("/api/events", [event(60), event(61)]);
    const { heard, gaps } = await listener(house.url, { resume: { epoch: ack.epoch, seq: 52 } });
    await eventually(() => heard().length === 1);
    expect(gaps()).toEqual([{ from_seq: 51, to_seq: 52, reason: "beyond_end" }]);
    expect(heard()[0].id).toBe("e50");
  });
}

for (const { name, settings, needs } of KINDS) {
  testWith(
    needs,
    `whoever is connected to the new house is given what comes in, in order, and goes on, ${name}`,
    async () => {
      const history = await exported(await filled(300));
      const house = await startTestServer(await settings());
      const { heard, ack, gaps } = await listener(house.url, {});
      const { heard: narrowed } = await listener(house.url, { subscribe: { session_id: "s2" } });
      await imported(house, part(history, 1, 100, true));
      const { heard: later } = await listener(house.url, { resume: { epoch: ack.epoch, seq: 20 } });
      await imported(house, part(history, 101, 300));
      await house.post("/api/events", event(300));
      await eventually(() => heard().length === 301 && later().length === 281 && narrowed().length === 75);
      expect(heard().map(seqOf)).toEqual(seqs(1, 301));
      expect(later().map(seqOf)).toEqual(seqs(21, 301));
      expect(gaps()).toEqual([]);
      const { ack: after } = await listener(house.url, {});
      expect(after).toMatchObject({ epoch: ack.epoch, first_seq: 1, last_seq: 301 });
    },
  );
}

describe("in parts", () => {
  test("it is taken up where it was interrupted, across a restart too", async () => {
    const history = await exported(await filled(300));
    const house = await startTestServer();
    expect((await imported(house, part(history, 1, 120, true))).body).toMatchObject({
      stored: 120,
      last_seq: 120,
    });
    expect((await imported(house, part(history, 100, 200, true))).body).toMatchObject({
      stored: 80,
      last_seq: 200,
    });
    await house.stop();
    const again = await startTestServer({ state_dir: house.config.state_dir, port: `${house.port}` });
    expect((await exported(again)).events).toEqual(history.events.slice(0, 200));
    // From the beginning: what is there is passed over.
    expect((await imported(again, history.text)).body).toMatchObject({ stored: 100, last_seq: 300 });
    expect((await imported(again, history.text)).body).toMatchObject({ stored: 0, last_seq: 300 });
    const { header, events } = await exported(again);
    expect(events).toEqual(history.events);
    expect(header.epochs.slice(0, -1)).toEqual(history.header.epochs);
    expect(header.epochs.at(-1).start_seq).toBe(300);
  });

  test("no other event is taken until the last one is there", async () => {
    const history = await exported(await filled(30));
    const house = await startTestServer();
    await imported(house, part(history, 1, 10, true));
    const refused = await house.post("/api/events", event(99));
    expect([refused.status, refused.body.error.code]).toEqual([503, "log_unavailable"]);
    expect(refused.body.error.message).toContain("import");
    expect(refused.headers.get("retry-after")).toBe("1");
    const { socket } = await listener(house.url, {});
    expect(await socket.emitWithAck("claude_event", event(98))).toMatchObject({ ok: false });
    await imported(house, part(history, 11, 30));
    expect((await house.post("/api/events", event(99))).body).toMatchObject({ accepted: 1, first_seq: 31 });
  });

  test("asking whether it would be taken changes nothing", async () => {
    const history = await exported(await filled(30));
    const house = await startTestServer();
    const question = `${JSON.stringify({ ...history.header, more: true })}\n`;
    expect((await imported(house, question)).body).toMatchObject({ first_seq: 1, last_seq: 0, stored: 0 });
    expect((await house.post("/api/events", event(99))).body.first_seq).toBe(1);
    expect((await imported(house, question)).body.error.code).toBe("history_refused");
  });
});

describe("what is refused", () => {
  test("a history that is not the one this log holds", async () => {
    const history = await exported(await filled(30));
    const other = await filled(5);
    const { status, body } = await imported(other, history.text);
    expect([status, body.error.code]).toEqual([409, "history_refused"]);
    expect(body.error.message).toContain("from 1 to 30");
    expect(body.error.message).toContain("1 to 5");
    expect(body.error.hint).toContain("--state-dir");
    expect((await exported(other)).events).toHaveLength(5);
  });

  test("one that would leave a hole, or has come to other events since", async () => {
    const old = await filled(30);
    const history = await exported(old);
    const house = await startTestServer();
    await imported(house, part(history, 1, 10));
    const hole = await imported(house, part(history, 12, 30));
    expect([hole.status, hole.body.error.message]).toEqual([409, expect.stringContaining("from 11 to 11")]);
    const changed = { ...history, events: history.events.map((line) => line.replace('"e4"', '"x4"')) };
    const { body } = await imported(house, part(changed, 1, 30));
    expect(body.error).toMatchObject({
      code: "history_refused",
      message: expect.stringContaining("event 5 "),
    });
    // Its own events came behind the tenth.
    await house.post("/api/events", event(99));
    expect((await imported(house, history.text)).body.error.code).toBe("history_refused");
    expect((await imported(house, part(history, 1, 10))).body).toMatchObject({ stored: 0, last_seq: 11 });
  });

  const GOOD = '{"seq":1,"id":"a","received_at":"2026-01-01T00:00:00.000Z"}';
  const HEADER = {
    claude_mpm_socketio: "history",
    schema: 1,
    epochs: [{ epoch: "1-a", start_seq: 0 }],
    first_seq: 1,
    last_seq: 1,
  };
  const BAD: [what: string, lines: string[], said: string][] = [
    ["nothing", [""], "Line 1"],
    ["something else", ['{"type":"t"}'], "Line 1"],
    ["another form", [JSON.stringify({ ...HEADER, schema: 2 }), GOOD], "2, and this release knows 1"],
    ["no epochs", [JSON.stringify({ ...HEADER, epochs: [] }), GOOD], "epochs"],
    [
      "epochs in disorder",
      [
        JSON.stringify({
          ...HEADER,
          epochs: [
            { epoch: "1-a", start_seq: 5 },
            { epoch: "1-b", start_seq: 0 },
          ],
        }),
        GOOD,
      ],
      "epochs",
    ],
    ["no epoch", [JSON.stringify({ ...HEADER, epochs: [{ epoch: "a", start_seq: 0 }] }), GOOD], "epochs"],
    ["no range", [JSON.stringify({ ...HEADER, last_seq: -1 }), GOOD], "range"],
    [
      "fewer events",
      [JSON.stringify({ ...HEADER, last_seq: 2 }), GOOD],
      "1 events, and not those from 1 to 2",
    ],
    ["more events", [JSON.stringify(HEADER), GOOD, GOOD.replace("1", "2")], "2 events"],
    ["another order", [JSON.stringify({ ...HEADER, last_seq: 2 }), GOOD.replace("1", "2"), GOOD], "Line 2"],
    ["half an event", [JSON.stringify(HEADER), GOOD.slice(0, 30)], "Line 2"],
    ["an event without an id", [JSON.stringify(HEADER), GOOD.replace('"id"', '"di"')], "`id`"],
    ["an event without a time", [JSON.stringify(HEADER), GOOD.replace("2026-01", "2026-13")], "received_at"],
    ["control characters", [JSON.stringify(HEADER), GOOD.replace(',"id"', ',\t"id"')], "Line 2"],
    ["windows' ends of lines", [`${JSON.stringify(HEADER)}\r`, `${GOOD}\r`], "Line 2"],
  ];
  test("what is no history, with the line it is told by", async () => {
    const house = await startTestServer();
    for (const [what, lines, said] of BAD) {
      const { status, body } = await imported(house, `${lines.join("\n")}\n`);
      expect([what, status, body.error.code]).toEqual([what, 400, "invalid_history"]);
      expect([what, body.error.message]).toEqual([what, expect.stringContaining(said)]);
    }
    expect((await imported(house, `${JSON.stringify(HEADER)}\n${GOOD}`)).status).toBe(200);
  });
});

describe("what is not all there", () => {
  test("a history whose beginning was trimmed begins where it did", async () => {
    const old = await filled(300, { max_history_size: "100" });
    const history = await exported(old);
    expect(history.header).toMatchObject({ first_seq: 201, last_seq: 300 });
    for (const settings of [{}, { persistent: "false" }]) {
      const house = await startTestServer(settings);
      const { heard, gaps } = await listener(house.url, {});
      expect((await imported(house, history.text)).body).toMatchObject({
        first_seq: 201,
        last_seq: 300,
        stored: 100,
      });
      expect((await house.post("/api/events", event(300))).body.first_seq).toBe(301);
      await eventually(() => heard().length === 101);
      expect(gaps()).toEqual([{ from_seq: 1, to_seq: 200, reason: "trimmed" }]);
      expect((await house.get("/api/events?after=0&limit=1")).body).toMatchObject({ events: [{ seq: 201 }] });
      expect((await house.get("/api/sessions")).body.sessions).toHaveLength(4);
    }
  });

  test("a history that has been forgotten altogether still tells where seqs go on", async () => {
    const old = await filled(30, { max_history_size: "0" });
    const history = await exported(old);
    expect(history.header).toMatchObject({ first_seq: 31, last_seq: 30 });
    const house = await startTestServer();
    expect((await imported(house, history.text)).body).toMatchObject({
      first_seq: 31,
      last_seq: 30,
      stored: 0,
    });
    await house.stop();
    const again = await startTestServer({ state_dir: house.config.state_dir, port: `${house.port}` });
    expect((await again.post("/api/events", event(99))).body.first_seq).toBe(31);
    expect((await again.get("/api/sessions")).body.sessions).toHaveLength(1);
  });

  test("a house with less room keeps the newest", async () => {
    const history = await exported(await filled(300));
    const house = await startTestServer({ max_history_size: "100" });
    expect((await imported(house, part(history, 1, 150, true))).body).toMatchObject({
      first_seq: 51,
      last_seq: 150,
    });
    expect((await imported(house, part(history, 1, 300))).body).toMatchObject({
      first_seq: 201,
      stored: 150,
    });
    expect((await exported(house)).events).toEqual(history.events.slice(200));
  });
});

describe("from house to house", () => {
  test("one after the other, with the positions of all of them", async () => {
    const first = await filled(10);
    const { ack: one } = await listener(first.url, {});
    const second = await startTestServer({ persistent: "false" });
    await imported(second, (await exported(first)).text);
    await second.post("/api/events", event(10));
    const { ack: two } = await listener(second.url, {});
    const third = await startTestServer();
    await imported(third, (await exported(second)).text);
    for (const resume of [
      { epoch: one.epoch, seq: 9 },
      { epoch: two.epoch, seq: 10 },
      { epoch: two.epoch, seq: 9 },
    ]) {
      const { heard, gaps } = await listener(third.url, { resume });
      await eventually(() => heard().length === 11 - resume.seq);
      expect(gaps()).toEqual([]);
    }
  });

  test("and back into the first, where that took nothing meanwhile", async () => {
    const first = await filled(10);
    const { ack: before, heard, gaps } = await listener(first.url, {});
    const second = await startTestServer();
    await imported(second, (await exported(first)).text);
    await second.post("/api/events", [event(10), event(11)]);
    const history = await exported(second);
    const { body } = await imported(first, history.text);
    expect(body).toMatchObject({ first_seq: 1, last_seq: 12, stored: 2 });
    // Both have the second's epoch now: none may give seqs in it.
    expect(history.header.epochs.map(({ epoch }: any) => epoch)).not.toContain(body.epoch);
    await first.post("/api/events", event(12));
    await eventually(() => heard().length === 3);
    const { ack: after } = await listener(first.url, {});
    expect(after.epoch).toBe(body.epoch);
    const { heard: resumed, gaps: none } = await listener(first.url, {
      resume: { epoch: before.epoch, seq: 10 },
    });
    await eventually(() => resumed().length === 3);
    expect([gaps(), none()]).toEqual([[], []]);
  });
});

test("a snapshot is that of one moment, whatever comes meanwhile", async () => {
  const old = await filled(5000, HUGE);
  let going = true;
  const load = (async () => {
    for (let index = 5000; going; index += 10) {
      await old.post(
        "/api/events",
        Array.from({ length: 10 }, (_, more) => event(index + more)),
      );
    }
  })();
  const history = await exported(old);
  going = false;
  await load;
  const { first_seq, last_seq } = history.header;
  expect([first_seq, history.events.length]).toEqual([1, last_seq]);
  expect(history.events.map((line) => seqOf(JSON.parse(line)))).toEqual(seqs(1, last_seq));
});

test("events of the largest size come over", async () => {
  const settings = { max_http_buffer_size: `${8 * 1024 * 1024}` };
  const old = await startTestServer(settings);
  const text = "é".repeat(4 * 1024 * 1024 - 1000);
  for (const id of ["a", "b"]) {
    expect((await old.post("/api/events", { type: "large", id, data: { text } })).status).toBe(200);
  }
  const house = await startTestServer();
  const history = await exported(old);
  expect((await imported(house, part(history, 1, 1, true))).status).toBe(200);
  expect((await imported(house, part(history, 2, 2))).status).toBe(200);
  expect((await exported(house)).events).toEqual(history.events);
});

describe("into a cluster", () => {
  testWith(REDIS, "it comes by any node, and holds off events at every other", async () => {
    const history = await exported(await filled(300));
    const { url } = await startRedis();
    const [one, two] = [await startTestServer({ redis_url: url }), await startTestServer({ redis_url: url })];
    const { heard, gaps } = await listener(two.url, {});
    await imported(one, part(history, 1, 100, true));
    expect((await two.post("/api/events", event(99))).body.error.code).toBe("log_unavailable");
    await imported(two, part(history, 90, 200, true));
    expect((await imported(one, part(history, 201, 300))).body).toMatchObject({ stored: 100, last_seq: 300 });
    await eventually(() => heard().length === 300);
    expect([heard().map(seqOf), gaps()]).toEqual([seqs(1, 300), []]);
    expect((await two.post("/api/events", event(300))).body).toMatchObject({ accepted: 1, first_seq: 301 });
    for (const node of [one, two]) {
      await eventually(async () => (await node.get("/stats")).body.log.last_seq === 301);
      expect((await exported(node)).events.slice(0, 300)).toEqual(history.events);
      const resume = { epoch: history.header.epochs[0].epoch, seq: 298 };
      const { heard: resumed, gaps: none } = await listener(node.url, { resume });
      await eventually(() => resumed().length === 3);
      expect(none()).toEqual([]);
      expect((await node.get("/api/sessions")).body.sessions).toHaveLength(4);
    }
  });
});
