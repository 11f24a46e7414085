/** Socket.IO on the engine: connections in, the hub's events out. This folder alone imports socket.io. */
import { Server } from "socket.io";
import { CodedError } from "../../protocol/errors.ts";
import type { Logger } from "../../logging.ts";
import { compatibilityOf, type ServerContext, serverStatus } from "../context.ts";
import {
  type BroadcastAdapter,
  type BroadcastAdapterOptions,
  createBroadcastAdapter,
} from "./broadcast-adapter.ts";
import { serveBundle } from "./bundle.ts";
import { createEngine, ENGINE_PATH, type EngineOptions, type WebSocketData } from "./engine.ts";
import { createAdmission } from "./admission.ts";
import { tolerantParser } from "./parser.ts";
import { type ClientSocket, createRequestListener } from "./handlers.ts";
import { identityAuth, readHandshake } from "./handshake.ts";
import { createChannel, type Drains, SocketSubscriber } from "./subscriber.ts";
import { createTurns } from "./turns.ts";

export interface Gateway {
  /** Answers a request below `/socket.io`, or returns null when it is none of ours. */
  handle(
    request: Request,
    path: string,
    server: Bun.Server<WebSocketData>,
  ): Promise<Response> | Response | null;
  websocket: {
    open(ws: Bun.ServerWebSocket<WebSocketData>): void;
    message(ws: Bun.ServerWebSocket<WebSocketData>, message: string | Buffer): void;
    close(ws: Bun.ServerWebSocket<WebSocketData>, code: number, reason: string): void;
    drain(ws: Bun.ServerWebSocket<WebSocketData>): void;
  };
  /** Tells every client that the server goes away (WebSocket close code 1001). */
  close(): void;
}

export type GatewayOptions = Omit<EngineOptions, "name" | "limits" | "onSession"> & BroadcastAdapterOptions;

const GOING_AWAY = 1001;
/** A session that nobody joins by then is closed. */
const CONNECT_MS = 10_000;
/** Events to be stored with which those that wait do not come on top: a commit and its answers take so much longer. */
const MAX_PENDING = 64;
/** Asked once on an upgrade; the engine starts a timer on each and forgets all but the last. */
const PROBE = "2probe";

/** Binds Socket.IO to the engine and every connection to the hub. */
export function createGateway(
  context: ServerContext,
  { publish, ...options }: GatewayOptions,
  logger: Logger,
): Gateway {
  const admission = createAdmission(context);
  const engine = createEngine({
    ...options,
    name: context.serverId,
    limits: context.limits,
    ...(admission && { onSession: admission.onSession }),
  });
  const io = new Server({
    serveClient: false,
    connectTimeout: CONNECT_MS,
    parser: tolerantParser,
    adapter: createBroadcastAdapter({ publish }),
  });
  io.bind(engine.io);
  if (admission) io.use(admission.check);
  const { reach } = context.hub;
  if (reach) {
    // The client may come from a node that is a little ahead: it would be told that what it has is lost.
    io.use(({ handshake }, next) => {
      const { resume } = readHandshake(handshake.auth);
      const reached = resume && reach(resume);
      if (reached) void reached.finally(next);
      else next();
    });
  }
  const drains: Drains = new WeakMap();
  const channel = createChannel(context, io.of("/").adapter as BroadcastAdapter);
  const listeners = createListeners(context, logger);
  io.on("connection", (socket: ClientSocket) => {
    const subscriber = new SocketSubscriber(socket, channel, drains);
    connect(subscriber, listeners, context, logger);
    engine.lighten(socket);
  });
  const websockets = new Set<Bun.ServerWebSocket<WebSocketData>>();
  const probed = new WeakSet<Bun.ServerWebSocket<WebSocketData>>();
  const turns = createTurns<Bun.ServerWebSocket<WebSocketData>>({
    // Outside of its own handler each answer would be a system call of its own.
    together: (ws, act) => void ws.cork(act),
    isBusy: () => context.hub.pending() >= MAX_PENDING,
    handle: (ws, message) => engine.io.onWebSocketMessage(ws, message),
    end: (ws, code, reason) => engine.io.onWebSocketClose(ws, code, reason),
    refuse(ws, message) {
      const answer = refusalOf(message);
      if (answer === null) return engine.io.onWebSocketMessage(ws, message);
      context.refusals.note(OVERLOADED, { from: ws.remoteAddress });
      ws.send(answer);
    },
  });

  return {
    handle(request, path, server) {
      if (path === ENGINE_PATH || path === ENGINE_PATH.slice(0, -1)) {
        return engine.handle(request, server);
      }
      return serveBundle(request, path);
    },
    websocket: {
      open(ws) {
        websockets.add(ws);
        engine.io.onWebSocketOpen(ws);
      },
      message(ws, message) {
        if (message === PROBE && probed.has(ws)) return ws.close();
        if (message === PROBE) probed.add(ws);
        turns.message(ws, message);
      },
      drain: (ws) => drains.get(ws)?.(),
      close(ws, code, reason) {
        websockets.delete(ws);
        drains.get(ws)?.();
        turns.close(ws, code, reason);
      },
    },
    close() {
      // No Socket.IO "disconnect" goes out first: on that clients give up, on a lost transport they come again.
      for (const ws of websockets) ws.close(GOING_AWAY, "server shutting down");
      engine.close();
    },
  };
}

