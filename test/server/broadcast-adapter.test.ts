/** The native adapter gives what the stock one gives, over every transport: each case runs on both. */
import { describe, expect, test } from "bun:test";
import { Server as Engine } from "@socket.io/bun-engine";
import { Server, type Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { createBroadcastAdapter } from "../../src/server/realtime/broadcast-adapter.ts";
import { onEnd } from "../support/cleanup.ts";
import { connectLater, type TestClient } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";

interface Setup {
  io: Server;
  url: string;
  /** Connects and returns both ends. */
  join(transport: string, namespace?: string): Promise<{ client: TestClient; socket: Socket }>;
  /** How often the server published natively. */
  published(): number;
}

const TRANSPORTS = ["polling", "websocket", "upgraded"];

function setUp(kind: string): Setup {
  let server: Bun.Server<any>;
  let published = 0;
  const publish = (topic: string, text: string) => {
    published += 1;
    return server.publish(topic, text, false);
  };
  const engine = new Engine({ path: "/socket.io/" });
  const adapter = kind === "stock" ? Adapter : createBroadcastAdapter({ publish });
  const io = new Server({ adapter: adapter as never });
  io.bind(engine as never);
  const { websocket, fetch } = engine.handler();
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch,
    websocket: websocket as never,
    idleTimeout: 60,
  });
  onEnd(() => server.stop(true));
  const url = `http://127.0.0.1:${server.port}`;
  const sockets = new Map<string, Socket>();
  for (const namespace of ["/", "/other"])
    io.of(namespace).on("connection", (socket) => void sockets.set(socket.id, socket));

  return {
    io,
    url,
    published: () => published,
    async join(transport, namespace = "/") {
      const transports = transport === "upgraded" ? ["polling", "websocket"] : [transport];
      const client = connectLater(`${url}${namespace}`, {}, { transports });
      await eventually(() => client.socket.connected && sockets.has(client.socket.id as string));
      const socket = sockets.get(client.socket.id as string) as Socket;
      if (transport === "upgraded") await eventually(() => socket.conn.transport.name === "websocket");
      return { client, socket };
    },
  };
}

/** What each client got, once everything sent before has arrived. */
async function got(io: Server, members: { client: TestClient; socket: Socket }[]): Promise<string[][]> {
  await Promise.all(
    members.map(async ({ client, socket }) => {
      socket.emit("end");
      await eventually(() => client.received.some(({ name }) => name === "end"));
    }),
  );
  expect(io.engine).toBeDefined();
  return members.map(({ client }) =>
    client.received.filter(({ name }) => name !== "end").map(({ name, args }) => [name, ...args].join(" ")),
  );
}

