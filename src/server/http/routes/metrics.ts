import type { ServerContext } from "../../context.ts";
import { figuresOf } from "../../figures.ts";
import type { Route } from "../route.ts";

export function metricsRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/metrics",
      access: "subscribe",
      doc: {
        group: "Server",
        summary: "The server's figures, as Prometheus reads them",
        description:
          "`claude-mpm-socketio metrics dashboard` and `metrics alerts` print what Grafana and Prometheus make of them.",
        answers: {
          200: {
            description: "The figures in Prometheus' text format.",
            content: {
              "text/plain": {
                schema: { type: "string" },
                example: "claude_mpm_socketio_lagging_clients 0\n",
              },
            },
          },
        },
      },
      async handle(c) {
        // Loaded when it is asked for the first time: most servers are never scraped.
        const { expose } = await import("../../../metrics.ts");
        const { text, contentType } = await expose(figuresOf(context), { server_id: context.serverId });
        return c.body(text, 200, { "Content-Type": contentType, "Cache-Control": "no-store" });
      },
    },
  ];
}