/** Every socket is given the same functions, with itself as `this`: see `createRequestListener`. */
function createListeners(context: ServerContext, logger: Logger) {
  const { hub } = context;
  return {
    onRequest: createRequestListener(context, logger),
    onError(this: ClientSocket, error: unknown): void {
      hub.countError();
      logger.debug("client sent what cannot be read", { sid: this.id, error: String(error) });
    },
    onDisconnect(this: ClientSocket, reason: string): void {
      this.data.subscription.close();
      this.data.unwatch?.();
      hub.clients.remove(this.id);
      logger.debug("client disconnected", { sid: this.id, reason });
    },
  };
}

function connect(
  subscriber: SocketSubscriber,
  { onRequest, onError, onDisconnect }: ReturnType<typeof createListeners>,
  context: ServerContext,
  logger: Logger,
): void {
  const { socket } = subscriber;
  const { hub } = context;
  const { version, filter, resume, problems } = readHandshake(socket.handshake.auth);
  socket.handshake.auth = identityAuth(socket.handshake.auth);
  const compatibility = compatibilityOf(context, version);
  hub.clients.add({ sid: socket.id, version: compatibility.client_version });
  logger.debug("client connected", { sid: socket.id, version: compatibility.client_version });

  subscriber.acknowledge(compatibility, hub.position());
  socket.emit("server_status", serverStatus(context));
  if (!compatibility.compatible) socket.emit("compatibility_warning", compatibility);
  for (const problem of problems) socket.emit("event_error", problem.toBody());

  const { grant } = socket.data;
  if (grant) socket.data.unwatch = context.access.watch(grant, (reason) => subscriber.dismiss(reason));
  socket.data.connectedAt = Date.now();
  // From here on to `subscribe` nothing may wait, or an event could pass between the two.
  socket.data.subscription = hub.subscribe(subscriber, { filter, resume });
  socket.onAny(onRequest);
  // Without a listener Socket.IO prints to the console.
  socket.on("error", onError);
  socket.on("disconnect", onDisconnect);
}

const OVERLOADED = new CodedError("overloaded", "This connection sends faster than the server can store");
const REFUSED = JSON.stringify(OVERLOADED.toBody());
/** An Engine.IO message with a Socket.IO event in it, and the acknowledgement's number where there is one. */
const EVENT = /^42(\d{0,15})\["claude_event",/;

/** What refuses an event without reading it; null for anything else. */
function refusalOf(message: string | Buffer): string | null {
  const [, id] = (typeof message === "string" && EVENT.exec(message)) || [];
  if (id === undefined) return null;
  return id === "" ? `42["event_error",${REFUSED}]` : `43${id}[{"ok":false,"error":${REFUSED}}]`;
}
