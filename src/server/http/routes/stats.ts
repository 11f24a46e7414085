import { type ServerContext, statsReport } from "../../context.ts";
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
        answers: { 200: jsonAnswer("The figures.", "Stats") },
      },
      handle: (c) => c.json(statsReport(context)),
    },
  ];
}
