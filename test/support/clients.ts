/** Stock Socket.IO clients that remember what they receive. */
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";

export interface Received {
  name: string;
  args: any[];
}

export interface TestClient {
  socket: Socket;
  received: Received[];
  /** The first payload of this name received so far or later. */
  next(name: string): Promise<any>;
  /** All `claude_event` payloads so far. */
  events(): any[];
}

/** Connects and waits for the server's first two messages. */
export async function connect(
  url: string,
  auth: Record<string, unknown> = {},
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<TestClient> {
  const client = connectLater(url, auth, options);
  await client.next("server_status");
  return client;
}

/** Begins to connect. */
export function connectLater(
  url: string,
  auth: Record<string, unknown> = {},
  options: Partial<ManagerOptions & SocketOptions> = {},
): TestClient {
  const socket = io(url, {
    auth,
    forceNew: true,
    transports: ["websocket"],
    reconnection: false,
    ...options,
  });
  onEnd(() => socket.disconnect());
  const received: Received[] = [];
  socket.onAny((name: string, ...args: any[]) => void received.push({ name, args }));
  return {
    socket,
    received,
    async next(name) {
      const found = await eventually(() => received.find((message) => message.name === name), {
        what: `"${name}"`,
      });
      return found.args[0];
    },
    events: () => received.filter(({ name }) => name === "claude_event").map(({ args }) => args[0]),
  };
}
