/** The map of the HTTP surface. The only folder that imports hono. */
import { type Context, Hono } from "hono";
import { EVERYTHING } from "../../auth/access.ts";
import { bearerToken, queryToken } from "../../auth/bearer.ts";
import { CodedError } from "../../protocol/errors.ts";
import type { Logger } from "../../logging.ts";
import type { ServerContext } from "../context.ts";
import { errorResponse } from "../errors.ts";
import type { Route } from "./route.ts";
import { accessRoutes } from "./routes/access.ts";
import { adminRoutes } from "./routes/admin.ts";
import { apiRoutes } from "./routes/api.ts";
import { clientRoutes } from "./routes/clients.ts";
import { compatibilityRoutes } from "./routes/compatibility.ts";
import { dashboardRoutes } from "./routes/dashboard.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { historyRoutes } from "./routes/history.ts";
import { hookRoutes } from "./routes/hooks.ts";
import { loginRoutes } from "./routes/login.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { statsRoutes } from "./routes/stats.ts";
import { streamRoutes } from "./routes/stream.ts";

/** @param id as the answer will name the request */
export type HttpHandler = (request: Request, id: string) => Response | Promise<Response>;

/** All routes there are. */
export function routesOf(context: ServerContext): Route[] {
  const routes: Route[] = [
    ...healthRoutes(context),
    ...compatibilityRoutes(context),
    ...statsRoutes(context),
    ...metricsRoutes(context),
    ...eventRoutes(context),
    ...historyRoutes(context),
    ...hookRoutes(context),
    ...streamRoutes(context),
    ...sessionRoutes(context),
    ...clientRoutes(context),
    ...accessRoutes(context),
    ...adminRoutes(context),
    ...loginRoutes(context),
    ...apiRoutes(context, () => routes),
    ...dashboardRoutes(),
  ];
  return routes;
}

export function createHttpApp(context: ServerContext, logger: Logger): HttpHandler {
  const app = new Hono<{ Bindings: { requestId: string } }>();

  app.onError((error, c) => {
    const { requestId } = c.env;
    if (c.req.raw.signal.aborted) {
      logger.debug("client went away", { method: c.req.method, path: c.req.path });
    } else if (!(error instanceof CodedError)) {
      context.hub.countError();
      logger.error("request failed", {
        request_id: requestId,
        method: c.req.method,
        path: c.req.path,
        error: String(error),
      });
    }
    return errorResponse(error, {}, requestId);
  });
  for (const route of routesOf(context)) {
    app.on(route.method, route.path, guarded(told(route, context, logger), context));
  }
  // Here and not by a second handler on each path: hono calls a lone handler without its middleware chain.
  app.notFound((c) => refuse(app, c.req.method, c.req.path));

  // Bun answers HEAD from a whole answer to GET, its length included; hono would leave it with a length of 0.
  return (request, requestId) =>
    app.fetch(request.method === "HEAD" ? new Request(request, { method: "GET" }) : request, { requestId });
}

/** Nothing of a request is looked at before it is known what its sender may do. */
function guarded(
  { access: level, tokenInQuery, handle }: Route,
  { access, addressOf }: ServerContext,
): (c: Context) => Response | Promise<Response> {
  if (!access.isOn) return (c) => handle(c, EVERYTHING);
  return (c) => {
    const { raw } = c.req;
    const inQuery = tokenInQuery === true ? queryToken(raw.url) : null;
    const caller = {
      token: bearerToken(raw.headers.get("authorization")) ?? inQuery,
      address: () => addressOf(raw),
    };
    const grant = level === "open" ? access.recognize(caller) : access.admit(caller, level);
    return grant instanceof Promise ? grant.then((given) => handle(c, given)) : handle(c, grant);
  };
}

/** What only the owner may do stands in the log, with who has done it. */
function told(route: Route, { addressOf }: ServerContext, logger: Logger): Route {
  if (route.access !== "admin" || route.method === "GET") return route;
  return {
    ...route,
    handle(c, grant) {
      const { method, path, raw } = c.req;
      logger.info("admin request", {
        request_id: c.env.requestId,
        method,
        path,
        by: grant?.name ?? null,
        from: addressOf(raw),
      });
      return route.handle(c, grant);
    },
  };
}

/** A known path asked with a method it does not have is 405, not 404. */
function refuse(app: Pick<Hono, "routes" | "router">, method: string, path: string): Response {
  const methods = new Set(app.routes.map((route) => route.method));
  const allowed = [...methods].filter((other) => app.router.match(other, path)[0].length > 0);
  if (allowed.length === 0) return errorResponse(new CodedError("not_found", `There is nothing at ${path}`));
  const response = errorResponse(new CodedError("method_not_allowed", `${method} is not for ${path}`));
  // Bun makes HEAD out of GET.
  response.headers.set("Allow", allowed.map((one) => (one === "GET" ? "GET, HEAD" : one)).join(", "));
  return response;
}
