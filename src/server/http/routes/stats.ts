import { type ServerContext, statsReport } from "../../context.ts";
import type { Route } from "../route.ts";

export function statsRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/stats",
      access: "subscribe",
      doc: { summary: "Tell the server's figures" },
      handle: (c) => c.json(statsReport(context)),
    },
  ];
}
