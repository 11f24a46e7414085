/**
 * Every entrance there is, with every credential, page and host: who gets in, and what the others are told. A route that
 * has no row here fails.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { sign } from "hono/jwt";
import { io } from "socket.io-client";
import { readLocalToken } from "../../src/auth/local-token.ts";
import type { AccessLevel, Scope } from "../../src/auth/scopes.ts";
import { addToken, removeTokens } from "../../src/auth/token-file.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { routesOf } from "../../src/server/http/app.ts";
import { onEnd } from "../support/cleanup.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

interface Entrance {
  /** Of contract 8, written down by hand. */
  access: AccessLevel;
  /** Where the route has a parameter. */
  path?: string;
  body?: object;
  /** What whoever may gets. */
  good: number;
  /** The same where auth is off. */
  goodOff?: number;
  /** The token may stand in the address. */
  tokenInQuery?: true;
}

const SESSION = "s1";
const POLLING = "/socket.io/?EIO=4&transport=polling";

const ROUTES: Record<string, Entrance> = {
  "GET /": { access: "open", good: 200 },
  "GET /health": { access: "open", good: 200 },
  "GET /ready": { access: "open", good: 200 },
  "GET /version": { access: "open", good: 200 },
  "POST /compatibility": { access: "open", body: { client_version: "0.7.0" }, good: 200 },
  "GET /status": { access: "subscribe", good: 200 },
  "GET /stats": { access: "subscribe", good: 200 },
  "GET /api/events": { access: "subscribe", good: 200 },
  "GET /api/events/stream": { access: "subscribe", good: 200, tokenInQuery: true },
  "GET /metrics": { access: "subscribe", good: 200 },
  "GET /openapi.json": { access: "subscribe", good: 200 },
  "GET /docs": { access: "subscribe", good: 200 },
  "GET /api/sessions": { access: "subscribe", good: 200 },
  "GET /api/sessions/:id": { access: "subscribe", path: `/api/sessions/${SESSION}`, good: 200 },
  "POST /api/events": { access: "publish", body: { type: "t", session_id: SESSION }, good: 200 },
  "GET /api/history/export": { access: "subscribe", good: 200 },
  // Nobody's history.
  "POST /api/history/import": { access: "admin", body: {}, good: 400 },
  // It does not say what.
  "POST /api/history/clear": { access: "admin", body: {}, good: 400 },
  "POST /api/hooks/claude": {
    access: "publish",
    body: { hook_event_name: "Stop", session_id: SESSION },
    good: 204,
  },
  "GET /api/access": { access: "any", good: 200 },
  "GET /api/clients": { access: "admin", good: 200 },
  "POST /api/clients/:sid/disconnect": { access: "admin", path: "/api/clients/nobody/disconnect", good: 404 },
  // This server is a part of the test.
  "POST /api/admin/shutdown": { access: "admin", good: 409 },
  "POST /api/admin/login-link": { access: "admin", good: 200, goodOff: 409 },
  "POST /api/logout": { access: "any", good: 200 },
  // Open to tokens of any kind, which it knows nothing of: it takes codes.
  "POST /api/login": { access: "open", good: 401, goodOff: 409 },
};

/** What is no route of ours to describe, and open to everybody a page may be of. */
const OTHERS: Record<string, Entrance> = {
  "GET /socket.io/socket.io.js": { access: "open", good: 200 },
  "GET /socket.io/socket.io.min.js": { access: "open", good: 200 },
  // Who connects is asked for the token by Socket.IO, over the session this opens.
  [`GET ${POLLING}`]: { access: "open", good: 200 },
  "GET /nothing/here": { access: "open", good: 404 },
  "DELETE /api/events": { access: "open", good: 405 },
};

const ENTRANCES = Object.entries({ ...ROUTES, ...OTHERS });
const JWT_SECRET = "a shared secret that nobody guesses";
const HOUR = 3_600_000;

let server: TestServer;
let tokens: Record<Scope | "both" | "expired" | "revoked" | "local" | "configured", string>;

