/** What an idle connection keeps alive; `bun run bench` measures how much that is. */
import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { createLightener, type Session } from "../../src/server/realtime/lean.ts";
import { SmallMap, SmallSet } from "../../src/server/realtime/small-collections.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw } from "../support/raw-websocket.ts";
import { startTestServer } from "../support/server.ts";

const CONNECTIONS = 100;

test("its request, with address and headers, is let go", async () => {
  const server = await startTestServer();
  const alive = () => {
    Bun.gc(true);
    const { Request = 0, Headers = 0, URLSearchParams = 0 } = heapStats().objectTypeCounts;
    return Math.max(Request, Headers, URLSearchParams);
  };
  await connectRaw(server.port);
  const before = alive();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => connectRaw(server.port)));
  await eventually(() => alive() < before + CONNECTIONS / 10);
});

test("it has hardly a function or a map of its own", async () => {
  const own = await startTestServer();
  await connectRaw(own.port);
  const count = () => {
    Bun.gc(true);
    const { Function = 0, Map = 0 } = heapStats().objectTypeCounts;
    return Function + Map;
  };
  const before = count();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => connectRaw(own.port)));
  // 10 of them, most of them the client's, which runs in this process too; 20 where the libraries look otherwise inside.
  await eventually(() => (count() - before) / CONNECTIONS < 14);
});

const server = await startTestServer();

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  describe(`what stands in its place, with ${transports.join(", then ")}`, () => {
    const join = () => connect(server.url, {}, { transports });
    const clients = async () => (await server.get("/health")).body.clients_connected;

    test("carries what it sends and gets, and an end that the client makes", async () => {
      const before = await clients();
      const [sender, other] = [await join(), await join()];
      expect(await sender.socket.emitWithAck("claude_event", { n: 1 })).toMatchObject({ ok: true });
      expect(await other.next("claude_event")).toMatchObject({ n: 1 });
      for (const { socket } of [sender, other]) socket.disconnect();
      await eventually(async () => (await clients()) === before);
    });

    test("carries an end that the transport makes", async () => {
      const before = await clients();
      const { socket } = await join();
      if (transports.includes("websocket"))
        await eventually(() => socket.io.engine.transport.name === "websocket");
      expect(await clients()).toBe(before + 1);
      socket.io.engine.close();
      await eventually(async () => (await clients()) === before);
    });

    test("carries an error: what cannot be read ends the connection, and nothing stays behind", async () => {
      const before = await clients();
      const { socket } = await join();
      const ended = new Promise((resolve) => void socket.on("disconnect", resolve));
      socket.io.engine.write("no packet");
      await ended;
      await eventually(async () => (await clients()) === before);
    });
  });
}

test("an engine and a Socket.IO that look different inside are left as they are", () => {
  const lighten = createLightener(() => {});
  const transport = { name: "websocket", _listeners: new Map([["message", []]]) };
  const session = { id: "1", transport: { ...transport } };
  lighten.session(session as unknown as Session);
  const client = { conn: session };
  lighten.socket({ client, handshake: { auth: {} } });
  expect(client).toStrictEqual({ conn: { id: "1", transport } });
});

test("small collections are to Socket.IO what a Map and a Set are", () => {
  for (const map of [new Map([["a", 1]]), new SmallMap(new Map([["a", 1]]))]) {
    map.set("b", 2).set("a", 3);
    expect([map.size, map.get("a"), map.get("c"), map.has("b"), map.has("c")]).toEqual([
      2,
      3,
      undefined,
      true,
      false,
    ]);
    expect([...map.values()]).toEqual([3, 2]);
    for (const value of map.values()) if (value === 3) map.delete("a");
    expect([map.delete("a"), [...map.values()]]).toEqual([false, [2]]);
    map.clear();
    expect([map.size, [...map.values()]]).toEqual([0, []]);
  }
  for (const set of [new Set(["a"]), new SmallSet("a")]) {
    set.add("b").add("a");
    expect([set.size, set.has("b"), set.has("c"), [...set]]).toEqual([2, true, false, ["a", "b"]]);
    const seen: string[] = [];
    set.forEach((value) => void seen.push(value));
    expect([seen, set.delete("a"), set.delete("a"), [...set]]).toEqual([["a", "b"], true, false, ["b"]]);
  }
});
