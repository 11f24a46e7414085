/** Web pages of other origins, in a real browser, against everything the server offers. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { browser, CHROMIUM } from "../support/browser.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { attempts } from "../support/page-attempts.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const TOKEN = "a-token-that-somebody-has-lost";
const SECRET = "what-only-we-may-read";
const CLIENT = readFileSync(
  join(import.meta.dir, "../../node_modules/socket.io/client-dist/socket.io.js"),
  "utf8",
);

/** Another server on this machine. Its pages have the browser report to ours what they may not load. */
const other = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => pageReportingTo(new URL(request.url).searchParams.get("target") ?? ""),
});
onEnd(() => other.stop(true));

function pageReportingTo(target: string): Response {
  const policy = `img-src 'none'; report-uri ${target}/api/events?attempt=report`;
  return new Response("<!doctype html><title>A page</title><img src='data:,'>", {
    headers: { "Content-Type": "text/html", "Content-Security-Policy-Report-Only": policy },
  });
}

/** What brings an allowed page something. */
const USEFUL = [
  "fetch /api/events",
  "fetch /",
  "post /api/events text/plain",
  "post /api/events application/json",
  "post /api/hooks/claude text/plain",
  "XMLHttpRequest GET",
  "XMLHttpRequest POST",
  "EventSource",
  "WebSocket",
  "polling",
  "Socket.IO polling",
  "Socket.IO websocket",
  "script",
  "script of CORS",
  "module",
  "import",
  "preload",
];
/** What brings no page anything, and the server an event, if it takes it. */
const SENT = [
  "no-cors post text/plain",
  "no-cors post application/x-www-form-urlencoded",
  "no-cors post multipart/form-data",
  "keepalive",
  "beacon text",
  "beacon blob",
  "ping of a link",
  "form text/plain",
  "form application/x-www-form-urlencoded",
  "form multipart/form-data",
];

interface Outcome {
  /** What each attempt has brought the page, where that is something. */
  got: Record<string, string>;
  /** How the server has answered each, as the browser's own tools tell it. */
  statuses: Map<string, number>;
}

describe.skipIf(CHROMIUM === null)("pages", () => {
  for (const auth of ["off", "on"] as const) {
    describe(`with auth ${auth}`, () => {
      const token = auth === "on" ? TOKEN : null;
      const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
      let server: TestServer;
      let target: string;

      beforeAll(async () => {
        const listed = `http://listed.example:${other.port}`;
        server = await startTestServer({ auth, cors_allowed_origins: listed, ...(token && { token }) });
        target = `http://localhost:${server.port}`;
        await server.post("/api/events", { type: SECRET, session_id: "s" }, { headers });
      });

      /** Opens a page of this origin, which knows the token, and has it try everything. */
      async function visit(origin: string): Promise<Outcome> {
        const context = await (await browser()).newContext();
        onEnd(() => context.close());
        const statuses = new Map<string, number>();
        context.on("response", (response) => {
          const name = new URL(response.url()).searchParams.get("attempt");
          if (name !== null && response.request().method() !== "OPTIONS")
            statuses.set(name, response.status());
        });
        const page = await context.newPage();
        const aim = origin.endsWith(`:${server.port}`) ? origin : target;
        const url = `${origin}/page?target=${aim}`;
        // As if its name had led to another machine when it was loaded.
        if (aim === origin) {
          const answer = pageReportingTo(aim);
          const body = await answer.text();
          await page.route(url, (asked) =>
            asked.fulfill({ headers: Object.fromEntries(answer.headers), body }),
          );
        }
        await page.goto(url);
        await page.addScriptTag({ content: CLIENT });
        const all = await page.evaluate(attempts, { target: aim, token });
        // Of what is under way when the page is left, the browser's tools tell no more.
        for (const sent of SENT) await eventually(() => statuses.has(sent), { what: sent });
        const visited = page.waitForNavigation();
        await page.evaluate((action) => {
          const form = Object.assign(document.createElement("form"), { action, method: "post" });
          document.body.append(form);
          form.submit();
        }, `${aim}/api/events?attempt=form+at+the+top`);
        await visited;
        const got = Object.fromEntries(Object.entries(all).filter(([, text]) => text !== ""));
        return { got, statuses };
      }

      async function state() {
        const { log, connections } = (await server.get("/stats", { headers })).body;
        const { total } = (await server.get("/api/clients", { headers })).body;
        return { stored: log.last_seq, connected: connections.total_served, clients: total };
      }

      const controls = auth === "off" ? ["localhost", "listed.example"] : ["localhost"];
      for (const name of controls) {
        test(`of ${name} can do it all`, async () => {
          const before = await state();
          const { got } = await visit(`http://${name}:${other.port}`);
          expect(Object.keys(got)).toEqual(expect.arrayContaining(USEFUL));
          expect(got["fetch /api/events"]).toContain(SECRET);
          const after = await state();
          expect(after.stored - before.stored).toBeGreaterThan(auth === "off" ? 14 : 8);
          if (auth === "off") {
            const { events } = (await server.get("/api/events?limit=1000")).body;
            expect(events.filter((event: object) => "csp-report" in event).length).toBeGreaterThan(0);
          }
          expect(after.connected - before.connected).toBe(2);
        });
      }

      const strangers = [
        { what: "of another origin", origin: () => `http://evil.example:${other.port}` },
        { what: "whose own name leads here", origin: () => `http://rebind.example:${server.port}` },
      ];
      for (const { what, origin } of auth === "off" ? strangers : strangers.slice(0, 1)) {
        test(`${what} can neither connect, nor read, nor send`, async () => {
          await eventually(async () => (await state()).clients === 0, { what: "the end of the others" });
          const before = await state();
          const { got, statuses } = await visit(origin());
          expect(statuses.has("form at the top")).toBe(true);
          // A visit in a window of its own is none of the page's.
          statuses.delete("window");
          expect(new Set(statuses.values())).toEqual(new Set([403]));
          // One that is of our own address may read that it is refused.
          expect(Object.entries(got).filter(([, text]) => !text.includes('"host_refused"'))).toEqual([]);
          expect(await state()).toEqual(before);
        });
      }
    });
  }
});
