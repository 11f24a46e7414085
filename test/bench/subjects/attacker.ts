/** One that misuses a server, in a process of its own: `attacker.ts KIND PORT` says "ready" and goes on until it is killed. */
import { connect, type Socket } from "node:net";

const [kind = "", port = ""] = process.argv.slice(2);

/** Unfinished handshakes, a byte of a header at a time. */
const SLOW = { connections: 500, everyMs: 1000 };
const IDLE = { connections: 5000, atOnce: 100 };
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

/** Joins, answers pings, and does nothing; it waits for what does not come. */
function join(): Promise<Socket> {
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
        if (next.length === 3 && next[2] === 0x32) socket.write(frame("3"));
      });
      socket.write(frame('40{"subscribe":{"types":["never"]}}'));
      resolve(socket);
    };
    socket.on("data", onGreeting);
  });
}

async function flood(): Promise<void> {
  const socket = await join();
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
else if (kind === "idle") {
  for (let n = 0; n < IDLE.connections; n += IDLE.atOnce) {
    await Promise.all(Array.from({ length: IDLE.atOnce }, join));
  }
} else await flood();
process.stdout.write("ready\n");
