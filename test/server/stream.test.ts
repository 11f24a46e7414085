import { beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { eventually } from "../support/eventually.ts";
import { onEnd } from "../support/cleanup.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { SOAK } from "../support/soak.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});

interface Message {
  event: string;
  id: string;
  data: any;
}

interface Stream {
  messages: Message[];
  comments: string[];
  seqs(): number[];
  ended(): boolean;
  close(): void;
}

/** Reads a stream as a browser's EventSource does. */
async function listen(query = "", headers: Record<string, string> = {}, url = server.url): Promise<Stream> {
  const abort = new AbortController();
  onEnd(() => abort.abort());
  const response = await fetch(`${url}/api/events/stream${query}`, { headers, signal: abort.signal });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const messages: Message[] = [];
  const comments: string[] = [];
  let ended = false;
  const take = (block: string) => {
    const fields = Object.fromEntries(
      block.split("\n").map((line) => /^([a-z]*): (.*)$/s.exec(line)?.slice(1) ?? ["", line]),
    );
    if (fields.data)
      messages.push({ event: fields.event ?? "message", id: fields.id ?? "", data: JSON.parse(fields.data) });
    else comments.push(block);
  };
  (async () => {
    let text = "";
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      text += new TextDecoder().decode(chunk);
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      blocks.forEach(take);
    }
  })()
    .catch(() => {})
    .finally(() => (ended = true));
  await eventually(() => comments.length > 0);
  const seqs = () => messages.filter(({ event }) => event === "message").map(({ data }) => data.seq);
  return { messages, comments, seqs, ended: () => ended, close: () => abort.abort() };
}

const lastSeq = async () => (await server.get("/stats")).body.log.last_seq as number;

describe("GET /api/events/stream", () => {
  test("sends what is live, each with an id to go on from", async () => {
    const stream = await listen();
    const { body } = await server.post("/api/events", [
      { type: "a", text: "line\nbreak \u2028" },
      { type: "b" },
    ]);
    await eventually(() => stream.messages.length === 2);
    const { epoch } = (await server.get("/stats")).body.log;
    expect(stream.messages[0]).toMatchObject({
      event: "message",
      id: `${epoch}:${body.first_seq}`,
      data: { type: "a", text: "line\nbreak \u2028" },
    });
    stream.close();
  });

  test("goes on after Last-Event-ID without a gap or a duplicate, over and over", async () => {
    const from = await lastSeq();
    const { epoch } = (await server.get("/stats")).body.log;
    let id = `${epoch}:${from}`;
    const seen: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await server.post(
        "/api/events",
        Array.from({ length: 30 }, () => ({ round })),
      );
      const stream = await listen("", { "Last-Event-ID": id });
      await server.post("/api/events", { round, live: true });
      await eventually(() => stream.messages.at(-1)?.data.live === true);
      stream.close();
      seen.push(...stream.seqs());
      id = stream.messages.at(-1)?.id ?? id;
    }
    expect(seen).toEqual(Array.from({ length: 310 }, (_, index) => from + 1 + index));
  });

  test("starts after a seq, and narrows like the history does", async () => {
    const from = await lastSeq();
    await server.post("/api/events", [
      { type: "hook.a", session_id: "st" },
      { type: "x" },
      { type: "hook.b", data: { cwd: "/w/app" } },
    ]);
    const of = async (query: string) => {
      const stream = await listen(`?after=${from}&${query}`);
      await eventually(() => stream.messages.length > 0);
      stream.close();
      return stream.seqs().map((seq) => seq - from);
    };
    expect(await of("")).toEqual([1, 2, 3]);
    expect(await of("type=hook.*")).toEqual([1, 3]);
    expect(await of("type=x&type=hook.b")).toEqual([2, 3]);
    expect(await of("session_id=st")).toEqual([1]);
    expect(await of("project=app")).toEqual([3]);
  });

  test("says what is gone, and what it cannot know", async () => {
    const small = await startTestServer({ max_history_size: "5" });
    await small.post(
      "/api/events",
      Array.from({ length: 20 }, () => ({})),
    );
    const { epoch } = (await small.get("/stats")).body.log;
    const trimmed = await listen("", { "Last-Event-ID": `${epoch}:3` }, small.url);
    await eventually(() => trimmed.messages.length === 6);
    expect(trimmed.messages[0]).toMatchObject({
      event: "history_gap",
      data: { from_seq: 4, to_seq: 15, reason: "trimmed" },
    });
    expect(trimmed.seqs()).toEqual([16, 17, 18, 19, 20]);
    const foreign = await listen("", { "Last-Event-ID": "elsewhere:3" }, small.url);
    await eventually(() => foreign.messages.length > 0);
    expect(foreign.messages[0]).toMatchObject({ event: "history_gap", data: { reason: "unknown_epoch" } });
  });

  test("a bad question is refused before the stream begins", async () => {
    expect((await server.get("/api/events/stream?after=x")).body.error.code).toBe("invalid_query");
    for (const id of ["100", "epoch:", "epoch:-1", "junk"]) {
      const { status, body } = await server.get("/api/events/stream", { headers: { "Last-Event-ID": id } });
      expect([id, status, body.error.code]).toEqual([id, 400, "invalid_query"]);
    }
  });

  test("a reader that leaves is forgotten", async () => {
    const stream = await listen();
    stream.close();
    await eventually(() => stream.ended());
    // It would fall behind with these if it were still fed.
    const batch = Array.from({ length: 100 }, () => ({ type: "to nobody", text: "x".repeat(10_000) }));
    for (let n = 0; n < 3; n += 1) await server.post("/api/events", batch);
    expect((await server.get("/stats")).body.delivery.lagging_clients).toBe(0);
  });

  test("a reader that stops reading is fed from the log and gets everything", async () => {
    const from = await lastSeq();
    const socket = connectTcp(server.port, "127.0.0.1", () =>
      socket.write("GET /api/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    );
    onEnd(() => socket.destroy());
    let text = "";
    socket.on("data", (chunk) => (text += chunk));
    await eventually(() => text.includes("connected"));
    socket.pause();
    const batch = Array.from({ length: 100 }, () => ({ type: "bulk", text: "x".repeat(10_000) }));
    for (let n = 0; n < 20; n += 1) await server.post("/api/events", batch);
    await eventually(async () => (await server.get("/stats")).body.delivery.lagging_clients >= 1);
    socket.resume();
    const seqs = () => [...text.matchAll(/^data: \{"seq":(\d+),/gm)].map(([, seq]) => Number(seq));
    await eventually(() => text.includes(`"seq":${from + 2000},`), { limitMs: 30_000 });
    await eventually(() => seqs().length === 2000);
    expect(seqs()).toEqual(Array.from({ length: 2000 }, (_, index) => from + 1 + index));
  });

  test("ends when the server stops", async () => {
    const own = await startTestServer();
    const stream = await listen("", {}, own.url);
    await own.stop();
    await eventually(() => stream.ended());
  });

  test.skipIf(!SOAK)("says every 15 seconds that it is alive, and where it is", async () => {
    const stream = await listen("?type=wanted");
    await server.post("/api/events", { type: "another" });
    const { epoch, last_seq } = (await server.get("/stats")).body.log;
    await eventually(
      () => stream.comments.some((comment) => comment === `: keep-alive\nid: ${epoch}:${last_seq}`),
      { limitMs: 20_000 },
    );
  });
});
