/** Programs that listen on a port: servers of any version by their answers alone, and ones that are none. */
import { createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { Server, type Socket as ServerSocket } from "socket.io";
import { onEnd } from "./cleanup.ts";

export interface FakeVersion {
  version: string;
  serverId: string;
  features?: string[];
  compatible?: boolean;
}

/** Answers `/version` and `/compatibility` as a server does, and nothing else; returns its port. */
export function fakeServer({ version, serverId, features = [], compatible = true }: FakeVersion): number {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/version")
        return Response.json({ server_version: version, server_id: serverId, features });
      if (pathname !== "/compatibility") return new Response(null, { status: 404 });
      const { client_version } = (await request.json()) as { client_version: string };
      const warnings = compatible ? [] : [`${client_version} is too old`];
      return Response.json({ compatible, server_version: version, client_version, warnings });
    },
  });
  onEnd(() => server.stop(true));
  return server.port as number;
}

/** Does with each connection what it is told, such as nothing at all; returns its port. */
export function stranger(
  act: (socket: Socket) => void,
  port = 0,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    act(socket);
  });
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  onEnd(close);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () =>
      resolve({ port: (server.address() as { port: number }).port, close }),
    );
  });
}

/** An answer that goes on for ever, as fast as it is read. */
export function endless(socket: Socket): void {
  socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
  const chunk = Buffer.alloc(64 * 1024, " ");
  const fill = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", fill);
  fill();
}

export interface FakeSocketServer {
  port: number;
  /** Every event that came, also those that were refused. */
  events: any[];
  io: Server;
}

/** A server with Socket.IO whose greeting and answers are what a test wants. */
export async function fakeSocketServer({
  greeting = {},
  answer = () => undefined,
}: {
  /** Null is none. */
  greeting?: object | null;
  /** Acknowledges an event with what it returns; null leaves it without. */
  answer?: (event: any, socket: ServerSocket) => unknown;
}): Promise<FakeSocketServer> {
  const events: any[] = [];
  const http = createHttpServer((request, response) => {
    const version = { server_version: "1.0.0", server_id: "fake", features: [] };
    response.end(JSON.stringify(request.url === "/version" ? version : { compatible: true, warnings: [] }));
  });
  const io = new Server(http);
  io.on("connection", (socket) => {
    if (greeting) socket.emit("connection_ack", { server_id: "fake", ...greeting });
    socket.on("claude_event", (event, acknowledge) => {
      events.push(event);
      const result = answer(event, socket);
      if (result !== null) acknowledge(result);
    });
  });
  onEnd(() => io.close());
  await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve));
  return { port: (http.address() as { port: number }).port, events, io };
}
