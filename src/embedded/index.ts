/**
 * A server inside another program, and the factory that takes a running server where there is one:
 * `claude-mpm-socketio/embedded`, for Bun.
 *
 * @example
 * import { getSocketioServer } from "claude-mpm-socketio/embedded";
 * const server = getSocketioServer();
 * await server.start();
 * await server.emitEvent("build.done", { target: "web" });
 * await server.stop();
 */
export * from "./factory.ts";
export { type EmbeddedOptions, type EmbeddedServer, startEmbeddedServer } from "./server.ts";
