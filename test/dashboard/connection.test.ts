/** The page when the server goes away, comes back, and has forgotten something. */
import { describe, expect, test } from "bun:test";
import { agentEvents, take } from "../support/agent-events.ts";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { sceneEvents } from "../support/scene.ts";
import { eventually } from "../support/eventually.ts";

const status = (page: OpenPage) => page.getByRole("button", { name: "Connection" });
const isLive = (page: OpenPage) => status(page).getByText("Live", { exact: true }).waitFor();
const isReconnecting = (page: OpenPage) => status(page).getByText("Reconnecting").waitFor();

/** All sequence numbers in the list, from its end to its beginning; a gap as "from-to". */
async function listed(page: OpenPage): Promise<string[]> {
  return page.evaluate(async () => {
    const list = document.querySelector<HTMLElement>(".event-rows");
    const found = new Map<number, string>();
    if (!list) return [];
    for (let at = list.scrollHeight; at > -600; at -= 400) {
      list.scrollTop = Math.max(0, at);
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      for (const row of list.querySelectorAll<HTMLElement>(".event-row")) {
        const top = Number(/translateY\((\d+)px\)/.exec(row.style.transform)?.[1]);
        found.set(top, row.dataset.seq ?? row.innerText);
      }
    }
    return [...found].toSorted(([a], [b]) => a - b).map(([, text]) => text);
  });
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, n) => `${first + n}`);

async function lastSeq(server: DashboardServer): Promise<number> {
  return (await server.get("/stats")).log.last_seq;
}