beforeAll(async () => {
  const stateDir = temporaryDirectory();
  const { tokens: path, local } = tokenPaths(stateDir);
  const make = async (name: string, scopes: Scope[], expiresAt: number | null = null) =>
    (await addToken(path, { name, scopes, expiresAt })).token;
  tokens = {
    publish: await make("p", ["publish"]),
    subscribe: await make("s", ["subscribe"], Date.now() + HOUR),
    both: await make("ps", ["publish", "subscribe"]),
    admin: await make("a", ["admin"]),
    expired: await make("old", ["admin"], Date.now() - 1000),
    revoked: await make("gone", ["admin"]),
    configured: "the-configured-one",
    local: "",
  };
  await removeTokens(path, "gone");
  server = await startTestServer({
    auth: "on",
    state_dir: stateDir,
    token: tokens.configured,
    jwt_secret: JWT_SECRET,
    cors_allowed_origins: "https://app.example",
    allowed_hosts: "box.lan",
  });
  tokens.local = readLocalToken(local) as string;
  await ask("POST /api/events", ROUTES["POST /api/events"] as Entrance, bearer(tokens.admin));
});

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const jwt = (claims: object) => sign({ exp: Math.floor((Date.now() + HOUR) / 1000), ...claims }, JWT_SECRET);

/** The status and, of a refusal, the code. Of a stream no more is read than that it is open. */
async function ask(
  route: string,
  { path, body }: Entrance,
  headers: Record<string, string> = {},
  { query = "", method = route.split(" ")[0] as string } = {},
): Promise<{ status: number; code: string | null; headers: Headers; text: string }> {
  const controller = new AbortController();
  const target = path ?? (route.split(" ")[1] as string);
  const response = await fetch(new URL(target + query, server.url), {
    method,
    headers,
    signal: controller.signal,
    ...(body === undefined || method === "HEAD" ? {} : { body: JSON.stringify(body) }),
  });
  const isStream = response.headers.get("content-type") === "text/event-stream";
  const text = isStream ? "" : await response.text();
  if (isStream) controller.abort();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true && text !== "";
  const code = isJson ? (JSON.parse(text).error?.code ?? null) : null;
  return { status: response.status, code, headers: response.headers, text };
}

test("every route has a row, with the access it asks for, and every row a route", () => {
  const routes = routesOf({} as never).map(({ method, path, access, tokenInQuery }) => {
    return [`${method} ${path}`, { access, ...(tokenInQuery ? { tokenInQuery } : {}) }] as const;
  });
  const rows = Object.entries(ROUTES).map(([name, { access, tokenInQuery }]) => {
    return [name, { access, ...(tokenInQuery ? { tokenInQuery } : {}) }] as const;
  });
  expect(Object.fromEntries(routes)).toEqual(Object.fromEntries(rows));
});

/** Tokens by what they are to an entrance. */
function credentialsFor(access: Exclude<AccessLevel, "open">) {
  const tooSmall: Record<typeof access, string[]> = {
    any: [],
    subscribe: [tokens.publish],
    publish: [tokens.subscribe],
    admin: [tokens.publish, tokens.subscribe, tokens.both],
  };
  const right = [
    tokens[access === "any" ? "publish" : access],
    tokens.admin,
    tokens.local,
    tokens.configured,
  ];
  return { tooSmall: tooSmall[access], right: access === "admin" ? right : [...right, tokens.both] };
}

