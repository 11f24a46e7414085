/** The list of events as a person uses it. */
import { beforeAll, describe, expect, test } from "bun:test";
import { agentEvents, take } from "../support/agent-events.ts";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { sceneEvents } from "../support/scene.ts";
import { SOAK } from "../support/soak.ts";

/** What is in the list, of which only the part in view is drawn: its foot counts all. */
const amount = async (page: OpenPage) =>
  Number(/([\d,]+) events?/.exec(await page.locator(".event-foot").innerText())?.[1]?.replaceAll(",", ""));
const texts = (page: OpenPage) => page.locator(".event-row .event-text").allInnerTexts();
const ofTool = (page: OpenPage, tool: string) => page.getByLabel("Tool", { exact: true }).selectOption(tool);

describe.skipIf(CHROMIUM === null)("events in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  let total: number;
  beforeAll(async () => {
    server = await startDashboardServer();
    total = (await server.post(sceneEvents(Date.now()))).accepted;
    page = await server.open("#/events");
    await page.locator(".event-row").first().waitFor();
  });

  test("the newest is in view, and all are counted", async () => {
    await page.getByText(`${total} events, all there are`).waitFor();
    expect((await texts(page)).at(-1)).toContain("Bash npm run build && npx size-limit");
  });

  test("one that comes is there at once", async () => {
    await server.post({ type: "build.done", session_id: "s1", data: { target: "web" } });
    await page.getByText('{"target":"web"}').waitFor();
    total += 1;
    expect(await amount(page)).toBe(total);
  });

  describe("filters", () => {
    const cleared = async () => {
      await page.getByRole("button", { name: "Clear" }).click();
      await eventually(async () => (await amount(page)) === total);
    };

    test("by tool, agent, project, session and type, each in the address", async () => {
      const cases = [
        ["Tool", "Edit", "tool=Edit", (text: string) => /\bEdit /.test(text)],
        ["Agent", "qa", "agent=qa", (text: string) => text.includes("[qa a894ded]") || text.startsWith("qa")],
        ["Project", "data-pipeline", "project=", () => true],
        ["Session", "e518dede · handbook", "session=e518dede", () => true],
        ["Type", "hook.permission_request", "type=hook.permission_request", () => true],
      ] as const;
      const counts: number[] = [];
      for (const [name, option, inAddress, fits] of cases) {
        await page.getByLabel(name, { exact: true }).selectOption(option);
        await eventually(async () => (await amount(page)) < total);
        expect(page.url()).toContain(inAddress);
        expect((await texts(page)).filter((text) => !fits(text))).toEqual([]);
        counts.push(await amount(page));
        await cleared();
      }
      const { total_available: ofProject } = await server.get("/api/events?project=data-pipeline&limit=1");
      const { total_available: ofSession } = await server.get(
        "/api/events?session_id=e518dede-44aa-4b1f-bb0c-5d1c7f60f9d2&limit=1",
      );
      expect(counts.slice(2)).toEqual([ofProject, ofSession, 1]);
    });

    test("several at once, and failures alone", async () => {
      await ofTool(page, "Bash");
      await page.getByLabel("failed only").check();
      await eventually(async () => (await amount(page)) === 4);
      await page.getByLabel("Project", { exact: true }).selectOption("web-frontend");
      await eventually(async () => (await amount(page)) === 2);
      expect((await texts(page))[0]).toContain("[engineer a3b4487] Bash failed: exit code 1: 3 tests failed");
      await cleared();
    });

    test("text is looked for in what the server stores, and in what comes", async () => {
      await page.getByRole("searchbox").fill("GOOD. NOW");
      await eventually(async () => (await amount(page)) === 1);
      await server.post([
        { type: "note", data: { deep: { inside: "Good. Now it comes" } } },
        { type: "note", data: { deep: "and this does not" } },
      ]);
      total += 2;
      await eventually(async () => (await amount(page)) === 2);
      expect((await texts(page)).at(-1)).toContain("Good. Now it comes");
      await cleared();
    });

    test("a link to a filtered list opens just that", async () => {
      const other = await server.open("#/events?tool=Edit&agent=engineer");
      await eventually(async () => (await amount(other)) === 16);
      expect(await other.getByLabel("Agent", { exact: true }).inputValue()).toBe("engineer");
      expect(other.problems).toEqual([]);
    });

    test("what no event fits says so", async () => {
      await page.getByRole("searchbox").fill("such a text there is not");
      await page.getByText("No event fits.").waitFor();
      await cleared();
    });
  });

  describe("one event", () => {
    test("a click opens it whole: facts, the change it made, its JSON", async () => {
      await ofTool(page, "Edit");
      await page.locator(".event-row", { hasText: "signup/Form.tsx" }).last().click();
      const detail = page.getByRole("complementary");
      await detail.getByText("Project", { exact: false }).first().waitFor();
      const text = await detail.innerText();
      expect(text).toContain("hook.post_tool_use");
      expect(text).toContain("web-frontend");
      expect(await detail.locator(".diff-line.diff-removed").allInnerTexts()).toEqual([
        expect.stringContaining("<input name={name} placeholder={name} />"),
      ]);
      expect(await detail.locator(".diff-line.diff-added").count()).toBe(4);
      expect(await detail.locator(".diff-line.diff-added .diff-number").first().innerText()).toBe("14");
      expect(page.url()).toMatch(/seq=\d+/);
    });

    test("its address opens the same event elsewhere", async () => {
      const { hash } = new URL(page.url());
      const other = await server.open(hash);
      const heading = await page.getByRole("complementary").getByRole("heading").first().innerText();
      await other.getByRole("heading", { name: heading }).waitFor();
      const selected = other.getByRole("listbox").getByRole("option", { selected: true });
      await selected.waitFor();
      expect(await selected.innerText()).toContain("signup/Form.tsx");
    });

    test("the JSON tree opens and closes, and is copied whole", async () => {
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.url });
      const detail = page.getByRole("complementary");
      const branch = detail.getByRole("button", { name: /tool_input:/ });
      expect(await branch.getAttribute("aria-expanded")).toBe("true");
      await branch.click();
      expect(await branch.getAttribute("aria-expanded")).toBe("false");
      await detail.getByRole("button", { name: "Copy JSON" }).click();
      await detail.getByText("Copied").waitFor();
      const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
      const seq = Number(/seq=(\d+)/.exec(page.url())?.[1]);
      expect(copied).toEqual((await server.get(`/api/events?after=${seq - 1}&limit=1`)).events[0]);
    });

    test("keys go from event to event, and close it", async () => {
      const heading = () => page.getByRole("complementary").getByRole("heading").first().innerText();
      const before = await heading();
      await page.getByRole("listbox").focus();
      await page.keyboard.press("ArrowUp");
      await eventually(async () => (await heading()) !== before);
      await page.keyboard.press("ArrowDown");
      await eventually(async () => (await heading()) === before);
      await page.keyboard.press("Home");
      await eventually(
        async () => (await page.locator('[aria-posinset="1"]').getAttribute("aria-selected")) === "true",
      );
      await page.keyboard.press("Escape");
      await page.getByRole("complementary").waitFor({ state: "detached" });
      expect(page.url()).not.toContain("seq=");
      await page.getByRole("button", { name: "Clear" }).click();
    });
  });

  test("a pause holds the list still and loses nothing", async () => {
    await page.getByRole("listbox").press("End");
    await page.locator("h1, body").first().press("p");
    const before = await texts(page);
    await server.post(Array.from({ length: 50 }, (_, n) => ({ type: "note", data: { n } })));
    await page.getByRole("button", { name: "Paused · 50 new events · go on" }).waitFor();
    expect(await texts(page)).toEqual(before);
    expect(await amount(page)).toBe(total);
    await page.getByRole("button", { name: /Paused/ }).click();
    total += 50;
    await eventually(async () => (await amount(page)) === total);
    expect((await texts(page)).at(-1)).toBe('{"n":49}');
  });

  test("who has scrolled up is not moved, and gets back with a button", async () => {
    const list = page.getByRole("listbox");
    await list.hover();
    await page.mouse.wheel(0, -1500);
    await page.getByRole("button", { name: "To the newest" }).waitFor();
    const before = await texts(page);
    await server.post(Array.from({ length: 20 }, (_, n) => ({ type: "note", data: { late: n } })));
    total += 20;
    await eventually(async () => (await amount(page)) === total);
    expect(await texts(page)).toEqual(before);
    await page.getByRole("button", { name: "To the newest" }).click();
    await page.getByText('{"late":19}').waitFor();
  });

  test("an address that names no event says what is wrong, or shows the list", async () => {
    await page.goto(`${server.url}/#/events?seq=99999`);
    await page.getByText("There is no such event yet.").waitFor();
    for (const seq of ["abc", "-1", "9999999999999999999"]) {
      await page.goto(`${server.url}/#/events?seq=${seq}`);
      await page.locator(".event-row").first().waitFor();
      expect(await page.getByRole("complementary").count()).toBe(0);
    }
  });

  test("what the server refuses is shown in its words", async () => {
    const refused = await server.open("#/events?q=%00");
    await refused.getByText("`q` holds a NUL character").first().waitFor();
  });

  test("a list narrowed while it was paused goes on", async () => {
    await page.goto(`${server.url}/#/events`);
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByRole("searchbox").fill("npm publish");
    await page.getByText("2 events, all there are of these").waitFor();
    expect(await page.locator(".event-row").count()).toBe(2);
    await page.getByRole("button", { name: "Clear" }).click();
  });

  test("another event in the address is scrolled to", async () => {
    for (const seq of [3, total - 2, 5]) {
      await page.goto(`${server.url}/#/events?seq=${seq}`);
      await page.locator(`[data-seq="${seq}"][aria-selected=true]`).waitFor();
      await page.getByRole("heading", { name: `Event ${seq}` }).waitFor();
    }
    await page.keyboard.press("ArrowDown");
    await page.getByRole("heading", { name: "Event 6" }).waitFor();
  });

  test("of another day the day is shown", async () => {
    const at = new Date(Date.now() - 3 * 86_400_000);
    await server.post({ type: "old.one", timestamp: at.toISOString(), data: { from: "three days ago" } });
    await page.goto(`${server.url}/#/events?q=three%20days%20ago`);
    const day = `${`${at.getMonth() + 1}`.padStart(2, "0")}-${`${at.getDate()}`.padStart(2, "0")}`;
    expect(await page.locator(".event-row .event-time").first().innerText()).toContain(day);
  });

  test("nothing went wrong on the page", () => expect(page.problems).toEqual([]));
});

