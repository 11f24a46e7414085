import { CodedError } from "../../../protocol/errors.ts";
import { healthReport, type ServerContext } from "../../context.ts";
import type { Route } from "../route.ts";

export function healthRoutes(context: ServerContext): Route[] {
  const answer: Route["handle"] = (c, grant) => {
    const report = healthReport(context);
    const { status } = report;
    // Who only watches over the server needs no token, and learns nothing but this.
    const shown = grant === null ? { status } : report;
    return status === "unhealthy"
      ? c.json({ ...shown, error: new CodedError("unhealthy").toBody() }, 503)
      : c.json(shown);
  };

  return [
    {
      method: "GET",
      path: "/health",
      access: "open",
      doc: { summary: "Tell whether the server is well, and what is not" },
      handle: answer,
    },
    {
      method: "GET",
      path: "/status",
      access: "subscribe",
      doc: { summary: "The same as /health, under the original server's name" },
      handle: answer,
    },
    {
      method: "GET",
      path: "/ready",
      access: "open",
      doc: { summary: "Tell whether the server takes traffic" },
      handle(c) {
        if (!context.isReady()) throw new CodedError("not_ready");
        return c.json({ ready: true });
      },
    },
  ];
}
