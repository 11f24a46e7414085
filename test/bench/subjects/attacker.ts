/** One that misuses a server, in a process of its own: `attacker.ts KIND PORT` says "ready" and goes on until it is killed. */
import { connect, type Socket } from "node:net";

const [kind = "", port = ""] = process.argv.slice(2);

/** Unfinished handshakes, a byte of a header at a time. */
const SLOW = { connections: 500, everyMs: 1000 };
const MANY = { connections: 5000, atOnce: 100 };
const FLOOD = { perSecond: 50_000, everyMs: 2, maxUnsent: 4 * 1024 * 1024 };

const HANDSHAKE = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n";
const UPGRADE =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/** A text as a masked frame, with a mask of zeros (RFC 6455, 5.2). */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? [0x81, 0x80 | length] : [0x81, 0x80 | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

/** The server's ping as a frame. No text of ours has these bytes, so it may stand anywhere in what is read at once. */
const PING = Buffer.from([0x81, 1, 0x32]);
const PONG = frame("3");

/** A connection over which nobody reads what comes. */
function open(onOpen: (socket: Socket) => void, onEnd: () => void): Socket {
  const socket = connect(Number(port), "127.0.0.1", () => onOpen(socket));
  socket.on("error", () => {});
  socket.on("close", onEnd);
  return socket;
}

/** One that the server has ended begins anew. */
function trickle(): void {
  let timer: ReturnType<typeof setInterval>;
  open(
    (socket) => {
      socket.write(`${HANDSHAKE}X-Slow: `);
      timer = setInterval(() => socket.write("a"), SLOW.everyMs);
    },
    () => {
      clearInterval(timer);
      trickle();
    },
  );
}

/** What does not come. */
const NEVER = { subscribe: { types: ["never"] } };

/** Joins, reads what comes, and answers pings. */
function join(auth: object): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = open(
      () => socket.write(HANDSHAKE + UPGRADE),
      () => {},
    );
    let seen = "";
    const onGreeting = (data: Buffer) => {
      seen += data.toString("latin1");
      if (!seen.includes("0{")) return;
      socket.off("data", onGreeting);
      socket.on("data", (next: Buffer) => {
        if (next.includes(PING)) socket.write(PONG);
      });
      socket.write(frame(`40${JSON.stringify(auth)}`));
      resolve(socket);
    };
    socket.on("data", onGreeting);
  });
}

async function joinMany(auth: object): Promise<void> {
  for (let n = 0; n < MANY.connections; n += MANY.atOnce) {
    await Promise.all(Array.from({ length: MANY.atOnce }, () => join(auth)));
  }
}

async function flood(): Promise<void> {
  const socket = await join(NEVER);
  const event = { type: "flood", session_id: "flood", text: "x".repeat(150) };
  const one = frame(`427${JSON.stringify(["claude_event", event])}`);
  const some = Buffer.concat(Array.from({ length: 100 }, () => one));
  const start = performance.now();
  let sent = 0;
  setInterval(() => {
    const due = ((performance.now() - start) / 1000) * FLOOD.perSecond;
    for (; sent < due; sent += 100) if (socket.writableLength < FLOOD.maxUnsent) socket.write(some);
  }, FLOOD.everyMs);
}

if (kind === "slow") for (let n = 0; n < SLOW.connections; n += 1) trickle();
else if (kind === "idle") await joinMany(NEVER);
else if (kind === "readers") await joinMany({});
else await flood();
process.stdout.write("ready\n");
