import { CodedError } from "../../../protocol/errors.ts";
import { healthReport, type ServerContext } from "../../context.ts";
import { jsonAnswer, type Route, type RouteDoc } from "../route.ts";

const UNWELL = jsonAnswer("It is not well.", "UnhealthyReport");

const HEALTH: RouteDoc = {
  group: "Server",
  summary: "Tell whether the server is well, and what is not",
  description: "Where tokens are asked for and none is given, `status` is all that is told.",
  answers: {
    200: {
      description: "It is well, or works all the same.",
      content: {
        "application/json": {
          schema: {
            anyOf: [{ $ref: "#/components/schemas/Health" }, { $ref: "#/components/schemas/HealthStatus" }],
          },
        },
      },
    },
    503: UNWELL,
  },
  errors: ["unhealthy"],
};

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
      doc: HEALTH,
      handle: answer,
    },
    {
      method: "GET",
      path: "/status",
      access: "subscribe",
      doc: {
        group: "Server",
        summary: "The same as /health, under the original server's name",
        answers: { 200: jsonAnswer("It is well, or works all the same.", "Health"), 503: UNWELL },
        errors: ["unhealthy"],
      },
      handle: answer,
    },
    {
      method: "GET",
      path: "/ready",
      access: "open",
      doc: {
        group: "Server",
        summary: "Tell whether the server takes traffic",
        answers: { 200: jsonAnswer("It does.", "Ready") },
        errors: ["not_ready"],
      },
      handle(c) {
        if (!context.isReady() || context.isDraining()) throw new CodedError("not_ready");
        return c.json({ ready: true });
      },
    },
  ];
}
