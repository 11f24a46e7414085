import { CodedError } from "../../../protocol/errors.ts";
import { parseSessionQuery } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import { inPath, SESSION_PARAMETERS } from "../api/parameters.ts";
import { jsonAnswer, type Route } from "../route.ts";

export function sessionRoutes({ hub }: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/sessions",
      access: "subscribe",
      doc: {
        group: "Sessions",
        summary: "List the sessions, newest activity first",
        description: "Long lists in them are cut; one session alone comes whole.",
        parameters: SESSION_PARAMETERS,
        answers: { 200: jsonAnswer("The sessions.", "SessionList") },
        errors: ["invalid_query"],
      },
      handle: async (c) => c.json({ sessions: await hub.sessions.list(parseSessionQuery(c.req.query())) }),
    },
    {
      method: "GET",
      path: "/api/sessions/:id",
      access: "subscribe",
      doc: {
        group: "Sessions",
        summary: "Tell all that is known of one session",
        parameters: [inPath("id", "The session's id in full")],
        answers: { 200: jsonAnswer("The session.", "Session") },
        errors: ["session_not_found"],
      },
      async handle(c) {
        const session = await hub.sessions.get(c.req.param("id") ?? "");
        if (session === null) throw new CodedError("session_not_found");
        return c.json(session);
      },
    },
  ];
}