const STORED = SOAK ? 105_000 : 12_000;
const LIVE = SOAK ? 30_000 : 1500;
const PER_SECOND = 500;

test.skipIf(CHROMIUM === null)(
  `of ${STORED} stored events and ${LIVE} that come at ${PER_SECOND} a second none is missing in the list`,
  async () => {
    const server = await startDashboardServer(["max_history_size=200000"]);
    const events = agentEvents(5);
    for (let sent = 0; sent < STORED; sent += 1000) await server.post(take(events, 1000));
    const page = await server.open("#/events");
    await eventually(async () => (await amount(page)) >= Math.min(STORED, 100_000), { limitMs: 60_000 });
    const begin = performance.now();
    for (let sent = 25; sent <= LIVE; sent += 25) {
      await server.post(take(events, 25));
      await Bun.sleep(Math.max(0, begin + (sent / PER_SECOND) * 1000 - performance.now()));
    }
    const { log } = await server.get("/stats");
    await page.locator(`[data-seq="${log.last_seq}"]`).waitFor();
    const expected = Math.min(STORED + LIVE, 100_000);
    expect(await amount(page)).toBeGreaterThanOrEqual(expected);

    const seen: number[] = await page.evaluate(async (rows) => {
      const list = document.querySelector<HTMLElement>(".event-rows");
      const found = new Set<number>();
      if (!list) return [];
      for (let at = list.scrollHeight; at > list.scrollHeight - (rows + 40) * 26; at -= 600) {
        list.scrollTop = Math.max(0, at);
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        for (const row of list.querySelectorAll<HTMLElement>("[data-seq]"))
          found.add(Number(row.dataset.seq));
      }
      return [...found].toSorted((a, b) => a - b);
    }, LIVE);
    const newest = seen.slice(-LIVE);
    expect([newest[0], newest.at(-1)]).toEqual([log.last_seq - LIVE + 1, log.last_seq]);
    expect(page.problems).toEqual([]);
  },
  SOAK ? 600_000 : 60_000,
);
