import type { AccessReport } from "../../../protocol/messages.ts";
import { isoTime, type ServerContext } from "../../context.ts";
import { jsonAnswer, type Route } from "../route.ts";

export function accessRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/access",
      access: "any",
      doc: {
        group: "Clients",
        summary: "Tell what the token that is sent allows, and until when",
        answers: {
          200: jsonAnswer("What it allows; everything, where no token is asked for.", "AccessReport"),
        },
      },
      handle(c, grant) {
        const { name = "", scopes = [], expiresAt = null } = grant ?? {};
        const report: AccessReport = {
          auth: context.access.isOn,
          name,
          scopes: [...scopes],
          expires_at: expiresAt === null ? null : isoTime(expiresAt),
        };
        return c.json(report);
      },
    },
  ];
}
