import type { Hono } from "hono";
import { CodedError } from "../../../protocol/errors.ts";
import { isObject } from "../../../protocol/event.ts";
import { compatibilityOf, type ServerContext, versionInfo } from "../../context.ts";
import { parseJson, readText } from "../body.ts";

const MAX_BODY_BYTES = 64 * 1024;

export function compatibilityRoutes(app: Hono, context: ServerContext): void {
  app.get("/version", (c) => c.json(versionInfo(context)));

  // Read as JSON whatever the content type says: the original's documents use plain `curl -d`.
  app.post("/compatibility", async (c) => {
    const body = parseJson(await readText(c.req.raw, MAX_BODY_BYTES));
    const version = isObject(body) ? body.client_version : undefined;
    if (typeof version !== "string") throw new CodedError("client_version_missing");
    return c.json(compatibilityOf(context, version));
  });
}
