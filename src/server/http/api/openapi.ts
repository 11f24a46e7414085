/** The description of the API, made from the routes themselves: https://spec.openapis.org/oas/v3.1.1.html */
import { CodedError, type ErrorCode, ERRORS } from "../../../protocol/errors.ts";
import { RELEASE_VERSION, SERVER_VERSION } from "../../../version.ts";
import { REQUEST_ID_HEADER } from "../../request-id.ts";
import type { Answer, Content, Parameter, Route, RouteDoc } from "../route.ts";
import { type Schema, type SchemaName, SCHEMAS } from "./schemas.ts";

/** As much of a document as is made here. */
export interface OpenApi {
  openapi: string;
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  tags: { name: RouteDoc["group"] }[];
  /** By path, then by method in small letters. */
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    securitySchemes: Record<string, object>;
    headers: Record<string, object>;
  };
}

export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security: Record<string, string[]>[];
  parameters?: ParameterObject[];
  requestBody?: { description: string; required: true; content: Record<string, MediaType> };
  responses: Record<string, ResponseObject>;
}

export type ParameterObject = Parameter & { required: boolean };

export interface MediaType {
  schema: Schema;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}

export interface ResponseObject {
  description: string;
  headers: Record<string, object>;
  content?: Record<string, MediaType>;
}

export interface ApiOptions {
  /** Bytes of one event's JSON at most. */
  maxEventBytes: number;
}

const BEARER = "token";
const IN_QUERY = "token_in_query";
const GROUPS: RouteDoc["group"][] = ["Events", "Sessions", "Clients", "Server", "For people"];

/** What can go wrong on every route, and on those that ask for a token. */
const ANYWHERE: ErrorCode[] = ["host_refused", "origin_refused", "url_too_long", "internal", "not_ready"];
const GUARDED: ErrorCode[] = ["token_missing", "token_invalid", "scope_missing", "too_many_failures"];

export function openApi(routes: readonly Route[], { maxEventBytes }: ApiOptions): OpenApi {
  const paths: OpenApi["paths"] = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "claude-mpm-socketio",
      version: RELEASE_VERSION,
      description: `Events of coding agents in, stored, and out again to everyone who listens. The interface is of version ${SERVER_VERSION}.

Whatever is refused is answered with an \`Error\`: a code for programs, what failed, and what to do next. Every answer names its request in \`${REQUEST_ID_HEADER}\`; a failure's line in the server's log does too. An event's JSON has at most ${maxEventBytes} bytes. What is answered to GET is answered to HEAD, without the body.

Where tokens are asked for (\`auth\`; by default beyond loopback) a route wants one with the scope that stands beside it; \`admin\` allows everything. Live events also go over Socket.IO, at \`/socket.io/\`.`,
    },
    servers: [{ url: "/" }],
    tags: GROUPS.map((name) => ({ name })),
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        [BEARER]: {
          type: "http",
          scheme: "bearer",
          description: "A token of `claude-mpm-socketio token create`, or a JWT",
        },
        [IN_QUERY]: {
          type: "apiKey",
          in: "query",
          name: "token",
          description: "The same, where a browser can send no header",
        },
      },
      headers: {
        RequestId: {
          description: `Names the request: the sender's own \`${REQUEST_ID_HEADER}\`, or made by the server`,
          schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,64}$" },
        },
        ServerVersion: { description: "The version of this interface", schema: { type: "string" } },
        RetryAfter: { description: "Seconds to wait", schema: { type: "integer", minimum: 1 } },
      },
    },
  };
}

function operation(route: Route): Operation {
  const { method, path, doc } = route;
  const { group, summary, description, parameters, body } = doc;
  return {
    operationId: nameOf(method, path),
    tags: [group],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(route),
    ...(parameters === undefined
      ? {}
      : { parameters: parameters.map((one) => ({ ...one, required: one.in === "path" })) }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            description: `${body.description} At most ${body.maxBytes} bytes.`,
            required: true,
            content: contentOf(body.content),
          },
        }),
    responses: responsesOf(route),
  };
}

/** `GET /api/sessions/:id` is `getApiSessionsId`. */
function nameOf(method: string, path: string): string {
  const words = path.split(/[^a-z]+/i).filter((word) => word !== "");
  const [name = "Root", ...rest] = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return [method.toLowerCase(), name, ...rest].join("");
}

/** Alternatives: one of them is enough, and an empty one is no token at all. */
function securityOf({ access, tokenInQuery }: Route): Operation["security"] {
  if (access === "open") return [{}];
  if (access === "any") return [{ [BEARER]: [] }];
  return [{ [BEARER]: [access] }, ...(tokenInQuery ? [{ [IN_QUERY]: [access] }] : [])];
}

function responsesOf({ access, doc }: Route): Operation["responses"] {
  const responses: Operation["responses"] = {};
  for (const [status, { description, content }] of Object.entries<Answer>(doc.answers)) {
    responses[status] = {
      description,
      headers: headersOf(Number(status)),
      ...(content === undefined ? {} : { content: contentOf(content) }),
    };
  }
  const codes = new Set([...(doc.errors ?? []), ...(access === "open" ? [] : GUARDED), ...ANYWHERE]);
  for (const [status, ofStatus] of Map.groupBy(codes, (code) => ERRORS[code][0])) {
    const told = responses[status];
    const said = ofStatus.map((code) => `\`${code}\`: ${ERRORS[code][1]}.`).join(" ");
    const examples = Object.fromEntries(
      ofStatus.map((code) => [code, { value: { error: new CodedError(code).toBody() } }]),
    );
    const schema = told?.content?.["application/json"]?.schema;
    const error = schemaOf("Error");
    responses[status] = {
      description: told ? `${told.description} ${said}` : said,
      headers: headersOf(status),
      content: {
        "application/json": schema ? { schema: { anyOf: [schema, error] } } : { schema: error, examples },
      },
    };
  }
  return responses;
}

function headersOf(status: number): Record<string, object> {
  const header = (name: string) => ({ $ref: `#/components/headers/${name}` });
  return {
    [REQUEST_ID_HEADER]: header("RequestId"),
    "X-Server-Version": header("ServerVersion"),
    ...(status === 429 || status === 503 ? { "Retry-After": header("RetryAfter") } : {}),
  };
}

function contentOf(content: Readonly<Record<string, Content>>): Record<string, MediaType> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, ...rest }]) => [
      type,
      { schema: schemaOf(schema), ...rest },
    ]),
  );
}

function schemaOf(schema: SchemaName | Schema): Schema {
  return typeof schema === "string" ? { $ref: `#/components/schemas/${schema}` } : schema;
}
