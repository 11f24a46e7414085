/** The page of one session as a person uses it. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../src/protocol/event.ts";
import { CHROMIUM, openPage, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { sceneEvents } from "../support/scene.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const WEB = "713a9c5d-9c0f-42e1-9048-173777c6bd06";
const PUBLISHING = "5b1f0a52-7d0e-4c5e-9c0e-2f6a1d3b8c01";
const ENDED = "1cd69856-2b9d-4a37-a7a1-0c8e5d2f1b93";
const TOKEN = `ghp_${"a1B2c3D4e5".repeat(4).slice(0, 36)}`;

/** An event of a hook, so many seconds before the present. */
function told(session: string, ago: number, name: string, data: JsonObject): JsonObject {
  return {
    type: `hook.${name}`,
    session_id: session,
    cwd: "/home/dana/work/lab",
    source: "claude-code",
    timestamp: new Date(Date.now() - ago * 1000).toISOString(),
    data,
  };
}

function call(session: string, ago: number, seconds: number, id: string, input: JsonObject, tool = "Bash") {
  const data = { tool_name: tool, tool_use_id: id, tool_input: input };
  return [
    told(session, ago, "pre_tool_use", data),
    told(session, ago - seconds, "post_tool_use", {
      ...data,
      tool_response: {},
      duration_ms: seconds * 1000,
    }),
  ];
}

