/** A WebSocket client on a bare TCP socket, because stock ones cannot stop reading. */
import { connect, type Socket } from "node:net";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";

export interface RawWebSocket {
  /** Socket.IO event payloads by name, in the order they came. */
  received: { name: string; payload: any }[];
  /** Stops reading: what the server sends waits in the kernel's buffers, and then in the server. */
  pause(): void;
  resume(): void;
  closed(): boolean;
  end(): void;
}

/** Connects to a server's default namespace and waits for its greeting. */
export async function connectRaw(port: number, auth: object = {}): Promise<RawWebSocket> {
  const received: RawWebSocket["received"] = [];
  const socket = connect(port, "127.0.0.1");
  onEnd(() => socket.destroy());
  let closed = false;
  let upgraded = false;
  let pending: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("close", () => (closed = true));
  socket.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    if (!upgraded) {
      const end = pending.indexOf("\r\n\r\n");
      if (end === -1) return;
      upgraded = true;
      pending = pending.subarray(end + 4);
      send(socket, `40${JSON.stringify(auth)}`);
    }
    pending = takeFrames(pending, (text) => {
      if (text === "2") send(socket, "3");
      if (!text.startsWith("42[")) return;
      const [name, payload] = JSON.parse(text.slice(2));
      received.push({ name, payload });
    });
  });
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await eventually(() => received.some(({ name }) => name === "server_status"));
  return {
    received,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    closed: () => closed,
    end: () => void socket.destroy(),
  };
}

/** Reads whole frames off the front (RFC 6455, section 5.2; a server's are not masked) and returns the rest. */
function takeFrames(buffer: Buffer, onText: (text: string) => void): Buffer {
  let rest = buffer;
  while (rest.length >= 2) {
    const short = (rest[1] as number) & 0x7f;
    const header = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (rest.length < header) break;
    const length =
      short === 127 ? Number(rest.readBigUInt64BE(2)) : short === 126 ? rest.readUInt16BE(2) : short;
    if (rest.length < header + length) break;
    if (((rest[0] as number) & 0x0f) === 1) onText(rest.toString("utf8", header, header + length));
    rest = rest.subarray(header + length);
  }
  return rest;
}

/** A client has to mask what it sends; a mask of zeros changes nothing. */
function send(socket: Socket, text: string): void {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  socket.write(Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]));
}
