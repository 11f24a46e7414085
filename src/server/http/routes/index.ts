import type { Hono } from "hono";
import { RELEASE_VERSION } from "../../../version.ts";

/** Says what the server is to a person who opens its address, from the routes there are. */
export function indexRoutes(app: Hono): void {
  app.get("/", (c) => {
    const routes = app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `  ${method.padEnd(5)} ${path}`);
    const text = [
      `claude-mpm-socketio ${RELEASE_VERSION}`,
      "",
      "Events of coding agents come in here and go out to every client.",
      "Connect any Socket.IO client to this address, or use HTTP:",
      "",
      ...routes,
      "  GET   /socket.io/socket.io.js",
      "",
    ];
    return c.text(text.join("\n"));
  });
}
