import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { connect, connectLater, type TestClient } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { runScript } from "../support/script.ts";
import { startTestServer } from "../support/server.ts";

const KINDS = [
  { kind: "polling only", transports: ["polling"], final: "polling" },
  { kind: "WebSocket only", transports: ["websocket"], final: "websocket" },
  { kind: "polling, then upgraded to WebSocket", transports: ["polling", "websocket"], final: "websocket" },
];

const EVENTS = 200;
const RECEIVERS = 5;
const GREETING = ["connection_ack", "server_status"];

/** Resolves once the connection uses this transport, told by the engine's own event. */
function reached({ socket }: TestClient, transport: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      const { engine } = socket.io;
      if (engine.transport?.name === transport) resolve();
      else engine.once("upgrade", () => resolve());
    };
    if (socket.connected) look();
    else socket.once("connect", look);
  });
}

/** Calls back at the middle of an upgrade: the new transport has answered, the old one is still in use. */
function onUpgrading({ socket }: TestClient, callback: () => void): void {
  socket.io.engine.once("upgrading", callback);
}

for (const { kind, transports, final } of KINDS) {
  describe(`a stock socket.io-client: ${kind}`, () => {
    test("is greeted with connection_ack, then server_status, and nothing else", async () => {
      const server = await startTestServer();
      const client = connectLater(server.url, { claude_mpm_version: "4.1.0rc1" }, { transports });
      const opened: string[] = [];
      client.socket.io.engine.once("open", () => {
        opened.push(client.socket.io.engine.transport.name);
      });
      await reached(client, final);
      expect(await client.socket.emitWithAck("ping")).toMatchObject({ server_id: server.serverId });

      expect(opened).toEqual(transports.slice(0, 1));
      expect(client.received.map(({ name }) => name)).toEqual([...GREETING, "pong"]);
      expect(client.received.map(({ args }) => args.length)).toEqual([1, 1, 1]);
      const [acknowledgement, status] = client.received.map(({ args }) => args[0]);
      expect(acknowledgement).toMatchObject({
        server_version: "1.0.0",
        server_id: server.serverId,
        compatibility: { compatible: true, client_version: "4.1.0rc1", warnings: [] },
        first_seq: 1,
        last_seq: 0,
      });
      expect(status).toMatchObject({ server_id: server.serverId, clients_connected: 1, events_processed: 0 });
      expect((await server.get("/health")).body.client_versions).toEqual({
        [client.socket.id as string]: "4.1.0rc1",
      });
    });

    test(`receives ${EVENTS} events sent while it connects, each once and in order`, async () => {
      const server = await startTestServer();
      const sender = await connect(server.url);
      let sent = 0;
      const send = () => ({ type: "numbered", n: (sent += 1) });

      const receivers = Array.from({ length: RECEIVERS }, () => connectLater(server.url, {}, { transports }));
      let midUpgrade = 0;
      for (const receiver of receivers) {
        onUpgrading(receiver, () => {
          midUpgrade += 1;
          for (let i = 0; i < 10; i += 1) sender.socket.emit("claude_event", send());
        });
      }
      let settled = false;
      const all = Promise.all(receivers.map((receiver) => reached(receiver, final))).then(() => {
        settled = true;
      });
      while (!settled || sent < EVENTS) await sender.socket.emitWithAck("claude_event", send());
      await all;
      const { seq: last } = await sender.socket.emitWithAck("claude_event", send());
      expect(last).toBe(sent);
      expect(midUpgrade).toBe(final === transports[0] ? 0 : RECEIVERS);

      for (const receiver of receivers) {
        await eventually(() => receiver.events().at(-1)?.seq === last, { what: "the last event" });
        const { last_seq: joinedAt } = await receiver.next("connection_ack");
        const expected = Array.from({ length: last - joinedAt }, (_, index) => joinedAt + 1 + index);
        expect(receiver.events().map(({ seq }) => seq)).toEqual(expected);
        expect(receiver.events().map(({ n }) => n)).toEqual(expected);
        expect(receiver.received.slice(0, 2).map(({ name }) => name)).toEqual(GREETING);
      }
      expect(sender.events()).toEqual([]);
    });

    test("sends 200 events at once, from the moment it opens, that arrive once and in order", async () => {
      const server = await startTestServer();
      const receiver = await connect(server.url);
      const client = connectLater(server.url, {}, { transports });
      const acknowledged: unknown[] = [];
      for (let n = 1; n <= EVENTS; n += 1) {
        client.socket.emit("claude_event", { type: "numbered", n }, (answer: unknown) => {
          acknowledged.push(answer);
        });
      }
      await eventually(() => acknowledged.length === EVENTS, { what: "every acknowledgement" });
      await eventually(() => receiver.events().length === EVENTS, { what: "every event" });
      const events = receiver.events();
      expect(events.map(({ n, seq }) => [n, seq])).toEqual(
        Array.from({ length: EVENTS }, (_, index) => [index + 1, index + 1]),
      );
      expect(acknowledged).toEqual(events.map(({ seq, id }) => ({ ok: true, seq, id })));
      expect(client.events()).toEqual([]);
      await reached(client, final);
    });

    test("carries an event of half a megabyte each way", async () => {
      const server = await startTestServer();
      const other = await connect(server.url);
      const client = connectLater(server.url, {}, { transports });
      await reached(client, final);
      const text = "0123456789 äöü 世界 ".repeat(20_000);

      expect(await client.socket.emitWithAck("claude_event", { type: "out", text })).toMatchObject({
        seq: 1,
      });
      await eventually(() => other.events().length === 1);
      expect(other.events()[0]).toMatchObject({ type: "out", text, seq: 1 });

      expect(await other.socket.emitWithAck("claude_event", { type: "in", text })).toMatchObject({ seq: 2 });
      await eventually(() => client.events().length === 1);
      expect(client.events()[0]).toMatchObject({ type: "in", text, seq: 2 });
    });

    test("comes again by itself when the server was restarted", async () => {
      const port = String(await freePort());
      const first = await startTestServer({ port });
      const client = connectLater(
        first.url,
        {},
        { transports, reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 50 },
      );
      const reasons: string[] = [];
      client.socket.on("disconnect", (reason) => reasons.push(reason));
      await reached(client, final);
      await client.next("server_status");
      const firstId = client.socket.id;

      await first.stop();
      await eventually(() => reasons.length === 1, { what: "the loss of the connection" });
      // After "io server disconnect" a client would not try again.
      expect(["transport close", "transport error"]).toContain(reasons[0] as string);
      expect(client.socket.active).toBe(true);

      const second = await startTestServer({ port });
      await eventually(() => client.received.length === 4, { what: "the second greeting" });
      expect(client.received.map(({ name }) => name)).toEqual([...GREETING, ...GREETING]);
      expect(client.received[2]?.args[0].server_id).toBe(second.serverId);
      await reached(client, final);
      expect(client.socket.id).not.toBe(firstId as string);

      const other = await connect(second.url);
      const { seq } = await other.socket.emitWithAck("claude_event", { type: "after.restart" });
      await eventually(() => client.events().length > 0);
      expect(client.events()).toMatchObject([{ type: "after.restart", seq }]);
      expect(await client.socket.emitWithAck("claude_event", {})).toMatchObject({ ok: true, seq: seq + 1 });
    });

    test("comes again by itself when a message over the limit closed its transport", async () => {
      const server = await startTestServer({ max_http_buffer_size: "2048" });
      const other = await connect(server.url);
      const client = connectLater(server.url, {}, { transports, reconnection: true, reconnectionDelay: 10 });
      const reasons: string[] = [];
      client.socket.on("disconnect", (reason) => reasons.push(reason));
      await reached(client, final);
      await client.next("server_status");

      client.socket.emit("claude_event", { type: "too.large", text: "x".repeat(5000) });
      await eventually(() => client.received.length === 4, { what: "the second greeting" });
      expect(reasons).toEqual([final === "polling" ? "transport error" : "transport close"]);
      expect(client.received.map(({ name }) => name)).toEqual([...GREETING, ...GREETING]);
      await reached(client, final);

      expect(await client.socket.emitWithAck("claude_event", { type: "small" })).toMatchObject({ seq: 1 });
      await eventually(() => other.events().length > 0);
      expect(other.events()).toMatchObject([{ type: "small", seq: 1 }]);
    });
  });
}

