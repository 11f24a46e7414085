import { expect, test } from "bun:test";
import { Hono } from "hono";
import type { Route } from "../../src/server/http/route.ts";
import { dashboardRoutes } from "../../src/server/http/routes/dashboard.ts";

test("a page that could not be made is made when it is asked for again, and then kept", async () => {
  const app = new Hono();
  app.onError((_, c) => c.text("failed", 500));
  let made = 0;
  const [route] = dashboardRoutes(async () => {
    made += 1;
    if (made === 1) throw new Error("no memory");
    return { html: "<p>a page</p>", etag: '"1"', policy: "default-src 'none'" };
  });
  app.get("/", (c) => (route as Route).handle(c, null));
  expect((await app.request("/")).status).toBe(500);
  expect(await (await app.request("/")).text()).toBe("<p>a page</p>");
  expect((await app.request("/")).status).toBe(200);
  expect(made).toBe(2);
});
