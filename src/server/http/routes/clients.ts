import type { Hono } from "hono";
import { clientList, type ServerContext } from "../../context.ts";

export function clientRoutes(app: Hono, context: ServerContext): void {
  app.get("/api/clients", (c) => c.json(clientList(context)));
}
