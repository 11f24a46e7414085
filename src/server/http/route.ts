/** A route: what it is, who may ask it, and what answers. Routes are data, so that each can be guarded, described and tested. */
import type { Context } from "hono";
import type { Grant } from "../../auth/access.ts";
import type { AccessLevel } from "../../auth/scopes.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { Schema, SchemaName } from "./api/schemas.ts";

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

/** What the description of the API says of a route. In its texts, words in backticks are code. */
export interface RouteDoc {
  group: "Events" | "Sessions" | "Clients" | "Server" | "For people";
  /** One line, without a full stop. */
  summary: string;
  description?: string;
  parameters?: readonly Parameter[];
  body?: Body;
  /** By status. */
  answers: Readonly<Record<number, Answer>>;
  /** Beside those that any route can have. */
  errors?: readonly ErrorCode[];
}

export interface Parameter {
  name: string;
  in: "query" | "path" | "header";
  description: string;
  schema: Schema;
  example?: string | number;
}

export interface Body {
  description: string;
  /** By media type. */
  content: Readonly<Record<string, Content>>;
  maxBytes: number;
}

export interface Answer {
  description: string;
  /** By media type; without any there is no body. */
  content?: Readonly<Record<string, Content>>;
}

export interface Content {
  /** One of the document's schemas by name, or one of its own. */
  schema: SchemaName | Schema;
  example?: unknown;
}

/** An answer with JSON of one of the document's schemas. */
export function jsonAnswer(description: string, schema: SchemaName, example?: unknown): Answer {
  return {
    description,
    content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } },
  };
}
