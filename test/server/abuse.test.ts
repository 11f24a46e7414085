/** What is wrong is taken without harm. The full figures stand in the soak run; here they are scaled down. */
import { beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTcp, type Socket as TcpSocket } from "node:net";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { SOAK } from "../support/soak.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});

const websocketUrl = () => `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;

/** Opens a raw WebSocket and resolves with it and everything it says. */
async function rawSocket(): Promise<{ ws: WebSocket; closed: { code: number }[]; said: string[] }> {
  const ws = new WebSocket(websocketUrl());
  const closed: { code: number }[] = [];
  const said: string[] = [];
  ws.onclose = ({ code }) => void closed.push({ code });
  ws.onmessage = ({ data }) => void said.push(String(data));
  await eventually(() => said.length > 0, { what: "the Engine.IO open packet" });
  return { ws, closed, said };
}

async function expectHealthy(): Promise<void> {
  const { status, body } = await server.get("/health");
  expect([status, body.status]).toEqual([200, "healthy"]);
}

describe("over a WebSocket", () => {
  test("a message of 2 MB closes the connection with 1009", async () => {
    const client = await connect(server.url);
    const { closed, ws } = await rawSocket();
    ws.send(`40{}`);
    ws.send("4".padEnd(2_000_000, "x"));
    await eventually(() => closed.length === 1);
    expect(closed).toEqual([{ code: 1009 }]);
    client.socket.emit("claude_event", { x: "y".repeat(2_000_000) });
    await eventually(() => !client.socket.connected);
    await expectHealthy();
  });

  const packets: [string, (string | Uint8Array<ArrayBuffer>)[]][] = [
    ["an unknown Engine.IO packet", ["9"]],
    ["an empty message", [""]],
    ["a stray ping", ["2probe"]],
    ["an upgrade that was not asked for", ["5"]],
    ["an unknown Socket.IO packet", ["40", "49"]],
    ["a packet before the connect", ['42["claude_event",{}]']],
    ["an event that is no array", ["40", '42{"a":1}']],
    ["an event without a name", ["40", "42[]"]],
    ["an event with a number for its name", ["40", "42[5]"]],
    ["a reserved event", ["40", '42["disconnect"]', '42["connect"]', '42["newListener"]']],
    ["an acknowledgement nobody waits for", ["40", "43999[1]", "43[1]"]],
    ["broken JSON", ["40", '42["claude_event",{]']],
    ["a huge acknowledgement number", ["40", `42${"9".repeat(400)}["ping"]`]],
    ["a namespace that is not there", ["40/nope,"]],
    ["a connect with an auth that is no object", ["405"]],
    ["a binary event without its attachments", ["40", '451-["claude_event",{"_placeholder":true,"num":0}]']],
    ["too many attachments announced", ["40", '4599999999-["x"]']],
    ["attachments nobody announced", ["40", new Uint8Array([1, 2, 3])]],
    ["a close", ["1"]],
    ["bytes that are no text", [new Uint8Array([0xff, 0xfe, 0xfd])]],
  ];
  for (const [what, messages] of packets) {
    test(`${what} harms nobody`, async () => {
      const { ws } = await rawSocket();
      for (const message of messages) ws.send(message);
      await expectHealthy();
      const client = await connect(server.url);
      expect(await client.socket.emitWithAck("claude_event", { after: what })).toMatchObject({ ok: true });
      ws.close();
    });
  }
});

test("a WebSocket that probes again and again is closed: the engine would keep a timer for each probe", async () => {
  const handshake = await server.get("/socket.io/?EIO=4&transport=polling");
  const { sid } = JSON.parse(handshake.body.slice(1));
  const ws = new WebSocket(`${websocketUrl()}&sid=${sid}`);
  const closed: number[] = [];
  ws.addEventListener("close", ({ code }) => void closed.push(code));
  await eventually(() => ws.readyState === WebSocket.OPEN);
  for (let n = 0; n < 10; n += 1) ws.send("2probe");
  await eventually(() => closed.length === 1);
  await expectHealthy();
});

test("a second WebSocket for a session that has one is opened and closed at once, and the first goes on", async () => {
  const { ws, said } = await rawSocket();
  const { sid } = JSON.parse((said[0] as string).slice(1));
  const second = new WebSocket(`${websocketUrl()}&sid=${sid}`);
  const seen: string[] = [];
  second.addEventListener("open", () => void seen.push("open"));
  second.addEventListener("close", () => void seen.push("close"));
  await eventually(() => seen.includes("close"));
  expect(seen).toEqual(["open", "close"]);
  ws.send("40");
  await eventually(() => said.some((text) => text.startsWith("40")));
  ws.close();
});

describe("over polling", () => {
  const polling = "/socket.io/?EIO=4&transport=polling";
  const open = async () => JSON.parse((await server.get(polling)).body.slice(1)).sid as string;

  const refused: [string, string, RequestInit, number, string][] = [
    ["an unknown transport", "/socket.io/?EIO=4&transport=pigeon", {}, 400, "transport_unknown"],
    ["no transport", "/socket.io/", {}, 400, "transport_unknown"],
    ["an old protocol", "/socket.io/?EIO=3&transport=polling", {}, 400, "protocol_unsupported"],
    ["an unknown session", `${polling}&sid=nope`, {}, 400, "session_unknown"],
    ["a handshake by POST", polling, { method: "POST", body: "x" }, 400, "bad_handshake_method"],
    [
      "a message of 2 MB",
      polling,
      { method: "POST", body: "4".padEnd(2_000_000, "x") },
      413,
      "body_too_large",
    ],
  ];
  for (const [what, path, init, status, code] of refused) {
    test(`${what} is refused with ${code}`, async () => {
      const answer = await server.get(path, init);
      expect([answer.status, answer.body.error.code]).toEqual([status, code]);
      expect(answer.body.error.hint).toBeString();
      expect(answer.headers.get("x-server-version")).toBe("1.0.0");
    });
  }

  test("Engine.IO's own error body stays readable for its clients", async () => {
    expect((await server.get("/socket.io/?EIO=4&transport=pigeon")).body).toMatchObject({
      code: 0,
      message: "Transport unknown",
    });
  });

  test("a message of 2 MB on an open session is refused, the others go on", async () => {
    const sid = await open();
    const answer = await server.get(`${polling}&sid=${sid}`, {
      method: "POST",
      body: "4".padEnd(2_000_000, "x"),
    });
    expect([answer.status, answer.body.error.code]).toEqual([413, "body_too_large"]);
    await expectHealthy();
  });

  test("two polls at once, and packets that are none, harm nobody", async () => {
    for (const body of [
      "9",
      "",
      "\x1e\x1e\x1e",
      "4".repeat(1000),
      "b!!!",
      "40\x1e42[",
      '40\x1e42["claude_event"]',
    ]) {
      const sid = await open();
      const polls = [server.get(`${polling}&sid=${sid}`), server.get(`${polling}&sid=${sid}`)];
      await server.get(`${polling}&sid=${sid}`, { method: "POST", body });
      await expectHealthy();
      await server.get(`${polling}&sid=${sid}`, { method: "POST", body: "1" });
      await Promise.allSettled(polls);
    }
  });
});

describe("connections", () => {
  test("half-open handshakes hold nobody up and are dropped in the end", async () => {
    const quick = await startTestServer({ ping_interval: "0.1", ping_timeout: "0.1" });
    // Sessions that are opened and never polled, WebSockets that never say anything, requests that never end.
    const polling = "/socket.io/?EIO=4&transport=polling";
    const handshakes = await Promise.all(Array.from({ length: 50 }, () => quick.get(polling)));
    const sessions = handshakes.map(({ body }) => JSON.parse(body.slice(1)).sid as string);
    const sockets = Array.from({ length: 50 }, () => {
      return new WebSocket(`${quick.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    });
    const halves: TcpSocket[] = Array.from({ length: 50 }, () => {
      const half = connectTcp(quick.port, "127.0.0.1", () =>
        half.write("POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Le"),
      );
      half.on("error", () => {});
      return half;
    });
    expect((await quick.get("/health")).body.status).toBe("healthy");
    // A stock client answers pings; these do not, so the heartbeat ends them.
    await eventually(() => sockets.every(({ readyState }) => readyState === WebSocket.CLOSED));
    await eventually(async () => {
      const answers = await Promise.all(sessions.map((sid) => quick.get(`${polling}&sid=${sid}`)));
      return answers.every(({ body }) => body.error?.code === "session_unknown");
    });
    const client = await connect(quick.url);
    expect(await client.socket.emitWithAck("ping")).toHaveProperty("server_id");
    for (const half of halves) half.destroy();
  });

  const count = SOAK ? 1000 : 200;
  test(`${count} connections dropped at once leave nothing behind`, async () => {
    const before = (await server.get("/health")).body.clients_connected;
    const clients = await Promise.all(Array.from({ length: count }, () => connect(server.url)));
    expect((await server.get("/health")).body.clients_connected).toBe(before + count);
    // Without a close handshake, as when a laptop lid falls.
    for (const { socket } of clients)
      (socket.io.engine as unknown as { transport: { ws: { terminate(): void } } }).transport.ws.terminate();
    await eventually(async () => (await server.get("/health")).body.clients_connected === before);
    await expectHealthy();
    expect((await server.get("/stats")).body.delivery.lagging_clients).toBe(0);
  });
});

