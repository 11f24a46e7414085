import { parseScope } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import { wholeClients } from "../../whole.ts";
import { SCOPE } from "../api/parameters.ts";
import { jsonAnswer, type Route } from "../route.ts";

export function clientRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/clients",
      access: "admin",
      doc: {
        group: "Clients",
        summary: "List the connected clients",
        description: "Those of Socket.IO, and the readers of streams.",
        parameters: [SCOPE],
        answers: { 200: jsonAnswer("The clients.", "ClientList") },
        errors: ["invalid_query"],
      },
      handle: async (c) => c.json(await wholeClients(context, parseScope(c.req.query()))),
    },
  ];
}
