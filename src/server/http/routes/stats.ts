import { parseScope } from "../../../protocol/query.ts";
import type { ServerContext } from "../../context.ts";
import { wholeStats } from "../../whole.ts";
import { SCOPE } from "../api/parameters.ts";
import { jsonAnswer, type Route } from "../route.ts";

export function statsRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/stats",
      access: "subscribe",
      doc: {
        group: "Server",
        summary: "Tell the server's figures",
        description:
          "Of servers that share a log, the figures of all together; `server_info` and `log` are those of the one that is asked.",
        parameters: [SCOPE],
        answers: { 200: jsonAnswer("The figures.", "Stats") },
        errors: ["invalid_query"],
      },
      handle: async (c) => c.json(await wholeStats(context, parseScope(c.req.query()))),
    },
  ];
}
