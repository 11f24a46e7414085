/** The browser guard, at every entrance there is. */
import { beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
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
  "",
  "http://localhost@evil.example",
  "http://evil.example@localhost",
  "http://localhost/",
  "http://localhost, http://evil.example",
  "http://evil.example,http://localhost",
  "http://localhost\\@evil.example",
  "http://localhost.",
  "http://evil.example:8765",
  "//localhost",
  "javascript://localhost",
  "ws://localhost",
  "http://[::1].evil.example",
  "http://999.0.0.1",
];
const refusedHosts = [
  "evil.example",
  "evil.example:8765",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "a b",
  "",
  // A name may hold what looks like a number; browsers send addresses in their usual form.
  "2130706433",
  "0x7f.1",
  "127.1",
  "localhost.",
  "box.lan.",
  "localhost@evil.example",
  "evil.example@localhost",
  "localhost/evil.example",
  "localhost:80:80",
  "localhost:",
  "localhost:123456",
  "[::1",
  "[::1]evil.example",
  "[evil.example]",
  "localhost, evil.example",
];
const allowedHosts = [
  "localhost",
  "127.0.0.1:9",
  "[::1]:8765",
  "[::ffff:127.0.0.1]",
  "[::FFFF:7F00:1]:80",
  "192.168.1.5",
  "box.lan:8765",
  "BOX.LAN",
  "LocalHost:8765",
];

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
    const refused = await ask("/api/events", { ...preflight, Origin: "https://evil.example" }, "OPTIONS");
    expect([refused.status, refused.headers.get("access-control-allow-headers")]).toEqual([403, null]);
  });

  test("a page may send its token, and read what a refusal says", async () => {
    const Origin = "https://app.example";
    const asked = {
      "Access-Control-Request-Method": "GET",
      "Access-Control-Request-Headers": "authorization",
    };
    const { headers } = await ask("/api/events", { ...asked, Origin }, "OPTIONS");
    expect(headers.get("access-control-allow-headers")).toBe("authorization");
    const exposed = (await ask("/nope", { Origin })).headers.get("access-control-expose-headers");
    expect(exposed?.split(", ").toSorted()).toEqual([
      "Retry-After",
      "WWW-Authenticate",
      "X-Request-Id",
      "X-Server-Version",
    ]);
  });

  test("a page of the internet that asks for the private network is answered when it is allowed", async () => {
    const asked = {
      "Access-Control-Request-Method": "GET",
      "Access-Control-Request-Private-Network": "true",
    };
    const answer = async (headers: Record<string, string>) =>
      (await ask("/api/events", headers, "OPTIONS")).headers.get("access-control-allow-private-network");
    expect(await answer({ ...asked, Origin: "https://app.example" })).toBe("true");
    expect(await answer({ ...asked, Origin: "https://evil.example" })).toBeNull();
    expect(
      await answer({ "Access-Control-Request-Method": "GET", Origin: "https://app.example" }),
    ).toBeNull();
  });

  test("a refused page stores nothing", async () => {
    const before = (await server.get("/stats")).body.log.last_seq;
    await server.post("/api/events", "{}", {
      headers: { Origin: "https://evil.example", "Content-Type": "text/plain" },
    });
    expect((await server.get("/stats")).body.log.last_seq).toBe(before);
  });
});

