/** Following a server: real ones that come and go, and things that are none. */
import { describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { type FollowOptions, followEvents, type StreamUpdate } from "../../src/client/stream.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const RETRY = { firstMs: 1, maxMs: 20 };

interface Followed {
  updates: StreamUpdate[];
  seqs(): number[];
  kinds(): string[];
  /** Settles as the generator does. */
  ended: Promise<void>;
  stop(): void;
}

function follow(url: string, options: Partial<FollowOptions> = {}): Followed {
  const abort = new AbortController();
  onEnd(() => abort.abort());
  const updates: StreamUpdate[] = [];
  const ended = (async () => {
    const all = followEvents({
      server: () => ({ url, token: null }),
      filter: new URLSearchParams(),
      from: { epoch: "none", seq: 0 },
      signal: abort.signal,
      retry: RETRY,
      ...options,
    });
    for await (const update of all) updates.push(update);
  })();
  ended.catch(() => {});
  return {
    updates,
    seqs: () =>
      updates.flatMap((update) => (update.kind === "event" ? [JSON.parse(update.json).seq as number] : [])),
    kinds: () => updates.map(({ kind }) => kind),
    ended,
    stop: () => abort.abort(),
  };
}

/** Something that answers every connection with these bytes; what it was asked is kept. */
async function answering(...answers: string[]): Promise<{ url: string; asked: string[]; sockets: Socket[] }> {
  const asked: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", (data) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? "";
      asked.push(String(data));
      socket.write(answer);
    });
  });
  onEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked, sockets };
}

const STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const at = (epoch: string, seq: number) => ({ from: { epoch, seq } });

describe("a server is followed", () => {
  test("from a position on, over restarts, without a gap or a duplicate", async () => {
    const state_dir = temporaryDirectory();
    let server = await startTestServer({ state_dir });
    const port = `${server.port}`;
    const { epoch } = (await server.get("/stats")).body.log;
    await server.post("/api/events", [{}, {}, {}]);
    const followed = follow(server.url, at(epoch, 1));
    await eventually(() => followed.seqs().length === 2);
    for (let round = 0; round < 3; round += 1) {
      await server.post("/api/events", [{}, {}]);
      await server.stop();
      server = await startTestServer({ state_dir, port });
      await server.post("/api/events", [{}, {}]);
      // Else the next restart could come before it had noticed this one.
      await eventually(() => followed.kinds().filter((kind) => kind === "connected").length === round + 2);
    }
    await eventually(() => followed.seqs().at(-1) === 15);
    followed.stop();
    await followed.ended;
    expect(followed.seqs()).toEqual(Array.from({ length: 14 }, (_, n) => n + 2));
    expect(followed.kinds().filter((kind) => kind === "lost")).toHaveLength(3);
    expect(followed.updates.filter((update) => update.kind === "connected")).toEqual([
      { kind: "connected", again: false },
      ...Array.from({ length: 3 }, () => ({ kind: "connected", again: true }) as const),
    ]);
  });

  test("with its filter", async () => {
    const server = await startTestServer();
    await server.post("/api/events", [{ type: "a" }, { type: "b" }, { type: "c" }]);
    const filter = new URLSearchParams([
      ["type", "a"],
      ["type", "c"],
    ]);
    const { epoch } = (await server.get("/stats")).body.log;
    const followed = follow(server.url, { filter, ...at(epoch, 0) });
    await eventually(() => followed.seqs().length === 2);
    expect(followed.seqs()).toEqual([1, 3]);
  });

  test("and a gap is told", async () => {
    const server = await startTestServer({ max_history_size: "5" });
    const { epoch } = (await server.get("/stats")).body.log;
    const batch = Array.from({ length: 20 }, () => ({}));
    await server.post("/api/events", batch);
    const followed = follow(server.url, at(epoch, 3));
    await eventually(() => followed.seqs().length === 5);
    expect(followed.updates[1]).toEqual({ kind: "gap", gap: { from_seq: 4, to_seq: 15, reason: "trimmed" } });
  });

  test("until it is enough, at once", async () => {
    const server = await startTestServer();
    const followed = follow(server.url);
    await eventually(() => followed.kinds().includes("connected"));
    followed.stop();
    await followed.ended;
    const nobody = follow("http://127.0.0.1:1", { retry: { firstMs: 60_000, maxMs: 60_000 } });
    await eventually(() => nobody.kinds().includes("lost"));
    nobody.stop();
    await nobody.ended;
    expect(nobody.updates).toEqual([{ kind: "lost", reason: "nothing listens there" }]);
  });
});

