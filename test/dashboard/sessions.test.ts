/** The sessions as a person sees them. */
import { beforeAll, describe, expect, test } from "bun:test";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { sceneEvents } from "../support/scene.ts";

describe.skipIf(CHROMIUM === null)("sessions in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  beforeAll(async () => {
    server = await startDashboardServer();
    await server.post(sceneEvents(Date.now()));
    page = await server.open();
    await card("shop-api").first().waitFor();
  });

  const card = (project: string) =>
    page.getByRole("article").filter({ has: page.getByRole("heading", { name: project }) });
  const projects = () => page.getByRole("article").getByRole("heading").allInnerTexts();

  test("a card for each, newest activity first", async () => {
    const names = (await projects()).map((text) => text.split(/\s/)[0]);
    expect(names).toEqual(["web-frontend", "shop-api", "data-pipeline", "infra", "handbook", "shop-api"]);
  });

  test("a card says state and time in it, what runs, the prompt, counts and failures", async () => {
    const text = await card("web-frontend").innerText();
    expect(text).toMatch(/working\s+6 min( \d+ s)?/);
    expect(text).toContain("Good. Now the same for the sign-up form, and run all tests.");
    expect(text).toContain("npm run build && npx size-limit");
    expect(text).toContain("2 failed");
    expect(text).toMatch(/Read \d+\s+Grep \d+/);
    expect(text).toContain("113 events");
  });

  test("sub-agents stand below whoever started them, each with what it does", async () => {
    const tree = card("web-frontend").getByRole("list", { name: "Sub-agents" });
    const nested = tree.locator("li li").filter({ hasText: "Explore" });
    expect(await nested.innerText()).toMatch(/Explore ac0ffee ended/);
    expect(await tree.locator("> li").filter({ hasText: "engineer" }).innerText()).toContain("ac0ffee");
    expect(await tree.locator("> li").filter({ hasText: "qa" }).innerText()).toContain(
      "npx playwright test signup --repeat-each 5",
    );
  });

  test("who waits is said on the card, above every view and in the window's title", async () => {
    const waiting = card("shop-api").filter({ hasText: "waiting for you" });
    expect(await waiting.innerText()).toContain("Bash asks for permission\nnpm publish --access public");
    expect(await page.title()).toBe("(1) waiting for you · claude-mpm-socketio");
    const icon = await page.locator("link[rel=icon]").getAttribute("href");
    expect(decodeURIComponent(icon ?? "")).toContain("<circle");
    await page.goto(`${server.url}/#/events`);
    await page.getByRole("link", { name: "1 session waits for you" }).click();
    expect((await projects()).map((text) => text.split(/\s/)[0])).toEqual(["shop-api"]);
    expect(page.url()).toContain("state=waiting");
    await page.getByRole("button", { name: /^All/ }).click();
  });

  test("a session that failed says why, one that ended how", async () => {
    expect(await card("infra").innerText()).toContain("usage limit reached, resets at 15:00");
    expect(await card("shop-api").last().innerText()).toContain("Ended: prompt input exit");
  });

  test("they are narrowed by state and by text, and the address holds it", async () => {
    await page.getByRole("button", { name: /^working/ }).click();
    expect(await page.getByRole("article").count()).toBe(2);
    await page.getByRole("searchbox").fill("nightly");
    expect(await page.getByRole("article").count()).toBe(1);
    const other = await server.open(new URL(page.url()).hash);
    await other.getByRole("article").waitFor();
    expect(await other.getByRole("article").innerText()).toContain("data-pipeline");
    await page.getByRole("searchbox").fill("nothing like it");
    await page.getByText("No session fits.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    expect(await page.getByRole("article").count()).toBe(6);
  });

  test("what happens is there at once, and goes to the front", async () => {
    await server.hooks([
      {
        session_id: "live-1",
        cwd: "/home/dana/work/live-project",
        hook_event_name: "UserPromptSubmit",
        prompt: "Do it now",
      },
    ]);
    await card("live-project").waitFor();
    expect((await projects())[0]).toContain("live-project");
    await server.hooks([
      {
        session_id: "live-1",
        cwd: "/home/dana/work/live-project",
        hook_event_name: "PreToolUse",
        tool_name: "Bash",
        tool_input: { command: "make it so" },
        tool_use_id: "toolu_live1",
      },
      {
        session_id: "live-1",
        cwd: "/home/dana/work/live-project",
        hook_event_name: "PermissionRequest",
        tool_name: "Bash",
        tool_input: { command: "make it so" },
      },
    ]);
    await page.getByRole("link", { name: "2 sessions wait for you" }).waitFor();
    expect(await card("live-project").innerText()).toContain("Bash asks for permission\nmake it so");
    await eventually(async () => (await page.title()).startsWith("(2)"));
    await server.hooks([
      {
        session_id: "live-1",
        cwd: "/home/dana/work/live-project",
        hook_event_name: "PostToolUse",
        tool_name: "Bash",
        tool_input: { command: "make it so" },
        tool_use_id: "toolu_live1",
        tool_response: {},
        duration_ms: 5,
      },
    ]);
    await page.getByRole("link", { name: "1 session waits for you" }).waitFor();
  });

  test("nothing moves from under the pointer", async () => {
    await page.setViewportSize({ width: 800, height: 900 });
    const second = (await projects())[1] ?? "";
    await page.getByRole("article").nth(1).hover();
    await server.post({
      type: "hook.user_prompt_submit",
      session_id: "e518dede-44aa-4b1f-bb0c-5d1c7f60f9d2",
      data: { prompt: "And one more page" },
    });
    await card("handbook").getByText("And one more page").waitFor();
    expect((await projects())[1]).toBe(second);
    await page.mouse.move(0, 0);
    await server.post({ type: "hook.user_prompt_submit", session_id: "other", data: { prompt: "Hello" } });
    await page.getByRole("article").filter({ hasText: "Hello" }).waitFor();
    expect((await projects())[1]).toContain("handbook");
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test("a notification calls whoever has asked for it, once for each time a session begins to wait", async () => {
    await page.context().grantPermissions(["notifications"], { origin: server.url });
    const told = await page.evaluateHandle(() => {
      const list: string[] = [];
      class Told {
        static permission = "granted";
        static requestPermission = async () => "granted";
        onclick = () => {};
        constructor(title: string, { body }: { body: string }) {
          list.push(`${title}: ${body}`);
        }
      }
      Object.assign(globalThis, { Notification: Told });
      return list;
    });
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Notify me when a session waits for me").check();
    await page.keyboard.press("Escape");
    const ask = (command: string) => ({
      type: "hook.permission_request",
      session_id: "other",
      cwd: "/w/other-project",
      data: { tool_name: "Bash", tool_input: { command } },
    });
    await server.post(ask("rm -rf build"));
    await eventually(async () => (await told.jsonValue()).length === 1);
    await server.post({ type: "note", session_id: "other" });
    await server.post({ type: "hook.stop", session_id: "e518dede-44aa-4b1f-bb0c-5d1c7f60f9d2" });
    await card("handbook").getByText("idle").waitFor();
    expect(await told.jsonValue()).toEqual(["other-project waits for you: Bash: rm -rf build"]);
  });

  test("the keyboard goes through the cards and opens one", async () => {
    await page.getByRole("link", { name: "Sessions", exact: true }).click();
    await page.locator("body").press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    expect(await focused()).toBe(await page.locator("[data-item]").first().innerText());
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("search");
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.locator("h1").click();
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").innerText()).toContain("to the search field");
    await page.keyboard.press("Escape");
    await page.keyboard.press("2");
    await page.getByRole("listbox", { name: /Events/ }).waitFor();
    await page.keyboard.press("1");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
  });

  test("nothing went wrong on the page", () => expect(page.problems).toEqual([]));
});

test.skipIf(CHROMIUM === null)("a page that nobody sees still tells in its title who waits", async () => {
  const server = await startDashboardServer();
  const page = await server.open();
  await page.getByText("No session yet").waitFor();
  const ask = (id: string) => ({
    type: "hook.permission_request",
    session_id: id,
    data: { tool_name: "Bash", tool_input: { command: "ls" } },
  });
  // A page that is hidden gets no frames, not even the one it has asked for.
  await page.evaluate(() => {
    globalThis.requestAnimationFrame = () => 0;
  });
  await server.post(ask("one"));
  await eventually(async () => (await server.get("/stats")).log.last_seq === 1);
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { get: () => "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await eventually(async () => (await page.title()).startsWith("(1)"));
  await server.post(ask("two"));
  await eventually(async () => (await page.title()).startsWith("(2)"));
});

describe.skipIf(CHROMIUM === null)("a server without sessions", () => {
  test("says how to get some", async () => {
    const server = await startDashboardServer();
    const page = await server.open();
    await page.getByText("claude-mpm-socketio hooks install").waitFor();
    expect(await page.title()).toBe("Sessions · claude-mpm-socketio");
    expect(page.problems).toEqual([]);
  });
});
