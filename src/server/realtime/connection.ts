/** What lies below a socket of Socket.IO: the engine's connection, as far as its types leave it out. */
import type { Socket } from "socket.io";
import type { WebSocketData } from "./engine.ts";

export interface EngineConnection {
  readyState: string;
  transport: { name: "polling" | "websocket"; socket?: Bun.ServerWebSocket<WebSocketData> };
  writeBuffer: { data?: string }[];
  write(packet: string): void;
  close(): void;
}

export function connectionOf(socket: Pick<Socket, "conn">): EngineConnection {
  return socket.conn as unknown as EngineConnection;
}

/**
 * Ends a connection at once; its client takes it for lost, comes again and resumes. The engine alone would wait until
 * a polling client has read what there is, which one that never reads does not.
 */
export function drop(conn: EngineConnection): void {
  conn.writeBuffer.length = 0;
  conn.close();
}

/** Bytes, on polling characters, that were given to a connection and have not left the process. */
export function bufferedBy(conn: EngineConnection): number {
  return (conn.transport.socket?.getBufferedAmount() ?? 0) + waitingFor(conn);
}

/** Characters a polling client has not asked for yet; a WebSocket takes everything at once. */
function waitingFor({ writeBuffer }: EngineConnection): number {
  let sum = 0;
  for (const { data } of writeBuffer) sum += data?.length ?? 0;
  return sum;
}