describe("what goes wrong", () => {
  test("a question the server refuses ends it, with the server's words", async () => {
    const server = await startTestServer();
    const followed = follow(server.url, { filter: new URLSearchParams({ since: "yesterday" }) });
    await expect(followed.ended).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("`since`"),
    });
  });

  test("a server that is not ready, or another program, is tried again, and said once", async () => {
    const busy = '{"error":{"code":"not_ready","message":"It is starting","hint":"Wait"}}';
    const { url, asked } = await answering(
      `HTTP/1.1 503 Unavailable\r\nContent-Length: ${busy.length}\r\n\r\n${busy}`,
      "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
      `${STREAM}id: e:8\ndata: {"seq":8}\n\n`,
    );
    const followed = follow(url);
    await eventually(() => followed.seqs().length === 1);
    expect(asked).toHaveLength(5);
    expect(followed.updates).toEqual([
      { kind: "lost", reason: "It is starting" },
      { kind: "connected", again: true },
      { kind: "event", json: '{"seq":8}' },
    ]);
  });

  test("a connection on which nothing is heard is made anew, from the last event", async () => {
    const { url, asked } = await answering(`${STREAM}: connected\n\nid: e:7\ndata: {"seq":7}\n\n`);
    const followed = follow(url, { silenceMs: 30, ...at("e", 5) });
    await eventually(() => asked.length >= 2);
    expect(asked[0]).toMatch(/^last-event-id: e:5\r$/im);
    expect(asked[1]).toMatch(/^last-event-id: e:7\r$/im);
    expect(followed.updates[2]).toEqual({ kind: "lost", reason: "nothing was heard for 0.03 s" });
  });

  test("or from where a keep-alive said the stream is, beyond events it did not ask for", async () => {
    const { url, asked } = await answering(
      `${STREAM}id: e:7\ndata: {"seq":7}\n\n: keep-alive\nid: e:30\n\nid: e:31\n`,
    );
    const followed = follow(url, { silenceMs: 30 });
    await eventually(() => asked.length >= 2);
    expect(asked[1]).toMatch(/^last-event-id: e:30\r$/im);
    expect(followed.seqs()[0]).toBe(7);
  });

  test("what was cut off in the middle of an event is no event", async () => {
    const { url, asked, sockets } = await answering(
      `${STREAM}id: e:7\ndata: {"seq":7}\n\nid: e:8\ndata: {"se`,
    );
    const followed = follow(url);
    await eventually(() => followed.seqs().length === 1);
    sockets[0]?.destroy();
    await eventually(() => asked.length === 2);
    expect(asked[1]).toMatch(/^last-event-id: e:7\r$/im);
    expect(followed.seqs()[0]).toBe(7);
  });

  test("the same gap is told once, however often the connection is lost on it", async () => {
    const gap = '{"from_seq":4,"to_seq":15,"reason":"trimmed"}';
    const { url, asked, sockets } = await answering(`${STREAM}event: history_gap\ndata: ${gap}\n\n`);
    const followed = follow(url);
    for (let round = 0; round < 3; round += 1) {
      await eventually(() => followed.kinds().filter((kind) => kind === "connected").length > round);
      sockets[round]?.destroy();
    }
    await eventually(() => asked.length === 4);
    expect(followed.kinds().filter((kind) => kind === "gap")).toHaveLength(1);
  });

  test("attempts come further and further apart", async () => {
    const { url, asked, sockets } = await answering("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n");
    const start = performance.now();
    follow(url, { retry: { firstMs: 10, maxMs: 40 } });
    await eventually(() => asked.length === 6);
    expect(performance.now() - start).toBeGreaterThan(10 + 20 + 40 + 40 + 40 - 10);
    expect(sockets).toHaveLength(6);
  });
});

test("a consumer that is slow slows the stream down, and memory does not grow", async () => {
  const chunk = `data: ${"x".repeat(64_000)}\n\n`;
  let sent = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(STREAM);
      const pump = () => {
        while (sent < 400e6) {
          sent += chunk.length;
          if (!socket.write(chunk)) return void socket.once("drain", pump);
        }
      };
      pump();
    });
    onEnd(() => socket.destroy());
  });
  onEnd(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const abort = new AbortController();
  const updates = followEvents({
    server: () => ({
      url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
      token: null,
    }),
    filter: new URLSearchParams(),
    from: { epoch: "e", seq: 0 },
    signal: abort.signal,
  });
  for (let n = 0; n < 5; n += 1) await updates.next();
  // It has stopped when many turns of the loop bring nothing more.
  let before = -1;
  let quiet = 0;
  await eventually(() => {
    quiet = sent === before ? quiet + 1 : 0;
    before = sent;
    return quiet > 40;
  });
  expect(sent).toBeLessThan(60e6);
  abort.abort();
  await updates.return(undefined);
});
