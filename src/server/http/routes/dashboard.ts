import type { Route } from "../route.ts";

interface Page {
  html: string;
  etag: string;
  policy: string;
}

/** `GET /`: the dashboard. All of it is in this one answer, and nothing that only some may see. */
export function dashboardRoutes(make = makePage): Route[] {
  let made: Promise<Page> | null = null;
  // What failed once may succeed when it is asked for again.
  const makeOnce = () => {
    return make().catch((error: unknown) => {
      made = null;
      throw error;
    });
  };

  return [
    {
      method: "GET",
      path: "/",
      access: "open",
      doc: {
        group: "For people",
        summary: "The dashboard",
        answers: {
          200: { description: "A page.", content: { "text/html": { schema: { type: "string" } } } },
          304: { description: "The page the browser has is that one." },
        },
      },
      async handle(c) {
        const { html, etag, policy } = await (made ??= makeOnce());
        const headers = {
          ETag: etag,
          // Asked anew each time, so that it never is of another version than the server.
          "Cache-Control": "no-cache",
          "Content-Security-Policy": policy,
          "Cross-Origin-Opener-Policy": "same-origin",
          "Referrer-Policy": "no-referrer",
        };
        const known = c.req.header("if-none-match")?.split(",") ?? [];
        if (known.some((tag) => tag.trim().replace(/^W\//, "") === etag)) return c.body(null, 304, headers);
        return c.html(html, 200, headers);
      },
    },
  ];
}

/** Loaded when it is asked for the first time: a server nobody looks at does without its memory. */
async function makePage(): Promise<Page> {
  const { dashboardPage } = await import("../../../dashboard/page.ts");
  const html = await dashboardPage();
  return { html, etag: `"${sha256(html, "hex")}"`, policy: contentSecurityPolicy(html) };
}

/**
 * Nothing but the scripts and styles that stand in the page runs, and it talks to this server alone
 * (https://www.w3.org/TR/CSP3/). Events are shown as text; were one ever taken for markup, it could do nothing.
 */
export function contentSecurityPolicy(html: string): string {
  const hashes = (tag: string) => {
    const blocks = html.matchAll(new RegExp(`<${tag}\\b[^>]*>([\\s\\S]*?)</${tag}>`, "g"));
    const sources = [...blocks].map(([, content = ""]) => `'sha256-${sha256(content, "base64")}'`);
    return sources.length > 0 ? sources.join(" ") : "'none'";
  };
  return [
    "default-src 'none'",
    `script-src ${hashes("script")}`,
    `style-src ${hashes("style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}

function sha256(text: string, encoding: "hex" | "base64"): string {
  return new Bun.CryptoHasher("sha256").update(text).digest(encoding);
}
