import { CodedError } from "../../../protocol/errors.ts";
import { isObject } from "../../../protocol/event.ts";
import { compatibilityOf, type ServerContext, versionInfo } from "../../context.ts";
import { parseJson, readText } from "../body.ts";
import { jsonAnswer, type Route } from "../route.ts";

const MAX_BODY_BYTES = 64 * 1024;

export function compatibilityRoutes(context: ServerContext): Route[] {
  return [
    {
      method: "GET",
      path: "/version",
      access: "open",
      doc: {
        group: "Server",
        summary: "Tell the server's versions and features",
        answers: { 200: jsonAnswer("The versions.", "VersionInfo") },
      },
      handle: (c) => c.json(versionInfo(context)),
    },
    {
      method: "POST",
      path: "/compatibility",
      access: "open",
      doc: {
        group: "Server",
        summary: "Judge whether a client's version fits this server",
        description: "What is no version, such as `unknown`, is answered with `compatible: false`.",
        body: {
          description: "JSON whatever the content type says.",
          maxBytes: MAX_BODY_BYTES,
          content: {
            "application/json": {
              schema: {
                type: "object",
                properties: { client_version: { type: "string" } },
                required: ["client_version"],
              },
              example: { client_version: "0.7.0" },
            },
          },
        },
        answers: { 200: jsonAnswer("The judgement.", "Compatibility") },
        errors: ["invalid_json", "client_version_missing", "body_too_large", "encoding_unsupported"],
      },
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
