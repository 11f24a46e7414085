import { CodedError } from "../../../protocol/errors.ts";
import type { ServerContext } from "../../context.ts";
import type { Route } from "../route.ts";

/** What only the server's owner may do. */
export function adminRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "POST",
      path: "/api/admin/shutdown",
      access: "admin",
      doc: { summary: "Stop the server, as SIGTERM does" },
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
      doc: { summary: "End a client's connection; it may come again" },
      handle(c) {
        const sid = c.req.param("sid") ?? "";
        const reason = new CodedError("dismissed");
        if (!context.hub.dismiss(sid, reason)) throw new CodedError("client_not_found");
        return c.json({ disconnected: sid });
      },
    },
  ];
}
