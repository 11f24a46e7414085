/** The one listener: Bun.serve, the guard in front, the engine's path to Socket.IO, the rest to HTTP. */
import type { SenderOf } from "../auth/forwarded.ts";
import type { OriginGuard } from "../auth/origin.ts";
import { CodedError } from "../protocol/errors.ts";
import { SERVER_VERSION } from "../version.ts";
import { errorResponse, refusalOf } from "./errors.ts";
import type { Logger } from "../logging.ts";
import type { HttpHandler } from "./http/app.ts";
import type { Gateway } from "./realtime/gateway.ts";
import { type KeyPair, type OnAttempt, takePort } from "./port.ts";
import { createRequestIds, REQUEST_ID_HEADER } from "./request-id.ts";
import { HTTP_IDLE_SECONDS, type WebSocketData } from "./realtime/engine.ts";
import type { Refusals } from "./refusals.ts";

export interface ListenOptions {
  /** An address, not a name that may stand for several. */
  hostname: string;
  port: number;
  /** Bytes of one WebSocket message at most; a larger one closes the connection with 1009. */
  maxMessageBytes: number;
  /** Null is plain HTTP. */
  tls: KeyPair | null;
  /** Who asks, where it is not who has connected. */
  senderOf: SenderOf;
}

/** What answers requests; until it is attached every request gets 503. */
export interface Handlers {
  guard(): OriginGuard;
  http: HttpHandler;
  gateway: Gateway;
  logger: Logger;
  refusals: Refusals;
  /** Whether connections may be kept for later requests. */
  isStaying(): boolean;
}

export interface Listener {
  port: number;
  attach(handlers: Handlers): void;
  /** The address a request comes from, behind a proxy that is trusted that of its client. */
  addressOf(request: Request): string;
  /** Sends a text to all WebSockets on a topic, uncompressed; see `BroadcastAdapterOptions.publish`. */
  publish(topic: string, text: string): number;
  /** New connections are made with this; those there are go on with what they began with. */
  renewTls(tls: KeyPair, onAttempt: OnAttempt): void;
  /** Stops accepting, lets clients go, and closes what is left after the grace period. */
  stop(): Promise<void>;
}

/** Above the largest body a route takes, so that our own coded answer comes before Bun's bare 413. */
const MAX_REQUEST_BODY_BYTES = 64 * 1024 * 1024;
/** Bun itself refuses a head of more than 16 KiB, or 200 headers, with a bare 431, and one that takes longer than 12 s. */
const MAX_URL_CHARS = 8 * 1024;
const GRACE_MS = 1000;
/**
 * Bun cuts off connections between two requests when a listener ends, and a client that sends just then loses its
 * session. Answers wait this long before: whoever asks again and again is then in the middle of a request.
 */
const HOLD_MS = 200;
const MAX_LOGGED_CHARS = 100;
const BACKPRESSURE_LIMIT_BYTES = 16 * 1024 * 1024;

/** Binds the port; whoever holds it is the server. Throws Bun's listen error. */
export function listen({ hostname, port, maxMessageBytes, tls, senderOf }: ListenOptions): Listener {
  let handlers: Handlers | null = null;
  const idOf = createRequestIds();

  const held = takePort({ port, tls, open });
  /** While the listener is being replaced. */
  let replacement: { next: () => void; done: Promise<void> } | null = null;

  function open(number: number, pair: KeyPair | null): Bun.Server<WebSocketData> {
    return Bun.serve<WebSocketData>({
      hostname,
      port: number,
      // Bun speaks TLS 1.2 and 1.3 and nothing older.
      ...(pair === null ? {} : { tls: { cert: pair.cert, key: pair.key } }),
      idleTimeout: HTTP_IDLE_SECONDS,
      maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
      async fetch(request, server) {
        const id = idOf(request);
        let origin: string | null = null;
        let response: Response;
        try {
          if (handlers === null) throw new CodedError("not_ready");
          if (request.url.length > MAX_URL_CHARS) throw new CodedError("url_too_long");
          origin = handlers.guard().check(request);
          response = await route(request, id, server, handlers);
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
        if (replacement) await replacement.done;
        return finish(request, response, { origin, id, isLast: !held.isLive(server) });
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
  }

  async function replaceLater(): Promise<void> {
    await Bun.sleep(HOLD_MS);
    replacement?.next();
    replacement = null;
  }

  function route(
    request: Request,
    id: string,
    server: Bun.Server<WebSocketData>,
    { http, gateway }: Handlers,
  ): Response | Promise<Response> {
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

  /** @param asked.isLast whether its connection is not used again */
  function finish(
    request: Request,
    response: Response,
    { origin, id, isLast }: { origin: string | null; id: string; isLast: boolean },
  ): Response {
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
      isLast ||
      request.headers.get("connection")?.toLowerCase() === "close" ||
      handlers?.isStaying() === false;
    if (closing) headers.set("Connection", "close");
    return response;
  }

  /** Any listener knows the requests of all. */
  const addressOf = (request: Request) =>
    senderOf(held.servers()[0]?.requestIP(request)?.address ?? "unknown", request.headers);

  return {
    port: held.number,
    attach(next) {
      handlers = next;
    },
    addressOf,
    publish: (topic, text) => publishOn(held.servers(), topic, text),
    renewTls(pair, onAttempt) {
      const next = () => held.renew(pair, onAttempt);
      if (replacement) replacement.next = next;
      else replacement = { next, done: replaceLater() };
    },
    async stop() {
      if (replacement) replacement.next = () => {};
      held.close();
      handlers?.gateway.close();
      // `server.stop()` waits for every socket, for ever if one does not answer.
      const deadline = Date.now() + GRACE_MS;
      while (held.servers().some(isBusy) && Date.now() < deadline) await Bun.sleep(5);
      await within(GRACE_MS, Promise.all(held.servers().map((server) => server.stop(true))));
    },
  };
}

/** As bad as the worst of those that somebody on the topic is connected to; there is one but for a renewed certificate. */
function publishOn(servers: readonly Bun.Server<WebSocketData>[], topic: string, text: string): number {
  const results = servers
    .filter((server) => servers.length === 1 || server.subscriberCount(topic) > 0)
    .map((server) => server.publish(topic, text, false));
  return results.length === 0 ? 0 : Math.min(...results);
}

function isBusy({ pendingRequests, pendingWebSockets }: Bun.Server<WebSocketData>): boolean {
  return pendingRequests + pendingWebSockets > 0;
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
function within(limitMs: number, act: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs);
    act.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
