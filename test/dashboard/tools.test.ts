/** What tool calls add up to, as a person sees it. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Locator } from "playwright-core";
import { agentEvents, take } from "../support/agent-events.ts";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { sceneEvents } from "../support/scene.ts";

const tools = (page: OpenPage) => page.getByRole("table", { name: "Tool calls by tool" });
const files = (page: OpenPage) => page.getByRole("table", { name: "Files that were read or edited" });
const events = (page: OpenPage) => page.getByRole("listbox").getByRole("option");
const row = (table: Locator, name: string) =>
  table.getByRole("row").filter({ has: table.page().getByRole("rowheader", { name, exact: true }) });
const cells = (table: Locator, name: string) => row(table, name).getByRole("cell").allInnerTexts();
const names = (table: Locator) => table.getByRole("rowheader").allInnerTexts();
const heading = (table: Locator, name: string) => table.getByRole("columnheader", { name });
const sortBy = (table: Locator, name: string) => table.getByRole("button", { name }).click();

describe.skipIf(CHROMIUM === null)("tools and files in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  beforeAll(async () => {
    server = await startDashboardServer();
    await server.post(sceneEvents(Date.now()));
    page = await server.open("#/tools");
    await tools(page).waitFor();
  });

  test("each tool has a row with its calls, what became of them and how long they took", async () => {
    expect(await names(tools(page))).toEqual(["Bash", "Read", "Edit", "Grep", "Agent", "Write"]);
    const [calls, running, failed, denied, unfinished, ...times] = await cells(tools(page), "Bash");
    expect([calls, running, denied, unfinished]).toEqual(["19", "4", "0", "0"]);
    expect(failed?.replace(/\s+/g, " ")).toBe("4 27 %");
    expect(times).toEqual(["41.0 s", "3 min 30 s", "3 min 30 s", "12 min 18 s"]);
  });

  test("the figures say what they rest on", async () => {
    const { length } = sceneEvents(0);
    await page.getByText(`From all ${length} events in the log, since `).waitFor();
    await page.getByText(/\d+ calls of 6 tools, .* in all, 4 running now, 4 failed/).waitFor();
  });

  test("a column's heading sorts, once more the other way, and the address keeps it", async () => {
    await sortBy(tools(page), "Slowest");
    expect(await heading(tools(page), "Slowest").getAttribute("aria-sort")).toBe("descending");
    expect((await names(tools(page)))[0]).toBe("Bash");
    await sortBy(tools(page), "Slowest");
    expect(await heading(tools(page), "Slowest").getAttribute("aria-sort")).toBe("ascending");
    expect(await heading(tools(page), "Calls").getAttribute("aria-sort")).toBeNull();
    expect((await names(tools(page))).at(-1)).toBe("Bash");
    const other = await server.open(new URL(page.url()).hash);
    await tools(other).waitFor();
    expect(await names(tools(other))).toEqual(await names(tools(page)));
    await tools(page).getByRole("button", { name: "Calls" }).press("Enter");
    expect((await names(tools(page)))[0]).toBe("Bash");
    expect(new URL(page.url()).hash).toBe("#/tools");
  });

  test("a tool leads to its events, its failures and its slowest call", async () => {
    await page.getByLabel("Project", { exact: true }).selectOption({ label: "shop-api" });
    await row(tools(page), "Bash").getByRole("link", { name: "1 20 %" }).click();
    await events(page).waitFor();
    expect(await events(page).innerText()).toContain("exit code 1: pay.test.ts");
    expect(page.url()).toMatch(/#\/events\?project=[^&]+shop-api&tool=Bash&failed=1$/);
    await page.goBack();
    await row(tools(page), "Bash")
      .getByRole("link", { name: /^1 min 14 s, event/ })
      .click();
    await page.getByRole("complementary").getByText("npm test").first().waitFor();
    await page.goBack();
    // Anywhere on the row is its link.
    await row(tools(page), "Bash").getByRole("cell").nth(3).click();
    await page.getByRole("listbox").waitFor();
    expect(page.url()).toMatch(/#\/events\?project=[^&]+shop-api&tool=Bash$/);
    await page.goBack();
    await page.getByRole("button", { name: "Clear" }).click();
  });

  test("project, session, agent and time narrow what is counted, and the address holds them", async () => {
    const agent = page.getByLabel("Agent", { exact: true });
    await agent.selectOption("Explore");
    await eventually(async () => (await names(tools(page))).join() === "Grep,Read,Bash");
    await agent.selectOption("main");
    await page.getByLabel("Project", { exact: true }).selectOption({ label: "data-pipeline" });
    await eventually(async () => (await names(tools(page))).join() === "Bash,Read,Edit");
    const other = await server.open(new URL(page.url()).hash);
    await tools(other).waitFor();
    expect(await names(tools(other))).toEqual(["Bash", "Read", "Edit"]);
    await page.getByLabel("Time").selectOption("last 15 minutes");
    // What still runs counts, whenever it began.
    await eventually(async () => (await names(tools(page))).join() === "Bash");
    expect(await cells(tools(page), "Bash")).toMatchObject({ 0: "1", 1: "1" });
    await page.getByText("Calls of the last 15 minutes.").waitFor();
    await page.getByLabel("Session", { exact: true }).selectOption({ label: "90b1d7aa · infra" });
    await page.getByText("No tool call fits.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await row(tools(page), "Write").waitFor();
  });

  test("files say who read and changed them, and are found by a part of their path", async () => {
    await page.keyboard.press("/");
    await page.keyboard.type("checkout/fi");
    await eventually(async () => (await names(files(page))).join() === "src/checkout/Field.tsx");
    const [project, reads, edits, by, sessions, last] = await cells(files(page), "src/checkout/Field.tsx");
    expect([project, reads, edits, sessions]).toEqual(["web-frontend", "2", "0", "1"]);
    expect(by).toBe("main 1, engineer 1");
    expect(last).toMatch(/^\d+ min( \d+ s)? ago$/);
    await row(files(page), "src/checkout/Field.tsx").getByRole("link").click();
    await eventually(async () => (await events(page).count()) === 4);
    await page.goBack();
    await page.getByRole("searchbox").fill("nothing like it");
    await page.getByText("No file fits.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await sortBy(files(page), "Edits");
    const [edited = ""] = await names(files(page));
    expect(await cells(files(page), edited)).toMatchObject({ 2: "2" });
  });

  test("calls are counted as they are made, and as what they are", async () => {
    const hostile = "<img src=x onerror=alert(1)>\u202Egnp";
    const call = { session_id: "live", cwd: "/home/dana/work/live", tool_use_id: "toolu_live" };
    const input = { file_path: `/home/dana/work/live/${hostile}` };
    const edit = { ...call, tool_name: "Edit", tool_input: input };
    const before = Number((await cells(tools(page), "Edit"))[0]);
    await server.hooks([{ ...edit, hook_event_name: "PreToolUse" }]);
    await eventually(async () => (await cells(tools(page), "Edit")).slice(0, 2).join() === `${before + 1},1`);
    await server.hooks([
      { ...edit, hook_event_name: "PostToolUse", tool_response: {} },
      { ...call, tool_name: hostile, tool_use_id: "toolu_odd", hook_event_name: "PreToolUse" },
    ]);
    const shown = "<img src=x onerror=alert(1)>⟨U+202E⟩gnp";
    await row(tools(page), shown).waitFor();
    await row(files(page), shown).waitFor();
    expect((await cells(tools(page), "Edit"))[1]).toBe("0");
    expect(page.problems).toEqual([]);
  });

  test("on a narrow screen nothing but the tables scrolls sideways, and the keyboard gets there", async () => {
    const narrow = await server.open("#/tools", { viewport: { width: 360, height: 780 } });
    const region = narrow.getByRole("region", { name: "Tool calls by tool" });
    await region.focus();
    await region.press("ArrowRight");
    await eventually(() => region.evaluate((element) => element.scrollLeft > 0));
    const overflow = await narrow.evaluate(() => {
      const main = document.querySelector("main");
      return [document.documentElement.scrollWidth - innerWidth, main && main.scrollWidth - main.clientWidth];
    });
    expect(overflow).toEqual([0, 0]);
  });
});

describe.skipIf(CHROMIUM === null)("tools and files without and with much to show", () => {
  test("without any call the page says how calls come here", async () => {
    const server = await startDashboardServer();
    const page = await server.open("#/tools");
    await page.getByRole("heading", { name: "No tool call yet" }).waitFor();
    await page.getByText("claude-mpm-socketio hooks install").waitFor();
    await server.post(take(agentEvents(2), 2));
    await tools(page).waitFor();
  });

  test("a long name leaves the figures in view, and events of another day are told with their day", async () => {
    const server = await startDashboardServer();
    const before = new Date(Date.now() - 3 * 86_400_000);
    const long = `mcp__${"a_server_with_a_name_".repeat(6)}__tool`;
    await server.post([
      {
        type: "hook.pre_tool_use",
        session_id: "s",
        timestamp: before.toISOString(),
        data: { tool_name: "Bash", tool_use_id: "a" },
      },
      { type: "hook.pre_tool_use", session_id: "s", data: { tool_name: long, tool_use_id: "b" } },
    ]);
    const page = await server.open("#/tools", { viewport: { width: 720, height: 900 } });
    await tools(page).waitFor();
    const name = tools(page).getByText(long, { exact: true });
    expect(await name.getAttribute("title")).toBe(long);
    expect(await name.evaluate((element) => element.getBoundingClientRect().width)).toBeLessThanOrEqual(220);
    const day = `${before.getFullYear()}-${`${before.getMonth() + 1}`.padStart(2, "0")}`;
    await page.getByText(new RegExp(`since ${day}-\\d\\d \\d\\d:\\d\\d:\\d\\d`)).waitFor();
  });

  test("of thousands of files the first hundred are drawn, and more when somebody asks", async () => {
    const server = await startDashboardServer();
    const touched = Array.from({ length: 3000 }, (_, n) => {
      const [call] = take(agentEvents(1, `f${n}`), 1) as [any];
      const data = { ...call.data, tool_name: "Read", tool_input: { file_path: `src/file-${n}.ts` } };
      return { ...call, type: "hook.post_tool_use", data };
    });
    for (const part of [0, 1, 2]) await server.post(touched.slice(part * 1000, (part + 1) * 1000));
    const page = await server.open("#/tools");
    await page.getByText("3,000 files").waitFor();
    expect(await files(page).getByRole("rowheader").count()).toBe(100);
    await page.getByRole("button", { name: "Show more (2,900 are not shown)" }).click();
    await eventually(async () => (await files(page).getByRole("rowheader").count()) === 600);
  });
});
