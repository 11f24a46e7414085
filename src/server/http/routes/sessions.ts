import { CodedError } from "../../../protocol/errors.ts";
import { parseSessionQuery } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import type { Route } from "../route.ts";

export function sessionRoutes({ hub }: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/sessions",
      access: "subscribe",
      doc: { summary: "List the sessions, newest activity first" },
      handle: async (c) => c.json({ sessions: await hub.sessions.list(parseSessionQuery(c.req.query())) }),
    },
    {
      method: "GET",
      path: "/api/sessions/:id",
      access: "subscribe",
      doc: { summary: "Tell all that is known of one session" },
      async handle(c) {
        const session = await hub.sessions.get(c.req.param("id") ?? "");
        if (session === null) throw new CodedError("session_not_found");
        return c.json(session);
      },
    },
  ];
}
