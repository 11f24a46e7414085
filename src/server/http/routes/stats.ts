import type { Hono } from "hono";
import { type ServerContext, statsReport } from "../../context.ts";

export function statsRoutes(app: Hono, context: ServerContext): void {
  app.get("/stats", (c) => c.json(statsReport(context)));
}
