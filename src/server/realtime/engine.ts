/** The Engine.IO engine on Bun, its gaps mended and the contract's errors put around its own. The only import of bun-engine. */
import { Server as BunEngine, type WebSocketData } from "@socket.io/bun-engine";
import { CodedError, type ErrorCode } from "../../protocol/errors.ts";
import { SERVER_VERSION } from "../../version.ts";
import { errorResponse } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { refusePoll } from "./connection.ts";
import { createLightener, type Session } from "./lean.ts";
import { NamedSessions } from "./named-sessions.ts";

export type { WebSocketData };

export interface EngineOptions {
  /** Of the server: sessions that are asked for by their id are named after it. */
  name: string;
  /** Milliseconds. */
  pingInterval: number;
  /** Milliseconds. */
  pingTimeout: number;
  /** Bytes of one message at most. */
  maxMessageBytes: number;
  /** Told of each new session, and the request that opened it. */
  onSession?: (session: object, request: Request) => void;
  limits: Limits;
}

export interface Engine {
  /** What Socket.IO binds to. */
  io: BunEngine;
  /** Takes off a connected Socket.IO socket what it needs no more: see `Lightener`. */
  lighten(socket: object): void;
  /** Answers one request on the engine's path; a refusal carries both the engine's own body and ours. */
  handle(request: Request, server: Bun.Server<WebSocketData>): Promise<Response>;
  /** Ends all sessions in a way that lets their clients come again. */
  close(): void;
}

export const ENGINE_PATH = "/socket.io/";

/** Seconds a connection may be silent between two requests; long polls are exempt. */
export const HTTP_IDLE_SECONDS = 60;

/** python-engineio reads at most this many packets of one answer, and drops the connection over more. */
const MAX_PACKETS_PER_POLL = 16;

/** By Engine.IO's numeric code (https://github.com/socketio/engine.io-protocol). */
const ERROR_CODES: readonly ErrorCode[] = [
  "transport_unknown",
  "session_unknown",
  "bad_handshake_method",
  "bad_request",
  "origin_refused",
  "protocol_unsupported",
];
const BAD_REQUEST = { code: ERROR_CODES.indexOf("bad_request"), message: "Bad request" };

/**
 * The transport of a second WebSocket for a session that has one: the protocol lets it open and closes it at once,
 * where the engine would refuse it.
 */
const SURPLUS = {
  transport: { onOpen: (ws: { close(): void }) => ws.close(), onMessage() {}, onCloseEvent() {} },
} as unknown as WebSocketData;

/** The engine's socket, as far as its types leave it out. */
interface EngineSocket extends Session {
  transport: Session["transport"] & {
    name: string;
    writable: boolean;
    pollingPromise?: { resolve(response: Response): void } | undefined;
  };
  writeBuffer: unknown[];
  pingIntervalTimer?: unknown;
  pingTimeoutTimer?: unknown;
  schedulePing(): void;
  close(): void;
}

export function createEngine({
  name,
  pingInterval,
  pingTimeout,
  maxMessageBytes,
  onSession,
  limits,
}: EngineOptions): Engine {
  const io = new BunEngine({
    path: ENGINE_PATH,
    pingInterval,
    pingTimeout,
    maxHttpBufferSize: maxMessageBytes,
    // The answer to an upgrade is made inside the engine, so the header has to be set there.
    editResponseHeaders: (headers) => headers.set("X-Server-Version", SERVER_VERSION),
  });
  const own = io as unknown as { clients?: unknown };
  /** By id; in the place of the engine's own map, where it has one. */
  const sessions = new NamedSessions<EngineSocket>(name);
  const isOwn = own.clients instanceof Map;
  if (isOwn) own.clients = sessions;
  function forget(this: { id: string }): void {
    if (sessions.delete(this.id)) limits.closed();
  }
  const lighten = createLightener(forget);
  io.on("connection", (connected, request) => {
    const session = connected as unknown as EngineSocket;
    if (!isOwn) sessions.set(session.id, session);
    limits.opened();
    onSession?.(session, request);
    // The engine's listener does the same to its map, but is a closure that keeps the `Request`, its URL and two
    // `Headers` for as long as the session lives: 1.5 KB.
    if (isOwn) session.off("close");
    session.on("close", forget);
    session.flush = limitedFlush;
    session.schedulePing = schedulePingOnce;
    lighten.session(session);
  });

  return {
    io,
    lighten: (socket) => lighten.socket(socket),

    async handle(request, server) {
      if (Number(request.headers.get("content-length") ?? 0) > maxMessageBytes) {
        return errorResponse(
          new CodedError("body_too_large", `A message has at most ${maxMessageBytes} bytes`),
        );
      }
      const { searchParams } = new URL(request.url);
      if (searchParams.get("transport") === "websocket" && !request.headers.has("upgrade")) {
        return errorResponse(new CodedError("bad_request"), BAD_REQUEST);
      }
      if (!searchParams.has("sid")) {
        try {
          limits.admit();
        } catch (error) {
          return errorResponse(error);
        }
      }
      const session = sessions.get(searchParams.get("sid") ?? "");
      if (session?.transport.name === "websocket" && server.upgrade(request, { data: SURPLUS })) {
        return new Response(null);
      }
      // A long poll is answered when there is something to say, which may take a whole ping interval.
      const isPoll = request.method === "GET" && !request.headers.has("upgrade");
      if (isPoll) server.timeout(request, 0);
      const response = await io.handleRequest(request, server);
      // The limit belongs to the connection, which may be kept for other requests.
      if (isPoll) server.timeout(request, HTTP_IDLE_SECONDS);
      // An upgrade that Bun refuses, such as one without a key.
      if (response.status === 500) return errorResponse(new CodedError("bad_request"), BAD_REQUEST);
      if (response.status === 413) return errorResponse(new CodedError("body_too_large"));
      if (response.status < 400) return response;
      const engineError = (await response.json().catch(() => BAD_REQUEST)) as typeof BAD_REQUEST;
      const code = ERROR_CODES[engineError.code] ?? "bad_request";
      return errorResponse(new CodedError(code), engineError);
    },

    close() {
      for (const socket of sessions.values()) {
        refusePoll(socket);
        socket.close();
      }
    },
  };
}

/**
 * Stands for the `flush` of all the engine's sockets, before the one of their class: sends a polling client no more
 * packets at a time than every stock client takes; the rest waits for its next poll.
 */
function limitedFlush(this: EngineSocket): void {
  const { flush } = Object.getPrototypeOf(this) as EngineSocket;
  if (this.transport.name !== "polling" || !this.transport.writable) return flush.call(this);
  const rest = this.writeBuffer.splice(MAX_PACKETS_PER_POLL);
  flush.call(this);
  this.writeBuffer.unshift(...rest);
}

/**
 * Stands for the `schedulePing` of all the engine's sockets: each pong that nobody has asked for, before the first ping,
 * would start another timer.
 */
function schedulePingOnce(this: EngineSocket): void {
  if (this.pingIntervalTimer !== undefined && this.pingTimeoutTimer === undefined) return;
  (Object.getPrototypeOf(this) as EngineSocket).schedulePing.call(this);
}
