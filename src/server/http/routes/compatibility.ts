import { CodedError } from "../../../protocol/errors.ts";
import { isObject } from "../../../protocol/event.ts";
import { compatibilityOf, type ServerContext, versionInfo } from "../../context.ts";
import { parseJson, readText } from "../body.ts";
import type { Route } from "../route.ts";

const MAX_BODY_BYTES = 64 * 1024;

export function compatibilityRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/version",
      access: "open",
      doc: { summary: "Tell the server's versions and features" },
      handle: (c) => c.json(versionInfo(context)),
    },
    {
      method: "POST",
      path: "/compatibility",
      access: "open",
      doc: { summary: "Judge whether a client's version fits this server" },
      // Read as JSON whatever the content type says: the original's documents use plain `curl -d`.
      async handle(c) {
        const body = parseJson(await readText(c.req.raw, MAX_BODY_BYTES));
        const version = isObject(body) ? body.client_version : undefined;
        if (typeof version !== "string") throw new CodedError("client_version_missing");
        return c.json(compatibilityOf(context, version));
      },
    },
  ];
}
