/** `GET /api/clients`: who is connected, how, and how far behind. */
import { describe, expect, test } from "bun:test";
import { connect as connectTcp, type Socket } from "node:net";
import type { ConnectedClient } from "../../src/protocol/messages.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw } from "../support/raw-websocket.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const clientsOf = async (server: TestServer): Promise<ConnectedClient[]> => {
  const { status, body } = await server.get("/api/clients");
  expect([status, body.total]).toEqual([200, body.clients.length]);
  return body.clients;
};

/** A reader of the stream, which can stop reading. */
async function readStream(server: TestServer, query = ""): Promise<Socket> {
  const socket = connectTcp(server.port, "127.0.0.1", () =>
    socket.write(`GET /api/events/stream${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  );
  onEnd(() => socket.destroy());
  let text = "";
  socket.on("data", (chunk) => (text += chunk));
  await eventually(() => text.includes(": connected"));
  return socket;
}

const bulk = (count: number) => Array.from({ length: count }, () => ({ text: "x".repeat(10_000) }));

describe("who is connected", () => {
  test("nobody is, at first", async () => {
    expect((await (await startTestServer()).get("/api/clients")).body).toEqual({ clients: [], total: 0 });
  });

  test("is told of each client, whatever it is connected with, the oldest first", async () => {
    const server = await startTestServer();
    const before = Date.now();
    const auth = { claude_mpm_version: "4.1.0", client_id: "dashboard" };
    const one = await connect(server.url, auth);
    const two = await connect(server.url, {}, { transports: ["polling"] });
    await readStream(server);
    const clients = await clientsOf(server);
    const anyText: string = expect.any(String);
    const live = {
      connected_at: anyText,
      compatible: true,
      warnings: [],
      lag_events: 0,
      buffered_bytes: 0,
      filter: null,
    };
    const unnamed = { client_id: null, version: "unknown" };
    const known = { client_id: "dashboard", version: "4.1.0" };
    expect(clients).toEqual([
      { sid: one.socket.id as string, ...known, transport: "websocket", ...live },
      { sid: two.socket.id as string, ...unnamed, transport: "polling", ...live },
      { sid: anyText, ...unnamed, transport: "stream", ...live },
    ]);
    const times = clients.map(({ connected_at }) => connected_at);
    expect(times.map((time) => new Date(time).toISOString())).toEqual(times);
    expect(times).toEqual(times.toSorted());
    expect(Date.parse(times[0] as string)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(times[2] as string)).toBeLessThanOrEqual(Date.now());
  });

  test("health and stats go on counting clients of Socket.IO alone", async () => {
    const server = await startTestServer();
    const { socket } = await connect(server.url);
    await readStream(server);
    const { body: health } = await server.get("/health");
    expect([health.clients_connected, health.client_versions]).toEqual([1, { [socket.id ?? ""]: "unknown" }]);
    expect((await server.get("/stats")).body.connections.current_clients).toBe(1);
  });

  test("follows a client from polling to a WebSocket, and forgets who has left", async () => {
    const server = await startTestServer();
    const { socket } = await connect(server.url, {}, { transports: ["polling", "websocket"] });
    const stream = await readStream(server);
    const transports = async () => (await clientsOf(server)).map(({ transport }) => transport);
    await eventually(async () => (await transports()).join() === "websocket,stream");
    socket.disconnect();
    await eventually(async () => (await transports()).join() === "stream");
    stream.destroy();
    await eventually(async () => (await transports()).length === 0);
  });

  test("says who is too old, and why", async () => {
    const server = await startTestServer();
    const { next } = await connect(server.url, { claude_mpm_version: "0.6.0" });
    const { warnings } = await next("compatibility_warning");
    expect(warnings).toHaveLength(1);
    const expected = { version: "0.6.0", compatible: false, warnings };
    expect(await clientsOf(server)).toEqual([expect.objectContaining(expected)]);
  });

  test("takes whatever a client calls itself, at most 100 characters of it", async () => {
    const server = await startTestServer();
    for (const client_id of ["y".repeat(500), "", 7, { a: [1] }, null])
      await connect(server.url, { client_id });
    const ids = (await clientsOf(server)).map(({ client_id }) => client_id);
    expect(ids.toSorted()).toEqual(['{"a":[1]}', "7", null, null, "y".repeat(100)].toSorted());
  });
});

describe("what it asked for", () => {
  const filtersOf = async (server: TestServer) => (await clientsOf(server)).map(({ filter }) => filter);

  test("is shown as it is now", async () => {
    const server = await startTestServer();
    const { socket } = await connect(server.url, { subscribe: { session_id: "s", types: ["hook.*"] } });
    expect(await filtersOf(server)).toEqual([{ session_id: "s", types: ["hook.*"] }]);
    await socket.emitWithAck("subscribe", { project: "app" });
    expect(await filtersOf(server)).toEqual([{ project: "app" }]);
    await socket.emitWithAck("subscribe", {});
    expect(await filtersOf(server)).toEqual([null]);
    await socket.emitWithAck("subscribe", { types: [] });
    expect(await filtersOf(server)).toEqual([{ types: [] }]);
    await socket.emitWithAck("unsubscribe");
    expect(await filtersOf(server)).toEqual([null]);
  });

  test("of a stream is its question, in the names it was asked with", async () => {
    const server = await startTestServer();
    await readStream(server, "?after=0&type=a&type=b&q=text&since=2026-01-31T12:00Z&until=2999-01-01T00:00Z");
    expect(await filtersOf(server)).toEqual([
      { types: ["a", "b"], q: "text", since: "2026-01-31T12:00:00.000Z", until: "2999-01-01T00:00:00.000Z" },
    ]);
  });
});

test("who lags most comes first, with what is left to read, until it has caught up", async () => {
  const server = await startTestServer();
  const steady = await connect(server.url, { client_id: "steady" });
  const late = await connectRaw(server.port, { client_id: "late" });
  const stream = await readStream(server);
  const first = await connectRaw(server.port, { client_id: "first" });
  const names = (clients: ConnectedClient[]) =>
    clients.map(({ client_id, transport }) => client_id ?? transport).join();
  const lagging = async () => (await server.get("/stats")).body.delivery.lagging_clients;
  /** More than the kernel takes for those who do not read. */
  const flood = async (clients: number) => {
    for (let n = 0; n < 20; n += 1) await server.post("/api/events", bulk(100));
    await eventually(async () => (await lagging()) === clients);
  };

  first.pause();
  await flood(1);
  late.pause();
  stream.pause();
  await flood(3);
  const clients = await clientsOf(server);
  expect(clients[0]).toMatchObject({ client_id: "first" });
  expect(clients[3]).toMatchObject({ client_id: "steady", lag_events: 0 });
  const lags = clients.map(({ lag_events }) => lag_events);
  expect(lags).toEqual(lags.toSorted((a, b) => b - a));
  expect(lags[0]).toBeGreaterThan(2000);
  expect(lags[0]).toBeLessThan(4000);
  expect(lags[2]).toBeGreaterThan(0);
  expect(lags[2]).toBeLessThan(2000);
  for (const { buffered_bytes } of clients.slice(0, 3)) expect(buffered_bytes).toBeGreaterThan(10_000);

  for (const reader of [first, late, stream]) reader.resume();
  await eventually(async () => names(await clientsOf(server)) === "steady,late,stream,first", {
    limitMs: 30_000,
  });
  await eventually(() => steady.events().length === 4000);
});
