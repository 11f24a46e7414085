/** The one listener: Bun.serve, the guard in front, the engine's path to Socket.IO, the rest to HTTP. */
import type { OriginGuard } from "../auth/origin.ts";
import { CodedError } from "../protocol/errors.ts";
import { SERVER_VERSION } from "../version.ts";
import { errorResponse, refusalOf } from "./errors.ts";
import type { Logger } from "../logging.ts";
import type { HttpHandler } from "./http/app.ts";
import type { Gateway } from "./realtime/gateway.ts";
import { createRequestIds, REQUEST_ID_HEADER } from "./request-id.ts";
import { HTTP_IDLE_SECONDS, type WebSocketData } from "./realtime/engine.ts";
import type { Refusals } from "./refusals.ts";

export interface ListenOptions {
  /** An address, not a name that may stand for several. */
  hostname: string;
  port: number;
  /** Bytes of one WebSocket message at most; a larger one closes the connection with 1009. */
  maxMessageBytes: number;
}

/** What answers requests; until it is attached every request gets 503. */
export interface Handlers {
  guard(): OriginGuard;
  http: HttpHandler;
  gateway: Gateway;
  logger: Logger;
  refusals: Refusals;
  isReady(): boolean;
}

export interface Listener {
  port: number;
  attach(handlers: Handlers): void;
  /** The address a request comes from. */
  addressOf(request: Request): string;
  /** Sends a text to all WebSockets on a topic, uncompressed; see `BroadcastAdapterOptions.publish`. */
  publish(topic: string, text: string): number;
  /** Stops accepting, lets clients go, and closes what is left after the grace period. */
  stop(): Promise<void>;
}

/** Above the largest body a route takes, so that our own coded answer comes before Bun's bare 413. */
const MAX_REQUEST_BODY_BYTES = 64 * 1024 * 1024;
/** Bun itself refuses a head of more than 16 KiB, or 200 headers, with a bare 431, and one that takes longer than 12 s. */
const MAX_URL_CHARS = 8 * 1024;
const GRACE_MS = 1000;
const MAX_LOGGED_CHARS = 100;
const BACKPRESSURE_LIMIT_BYTES = 16 * 1024 * 1024;

/** Binds the port; whoever holds it is the server. Throws Bun's listen error. */
export function listen({ hostname, port, maxMessageBytes }: ListenOptions): Listener {
  let handlers: Handlers | null = null;
  const idOf = createRequestIds();

  const server = Bun.serve<WebSocketData>({
    hostname,
    port,
    idleTimeout: HTTP_IDLE_SECONDS,
    maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
    async fetch(request) {
      const id = idOf(request);
      let origin: string | null = null;
      let response: Response;
      try {
        if (handlers === null) throw new CodedError("not_ready");
        if (request.url.length > MAX_URL_CHARS) throw new CodedError("url_too_long");
        origin = handlers.guard().check(request);
        response = await route(request, id, handlers);
      } catch (error) {
        if (!(error instanceof CodedError)) {
          handlers?.logger.error("request failed", {
            request_id: id,
            method: request.method,
            path: pathOf(request.url),
            error: String(error),
          });
        }
        response = errorResponse(error, {}, id);
      }
      return finish(request, response, origin, id);
    },
    error: (error) => errorResponse(error),
    websocket: {
      maxPayloadLength: maxMessageBytes,
      // Engine.IO's own heartbeat finds dead peers, whatever the configured interval.
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      open: (ws) => handlers?.gateway.websocket.open(ws),
      message: (ws, message) => handlers?.gateway.websocket.message(ws, message),
      close: (ws, code, reason) => handlers?.gateway.websocket.close(ws, code, reason),
      drain: (ws) => handlers?.gateway.websocket.drain(ws),
      // Never reached by events, which stop far below; what else a client asks for without reading ends here.
      backpressureLimit: BACKPRESSURE_LIMIT_BYTES,
      closeOnBackpressureLimit: true,
    },
  });

  function route(request: Request, id: string, { http, gateway }: Handlers): Response | Promise<Response> {
    // HTTP/1.0 needs no Host, and Bun then knows no more than the path.
    if (request.url.startsWith("/")) return http(new Request(`http://localhost${request.url}`, request), id);
    const pathname = pathOf(request.url);
    if (request.method === "OPTIONS" && request.headers.has("access-control-request-method")) {
      return new Response(null, { status: 204 });
    }
    return (
      (pathname.startsWith("/socket.io") ? gateway.handle(request, pathname, server) : null) ??
      http(request, id)
    );
  }

  function finish(request: Request, response: Response, origin: string | null, id: string): Response {
    const { headers } = response;
    const refusal = refusalOf(response);
    if (refusal) {
      const { method, url } = request;
      handlers?.refusals.note(refusal, {
        method,
        path: pathOf(url).slice(0, MAX_LOGGED_CHARS),
        request_id: id,
        from: addressOf(request),
      });
    }
    headers.set("X-Server-Version", SERVER_VERSION);
    headers.set(REQUEST_ID_HEADER, id);
    // What is said here is no script, whatever a page on another origin takes it for.
    headers.set("X-Content-Type-Options", "nosniff");
    if (origin !== null) allowOrigin(headers, origin, request);
    // Bun closes the connection when asked to, but does not say so: keep-alive agents then trip over it.
    const closing =
      request.headers.get("connection")?.toLowerCase() === "close" || handlers?.isReady() === false;
    if (closing) headers.set("Connection", "close");
    return response;
  }

  const addressOf = (request: Request) => server.requestIP(request)?.address ?? "unknown";

  return {
    port: server.port ?? port,
    attach(next) {
      handlers = next;
    },
    addressOf,
    publish: (topic, text) => server.publish(topic, text, false),
    async stop() {
      void server.stop(false);
      handlers?.gateway.close();
      // `server.stop()` waits for every socket, for ever if one does not answer.
      const deadline = Date.now() + GRACE_MS;
      while (server.pendingRequests + server.pendingWebSockets > 0 && Date.now() < deadline)
        await Bun.sleep(5);
      await within(GRACE_MS, server.stop(true));
    },
  };
}

/** What a page may read of an answer, besides what every page may. */
const EXPOSED_HEADERS = `X-Server-Version, ${REQUEST_ID_HEADER}, WWW-Authenticate, Retry-After`;

function allowOrigin(headers: Headers, origin: string, request: Request): void {
  headers.set("Access-Control-Allow-Origin", origin);
  headers.append("Vary", "Origin");
  headers.set("Access-Control-Expose-Headers", EXPOSED_HEADERS);
  if (request.method !== "OPTIONS") return;
  headers.set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  const requested = request.headers.get("access-control-request-headers");
  if (requested !== null) headers.set("Access-Control-Allow-Headers", requested);
  // https://wicg.github.io/private-network-access/: a page of the internet that asks something of a machine at home.
  if (request.headers.get("access-control-request-private-network") === "true")
    headers.set("Access-Control-Allow-Private-Network", "true");
  headers.set("Access-Control-Max-Age", "600");
}

/** The path of an absolute URL as Bun gives it, normalised already; parsing it whole costs every request. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.search(/[?#]/);
  return url.slice(start, end === -1 ? undefined : end);
}

/** Leaves no timer behind, which would keep the process of an embedded server alive. */
function within(limitMs: number, act: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs);
    act.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
