import type { ServerContext } from "../../context.ts";
import type { Route } from "../route.ts";
import { contentSecurityPolicy } from "./dashboard.ts";

/**
 * The description of all routes, its own included: for programs, and for people. It is made when it is asked for, as
 * hardly any server ever is.
 */
export function apiRoutes({ maxEventBytes }: ServerContext, routes: () => readonly Route[]): Route[] {
  async function describe() {
    const { openApi } = await import("../api/openapi.ts");
    return openApi(routes(), { maxEventBytes });
  }

  return [
    {
      method: "GET",
      path: "/openapi.json",
      access: "subscribe",
      doc: {
        group: "For people",
        summary: "This description, for programs (OpenAPI 3.1)",
        answers: {
          200: { description: "It.", content: { "application/json": { schema: { type: "object" } } } },
        },
      },
      handle: async (c) =>
        c.body(JSON.stringify(await describe()), 200, { "Content-Type": "application/json" }),
    },
    {
      method: "GET",
      path: "/docs",
      access: "subscribe",
      doc: {
        group: "For people",
        summary: "This description, as a page",
        answers: {
          200: { description: "A page.", content: { "text/html": { schema: { type: "string" } } } },
        },
      },
      async handle(c) {
        const { docsPage } = await import("../api/page.ts");
        const html = docsPage(await describe());
        return c.html(html, 200, {
          "Cache-Control": "no-cache",
          "Content-Security-Policy": contentSecurityPolicy(html),
          "Referrer-Policy": "no-referrer",
        });
      },
    },
  ];
}
