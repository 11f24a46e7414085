import { clientList, type ServerContext } from "../../context.ts";
import type { Route } from "../route.ts";

export function clientRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/clients",
      access: "admin",
      doc: { summary: "List the connected clients" },
      handle: (c) => c.json(clientList(context)),
    },
  ];
}
