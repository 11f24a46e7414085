import type { Hono } from "hono";
import type { ServerContext } from "../../context.ts";
import { figuresOf } from "../../figures.ts";

/** `GET /metrics`: the Prometheus exposition. */
export function metricsRoutes(app: Hono, context: ServerContext): void {
  app.get("/metrics", async (c) => {
    // Loaded when it is asked for the first time: most servers are never scraped.
    const { expose } = await import("../../../metrics.ts");
    const { text, contentType } = await expose(figuresOf(context), { server_id: context.serverId });
    return c.body(text, 200, { "Content-Type": contentType, "Cache-Control": "no-store" });
  });
}