describe("credentials", () => {
  for (const [name, entrance] of ENTRANCES) {
    const { access, good } = entrance;
    if (access === "open") {
      test(`${name} asks for none, and a bad one does no harm`, async () => {
        for (const headers of [{}, bearer("wrong"), bearer(tokens.expired), bearer(tokens.both)]) {
          expect((await ask(name, entrance, headers as Record<string, string>)).status).toBe(good);
        }
      });
      continue;
    }

    test(`${name} asks for ${access}`, async () => {
      const refused = async (headers: Record<string, string>, status: number, code: string) => {
        const answer = await ask(name, entrance, headers);
        expect([headers, answer.status, answer.code]).toEqual([headers, status, code]);
        expect(answer.headers.get("www-authenticate")).toStartWith("Bearer");
        // What is refused tells nothing of what is behind it.
        expect(Object.keys(JSON.parse(answer.text))).toEqual(["error"]);
      };
      await refused({}, 401, "token_missing");
      await refused({ Authorization: "Bearer " }, 401, "token_missing");
      await refused({ Authorization: `Basic ${btoa(`x:${tokens.admin}`)}` }, 401, "token_missing");
      await refused({ Authorization: tokens.admin }, 401, "token_missing");
      await refused({ Cookie: `token=${tokens.admin}`, "X-Token": tokens.admin }, 401, "token_missing");
      await refused(bearer("wrong"), 401, "token_invalid");
      await refused(bearer(tokens.expired), 401, "token_invalid");
      await refused(bearer(tokens.revoked), 401, "token_invalid");
      await refused(bearer(await jwt({ scope: access, exp: 1 })), 401, "token_invalid");
      await refused(bearer(await jwt({})), 403, "scope_missing");

      const { tooSmall, right } = credentialsFor(access);
      for (const token of tooSmall) await refused(bearer(token), 403, "scope_missing");
      for (const token of [
        ...right,
        await jwt({ scope: access === "any" ? "publish" : access }),
        await jwt({ scopes: ["admin"] }),
      ]) {
        const answer = await ask(name, entrance, bearer(token));
        expect([token, answer.status]).toEqual([token, good]);
      }
    });

    test(`${name} takes a token in the address ${entrance.tokenInQuery ? "too" : "never"}`, async () => {
      const { right, tooSmall } = credentialsFor(access);
      const inQuery = async (token: string | undefined) => {
        return (await ask(name, entrance, {}, { query: `?token=${token}` })).status;
      };
      expect(await inQuery(right[0])).toBe(entrance.tokenInQuery ? good : 401);
      if (tooSmall.length > 0) expect(await inQuery(tooSmall[0])).toBe(entrance.tokenInQuery ? 403 : 401);
      expect(await inQuery("wrong")).toBe(401);
    });
  }

  test("HEAD asks for what GET asks for", async () => {
    for (const [name, entrance] of ENTRANCES) {
      // Engine.IO knows no HEAD.
      if (!name.startsWith("GET ") || name.includes("EIO")) continue;
      const statusOf = async (headers: Record<string, string>) => {
        return (await ask(name, entrance, headers, { method: "HEAD" })).status;
      };
      const refusal = entrance.access === "open" ? entrance.good : 401;
      expect([name, await statusOf({})]).toEqual([name, refusal]);
      if (!name.endsWith("/stream")) expect(await statusOf(bearer(tokens.admin))).toBe(entrance.good);
    }
  });

  test("/health says nothing but how it is to whoever has no good token", async () => {
    const bodyOf = async (headers: Record<string, string>) => {
      return JSON.parse((await ask("GET /health", ROUTES["GET /health"] as Entrance, headers)).text);
    };
    for (const headers of [{}, bearer("wrong"), bearer(tokens.expired), bearer(tokens.publish)]) {
      expect(await bodyOf(headers as Record<string, string>)).toEqual({ status: "healthy" });
    }
    expect(await bodyOf(bearer(tokens.subscribe))).toHaveProperty("pid", process.pid);
  });
});

describe("pages and hosts", () => {
  const ORIGINS = () => ({
    allowed: [server.url, "http://localhost:3000", "https://app.example"],
    refused: ["https://evil.example", "null", "https://app.example.evil.example"],
  });

  for (const [name, entrance] of ENTRANCES) {
    test(`${name}: a page of another origin, and another host's name, are refused whatever the token`, async () => {
      for (const token of [tokens.admin, "wrong"]) {
        for (const Origin of ORIGINS().refused) {
          const { status, code } = await ask(name, entrance, { ...bearer(token), Origin });
          expect([Origin, status, code]).toEqual([Origin, 403, "origin_refused"]);
        }
        for (const Host of ["evil.example", `evil.example:${server.port}`]) {
          const { status, code } = await ask(name, entrance, { ...bearer(token), Host });
          expect([Host, status, code]).toEqual([Host, 403, "host_refused"]);
        }
      }
      for (const Origin of ORIGINS().allowed) {
        const answer = await ask(name, entrance, { ...bearer(tokens.admin), Origin });
        expect([Origin, answer.status]).toEqual([Origin, entrance.good]);
        expect(answer.headers.get("access-control-allow-origin")).toBe(Origin);
        if (entrance.access !== "open") {
          expect((await ask(name, entrance, { Origin })).status).toBe(401);
        }
      }
      for (const Host of ["localhost", `127.0.0.1:${server.port}`, "box.lan"]) {
        expect((await ask(name, entrance, { ...bearer(tokens.admin), Host })).status).toBe(entrance.good);
      }
    });
  }
});

