import { clientList, type ServerContext } from "../../context.ts";
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
        answers: { 200: jsonAnswer("The clients.", "ClientList") },
      },
      handle: (c) => c.json(clientList(context)),
    },
  ];
}