describe.skipIf(CHROMIUM === null)("the connection of the dashboard", () => {
  test("after kill -9 the page catches up alone: no gap, no duplicate, and it says so", async () => {
    const server = await startDashboardServer();
    const events = agentEvents(3);
    await server.post(take(events, 40));
    const page = await server.open("#/events");
    await isLive(page);
    for (const round of [1, 2]) {
      await server.kill();
      await isReconnecting(page);
      await server.start();
      // They are stored before the page is back, or while it comes.
      await server.post(take(events, 30));
      await page.getByRole("button", { name: "Connection" }).getByText("Live", { exact: true }).waitFor();
      await server.post(take(events, 1));
      const last = await lastSeq(server);
      await page.locator(`[data-seq="${last}"]`).waitFor();
      expect(await listed(page)).toEqual(upTo(last));
      expect(last).toBe(40 + round * 31);
      await page.getByRole("listbox").press("End");
    }
    await status(page).click();
    const notes = await page.getByRole("group", { name: "Connection" }).innerText();
    expect(notes).toContain("the connection to the server is lost");
    expect(notes).toMatch(/\d+ events? caught up|connected again, nothing came meanwhile/);
    expect(notes).toContain("the server was restarted");
  });

  test("what was sent while the server was away to others comes as caught up, with its number", async () => {
    const server = await startDashboardServer();
    await server.post(take(agentEvents(3), 10));
    const page = await server.open("#/events");
    await isLive(page);
    await page.context().setOffline(true);
    await page.evaluate(() => globalThis.dispatchEvent(new Event("offline")));
    await server.kill();
    await isReconnecting(page);
    await server.start();
    await server.post(take(agentEvents(3, "t"), 25));
    await page.context().setOffline(false);
    await status(page).getByText("25 events caught up").waitFor();
    expect(await listed(page)).toEqual(upTo(35));
  });

  test("events that the log gave up meanwhile are a gap with its range, in the list and above it", async () => {
    const server = await startDashboardServer(["max_history_size=20"]);
    await server.post(take(agentEvents(3), 10));
    const page = await server.open("#/events");
    await isLive(page);
    await page.context().setOffline(true);
    await server.kill();
    await isReconnecting(page);
    await server.start();
    const { last_seq: last } = await server.post(take(agentEvents(3, "t"), 50));
    await page.context().setOffline(false);
    const { log } = await server.get("/stats");
    const gap = `events 11 to ${log.first_seq - 1} are missing: the log no longer holds them`;
    await status(page).getByText(gap).waitFor();
    await page.locator(`[data-seq="${last}"]`).waitFor();
    expect(await listed(page)).toEqual([...upTo(10), gap, ...upTo(last, log.first_seq)]);
    // It stays there until somebody has seen it.
    await status(page).click();
    await page.keyboard.press("Escape");
    await eventually(async () => !(await status(page).innerText()).includes("missing"));
  });

  test("another log in the same place: what was shown is taken away, and that is said", async () => {
    const server = await startDashboardServer(["persistent=false"]);
    await server.post(take(agentEvents(3), 10));
    const page = await server.open("#/events");
    await isLive(page);
    await server.kill();
    await isReconnecting(page);
    await server.start();
    await server.post([{ type: "first.of.the.new" }, { type: "second.of.the.new" }]);
    await page.getByRole("listbox").getByText("second.of.the.new").waitFor();
    const rows = await listed(page);
    expect(rows.slice(-2)).toEqual(["1", "2"]);
    expect(rows.length).toBe(3);
    expect(rows[0]).toContain("the server has another log now");
    await server.post({ type: "third.of.the.new" });
    await page.getByRole("listbox").getByText("third.of.the.new").waitFor();
    expect(await page.locator(".event-foot").innerText()).toContain("3 events, all there are");
    await status(page).click();
    const notes = await page.getByRole("group", { name: "Connection" }).innerText();
    expect(notes).toContain("the server has another log now; what was shown before is not in it");
    expect(notes).toContain("2 events of it loaded");
    expect(notes).not.toMatch(/nothing came|missing/);
    // What occurred in the other log is nothing to choose any more.
    const types = () => page.getByLabel("Type", { exact: true }).locator("option").allInnerTexts();
    await eventually(async () => (await types()).includes("third.of.the.new"));
    expect(await types()).not.toContain("hook.pre_tool_use");
  });

  test("of another log nothing of the one before is mixed in, though that was not read to its beginning", async () => {
    const server = await startDashboardServer(["persistent=false", "max_history_size=20000"]);
    const events = agentEvents(3);
    for (let sent = 0; sent < 12_000; sent += 1000) await server.post(take(events, 1000));
    const page = await server.open("#/events");
    await isLive(page);
    await server.kill();
    await isReconnecting(page);
    await server.start();
    await server.post(Array.from({ length: 5 }, (_, n) => ({ type: `new.${n}` })));
    await page.getByText(/^5 events, all there are$/).waitFor();
    await page.getByRole("listbox").press("Home");
    expect((await listed(page)).slice(1)).toEqual(upTo(5));
  });

  test("when the log gave up all that was missed, it is live and says what is missing", async () => {
    const server = await startDashboardServer(["max_history_age=0.5"]);
    await server.post(take(agentEvents(3), 10));
    const page = await server.open("#/events");
    await isLive(page);
    await page.context().setOffline(true);
    await server.kill();
    await isReconnecting(page);
    await server.start();
    await server.post(take(agentEvents(3, "t"), 10));
    await eventually(async () => (await server.get("/stats")).log.first_seq === 21);
    await page.context().setOffline(false);
    await isLive(page);
    await status(page).getByText("events 11 to 20 are missing").waitFor();
  });

  test("a server that hangs is seen to give no answer, and what is shown says of when it is", async () => {
    const server = await startDashboardServer();
    await server.post(sceneEvents(Date.now()));
    const page = await server.open();
    await isLive(page);
    await page.getByRole("article").first().waitFor();
    server.signal("SIGSTOP");
    await status(page).getByText("No answer").waitFor();
    await page.getByText(/As of .*: the server does not answer/).waitFor();
    const times = () => page.getByRole("article").first().locator(".badge time").innerText();
    const before = await times();
    server.signal("SIGCONT");
    await isLive(page);
    await eventually(async () => (await times()) !== before);
    expect(await page.getByText("the server does not answer").count()).toBe(0);
  });

  test("a list that was narrowed while there was no server is filled when there is one", async () => {
    const server = await startDashboardServer();
    await server.post(take(agentEvents(3), 10));
    const page = await server.open("#/events");
    await isLive(page);
    await server.kill();
    await isReconnecting(page);
    await page.getByRole("searchbox").fill("toolu_s1");
    await page.getByText("The server does not answer.").first().waitFor();
    await server.start();
    await page.getByText("2 events, all there are of these").waitFor();
  });

  test("of what comes while a filter is chosen nothing is lost from the list", async () => {
    const server = await startDashboardServer();
    const events = agentEvents(2);
    const page = await server.open("#/events");
    await isLive(page);
    let isOpen = true;
    const sending = (async () => {
      for (; isOpen; await Bun.sleep(2)) await server.post(take(events, 2));
    })();
    const tool = page.getByLabel("Tool", { exact: true });
    await eventually(async () => (await tool.locator("option").count()) > 3);
    for (let round = 0; round < 8; round += 1) {
      await tool.selectOption("Bash");
      await tool.selectOption("");
    }
    await tool.selectOption("Bash");
    isOpen = false;
    await sending;
    const { total_available: total } = await server.get(
      `/api/events?q=${encodeURIComponent('"tool_name":"Bash"')}&limit=1`,
    );
    await page.getByText(`${total.toLocaleString("en")} events, all there are of these`).waitFor();
  });

  test("it does not wait when somebody asks it not to", async () => {
    const server = await startDashboardServer();
    const page = await server.open("#/server");
    await isLive(page);
    await server.kill();
    await status(page)
      .getByText(/Reconnecting in [3-9] s/)
      .waitFor();
    await server.start();
    await status(page).click();
    await page.getByRole("button", { name: "Try now" }).click();
    await isLive(page);
  });

  test("what comes while the first page is read is neither missed nor shown twice", async () => {
    const server = await startDashboardServer();
    const events = agentEvents(4);
    await server.post(take(events, 500));
    let isOpen = true;
    const sending = (async () => {
      for (; isOpen; await Bun.sleep(10)) await server.post(take(events, 3));
    })().catch(() => {});
    const page = await server.open("#/events");
    await isLive(page);
    await page.getByText(/all there are/).waitFor();
    isOpen = false;
    await sending;
    const last = await lastSeq(server);
    await page.locator(`[data-seq="${last}"]`).waitFor();
    expect(await listed(page)).toEqual(upTo(last));
    expect(page.problems).toEqual([]);
  });
});