describe.skipIf(CHROMIUM === null)("a session in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  beforeAll(async () => {
    // What it masks itself, the export would find no more.
    server = await startDashboardServer(["redact=false"]);
    await server.post(sceneEvents(Date.now()));
    page = await server.open(`#/session/${WEB}`);
  });

  const show = async (session: string, params = "") => {
    await page.goto(`${server.url}/#/session/${session}${params}`);
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
  };
  const timeline = (on = page) => on.getByRole("region", { name: "Timeline" });
  const bar = (name: RegExp, on = page) => timeline(on).getByRole("button", { name });
  const param = (name: string) => new URLSearchParams(page.url().split("?")[1]).get(name);

  describe("its head", () => {
    test("says the state, the prompt, what runs and the counts", async () => {
      await show(WEB);
      const head = await page.getByRole("region", { name: "Session", exact: true }).innerText();
      expect(head).toMatch(/^web-frontend\s+working\s+6 min \d+ s/);
      expect(head).toContain("/home/dana/work/web-frontend");
      expect(head).toContain("Good. Now the same for the sign-up form, and run all tests.");
      expect(head).toContain("npm run build && npx size-limit");
      expect(head).toMatch(/113 events\s+52 calls\s+2 failed\s+4 sub-agents\s+2\d min/);
      await page.getByRole("link", { name: "113 events" }).click();
      expect(page.url()).toContain(`#/events?session=${WEB}`);
    });

    test("cannot be overlooked while somebody is asked", async () => {
      await show(PUBLISHING);
      const head = page.getByRole("region", { name: "Session", exact: true });
      expect(await head.innerText()).toMatch(/Bash asks for permission, for 2 min \d+ s\s+npm publish/);
      await bar(/npm publish .*waits for you/).waitFor();
      await timeline()
        .getByRole("button", { name: /has been waiting .* for permission: Bash/ })
        .waitFor();
    });

    test("the beginning of an id is enough, as far as no other begins so", async () => {
      const { sessions } = await server.get("/api/sessions");
      const { session_id: full } = sessions[0];
      await page.goto(`${server.url}/#/session/${full.slice(0, 8)}?tab=files`);
      await page.waitForURL(`${server.url}/#/session/${full}?tab=files`);
      await page.getByRole("tab", { name: /^Files/, selected: true }).waitFor();
    });

    test("a session nobody knows is said to be unknown", async () => {
      await page.goto(`${server.url}/#/session/nobody`);
      await page.getByRole("heading", { name: "No such session" }).waitFor();
      await page.getByRole("link", { name: "All sessions" }).click();
      await page.getByRole("heading", { name: "Sessions" }).waitFor();
    });
  });

  describe("its timeline", () => {
    test("has a lane for each agent below whoever started it", async () => {
      await show(WEB);
      const names = await timeline().locator(".lane-name b").allInnerTexts();
      expect(names).toEqual(["main", "Explore", "engineer", "Explore", "qa"]);
      expect(await timeline().locator(".lane").nth(3).innerText()).toContain("Look how other forms");
    });

    test("says of each call what, how it ended, how long and when", async () => {
      await bar(/^Bash npm test -- checkout, failed, 38\.0 s, at \d\d:\d\d:\d\d$/).waitFor();
      await bar(/^Bash npm test -- checkout, succeeded, 41\.0 s, at/).waitFor();
      await bar(/^Bash npm run build && npx size-limit, running, /).waitFor();
    });

    test("marks prompts with their words", async () => {
      await timeline()
        .getByRole("button", { name: /^prompt: Good\. Now the same/ })
        .click();
      await page.getByRole("complementary").getByText("hook.user_prompt_submit").first().waitFor();
      await page.getByRole("button", { name: "Close" }).click();
    });

    test("a call opens with both of its events, and the address holds it", async () => {
      await bar(/^Bash npm test -- checkout, failed/).click();
      const detail = page.getByRole("complementary", { name: "Call Bash npm test -- checkout" });
      expect(await detail.innerText()).toContain("exit code 1: 3 tests failed");
      await detail.getByText("hook.post_tool_use_failure").first().waitFor();
      await detail.getByRole("button", { name: /^Begins/ }).click();
      await detail.getByRole("link", { name: "hook.pre_tool_use" }).waitFor();
      expect(Number(param("call"))).toBeGreaterThan(0);

      const other = await server.open(new URL(page.url()).hash);
      await other.getByRole("complementary", { name: "Call Bash npm test -- checkout" }).waitFor();
      await page.keyboard.press("Escape");
      await detail.waitFor({ state: "hidden" });
      expect(param("call")).toBeNull();
    });

    test("shows what an edit has changed", async () => {
      await bar(/^Edit src\/signup\/Form\.tsx/).click();
      await page.getByRole("group", { name: /Changes to .*Form\.tsx/ }).waitFor();
      await page.getByRole("button", { name: "Close" }).click();
    });

    test("is zoomed and moved by keys, and a link shows the same part", async () => {
      await show(ENDED);
      await page.keyboard.press("+");
      await page.keyboard.press("+");
      await eventually(() => param("from"));
      const before = Number(param("from"));
      await page.locator("h1").click();
      await page.keyboard.press("ArrowLeft");
      await eventually(() => Number(param("from")) < before);
      const ticks = (on = page) => on.locator(".tick").allInnerTexts();
      const other = await server.open(new URL(page.url()).hash);
      await other.locator(".tick").first().waitFor();
      expect(await ticks(other)).toEqual(await ticks());
      await page.keyboard.press("0");
      await eventually(() => param("from") === null);
    });

    test("leaves the arrows to whatever else has the focus", async () => {
      await show(ENDED);
      await page.keyboard.press("+");
      await page.keyboard.press("+");
      await eventually(() => param("from"));
      const isTaken = (element: Element) =>
        !element.dispatchEvent(
          new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true, cancelable: true }),
        );
      expect(await page.locator(".table-scroll").evaluate(isTaken)).toBe(false);
      expect(await page.locator("main").evaluate(isTaken)).toBe(true);
      expect(await page.getByRole("button", { name: "Zoom in" }).evaluate(isTaken)).toBe(true);
      expect(await page.locator("body").evaluate(isTaken)).toBe(true);
      await page.keyboard.press("0");
      await eventually(() => param("from") === null);
    });

    test("is zoomed by the wheel with ctrl, where the pointer is", async () => {
      await show(ENDED, "?fold=0");
      const target = bar(/^Bash npm test, failed/);
      const box = (await target.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
      await page.mouse.move(box.x + box.width / 2, box.y + 5);
      await page.keyboard.down("Control");
      for (let turn = 0; turn < 5; turn += 1) await page.mouse.wheel(0, -120);
      await page.keyboard.up("Control");
      await eventually(async () => ((await target.boundingBox())?.width ?? 0) > 3 * box.width);
      const now = (await target.boundingBox()) ?? box;
      expect(now.x).toBeLessThan(box.x + box.width / 2);
      expect(now.x + now.width).toBeGreaterThan(box.x + box.width / 2);
    });

    test("is dragged, and a drag opens nothing", async () => {
      await eventually(() => param("from"));
      const from = Number(param("from"));
      const box = (await page.locator(".lane-plot").first().boundingBox()) ?? { x: 0, y: 0 };
      await page.mouse.move(box.x + 300, box.y + 10);
      await page.mouse.down();
      await page.mouse.move(box.x + 420, box.y + 12, { steps: 4 });
      await page.mouse.up();
      await eventually(() => Number(param("from")) < from);
      expect(param("call")).toBeNull();
    });

    test("is walked through with arrows: calls, and from agent to agent", async () => {
      await show(WEB);
      await bar(/^Bash npm test, succeeded/).focus();
      await page.keyboard.press("ArrowRight");
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
      expect(await eventually(focused)).toMatch(/^Bash npx playwright test signup, failed/);
      await page.keyboard.press("ArrowUp");
      expect(await eventually(focused)).toMatch(/^Grep focus|^Read src\/a11y|calls/);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("End");
      await eventually(async () => (await focused())?.includes("--repeat-each 5"));
      await page.keyboard.press("Enter");
      await page.getByRole("complementary", { name: /--repeat-each 5/ }).waitFor();
      await page.keyboard.press("Escape");
      await eventually(async () => (await focused())?.includes("--repeat-each 5"));
      expect(await page.getByRole("complementary").count()).toBe(0);
    });

    test("arrows reach marks and waits too", async () => {
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
      await show(PUBLISHING);
      await bar(/npm publish .*waits for you/).focus();
      await page.keyboard.press("ArrowRight");
      await eventually(async () => /^has been waiting .* for permission/.test(await focused()));
      await page.keyboard.press("Enter");
      await page.getByRole("complementary").getByText("hook.permission_request").first().waitFor();
      await page.keyboard.press("Escape");
      await eventually(async () => /^has been waiting .* for permission/.test(await focused()));
      await page.keyboard.press("Home");
      await eventually(async () => /^(prompt|start)\b/.test(await focused()));
      expect(await timeline().locator('.lanes [tabindex="0"]').count()).toBe(1);
    });

    test("arrows come to the end of the lane, also over marks between calls that lie in one", async () => {
      const id = "mark-between";
      await server.post([
        ...call(id, 3600, 1, "toolu_b0", { command: "first" }),
        ...call(id, 1000, 0.01, "toolu_b1", { command: "one" }),
        told(id, 999.9, "user_prompt_submit", { prompt: "between" }),
        ...call(id, 999.8, 0.01, "toolu_b2", { command: "two" }),
        ...call(id, 60, 20, "toolu_b3", { command: "last" }),
      ]);
      await show(id, "?fold=0");
      await bar(/^Bash first/).focus();
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
      const seen: string[] = [];
      for (let n = 0; n < 4; n += 1) {
        const before = await focused();
        await page.keyboard.press("ArrowRight");
        seen.push((await eventually(async () => (await focused()) !== before && (await focused()))) || "");
      }
      expect(seen[1]).toMatch(/^prompt: between/);
      expect(seen[3]).toMatch(/^Bash last/);
    });

    test("puts calls that lie too close together into one, which opens by zooming in", async () => {
      const id = "many-calls";
      const calls = Array.from({ length: 300 }, (_, n) => {
        return call(id, 3000 - n * 0.05, 0.02, `toolu_many${n}`, { command: `echo ${n}` });
      });
      await server.post([...calls.flat(), ...call(id, 300, 200, "toolu_long", { command: "sleep 200" })]);
      await show(id, "?fold=0");
      const cluster = bar(/^300 calls, .*zoom in$/);
      for (let n = 0; n < 5 && (await cluster.count()) > 0; n += 1) {
        const from = param("from");
        await cluster.click();
        await eventually(() => param("from") !== from);
      }
      await bar(/^Bash echo 150,/).waitFor();
      expect(await timeline().locator("button.bar").count()).toBeLessThan(300);
    });

    test("folds long idle times, says how long they are, and unfolds them", async () => {
      const id = "idle-times";
      await server.post([
        ...call(id, 7200, 20, "toolu_early", { command: "early" }),
        ...call(id, 60, 20, "toolu_late", { command: "late" }),
      ]);
      await show(id);
      const fold = page.getByRole("checkbox", { name: "Fold idle time" });
      expect(await fold.isChecked()).toBe(true);
      await page.locator(".axis").getByText("1 h", { exact: true }).waitFor();
      const width = async () => (await bar(/^Bash early/).boundingBox())?.width ?? 0;
      expect(await width()).toBeGreaterThan(100);
      await fold.uncheck();
      await eventually(async () => (await width()) < 10);
      expect(param("fold")).toBe("0");
    });

    test("grows while it is looked at, and follows unless one looks elsewhere", async () => {
      const id = "live-session";
      await server.post(call(id, 100, 10, "toolu_l1", { command: "first" }));
      await show(id);
      const open = { tool_name: "Bash", tool_use_id: "toolu_l2", tool_input: { command: "second" } };
      await server.post(told(id, 0, "pre_tool_use", open));
      await bar(/^Bash second, running/).waitFor();
      await server.post(
        told(id, -1, "permission_request", { tool_name: "Bash", tool_input: { command: "second" } }),
      );
      await page
        .getByRole("region", { name: "Session", exact: true })
        .getByText("asks for permission")
        .waitFor();
      await server.post(told(id, -1, "post_tool_use", { ...open, tool_response: {}, duration_ms: 900 }));
      await bar(/^Bash second, succeeded, 900 ms/).waitFor();

      await bar(/^Bash first/).click();
      await page.getByRole("button", { name: "Zoom to it" }).click();
      await timeline().getByRole("button", { name: "Follow now" }).click();
      await timeline().getByRole("button", { name: "Follow now" }).waitFor({ state: "hidden" });
      await eventually(() => param("last"));
    });

    test("misses nothing and shows nothing twice when the server was away", async () => {
      const id = "server-away";
      await server.post(call(id, 100, 10, "toolu_a1", { command: "before" }));
      await show(id);
      await bar(/^Bash before/).waitFor();
      await server.kill();
      await page.getByText("Reconnecting").first().waitFor();
      await server.start();
      await server.post(call(id, 50, 10, "toolu_a2", { command: "after" }));
      await bar(/^Bash after/).waitFor();
      expect(await bar(/^Bash/).count()).toBe(2);
      await page.getByRole("link", { name: "4 events" }).waitFor();
    });
  });

  describe("what it adds up to", () => {
    beforeEach(() => show(WEB));

    test("tools are sorted by any column, and the slowest call is shown in the timeline", async () => {
      const table = page.getByRole("table", { name: "Calls by tool" });
      const first = () => table.getByRole("rowheader").first().innerText();
      expect(await first()).toBe("Bash");
      await table.getByRole("button", { name: "Calls" }).click();
      expect(await table.getByRole("columnheader", { name: "Calls" }).getAttribute("aria-sort")).toBe(
        "descending",
      );
      expect(await first()).toBe("Read");
      await table.getByRole("row", { name: /^Bash/ }).getByRole("button").click();
      await page.getByRole("complementary", { name: "Call Bash npm test" }).waitFor();
    });

    test("files are named from the project, with who touched them", async () => {
      await page.getByRole("tab", { name: /^Files/ }).click();
      const row = page.getByRole("row", { name: /src\/checkout\/Name\.tsx/ });
      expect(await row.innerText()).toMatch(/^src\/checkout\/Name\.tsx\s+0\s+2\s+engineer a3b4487/);
      expect(param("tab")).toBe("files");
    });

    test("agents stand below whoever started them", async () => {
      await page.getByRole("tab", { name: /^Tools/ }).focus();
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      const table = page.getByRole("table", { name: /^Agents/ });
      expect(await table.getByRole("rowheader").allInnerTexts()).toEqual([
        expect.stringContaining("main"),
        expect.stringContaining("Explore a793bea"),
        expect.stringContaining("engineer"),
        expect.stringContaining("Explore ac0ffee"),
        expect.stringContaining("qa"),
      ]);
    });

    test("prompts lead to their place in the timeline", async () => {
      await page.getByRole("tab", { name: /^Prompts/ }).click();
      const panel = page.getByRole("tabpanel");
      await panel.getByRole("button", { name: /Make the checkout form accessible/ }).click();
      const mark = timeline().getByRole("button", { name: /prompt: Make the checkout/ });
      expect(await mark.getAttribute("aria-pressed")).toBe("true");
    });
  });

  describe("its replay", () => {
    const head = () => page.getByRole("region", { name: "Session", exact: true });
    const slider = () => page.getByRole("slider", { name: "Moment" });

    test("shows the session as it stood at a moment", async () => {
      await show(ENDED);
      await page.getByRole("button", { name: "Replay" }).click();
      await page.getByText("Replay – not live").waitFor();
      await page.getByRole("button", { name: "Pause" }).click();
      await slider().focus();
      await page.keyboard.press("Home");
      await eventually(async () => (await head().innerText()).includes("1 event"));
      expect(await slider().getAttribute("aria-valuetext")).toMatch(/^\d\d:\d\d:\d\d, event 1 of 14$/);
      for (let n = 0; n < 2; n += 1) await page.getByRole("button", { name: "Next event" }).click();
      expect(await head().innerText()).toMatch(/working/);
      await bar(/^Bash npm i payments@5, running/).waitFor();
      expect(await bar(/^Bash npm test/).count()).toBe(0);
      await page.getByRole("button", { name: "Next event" }).click();
      await bar(/^Bash npm i payments@5, succeeded/).waitFor();
      expect(param("replay")).toBe("1");
      const shown = (await slider().getAttribute("aria-valuetext"))?.slice(0, "12:00:00".length) ?? "?";
      await eventually(() => new Date(Number(param("t"))).toTimeString().startsWith(shown));
    });

    test("a link shows the same moment", async () => {
      const other = await server.open(new URL(page.url()).hash);
      await other.getByText("Replay – not live").waitFor();
      expect(await other.getByRole("slider").getAttribute("aria-valuetext")).toContain("event 4 of 14");
      expect(await other.getByRole("button", { name: "Play", exact: true }).count()).toBe(1);
    });

    test("its slider does not write every moment into the address", async () => {
      await slider().focus();
      const written = await page.evaluate(async () => {
        const replaceState = history.replaceState.bind(history);
        let times = 0;
        history.replaceState = (...args) => {
          times += 1;
          replaceState(...args);
        };
        const input = document.querySelector<HTMLInputElement>(".replay input[type=range]");
        for (let n = 1; n <= 30 && input; n += 1) {
          input.value = `${Number(input.max) * (n / 60)}`;
          input.dispatchEvent(new Event("input", { bubbles: true }));
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await new Promise((resolve) => setTimeout(resolve, 600));
        history.replaceState = replaceState;
        return times;
      });
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThan(6);
      const shown = Number(await slider().inputValue()) / Number(await slider().getAttribute("max"));
      expect(shown).toBeCloseTo(0.5, 1);
    });

    test("plays to the end at speed, over idle times, and is left again", async () => {
      await page.getByRole("button", { name: "100×" }).click();
      await page.locator("h1").click();
      await page.keyboard.press("Space");
      await page.getByRole("button", { name: "Pause" }).waitFor();
      await eventually(async () => (await slider().getAttribute("aria-valuetext"))?.includes("14 of 14"));
      await page.getByRole("button", { name: "Play", exact: true }).waitFor();
      expect(await head().innerText()).toContain("ended");
      await page.getByRole("button", { name: "End replay" }).click();
      await page.getByText("Replay – not live").waitFor({ state: "hidden" });
      expect(param("replay")).toBeNull();
      expect(param("t")).toBeNull();
    });

    test("agents to come are neither counted nor at work", async () => {
      await show(WEB, "?replay=1&t=1");
      await page.getByRole("tab", { name: "Agents 1", exact: true }).waitFor();
      expect(await timeline().locator(".lane-future").count()).toBe(4);
      expect(await timeline().locator(".lane-future .state-working").count()).toBe(0);
    });

    test("Space is a checkbox's own while that has the focus", async () => {
      const id = "idle-replay";
      await server.post([
        ...call(id, 7200, 20, "toolu_r1", { command: "early" }),
        ...call(id, 60, 20, "toolu_r2", { command: "late" }),
      ]);
      await show(id, `?replay=1&t=${Date.now() - 7_190_000}`);
      const skips = page.getByRole("checkbox", { name: "Skip idle time" });
      for (const box of [skips, page.getByRole("checkbox", { name: "Fold idle time" })]) {
        const before = await box.isChecked();
        await box.focus();
        await page.keyboard.press("Space");
        await eventually(async () => (await box.isChecked()) !== before);
        await page.keyboard.press("Space");
        await eventually(async () => (await box.isChecked()) === before);
      }
      expect(await page.getByRole("button", { name: "Play", exact: true }).count()).toBe(1);
    });
  });

  describe("its export", () => {
    const id = "exported-session";
    let html = "";

    const save = async (kind: "HTML" | "JSON") => {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: `Save ${kind}` }).click(),
      ]);
      const path = join(temporaryDirectory(), download.suggestedFilename());
      await download.saveAs(path);
      return path;
    };

    test("says how much is in it and what was masked", async () => {
      await server.post([
        told(id, 90, "user_prompt_submit", { prompt: `</script><script>hacked=1</script> use ${TOKEN}` }),
        ...call(id, 80, 20, "toolu_x1", { command: `curl -H "Authorization: Bearer ${TOKEN}" x` }),
        ...call(
          id,
          40,
          5,
          "toolu_x2",
          { file_path: "/home/dana/work/lab/a.ts", old_string: "a", new_string: "b" },
          "Edit",
        ),
        told(id, 10, "session_end", { reason: "logout" }),
      ]);
      await show(id);
      await page.getByRole("button", { name: "Export…" }).click();
      const dialog = page.getByRole("dialog", { name: "Export this session" });
      await dialog.getByText("6 events").waitFor();
      expect(await dialog.innerText()).toMatch(/[1-9]\d* secrets? masked/);
      expect(await dialog.innerText()).toContain("knows the usual forms only");
    });

    test("as JSON it holds the masked events and the session", async () => {
      const path = await save("JSON");
      expect(path).toMatch(/lab-exported-session-\d{4}-\d\d-\d\d\.json$/);
      const text = readFileSync(path, "utf8");
      expect(text).not.toContain(TOKEN);
      const { format, version, redacted, session, events } = JSON.parse(text);
      expect({ format, version }).toEqual({ format: "claude-mpm-socketio.session", version: 1 });
      expect(redacted).toBeGreaterThanOrEqual(3);
      expect(session).toMatchObject({ session_id: id, state: "ended" });
      expect(events).toHaveLength(6);
    });

    test("as HTML it is a page of its own that asks for nothing", async () => {
      html = await save("HTML");
      expect(readFileSync(html, "utf8")).not.toContain(TOKEN);
      const file = await openPage(`file://${html}`, { offline: true });
      await file.getByText("Exported session").waitFor();
      expect(await file.locator("header.top").innerText()).toMatch(/\d{4}-\d\d-\d\d .* secrets masked/);
      await bar(/^Edit a\.ts, succeeded/, file).click();
      await file.getByRole("group", { name: "Changes to /home/dana/work/lab/a.ts" }).waitFor();
      expect(await file.getByRole("link").count()).toBe(0);
      await file.getByRole("button", { name: "Replay" }).click();
      await file.getByRole("button", { name: "Pause" }).click();
      await file.getByRole("button", { name: "Next event" }).click();
      await file.locator("h1").click();
      await file.keyboard.press("?");
      expect(await file.getByRole("dialog").innerText()).toMatch(/zoom in, out/);
      expect(await file.getByRole("dialog").innerText()).not.toContain("Server");
      await file.keyboard.press("Escape");
      await file.getByRole("tab", { name: /^Prompts/ }).click();
      await file.getByText("</script><script>hacked=1</script>").first().waitFor();
      expect(await file.evaluate(() => "hacked" in globalThis)).toBe(false);
      // Its own address has no origin.
      expect(file.problems).toEqual([`a request to file://${html}`]);
    });
  });

  test("of one that the log has trimmed, it says how much is gone, and keeps the last prompt", async () => {
    const id = "trimmed-session";
    const small = await startDashboardServer(["max_history_size=50"]);
    await small.post(told(id, 4000, "user_prompt_submit", { prompt: "Count to a hundred and fifty" }));
    for (let n = 0; n < 150; n += 1) {
      await small.post(call(id, 3000 - n * 10, 5, `toolu_t${n}`, { command: `echo ${n}` }));
    }
    const { event_count: events } = await small.get(`/api/sessions/${id}`);
    const { total_available: left } = await small.get(`/api/events?session_id=${id}&limit=1`);
    expect(left).toBeLessThan(events);
    const own = await small.open(`#/session/${id}?tab=prompts`);
    const head = own.getByRole("region", { name: "Session", exact: true });
    await head.getByText("301 events").waitFor();
    expect(await head.innerText()).toContain("Count to a hundred and fifty");
    expect(await own.locator(".notice").innerText()).toContain(`${events - left} are no longer in the log`);
    expect(await own.getByRole("tabpanel").innerText()).toContain("Count to a hundred and fifty");

    await own.getByRole("button", { name: "Export…" }).click();
    await own
      .getByRole("dialog")
      .getByText(`${events - left} older events are left out`)
      .waitFor();
    const [download] = await Promise.all([
      own.waitForEvent("download"),
      own.getByRole("button", { name: "Save JSON" }).click(),
    ]);
    const path = join(temporaryDirectory(), download.suggestedFilename());
    await download.saveAs(path);
    const exported = JSON.parse(readFileSync(path, "utf8"));
    expect(exported.omitted).toBe(events - left);
    expect(exported.session).toMatchObject({ event_count: events, prompt: "Count to a hundred and fifty" });
    await own.getByRole("button", { name: "Close" }).click();
    await own.getByRole("button", { name: "Replay" }).click();
    await own.getByText(`${events - left} are no longer in the log`).waitFor();
    await small.kill();
  });

  test("an export holds no half of a secret where a text is cut", async () => {
    const id = "secret-at-a-cut";
    const command = `${"x ".repeat(230)}${TOKEN}`;
    const data = {
      tool_name: "Bash",
      tool_use_id: "toolu_cut",
      tool_input: { command: `echo "${command}"` },
    };
    await server.post([
      told(id, 30, "user_prompt_submit", { prompt: `${"word ".repeat(796)}${TOKEN}` }),
      told(id, 20, "pre_tool_use", data),
    ]);
    await show(id);
    await page.getByRole("button", { name: "Export…" }).click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save JSON" }).click(),
    ]);
    const path = join(temporaryDirectory(), download.suggestedFilename());
    await download.saveAs(path);
    await page.getByRole("button", { name: "Close" }).click();
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(TOKEN.slice(0, 12));
    expect(JSON.parse(text).session.prompt).toContain("[redacted:");
  });

  test("whatever its events hold is shown as text", async () => {
    const id = "hostile <b>id</b>";
    const script = '<img src=x onerror="globalThis.hacked=1">\u202Etxt';
    const agent = { agent_id: script, agent_type: script };
    const hostile = {
      tool_name: script,
      tool_use_id: script,
      tool_input: { command: script, file_path: script },
    };
    await server.post([
      told(id, 60, "user_prompt_submit", { prompt: `${script} ${"x".repeat(900_000)}` }),
      told(id, 50, "pre_tool_use", { ...hostile, ...agent }),
      told(id, 40, "post_tool_use_failure", { ...hostile, ...agent, error: script.repeat(1000) }),
      told(id, 30, "permission_request", { tool_name: script, tool_input: [[[[script]]]] }),
      told(id, 20, "pre_tool_use", { tool_name: { a: 1 }, tool_use_id: 7, tool_input: "text" }),
      told(id, 10, "stop_failure", { error: script }),
    ]);
    await show(encodeURIComponent(id));
    await bar(/^<img src=x onerror="globalThis\.hacked=1">⟨U\+202E⟩txt/).click();
    await page.getByRole("complementary").getByText("hook.post_tool_use_failure").first().waitFor();
    for (const tab of ["Files", "Agents", "Prompts"]) {
      await page.getByRole("tab", { name: new RegExp(`^${tab}`) }).click();
    }
    expect(await page.locator("main").innerText()).not.toMatch(/[\u202A-\u202E]/);
    expect(await page.evaluate(() => "hacked" in globalThis)).toBe(false);
    expect(await page.locator("main img").count()).toBe(0);
  });

  test("at 360 pixels nothing is wider than the page", async () => {
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 360, height: 740 });
    await show(WEB);
    await bar(/^Bash npm test -- checkout, failed/).click();
    const main = page.locator("main");
    expect(await main.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
    const detail = await page.getByRole("complementary").boundingBox();
    expect((detail?.x ?? 0) + (detail?.width ?? 999)).toBeLessThanOrEqual(360);
  });

  test("nothing has gone wrong on it", () => {
    expect(page.problems).toEqual([]);
  });
});
