import type { LoginCodes } from "../../../auth/login-codes.ts";
import { bearerToken } from "../../../auth/bearer.ts";
import { CodedError } from "../../../protocol/errors.ts";
import { isoTime, type ServerContext } from "../../context.ts";
import { jsonAnswer, type Route } from "../route.ts";

/** How a link logs a browser in: `auth/login-codes.ts`. */
export function loginRoutes({ loginCodes }: ServerContext): Route[] {
  const codes = (): LoginCodes => {
    if (loginCodes === null) throw new CodedError("login_not_needed");
    return loginCodes;
  };
  return [
    {
      method: "POST",
      path: "/api/admin/login-link",
      access: "admin",
      doc: {
        group: "For people",
        summary: "Make a code for a link to the dashboard",
        description: "`/?token=CODE` logs a browser in. The code is good once, and for a minute.",
        answers: { 200: jsonAnswer("The code.", "LoginCode") },
        errors: ["login_not_needed"],
      },
      handle(c, grant) {
        if (grant === null) throw new CodedError("token_missing");
        const { code, expiresAt } = codes().make(grant);
        return c.json({ code, expires_at: isoTime(expiresAt) });
      },
    },
    {
      method: "POST",
      path: "/api/logout",
      access: "any",
      doc: {
        group: "For people",
        summary: "Take back the token that is sent, where it is one that a link was exchanged for",
        description: "Other tokens stay as they are: they are not the page's own.",
        answers: {
          200: {
            description: "Whether it was taken back.",
            content: {
              "application/json": {
                schema: {
                  type: "object",
                  properties: { revoked: { type: "boolean" } },
                  required: ["revoked"],
                },
              },
            },
          },
        },
      },
      async handle(c, grant) {
        return c.json({ revoked: grant !== null && ((await loginCodes?.revoke(grant)) ?? false) });
      },
    },
    {
      method: "POST",
      path: "/api/login",
      access: "open",
      doc: {
        group: "For people",
        summary: "Exchange a link's code for a token of its own",
        description: "The code is sent as `Authorization: Bearer CODE`.",
        answers: { 200: jsonAnswer("The token, which is shown this once.", "Login") },
        errors: ["login_not_needed", "token_missing", "token_invalid"],
      },
      async handle(c) {
        const code = bearerToken(c.req.header("authorization"));
        const exchanged = code === null ? null : await codes().exchange(code);
        if (exchanged !== null) {
          const { token, scopes, expiresAt } = exchanged;
          return c.json({ token, scopes, expires_at: isoTime(expiresAt) });
        }
        codes();
        if (code === null) throw new CodedError("token_missing");
        throw new CodedError("token_invalid", "The link has been used, or is older than a minute");
      },
    },
  ];
}