describe("a client that asks and never reads", () => {
  test("is dropped, over polling too, and costs little memory", async () => {
    const own = await startTestServer();
    const batch = Array.from({ length: 100 }, () => ({ x: "y".repeat(9_000) }));
    for (let n = 0; n < 10; n += 1) await own.post("/api/events", batch);
    const path = "/socket.io/?EIO=4&transport=polling";
    const { sid } = JSON.parse((await own.get(path)).body.slice(1));
    await own.post(`${path}&sid=${sid}`, "40");
    expect((await own.get(`${path}&sid=${sid}`)).body).toContain("connection_ack");
    const before = process.memoryUsage.rss();
    const questions = Array.from({ length: 300 }, () => '42["get_history",{"limit":1000}]').join("\x1e");
    await own.post(`${path}&sid=${sid}`, questions);
    await eventually(async () => (await own.get("/health")).body.clients_connected === 0, {
      limitMs: 20_000,
    });
    expect((await own.get(`${path}&sid=${sid}`)).status).toBe(400);
    // All the answers together would take 300 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
  });

  test("an event without a name is refused, and no fault of the server", async () => {
    const { ws, said } = await rawSocket();
    ws.send("40");
    await eventually(() => said.some((text) => text.includes("server_status")));
    ws.send("420[5]");
    await eventually(() => said.some((text) => text.startsWith("430")));
    expect(said.at(-1)).toContain("unknown_event");
    ws.close();
  });
});
