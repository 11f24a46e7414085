/** Every view for people who use it by keyboard, by ear, enlarged, in the dark or on a narrow screen. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import { CHROMIUM, openPage, type OpenPage } from "../support/browser.ts";
import { connect } from "../support/clients.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { sceneEvents } from "../support/scene.ts";
import { startTestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const AXE = readFileSync(join(import.meta.dir, "../../node_modules/axe-core/axe.min.js"), "utf8");
const SESSION = "713a9c5d-9c0f-42e1-9048-173777c6bd06";

/** Where to go, and what is there when it is drawn. */
const VIEWS: Record<string, { hash: string; ready: (page: OpenPage) => Promise<unknown> }> = {
  sessions: { hash: "#/sessions", ready: (page) => page.getByRole("article").first().waitFor() },
  "a session": {
    hash: `#/session/${SESSION}`,
    ready: (page) => page.getByText("Timeline").first().waitFor(),
  },
  "a replay": {
    hash: `#/session/${SESSION}?replay=1`,
    ready: (page) => page.getByRole("slider").first().waitFor(),
  },
  events: { hash: "#/events", ready: (page) => page.locator(".event-row").first().waitFor() },
  "an event": {
    hash: "#/events?seq=100",
    ready: (page) => page.getByRole("heading", { name: "JSON" }).waitFor(),
  },
  "an event with a change": {
    hash: "#/events?tool=Edit&type=hook.post_tool_use&seq=20",
    ready: (page) => page.getByRole("heading", { name: "JSON" }).waitFor(),
  },
  "tools and files": { hash: "#/tools", ready: (page) => page.getByRole("table").first().waitFor() },
  server: { hash: "#/server", ready: (page) => page.getByRole("table").first().waitFor() },
};

/** What axe-core calls serious or critical, each with the place where it is. */
async function violations(page: OpenPage): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}

