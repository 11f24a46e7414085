/** A route: what it is, who may ask it, and what answers. Routes are data, so that each can be guarded, described and tested. */
import type { Context } from "hono";
import type { Grant } from "../../auth/access.ts";
import type { AccessLevel } from "../../auth/scopes.ts";

export interface Route {
  method: "GET" | "POST";
  /** As hono writes it: `/api/sessions/:id`. */
  path: string;
  /** What a token has to allow; `open` asks for none. */
  access: AccessLevel;
  /** `?token=` is taken as well, where no header can be sent. */
  tokenInQuery?: true;
  doc: RouteDoc;
  /** @param grant what the asker may do; on an open route null, when no good token was given */
  handle(c: Context, grant: Grant | null): Response | Promise<Response>;
}

/** What the description of the API says of a route. */
export interface RouteDoc {
  /** One line, without a full stop. */
  summary: string;
}