for (const kind of ["stock", "native"]) {
  describe(`the ${kind} adapter`, () => {
    const everybody = async (setup: Setup) =>
      Promise.all(TRANSPORTS.map((transport) => setup.join(transport)));

    test("sends to all, to a room, to all but a room, and to all but the sender", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      const [polling, websocket, upgraded] = members.map(({ socket }) => socket) as [Socket, Socket, Socket];
      polling.join("a");
      upgraded.join("a");
      upgraded.join("b");
      setup.io.emit("all", 1);
      setup.io.to("a").emit("room", 2);
      setup.io.except("a").emit("not a", 3);
      setup.io.to("a").except("b").emit("a not b", 4);
      websocket.broadcast.emit("others", 5);
      upgraded.to("a").emit("a but me", 6);
      setup.io.to("nobody").emit("nobody", 7);
      expect(await got(setup.io, members)).toEqual([
        ["all 1", "room 2", "a not b 4", "others 5", "a but me 6"],
        ["all 1", "not a 3"],
        ["all 1", "room 2", "others 5"],
      ]);
      expect(setup.published() > 0).toBe(kind === "native");
    });

    test("sends once to a socket in several of the rooms", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      for (const { socket } of members) for (const room of ["a", "b", "c"]) socket.join(room);
      setup.io.to("a").to("b").to("c").emit("once", 1);
      expect(await got(setup.io, members)).toEqual([["once 1"], ["once 1"], ["once 1"]]);
    });

    test("sends to one socket by its own id", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      for (const { socket } of members) setup.io.to(socket.id).emit("you", socket.id);
      expect(await got(setup.io, members)).toEqual(members.map(({ socket }) => [`you ${socket.id}`]));
    });

    test("sends to a socket's own room, whoever else has joined it and until it has left", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      const [owner, guest] = members.map(({ socket }) => socket) as [Socket, Socket, Socket];
      const { rooms, sids } = setup.io.of("/").adapter;
      expect([rooms.has(owner.id), rooms.get(owner.id)?.has(owner.id)]).toEqual([true, true]);
      guest.join(owner.id);
      expect([...guest.rooms]).toEqual([guest.id, owner.id]);
      setup.io.to(owner.id).emit("both", 1);
      setup.io.except(guest.id).emit("all but the guest", 2);
      owner.leave(owner.id);
      setup.io.to(owner.id).emit("guest", 3);
      guest.leave(guest.id);
      setup.io.to(guest.id).emit("nobody", 4);
      expect(await got(setup.io, members)).toEqual([
        ["both 1", "all but the guest 2"],
        ["both 1", "guest 3"],
        ["all but the guest 2"],
      ]);
      for (const { client } of members) client.socket.disconnect();
      await eventually(() => sids.size === 0);
      expect(rooms.size).toBe(0);
    });

    test("tells of sockets that enter and leave rooms", async () => {
      const setup = setUp(kind);
      const told: string[] = [];
      for (const event of ["create-room", "join-room", "leave-room", "delete-room"])
        setup.io.of("/").adapter.on(event, (room: string) => void told.push(`${event} ${room}`));
      const { socket } = await setup.join("websocket");
      socket.join("a");
      socket.disconnect(true);
      const { id } = socket;
      expect(told).toEqual([
        `create-room ${id}`,
        `join-room ${id}`,
        "create-room a",
        "join-room a",
        `leave-room ${id}`,
        `delete-room ${id}`,
        "leave-room a",
        "delete-room a",
      ]);
    });

    test("forgets who left a room, and who disconnected", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      for (const { socket } of members) socket.join("a");
      members[1]?.socket.leave("a");
      setup.io.to("a").emit("one", 1);
      members[0]?.client.socket.disconnect();
      await eventually(() => setup.io.sockets.sockets.size === 2);
      setup.io.to("a").emit("two", 2);
      setup.io.emit("three", 3);
      expect(await got(setup.io, members.slice(1))).toEqual([["three 3"], ["one 1", "two 2", "three 3"]]);
      expect(await got(setup.io, [])).toEqual([]);
    });

    test("moves sockets in and out of rooms, finds them, and disconnects them", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      setup.io.socketsJoin("a");
      setup.io.in(members[0]?.socket.id as string).socketsLeave("a");
      setup.io.to("a").emit("a", 1);
      expect((await setup.io.in("a").fetchSockets()).map(({ id }) => id).toSorted()).toEqual(
        members
          .slice(1)
          .map(({ socket }) => socket.id)
          .toSorted(),
      );
      expect(await got(setup.io, members)).toEqual([[], ["a 1"], ["a 1"]]);
      setup.io.in("a").disconnectSockets(true);
      await eventually(() => members.slice(1).every(({ client }) => !client.socket.connected));
      expect(members[0]?.client.socket.connected).toBe(true);
    });

    test("carries bytes, many arguments and no argument", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      setup.io.emit("bytes", Buffer.from([1, 2, 3]), "text");
      setup.io.emit("many", 1, "two", { three: 3 });
      setup.io.emit("none");
      await got(setup.io, members);
      for (const { client } of members) {
        const [bytes, many, none] = client.received.map(({ args }) => args);
        expect([...new Uint8Array(bytes?.[0])]).toEqual([1, 2, 3]);
        expect([bytes?.[1], many, none]).toEqual(["text", [1, "two", { three: 3 }], []]);
      }
    });

    test("collects acknowledgements of a broadcast, and says who did not answer", async () => {
      const setup = setUp(kind);
      const members = await everybody(setup);
      for (const { client } of members.slice(0, 2)) client.socket.on("ask", (answer) => answer("yes"));
      expect(
        await setup.io
          .to(members.slice(0, 2).map(({ socket }) => socket.id))
          .timeout(2000)
          .emitWithAck("ask"),
      ).toEqual(["yes", "yes"]);
      const error = await setup.io
        .timeout(100)
        .emitWithAck("ask")
        .catch((reason) => reason);
      expect(error.responses).toEqual(["yes", "yes"]);
    });

    test("keeps namespaces apart", async () => {
      const setup = setUp(kind);
      const main = await setup.join("websocket");
      const other = await setup.join("websocket", "/other");
      main.socket.join("a");
      other.socket.join("a");
      setup.io.to("a").emit("main", 1);
      setup.io.of("/other").to("a").emit("other", 2);
      setup.io.of("/other").emit("all of other", 3);
      expect(await got(setup.io, [main, other])).toEqual([["main 1"], ["other 2", "all of other 3"]]);
    });

    test("loses and doubles nothing while clients upgrade in mid-stream", async () => {
      const setup = setUp(kind);
      let sent = 0;
      const timer = setInterval(() => {
        for (let n = 0; n < 5; n += 1) setup.io.to("a").emit("n", (sent += 1));
      }, 1);
      setup.io.on("connection", (socket) => void socket.join("a"));
      const clients = Array.from({ length: 20 }, () =>
        connectLater(setup.url, {}, { transports: ["polling", "websocket"] }),
      );
      const upgraded = () =>
        [...setup.io.sockets.sockets.values()].filter(({ conn }) => conn.transport.name === "websocket")
          .length;
      await eventually(() => upgraded() === 20);
      clearInterval(timer);
      setup.io.emit("end");
      for (const { received } of clients) {
        await eventually(() => received.at(-1)?.name === "end");
        const numbers = received.filter(({ name }) => name === "n").map(({ args }) => args[0]);
        expect(numbers.length).toBeGreaterThan(0);
        expect(numbers).toEqual(
          Array.from({ length: numbers.length }, (_, index) => sent - numbers.length + 1 + index),
        );
      }
    });

    test("sends a volatile packet to who can take it", async () => {
      const setup = setUp(kind);
      const members = [await setup.join("websocket"), await setup.join("upgraded")];
      setup.io.volatile.emit("now", 1);
      expect(await got(setup.io, members)).toEqual([["now 1"], ["now 1"]]);
    });
  });
}
