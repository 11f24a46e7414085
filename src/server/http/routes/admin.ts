import { CodedError } from "../../../protocol/errors.ts";
import type { ServerContext } from "../../context.ts";
import { dismissAnywhere } from "../../whole.ts";
import { inPath } from "../api/parameters.ts";
import { jsonAnswer, type Route } from "../route.ts";

/** What only the server's owner may do. */
export function adminRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "POST",
      path: "/api/admin/shutdown",
      access: "admin",
      doc: {
        group: "Server",
        summary: "Stop the server, as SIGTERM does",
        answers: { 202: jsonAnswer("It stops.", "Stopping") },
        errors: ["not_here"],
      },
      handle(c) {
        if (context.shutDown === null) throw new CodedError("not_here");
        context.shutDown();
        return c.json({ stopping: true, pid: process.pid }, 202);
      },
    },
    {
      method: "POST",
      path: "/api/clients/:sid/disconnect",
      access: "admin",
      doc: {
        group: "Clients",
        summary: "End a client's connection; it may come again",
        parameters: [inPath("sid", "The client's session id, as `GET /api/clients` tells it")],
        answers: { 200: jsonAnswer("It is gone.", "Disconnected") },
        errors: ["client_not_found"],
      },
      async handle(c) {
        const sid = c.req.param("sid") ?? "";
        await dismissAnywhere(context, sid);
        return c.json({ disconnected: sid });
      },
    },
  ];
}
