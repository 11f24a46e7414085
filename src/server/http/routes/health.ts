import type { Hono } from "hono";
import { CodedError } from "../../../protocol/errors.ts";
import { healthReport, type ServerContext } from "../../context.ts";

export function healthRoutes(app: Hono, context: ServerContext): void {
  for (const path of ["/health", "/status"]) {
    app.get(path, (c) => {
      const report = healthReport(context);
      return report.status === "unhealthy"
        ? c.json({ ...report, error: new CodedError("unhealthy").toBody() }, 503)
        : c.json(report);
    });
  }

  app.get("/ready", (c) => {
    if (!context.isReady()) throw new CodedError("not_ready");
    return c.json({ ready: true });
  });
}