describe.skipIf(CHROMIUM === null)("the dashboard", () => {
  let server: DashboardServer;
  beforeAll(async () => {
    server = await startDashboardServer();
    await server.post(sceneEvents(Date.now()));
    await connect(server.url, { claude_mpm_version: "0.1.0", client_id: "old-client" });
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`the description of the API, ${colorScheme}: axe finds nothing serious`, async () => {
      const page = await openPage(`${server.url}/docs`, { colorScheme });
      expect(await page.locator("article").count()).toBeGreaterThan(30);
      expect(await violations(page)).toEqual([]);
      expect(page.problems).toEqual([]);
      expect(await page.evaluate(() => getComputedStyle(document.body).maxWidth)).not.toBe("none");
    });
  }

  for (const [name, { hash, ready }] of Object.entries(VIEWS)) {
    for (const colorScheme of ["light", "dark"] as const) {
      test(`${name}, ${colorScheme}: axe finds nothing serious`, async () => {
        const page = await server.open(hash, { colorScheme });
        await ready(page);
        expect(await violations(page)).toEqual([]);
        await page.context().close();
      });
    }

    test(`${name} fits 360 pixels, and 1280 enlarged to 200 %`, async () => {
      for (const viewport of [
        { width: 360, height: 740 },
        { width: 640, height: 400 },
      ]) {
        const page = await server.open(hash, { viewport });
        await ready(page);
        const overflow = await page.evaluate(() => {
          const wide = [...document.querySelectorAll("body, main, header")].filter(
            (element) => element.scrollWidth > element.clientWidth + 1,
          );
          return wide.map((element) => `${element.tagName} ${element.scrollWidth} > ${element.clientWidth}`);
        });
        expect(overflow).toEqual([]);
        expect(await violations(page)).toEqual([]);
        await page.context().close();
      }
    });

    test(`${name}: Tab goes through everything, and what has the focus is seen to have it`, async () => {
      const page = await server.open(hash);
      await ready(page);
      const seen = new Set<string>();
      // What is looked at has the focus from the start; here it begins at the top.
      await page.getByRole("link", { name: "Skip to content" }).focus();
      for (let step = 0; step < 60; step += 1) {
        await page.keyboard.press("Tab");
        const focus = await page.evaluate(() => {
          const element = document.activeElement as HTMLElement;
          if (element === document.body) return null;
          const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
          const isSeen = (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
          return { html: element.outerHTML.slice(0, 120), isSeen };
        });
        if (focus === null) break;
        expect(focus).toEqual({ html: focus.html, isSeen: true });
        seen.add(focus.html);
      }
      expect(seen.size).toBeGreaterThan(8);
      await page.context().close();
    });
  }

  test("without a connection the header still fits 360 pixels", async () => {
    const away = await startDashboardServer();
    await away.post(sceneEvents(Date.now()));
    const page = await away.open("", { viewport: { width: 360, height: 740 } });
    await page.getByRole("article").first().waitFor();
    await away.kill();
    await page.getByRole("button", { name: "Connection" }).getByText("Reconnecting").waitFor();
    const header = page.getByRole("banner");
    expect(await header.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
    const settings = await page.getByRole("button", { name: "Settings" }).boundingBox();
    expect((settings?.x ?? 0) + (settings?.width ?? 0)).toBeLessThanOrEqual(360);
    expect(await violations(page)).toEqual([]);
  });

  test("the log-in has nothing serious, fits 360 pixels, and keeps the keyboard in it", async () => {
    const locked = await startTestServer({ auth: "on" });
    for (const options of [
      { colorScheme: "light" },
      { colorScheme: "dark", viewport: { width: 360, height: 740 } },
    ] as const) {
      const page = await openPage(locked.url, options);
      const dialog = page.getByRole("dialog", { name: "Log in" });
      await page.getByLabel("Token").fill("wrong");
      await page.keyboard.press("Enter");
      await dialog.getByRole("alert").getByText("not known").waitFor();
      expect(await violations(page)).toEqual([]);
      const box = await dialog.boundingBox();
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(options.viewport?.width ?? 1280);
      for (let step = 0; step < 4; step += 1) {
        await page.keyboard.press("Tab");
        // Past its end comes the browser itself, and with it nothing of the page.
        const isKept = await page.evaluate(() => {
          const { activeElement: focus } = document;
          return focus === document.body || focus?.closest("dialog") !== null;
        });
        expect(isKept).toBe(true);
      }
      await page.context().close();
    }
  });

  test("the help dialog and the popovers have nothing serious either", async () => {
    const page = await server.open();
    await page.getByRole("article").first().waitFor();
    await page.keyboard.press("?");
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Escape");
    for (const name of ["Settings", "Connection"]) {
      await page.getByRole("button", { name }).click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
    }
  });

  test("the page a session is exported as has nothing serious, and fits 360 pixels", async () => {
    const page = await server.open(`#/session/${SESSION}`);
    await page.getByRole("button", { name: "Export…" }).click();
    const dialog = page.getByRole("dialog", { name: "Export this session" });
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      dialog.getByRole("button", { name: "Save HTML" }).click(),
    ]);
    const path = join(temporaryDirectory(), download.suggestedFilename());
    await download.saveAs(path);
    for (const options of [
      { colorScheme: "light" },
      { colorScheme: "dark" },
      { viewport: { width: 360, height: 740 } },
    ] as const) {
      const file = await openPage(`file://${path}`, { offline: true, ...options });
      await file.getByText("Timeline").first().waitFor();
      expect(await violations(file)).toEqual([]);
      const overflow = () => document.documentElement.scrollWidth - innerWidth;
      expect(await file.evaluate(overflow)).toBe(0);
      await file.context().close();
    }
  });

  test("colours can be chosen, and stay chosen", async () => {
    const page = await server.open("", { colorScheme: "light" });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("dark").check();
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await background()).toBe(dark);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("as the system").check();
    expect(await background()).toBe(light);
  });

  test("single-letter shortcuts can be turned off", async () => {
    const page = await server.open();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Single-letter shortcuts").uncheck();
    await page.keyboard.press("Escape");
    await page.locator("h1").click();
    await page.keyboard.press("2");
    await page.keyboard.press("?");
    expect(page.url()).not.toContain("events");
    expect(await page.getByRole("dialog").count()).toBe(0);
  });
});
