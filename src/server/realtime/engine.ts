/** The Engine.IO engine on Bun, with the contract's errors put around its own. The only import of bun-engine. */
import { Server as BunEngine, type WebSocketData } from "@socket.io/bun-engine";
import { CodedError, type ErrorCode } from "../../protocol/errors.ts";
import { SERVER_VERSION } from "../../version.ts";

export type { WebSocketData };

export interface EngineOptions {
  /** Milliseconds. */
  pingInterval: number;
  /** Milliseconds. */
  pingTimeout: number;
  /** Bytes of one message at most. */
  maxMessageBytes: number;
}

export const ENGINE_PATH = "/socket.io/";

/** By Engine.IO's numeric code (https://github.com/socketio/engine.io-protocol). */
const ERROR_CODES: readonly ErrorCode[] = [
  "transport_unknown",
  "session_unknown",
  "bad_handshake_method",
  "bad_request",
  "origin_refused",
  "protocol_unsupported",
];

export type Engine = BunEngine;

export function createEngine({ pingInterval, pingTimeout, maxMessageBytes }: EngineOptions): Engine {
  return new BunEngine({
    path: ENGINE_PATH,
    pingInterval,
    pingTimeout,
    maxHttpBufferSize: maxMessageBytes,
    // The answer to an upgrade is made inside the engine, so the header has to be set there.
    editResponseHeaders: (headers) => headers.set("X-Server-Version", SERVER_VERSION),
  });
}

/** Answers one request on the engine's path; a refusal carries both the engine's own body and ours. */
export async function handleEngineRequest(
  engine: Engine,
  request: Request,
  server: Bun.Server<WebSocketData>,
): Promise<Response> {
  const { maxHttpBufferSize } = engine.opts;
  if (Number(request.headers.get("content-length") ?? 0) > maxHttpBufferSize) {
    return refusal(413, new CodedError("body_too_large", `A message has at most ${maxHttpBufferSize} bytes`));
  }
  // A long poll is answered when there is something to say, which may take a whole ping interval.
  if (request.method === "GET") server.timeout(request, 0);
  const response = await engine.handleRequest(request, server);
  if (response.status === 413) return refusal(413, new CodedError("body_too_large"));
  if (response.status < 400) return response;
  const engineError = (await response.json().catch(() => ({}))) as { code?: number; message?: string };
  const code = ERROR_CODES[engineError.code ?? -1] ?? "bad_request";
  return refusal(response.status, new CodedError(code), engineError);
}

function refusal(status: number, error: CodedError, engineError: object = {}): Response {
  return Response.json({ ...engineError, error: error.toBody() }, { status });
}
