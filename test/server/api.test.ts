/** /openapi.json says what the routes are, and what they answer is what it says. */
import { beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import addFormats from "ajv-formats";
import Ajv from "ajv/dist/2020.js";
import type { MediaType, OpenApi, Operation } from "../../src/server/http/api/openapi.ts";
import { routesOf } from "../../src/server/http/app.ts";
import type { ServerContext } from "../../src/server/context.ts";
import { sceneEvents } from "../support/scene.ts";
import { connect } from "../support/clients.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let api: OpenApi;
let sid: string;
beforeAll(async () => {
  server = await startTestServer();
  api = (await server.get("/openapi.json")).body;
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => [
    name,
    strict(schema, name),
  ]);
  ajv.addSchema({ $id: "api", components: { schemas: Object.fromEntries(schemas) } });
  await server.post("/api/events", sceneEvents(Date.now()));
  const { socket } = await connect(server.url, { client_id: "one", subscribe: { types: ["hook.*"] } });
  sid = socket.id ?? "";
});

const routes = routesOf({} as ServerContext);
const operations = () =>
  Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );

function operationOf(name: string): Operation {
  const found = operations().find(({ path, method }) => `${method} ${path}` === name);
  if (!found) throw new Error(`${name} is not described`);
  return found.operation;
}

/** Every object has no field but those that are described, where not every one may be there. */
function strict(schema: any, name = ""): any {
  if (Array.isArray(schema)) return schema.map((one) => strict(one));
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const isOpen = schema.additionalProperties !== undefined || /^(New)?Event$|^Envelope$/.test(name);
  return schema.type === "object" && schema.properties && !isOpen
    ? { ...inner, additionalProperties: false }
    : inner;
}

const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
const checks = new Map<string, ReturnType<typeof ajv.compile>>();

/** What is wrong with a value, by a schema of the document. */
function problems(schema: object, value: unknown): unknown {
  const key = JSON.stringify(strict(schema)).replaceAll('"#/', '"api#/');
  const check = checks.get(key) ?? ajv.compile(JSON.parse(key));
  checks.set(key, check);
  return check(value)
    ? null
    : check.errors?.map(({ instancePath, message, params }) => [instancePath, message, params]);
}

function schemaOf(name: string, status: number): object {
  const { content = {} } = operationOf(name).responses[status] ?? {};
  const { schema } = content["application/json"] ?? {};
  if (!schema) throw new Error(`${name} does not describe what it answers with ${status}`);
  return schema;
}