describe("Socket.IO", () => {
  type Outcome = "in" | { code: number; error: string } | "refused before it was asked";

  /** Connects as a stock client does. */
  function outcomeOf(
    transports: string[],
    auth: Record<string, unknown>,
    extraHeaders: Record<string, string> = {},
  ): Promise<Outcome> {
    const socket = io(server.url, { auth, extraHeaders, transports, forceNew: true, reconnection: false });
    onEnd(() => socket.disconnect());
    return new Promise((resolve) => {
      socket.on("connection_ack", () => resolve("in"));
      socket.on("connect_error", (error: Error & { data?: { code: number; error: { code: string } } }) => {
        const { data } = error;
        resolve(data ? { code: data.code, error: data.error.code } : "refused before it was asked");
        socket.disconnect();
      });
      // In is who is greeted.
      socket.on("connect", () => setTimeout(() => socket.disconnect(), 2000).unref());
    }).finally(() => socket.disconnect()) as Promise<Outcome>;
  }

  const WAYS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
  for (const [way, transports] of Object.entries(WAYS)) {
    test(`over ${way}: subscribe lets in, all else is told why not`, async () => {
      const missing = { code: 401, error: "token_missing" };
      const invalid = { code: 401, error: "token_invalid" };
      const tooSmall = { code: 403, error: "scope_missing" };
      const cases: [auth: Record<string, unknown>, headers: Record<string, string>, outcome: Outcome][] = [
        [{}, {}, missing],
        [{ token: "" }, {}, missing],
        [{ token: { $ne: 1 } }, {}, missing],
        [{ token: "wrong" }, {}, invalid],
        [{ token: tokens.expired }, {}, invalid],
        [{ token: tokens.revoked }, {}, invalid],
        [{ token: tokens.publish }, {}, tooSmall],
        [{ token: await jwt({ scope: "publish" }) }, {}, tooSmall],
        [{}, bearer(tokens.publish), tooSmall],
        [{ token: tokens.subscribe }, {}, "in"],
        [{ token: tokens.admin }, {}, "in"],
        [{ token: tokens.local }, {}, "in"],
        [{ token: tokens.configured }, {}, "in"],
        [{ token: await jwt({ scope: "subscribe publish" }) }, {}, "in"],
        [{}, bearer(tokens.subscribe), "in"],
        [{ token: tokens.subscribe }, { Origin: "https://evil.example" }, "refused before it was asked"],
        [{ token: tokens.subscribe }, { Origin: "null" }, "refused before it was asked"],
        [{ token: tokens.subscribe }, { Origin: "https://app.example" }, "in"],
        [{ token: "wrong" }, { Origin: "https://app.example" }, invalid],
      ];
      // Over polling the stock client sets its own.
      if (way === "websocket") {
        cases.push([{ token: tokens.subscribe }, { Host: "evil.example" }, "refused before it was asked"]);
      }
      for (const [auth, headers, outcome] of cases) {
        expect([auth, headers, await outcomeOf(transports, auth, headers)]).toEqual([auth, headers, outcome]);
      }
    });
  }

  test("who was refused hears nothing, and what they send goes nowhere", async () => {
    const before = (await ask("GET /stats", ROUTES["GET /stats"] as Entrance, bearer(tokens.admin))).text;
    const { last_seq } = JSON.parse(before).log;
    const ws = new WebSocket(
      `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket&token=${tokens.admin}`,
    );
    const heard: string[] = [];
    ws.onmessage = ({ data }) => void heard.push(String(data));
    const closed = new Promise((resolve) => (ws.onclose = resolve));
    await new Promise((resolve) => (ws.onopen = resolve));
    // Before, with and after a connect that is refused.
    ws.send('42["claude_event",{"sneaky":1}]');
    ws.send('40{"token":"wrong"}');
    ws.send('42["claude_event",{"sneaky":2}]');
    ws.send('42["get_history",{}]');
    await ask("POST /api/events", ROUTES["POST /api/events"] as Entrance, bearer(tokens.admin));
    await closed;
    const after = (await ask("GET /stats", ROUTES["GET /stats"] as Entrance, bearer(tokens.admin))).text;
    expect(JSON.parse(after).log.last_seq).toBe(last_seq + 1);
    expect(heard.filter((text) => /claude_event|event_history|connection_ack/.test(text))).toEqual([]);
  });

  test("a token that only reads cannot send, and the sender is told so", async () => {
    const socket = io(server.url, {
      auth: { token: tokens.subscribe },
      transports: ["websocket"],
      forceNew: true,
    });
    onEnd(() => socket.disconnect());
    const refusal = { ok: false, error: { code: "scope_missing" } };
    expect(await socket.emitWithAck("claude_event", { x: 1 })).toMatchObject(refusal);
    expect(await socket.emitWithAck("get_history", {})).toHaveProperty("events");
  });
});

describe("while auth is off", () => {
  test("nobody is asked for anything, and a token that is sent all the same does no harm", async () => {
    const open = await startTestServer();
    for (const [name, { path, body, good, goodOff = good }] of Object.entries(ROUTES)) {
      if (name.endsWith("/stream") || name === "GET /api/sessions/:id") continue;
      const [method, own] = name.split(" ") as [string, string];
      for (const headers of [{}, bearer("wrong")]) {
        const init = body === undefined ? {} : { body: JSON.stringify(body) };
        const { status } = await open.get(path ?? own, { method, headers: headers as never, ...init });
        expect([name, status]).toEqual([name, goodOff]);
      }
    }
  });
});
