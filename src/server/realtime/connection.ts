/** What lies below a socket of Socket.IO: the engine's connection, as far as its types leave it out. */
import type { Socket } from "socket.io";
import { CodedError } from "../../protocol/errors.ts";
import { errorResponse } from "../errors.ts";
import type { WebSocketData } from "./engine.ts";

/** What of a connection may have a client's request waiting. */
interface Pollable {
  transport: {
    name: string;
    writable: boolean;
    pollingPromise?: { resolve(response: Response): void } | undefined;
  };
}

export interface EngineConnection {
  readyState: string;
  transport: Pollable["transport"] & {
    name: "polling" | "websocket";
    socket?: Bun.ServerWebSocket<WebSocketData>;
  };
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
  refusePoll(conn);
  conn.close();
}

/**
 * Answers a pending poll with an error. The engine's own way is a "close" packet, after which python-socketio takes
 * the end for intended and does not connect again; a failed poll is a lost connection, and every client comes again.
 */
export function refusePoll({ transport }: Pollable): void {
  if (transport.name !== "polling") return;
  transport.pollingPromise?.resolve(errorResponse(new CodedError("not_ready")));
  transport.pollingPromise = undefined;
  transport.writable = false;
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