/** What browsers say of a request that has no `Origin`, for it is no script's. */
const from = (site: string, mode: string, dest: string, referer?: string): Record<string, string> => ({
  "Sec-Fetch-Site": site,
  "Sec-Fetch-Mode": mode,
  "Sec-Fetch-Dest": dest,
  ...(referer === undefined ? {} : { Referer: referer }),
});
const embedded: [string, Record<string, string>][] = [
  ["a script", from("cross-site", "no-cors", "script")],
  ["an image of a page that is named", from("cross-site", "no-cors", "image", "https://evil.example/")],
  ["a frame", from("cross-site", "navigate", "iframe")],
  ["an object", from("cross-site", "navigate", "object")],
  ["an embedded document", from("cross-site", "navigate", "embed")],
  ["what a page says is a page", from("cross-site", "no-cors", "document")],
  ["a site nobody knows", from("somewhere", "no-cors", "script")],
  ["two headers", from("none, cross-site", "no-cors", "script")],
  [
    "a page that only begins like ours",
    from("cross-site", "no-cors", "script", "http://localhost.evil.example/"),
  ],
  [
    "a page that names us in its path",
    from("cross-site", "no-cors", "script", "https://evil.example/http://localhost"),
  ],
  ["a page that is none", from("cross-site", "no-cors", "script", "about:blank")],
];
const fine: [string, Record<string, string>][] = [
  ["the address bar", from("none", "navigate", "document")],
  ["a link elsewhere", from("cross-site", "navigate", "document", "https://evil.example/")],
  ["our own page", from("same-origin", "cors", "empty")],
  ["another port of this machine", from("same-site", "no-cors", "script")],
  ["a listed page", from("cross-site", "no-cors", "script", "https://app.example/some/page?x=1")],
  ["another name of this machine", from("cross-site", "no-cors", "script", "http://127.0.0.1:3000/")],
];

describe("what pages embed", () => {
  for (const entrance of ENTRANCES) {
    test(`${entrance}: comes to pages that are allowed, and to no others`, async () => {
      for (const [what, headers] of embedded) {
        const { status, body } = await ask(entrance, headers);
        expect([what, status, body.error?.code]).toEqual([what, 403, "origin_refused"]);
      }
      for (const [what, headers] of fine)
        expect([what, (await ask(entrance, headers)).status === 403]).toEqual([what, false]);
    });
  }

  test("another host of the same domain is another page, where the server is not on loopback", async () => {
    const sameSite = from("same-site", "no-cors", "script");
    expect((await ask("/health", { ...sameSite, Host: "box.lan:8765" })).status).toBe(403);
    const own = { ...sameSite, Host: "box.lan:8765", Referer: "https://box.lan:8765/" };
    expect((await ask("/health", own)).status).toBe(200);
  });

  test("a visit is no way to send anything", async () => {
    const visit = from("cross-site", "navigate", "document");
    const { status, body } = await ask("/api/events", visit, "POST");
    expect([status, body.error.code]).toEqual([403, "origin_refused"]);
    expect((await ask("/health", visit, "HEAD")).status).toBe(200);
  });
});

/** Sends what no client would, and resolves with the status and body of the answer. */
function sendRaw(lines: string[]): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(server.port, "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    let text = "";
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      text += chunk;
      if (!text.includes("\r\n\r\n")) return;
      socket.destroy();
      resolve({ status: Number(text.split(" ")[1]), body: text.slice(text.indexOf("\r\n\r\n") + 4) });
    });
  });
}

describe("requests of an odd form", () => {
  const refused: [string, string[]][] = [
    ["two hosts", ["GET /health HTTP/1.1", "Host: localhost", "Host: evil.example"]],
    ["two hosts, ours last", ["GET /health HTTP/1.1", "Host: evil.example", "Host: localhost"]],
    ["a whole URL as its target", ["GET http://localhost/health HTTP/1.1", "Host: evil.example"]],
    [
      "another host that is only forwarded",
      ["GET /health HTTP/1.1", "Host: evil.example", "X-Forwarded-Host: localhost"],
    ],
    ["an origin and no host", ["GET /health HTTP/1.0", "Origin: http://evil.example"]],
    ["an empty host", ["GET /health HTTP/1.1", "Host:", "Origin: http://evil.example"]],
    [
      "two origins",
      ["GET /health HTTP/1.1", "Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"],
    ],
  ];
  for (const [what, lines] of refused) {
    test(`${what}: refused`, async () => {
      const { status, body } = await sendRaw(lines);
      expect([status, body.includes("_refused")]).toEqual([403, true]);
    });
  }

  test("the target of a request is never taken for its host", async () => {
    expect((await sendRaw(["GET http://evil.example/health HTTP/1.1", "Host: localhost"])).status).toBe(200);
    const forwarded = ["GET /health HTTP/1.1", "Host: localhost", "X-Forwarded-Host: evil.example"];
    expect((await sendRaw(forwarded)).status).toBe(200);
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
  const script = await open.get("/socket.io/socket.io.js", {
    headers: from("cross-site", "no-cors", "script"),
  });
  expect(script.status).toBe(200);
});
