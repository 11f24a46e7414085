/** The two faces of the server, HTTP and Socket.IO, as its listener wants them. */
import type { Logging } from "../logging.ts";
import type { ServerContext } from "./context.ts";
import { createHttpApp } from "./http/app.ts";
import { createGateway } from "./realtime/gateway.ts";
import type { Handlers, Listener } from "./server.ts";

export interface FaceSettings {
  /** Seconds. */
  ping_interval: number;
  ping_timeout: number;
}

export function createFaces(
  context: ServerContext,
  { ping_interval, ping_timeout }: FaceSettings,
  { publish, logging }: { publish: Listener["publish"]; logging: Logging },
): Omit<Handlers, "guard"> {
  const logger = logging.logger("http");
  const pings = { pingInterval: ping_interval * 1000, pingTimeout: ping_timeout * 1000 };
  return {
    http: createHttpApp(context, logger),
    gateway: createGateway(
      context,
      { ...pings, maxMessageBytes: context.maxEventBytes, publish },
      logging.logger("socketio"),
    ),
    logger,
    refusals: context.refusals,
    isStaying: () => context.isReady() && !context.isDraining(),
  };
}