const NODE = Bun.which("node", { PATH: process.env.PATH ?? "/usr/bin" });

for (const { kind, transports, final } of KINDS) {
  // Node's own HTTP agent and WebSocket implementation, where the tests above have Bun's.
  describe(`a stock socket.io-client on Node: ${kind}`, () => {
    const title = "gets the greeting, events and acknowledgements, and comes again after a restart";
    test.skipIf(NODE === null)(NODE === null ? `${title} (not run: node missing)` : title, async () => {
      const port = String(await freePort());
      const first = await startTestServer({ port });
      const client = runScript(
        [
          NODE as string,
          join(import.meta.dir, "node_client.mjs"),
          JSON.stringify({ url: first.url, transports }),
        ],
        { PATH: "/usr/bin:/bin" },
      );
      const events = () => client.lines.filter(({ event }) => event === "claude_event");
      const greetings = () => client.lines.flatMap(({ event }) => (GREETING.includes(event) ? [event] : []));
      let commands = 0;
      const call = async (name: string, ...args: unknown[]) => {
        const n = (commands += 1);
        client.send({ n, name, args });
        return (await client.next(({ reply }) => reply === n, `the answer to ${name}`)).answer;
      };

      for (const [index, server] of [() => first, () => startTestServer({ port })].entries()) {
        const { url, serverId, stop } = await server();
        const other = await connect(url);
        await eventually(() => greetings().length === 2 * (index + 1), { what: `greeting ${index + 1}` });
        const received = events().length;
        for (let n = 1; n <= EVENTS; n += 1) other.socket.emit("claude_event", { type: "numbered", n });
        await eventually(() => events().length >= received + EVENTS, { what: "every event" });
        expect(events().slice(received)).toMatchObject(
          Array.from({ length: EVENTS }, (_, i) => ({
            args: [{ n: i + 1, seq: i + 1, server_id: serverId }],
          })),
        );
        expect(await call("claude_event", { type: "own", data: "é" })).toEqual([
          { ok: true, seq: EVENTS + 1, id: expect.any(String) },
        ]);
        await eventually(() => other.events().length === 1);
        expect(other.events()).toMatchObject([{ type: "own", data: "é", seq: EVENTS + 1 }]);
        expect(events()).toHaveLength(received + EVENTS);
        // One after the other on the connections its agent keeps.
        for (let i = 0; i < 5; i += 1) {
          expect(await call("ping")).toEqual([{ timestamp: expect.any(String), server_id: serverId }]);
        }
        const changes = () =>
          client.lines.flatMap(({ at, transport }) => (transport ? [[at, transport]] : []));
        const perConnection = transports.map((transport, i) => [i === 0 ? "open" : "upgrade", transport]);
        const expected = Array.from({ length: index + 1 }, () => perConnection).flat();
        await eventually(() => changes().length >= expected.length, { what: `transport ${final}` });
        expect(changes()).toEqual(expected);

        other.socket.disconnect();
        await stop();
        const lost = () => client.lines.filter(({ at }) => at === "disconnect");
        await eventually(() => lost().length === index + 1, { what: "the loss of the connection" });
        expect(["transport close", "transport error"]).toContain(lost()[index].reason);
      }
      expect(greetings()).toEqual([...GREETING, ...GREETING]);
      expect(await client.finish()).toEqual({ exitCode: 0, stderr: "" });
    });
  });
}
