/** The browser guard, at every entrance there is. */
import { beforeAll, describe, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../support/server.ts";

const ENTRANCES = [
  "/health",
  "/api/events",
  "/",
  "/nope",
  "/socket.io/socket.io.js",
  "/socket.io/?EIO=4&transport=polling",
] as const;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ cors_allowed_origins: "https://app.example", allowed_hosts: "box.lan" });
});

const ask = (path: string, headers: Record<string, string>, method = "GET") =>
  server.get(path, { method, headers });

/** Opens a WebSocket with these headers; resolves with whether it was let in. */
function opens(headers: Record<string, string>): Promise<boolean> {
  const url = `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { headers } as never);
    socket.onopen = () => {
      socket.close();
      resolve(true);
    };
    socket.onerror = () => resolve(false);
  });
}

const allowedOrigins = () => [
  "http://localhost:3000",
  "https://127.0.0.1:8443",
  "http://[::1]:5173",
  server.url,
  "https://app.example",
];
const refusedOrigins = [
  "https://evil.example",
  "null",
  "http://localhost.evil.example",
  "http://127.0.0.1.evil.example",
  "https://app.example.evil.example",
  "http://app.example",
  "file://",
  "chrome-extension://abcdef",
  "garbage",
];
const refusedHosts = [
  "evil.example",
  "evil.example:8765",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "a b",
];
const allowedHosts = ["localhost", "127.0.0.1:9", "[::1]:8765", "192.168.1.5", "box.lan:8765", "BOX.LAN"];

describe("origins", () => {
  for (const entrance of ENTRANCES) {
    test(`${entrance}: pages of other origins are refused, those that are allowed get their CORS header`, async () => {
      for (const origin of refusedOrigins) {
        const { status, body, headers } = await ask(entrance, { Origin: origin });
        expect([origin, status, body.error?.code]).toEqual([origin, 403, "origin_refused"]);
        expect(headers.get("access-control-allow-origin")).toBeNull();
      }
      for (const origin of allowedOrigins()) {
        const { status, headers } = await ask(entrance, { Origin: origin });
        expect([origin, status === 403]).toEqual([origin, false]);
        expect(headers.get("access-control-allow-origin")).toBe(origin);
        expect(headers.get("vary")).toContain("Origin");
      }
    });
  }

  test("a WebSocket is guarded alike", async () => {
    for (const origin of refusedOrigins)
      expect([origin, await opens({ Origin: origin })]).toEqual([origin, false]);
    for (const origin of allowedOrigins())
      expect([origin, await opens({ Origin: origin })]).toEqual([origin, true]);
  });

  test("programs send no origin and are let in", async () => {
    expect((await ask("/health", {})).status).toBe(200);
    expect(await opens({})).toBe(true);
  });

  test("a preflight is answered for allowed pages only", async () => {
    const preflight = {
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "content-type",
    };
    const good = await ask("/api/events", { ...preflight, Origin: "https://app.example" }, "OPTIONS");
    expect(good.status).toBe(204);
    expect(good.headers.get("access-control-allow-headers")).toBe("content-type");
    expect(good.headers.get("access-control-allow-methods")).toContain("POST");
    expect(
      (await ask("/api/events", { ...preflight, Origin: "https://evil.example" }, "OPTIONS")).status,
    ).toBe(403);
  });

  test("a refused page stores nothing", async () => {
    const before = (await server.get("/stats")).body.log.last_seq;
    await server.post("/api/events", "{}", {
      headers: { Origin: "https://evil.example", "Content-Type": "text/plain" },
    });
    expect((await server.get("/stats")).body.log.last_seq).toBe(before);
  });
});

describe("hosts", () => {
  for (const entrance of ENTRANCES) {
    test(`${entrance}: a name that is not this server's is refused`, async () => {
      for (const host of refusedHosts) {
        const { status, body } = await ask(entrance, { Host: host });
        expect([host, status, body.error?.code]).toEqual([host, 403, "host_refused"]);
      }
      for (const host of allowedHosts)
        expect([host, (await ask(entrance, { Host: host })).status === 403]).toEqual([host, false]);
    });
  }

  test("a WebSocket is guarded alike", async () => {
    expect(await opens({ Host: "evil.example" })).toBe(false);
  });
});

test("* opens the server to every page", async () => {
  const open = await startTestServer({ cors_allowed_origins: "*" });
  const { status, headers } = await open.get("/health", { headers: { Origin: "https://any.example" } });
  expect({ status, origin: headers.get("access-control-allow-origin") }).toEqual({
    status: 200,
    origin: "https://any.example",
  });
});
