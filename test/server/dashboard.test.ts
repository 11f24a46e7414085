/** The page as it is served: whole, by this server alone, and with a policy that lets nothing else in. */
import { beforeAll, describe, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../support/server.ts";

const MAX_BYTES = 350 * 1024;

let server: TestServer;
let html: string;
let headers: Headers;
beforeAll(async () => {
  server = await startTestServer();
  ({ body: html, headers } = await server.get("/"));
});

describe("the dashboard's page", () => {
  test("is one HTML document of at most 350 KB", () => {
    expect(headers.get("content-type")).toStartWith("text/html");
    expect(html).toStartWith("<!doctype html>");
    expect(Buffer.byteLength(html)).toBeLessThan(MAX_BYTES);
  });

  test("names nothing that would have to be loaded", () => {
    const markup = html.replace(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/g, "");
    expect(markup).not.toMatch(/\b(src|href)=/);
    expect(html).not.toMatch(/@import|url\((?!["']?data:)/);
    expect(html).not.toMatch(/<script[^>]*\bsrc=/);
  });

  test("comes with a policy that knows its scripts and styles by hash", () => {
    const policy = headers.get("content-security-policy") ?? "";
    const directives = new Map(
      policy.split("; ").map((directive) => {
        const [name = "", ...values] = directive.split(" ");
        return [name, values] as const;
      }),
    );
    expect(directives.get("default-src")).toEqual(["'none'"]);
    expect(directives.get("connect-src")).toEqual(["'self'"]);
    expect(directives.get("frame-ancestors")).toEqual(["'none'"]);
    for (const [name, tag] of [
      ["script-src", "script"],
      ["style-src", "style"],
    ] as const) {
      const blocks = [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, "g"))];
      const hashes = blocks.map(([, content = ""]) => {
        return `'sha256-${new Bun.CryptoHasher("sha256").update(content).digest("base64")}'`;
      });
      expect(hashes.length).toBeGreaterThan(0);
      expect(directives.get(name)).toEqual(hashes);
    }
    expect(policy).not.toContain("unsafe");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("is not sent again to a browser that has it", async () => {
    const etag = headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const { status, body } = await server.get("/", { headers: { "if-none-match": known } });
      expect({ status, body }).toEqual({ status: 304, body: "" });
    }
    expect((await server.get("/", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  test("is not written to", async () => {
    expect((await server.post("/", "{}")).status).toBe(405);
  });
});