describe("the description", () => {
  test("is a valid OpenAPI document", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(api) as never);
    expect([valid, errors]).toEqual([true, undefined]);
    expect(api.openapi).toStartWith("3.1");
  });

  test("has every route there is, and no other", () => {
    const described = operations().map(({ path, method }) => `${method} ${path}`);
    const registered = routes.map(({ path, method }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(described.toSorted()).toEqual(registered.toSorted());
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("says of each route which scope it wants, and where the token may stand", () => {
    for (const { method, path, access, tokenInQuery } of routes) {
      const { security } = operationOf(`${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
      const inHeader = access === "open" ? {} : { token: access === "any" ? [] : [access] };
      expect(security).toEqual([inHeader, ...(tokenInQuery ? [{ token_in_query: [access] }] : [])]);
    }
  });

  test("describes each parameter of a path", () => {
    for (const { path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const inPath = (operation.parameters ?? []).filter((one) => one.in === "path");
      expect(inPath.map(({ name, required }) => [name, required])).toEqual(
        named.map((name) => [name, true]) as any,
      );
    }
  });

  test("gives examples that fit their schemas", () => {
    const bodies = operations().flatMap(({ operation }) => [
      ...Object.values(operation.requestBody?.content ?? {}),
      ...Object.values(operation.responses).flatMap(({ content = {} }) => Object.values(content)),
    ]);
    const given = (bodies as MediaType[]).flatMap(({ schema, example, examples = {} }) => [
      ...(example === undefined ? [] : [{ schema, value: example }]),
      ...Object.values(examples).map(({ value }) => ({ schema, value })),
    ]);
    expect(given.length).toBeGreaterThan(100);
    expect(given.filter(({ schema, value }) => problems(schema, value) !== null)).toEqual([]);
  });
});

describe("what is answered", () => {
  /** By route: what is asked, and the status that comes. */
  const ASKED: [name: string, path: string, body?: unknown, status?: number][] = [
    ["GET /health", "/health"],
    ["GET /status", "/status"],
    ["GET /ready", "/ready"],
    ["GET /version", "/version"],
    ["POST /compatibility", "/compatibility", { client_version: "0.7.0" }],
    ["POST /compatibility", "/compatibility", { client_version: "unknown" }],
    ["GET /stats", "/stats"],
    ["POST /api/events", "/api/events", { type: "a" }],
    ["POST /api/events", "/api/events", []],
    ["GET /api/events", "/api/events?limit=1000"],
    ["GET /api/events", "/api/events?type=nothing"],
    ["GET /api/sessions", "/api/sessions"],
    ["GET /api/clients", "/api/clients"],
    ["GET /openapi.json", "/openapi.json"],
  ];

  for (const [name, path, body, status = 200] of ASKED) {
    test(`by ${name} at ${path}${body === undefined ? "" : ` ${JSON.stringify(body)}`} is what it says`, async () => {
      const answer = body === undefined ? await server.get(path) : await server.post(path, body);
      expect(answer.status).toBe(status);
      expect(problems(schemaOf(name, status), answer.body)).toBeNull();
    });
  }

  test("of each session is what it says", async () => {
    const { body } = await server.get("/api/sessions");
    expect(body.sessions.length).toBeGreaterThan(3);
    for (const { session_id: id } of body.sessions) {
      const answer = await server.get(`/api/sessions/${id}`);
      expect(problems(schemaOf("GET /api/sessions/{id}", 200), answer.body)).toBeNull();
    }
  });

  test("without a body, or as no JSON, is what it says", async () => {
    const hook = await server.post("/api/hooks/claude", { hook_event_name: "Stop", session_id: "s" });
    expect([hook.status, hook.body]).toEqual([204, ""]);
    for (const [path, name = path] of [["/metrics"], ["/docs"], ["/"]] as const) {
      const { status, headers } = await server.get(path);
      const types = Object.keys(operationOf(`GET ${name}`).responses[status]?.content ?? {});
      expect(types).toEqual([headers.get("content-type")?.split(";")[0] ?? ""]);
    }
    const etag = (await server.get("/")).headers.get("etag") ?? "";
    const known = await server.get("/", { headers: { "If-None-Match": etag } });
    expect(operationOf("GET /").responses).toHaveProperty(String(known.status));
  });

  test("as a stream is messages of events", async () => {
    const response = await fetch(new URL("/api/events/stream?after=0", server.url));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("data: ")) text += (await reader?.read())?.value ?? "";
    await reader?.cancel();
    const event = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? "");
    expect(problems({ $ref: "#/components/schemas/Event" }, event)).toBeNull();
  });

  test("to an admin is what it says", async () => {
    const { body } = await server.post(`/api/clients/${sid}/disconnect`, {});
    expect(problems(schemaOf("POST /api/clients/{sid}/disconnect", 200), body)).toBeNull();
    const gone = await server.post(`/api/clients/${sid}/disconnect`, {});
    expect(problems(schemaOf("POST /api/clients/{sid}/disconnect", gone.status), gone.body)).toBeNull();
    const here = await server.post("/api/admin/shutdown", {});
    expect(problems(schemaOf("POST /api/admin/shutdown", here.status), here.body)).toBeNull();
    expect(problems(schemaOf("POST /api/admin/shutdown", 202), { stopping: true, pid: 1 })).toBeNull();
  });

  test("without a token, where they are asked for, is what it says", async () => {
    const guarded = await startTestServer({ auth: "on", token: "a-token-of-some-length" });
    const { body } = await guarded.get("/health");
    expect(Object.keys(body)).toEqual(["status"]);
    expect(problems(schemaOf("GET /health", 200), body)).toBeNull();
    const headers = { Authorization: "Bearer wrong" };
    for (const { path, method } of operations()) {
      for (const init of [{ method }, { method, headers }]) {
        const refused = await guarded.get(path.replace(/\{\w+\}/, "x"), init);
        if (refused.status === 200 || method === "POST") continue;
        expect(problems(schemaOf(`${method} ${path}`, refused.status), refused.body)).toBeNull();
        expectDescribed(`${method} ${path}`, refused);
      }
    }
  });

  test("to what is wrong has a code that it names", async () => {
    const wrong: [name: string, path: string, body?: unknown, headers?: Record<string, string>][] = [
      ["POST /api/events", "/api/events", "{"],
      ["POST /api/events", "/api/events", "5"],
      ["POST /api/events", "/api/events", "[{},5]"],
      ["POST /api/events", "/api/events", JSON.stringify(Array.from({ length: 1001 }, () => ({})))],
      ["POST /api/events", "/api/events", JSON.stringify({ text: "x".repeat(1_000_001) })],
      ["POST /api/events", "/api/events", "x".repeat(9 * 1024 * 1024)],
      ["POST /api/hooks/claude", "/api/hooks/claude", "[]"],
      ["POST /api/hooks/claude", "/api/hooks/claude", "{"],
      ["POST /compatibility", "/compatibility", "{}"],
      ["POST /compatibility", "/compatibility", "{"],
      ["GET /api/events", "/api/events?limit=x"],
      ["GET /api/events/stream", "/api/events/stream", undefined, { "Last-Event-ID": "x" }],
      ["GET /api/sessions", "/api/sessions?state=tired"],
      ["GET /api/sessions/{id}", "/api/sessions/nobody"],
      ["GET /stats", "/stats", undefined, { Origin: "https://evil.example" }],
      ["GET /stats", `/stats?${"x".repeat(9000)}`],
    ];
    for (const [name, path, body, headers = {}] of wrong) {
      const answer = body === undefined ? await server.get(path, { headers }) : await server.post(path, body);
      expect(problems(schemaOf(name, answer.status), answer.body)).toBeNull();
      expectDescribed(name, answer);
    }
  });
});

function expectDescribed(name: string, { status, body }: { status: number; body: any }): void {
  expect(status).toBeGreaterThanOrEqual(400);
  const { description = "" } = operationOf(name).responses[status] ?? {};
  expect([name, description]).toEqual([name, expect.stringContaining(`\`${body.error.code}\``)]);
}

describe("the ranges of parameters", () => {
  test("are those that are held to", async () => {
    let tried = 0;
    for (const path of ["/api/events", "/api/events/stream", "/api/sessions"]) {
      for (const { name, in: place, schema } of operationOf(`GET ${path}`).parameters ?? []) {
        if (place !== "query") continue;
        for (const [query, isGood] of limitsOf(name, schema)) {
          const controller = new AbortController();
          const response = await fetch(new URL(`${path}?${query}`, server.url), {
            signal: controller.signal,
          });
          expect([path, query.slice(0, 80), response.status]).toEqual([
            path,
            query.slice(0, 80),
            isGood ? 200 : 400,
          ]);
          controller.abort();
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(40);
  });

  test("say what happens where nothing is asked for", async () => {
    const { parameters = [] } = operationOf("GET /api/events");
    const { schema } = parameters.find(({ name }) => name === "limit") ?? {};
    await server.post(
      "/api/events",
      Array.from({ length: 200 }, () => ({})),
    );
    expect((await server.get("/api/events")).body.returned).toBe(schema?.default as number);
  });
});

/** Queries at a parameter's limits and just beyond them. */
function limitsOf(name: string, schema: any): [query: string, isGood: boolean][] {
  const { minimum, maximum, maxLength, maxItems, items, enum: values, format } = schema;
  const query = (value: string | number) => `${name}=${encodeURIComponent(value)}`;
  const repeated = (times: number) => Array.from({ length: times }, (_, n) => query(`t${n}`)).join("&");
  const cases: [string, boolean][] = [];
  if (minimum !== undefined) cases.push([query(minimum), true], [query(minimum - 1), false]);
  if (maximum !== undefined)
    cases.push([query(maximum), true], [query(maximum + 1), false], [query("x"), false]);
  const longest = maxLength ?? items?.maxLength;
  if (longest !== undefined)
    cases.push([query("x".repeat(longest)), true], [query("x".repeat(longest + 1)), false]);
  if (maxItems !== undefined) cases.push([repeated(maxItems), true], [repeated(maxItems + 1), false]);
  for (const value of values ?? []) cases.push([query(value), true], [query(`${value}x`), false]);
  if (format === "date-time")
    cases.push([query(new Date().toISOString()), true], [query("yesterday"), false]);
  return cases;
}

describe("GET /docs", () => {
  test("shows every route, schema and error in one answer without a script, and its links lead somewhere", async () => {
    const { body: html, headers } = await server.get("/docs");
    expect(headers.get("content-type")).toStartWith("text/html");
    const policy = headers.get("content-security-policy") ?? "";
    for (const part of ["default-src 'none'", "script-src 'none'", "frame-ancestors 'none'"])
      expect(policy).toContain(part);
    expect(policy).not.toContain("unsafe");
    expect(html).not.toMatch(/<script|<link|<img|\bsrc=|\son\w+=|\sstyle=/);
    const ids = new Set([...html.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id));
    const targets = [...html.matchAll(/\bhref="([^"]+)"/g)].map(([, target]) => target ?? "");
    for (const target of targets.filter((one) => one.startsWith("#")))
      expect([...ids]).toContain(target.slice(1));
    for (const target of targets.filter((one) => !one.startsWith("#"))) {
      expect((await server.get(new URL(target, `${server.url}/docs`).pathname)).status).toBe(200);
    }
    for (const { operation } of operations()) expect([...ids]).toContain(operation.operationId);
    for (const name of Object.keys(api.components.schemas)) expect([...ids]).toContain(`schema-${name}`);
    expect(html).not.toContain("[object Object]");
    expect(html).not.toContain("undefined");
  });
});
