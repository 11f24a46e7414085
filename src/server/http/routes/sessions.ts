import type { Hono } from "hono";
import { CodedError } from "../../../protocol/errors.ts";
import { parseSessionQuery } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";

export function sessionRoutes(app: Hono, { hub }: ServerContext): void {
  app.get("/api/sessions", async (c) => {
    return c.json({ sessions: await hub.sessions.list(parseSessionQuery(c.req.query())) });
  });

  app.get("/api/sessions/:id", async (c) => {
    const session = await hub.sessions.get(c.req.param("id"));
    if (session === null) throw new CodedError("session_not_found");
    return c.json(session);
  });
}
