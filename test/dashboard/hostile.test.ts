/** Events made to break the page, or to run in it. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Locator } from "playwright-core";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";

const SCRIPT = '<script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=1">';
const OVERRIDE = "\u202Etxt.exe";
const MEGABYTE = "x".repeat(1_000_000 - 5000);

/** Of an object in a list, so many in `data` reach the limit of 200 levels. */
const DEEPEST = 100;

function nested(depth: number): unknown {
  return JSON.parse(`${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`);
}

/** Each field that is shown anywhere, with a text that is markup, or turns what follows around. */
const marked = (text: string) => ({
  type: `hook.pre_tool_use`,
  session_id: `${text} session`,
  cwd: `/home/${text}/project`,
  source: text,
  agent_id: text,
  agent_type: text,
  data: {
    hook_event_name: "PreToolUse",
    tool_name: text,
    tool_use_id: text,
    tool_input: { command: text, [text]: text, file_path: `/w/${text}` },
    prompt: text,
    message: text,
  },
});

const HOSTILE: [name: string, event: object][] = [
  ["markup", marked(SCRIPT)],
  ["markup in the type", { type: SCRIPT, session_id: "s", data: SCRIPT }],
  ["a prompt of markup", { type: "hook.user_prompt_submit", session_id: "p", data: { prompt: SCRIPT } }],
  ["turned around", marked(OVERRIDE)],
  ["NUL", marked("a\0b")],
  ["a megabyte", { type: "hook.user_prompt_submit", session_id: "big", data: { prompt: MEGABYTE } }],
  [
    "a megabyte without a blank in a tool's output",
    {
      type: "hook.post_tool_use",
      session_id: "big",
      data: { tool_name: "Read", tool_use_id: "t", tool_input: {}, tool_response: { content: MEGABYTE } },
    },
  ],
  [
    "an edit of a megabyte",
    {
      type: "hook.post_tool_use",
      session_id: "big",
      data: {
        tool_name: "Edit",
        tool_use_id: "e",
        tool_input: {
          file_path: "/w/a",
          old_string: "a\n".repeat(90_000),
          new_string: "b\na\n".repeat(90_000),
        },
      },
    },
  ],
  ["deep", { type: "deep", session_id: "deep", data: nested(DEEPEST) }],
  [
    "a call with a deep input",
    {
      type: "hook.pre_tool_use",
      session_id: "deep",
      data: { tool_name: "Deep", tool_use_id: "d", tool_input: nested(DEEPEST - 1) },
    },
  ],
  [
    "wide",
    {
      type: "wide",
      session_id: "wide",
      data: Object.fromEntries(Array.from({ length: 30_000 }, (_, n) => [`key${n}`, n])),
    },
  ],
  [
    "names of the language's own",
    JSON.parse(
      '{"type":"own","__proto__":{"x":1},"constructor":1,"data":{"__proto__":2,"toString":3,"hasOwnProperty":4}}',
    ),
  ],
  ["half a character", { type: "half", session_id: "\uD800", data: "\uDFFF\uD800" }],
  [
    "times that are none",
    { type: "time", timestamp: "9999999999999-99", session_id: "time", data: { duration_ms: -1e308 } },
  ],
  ["huge numbers", JSON.parse('{"type":"numbers","data":{"n":1e400,"duration_ms":1e308}}')],
  ["lists for objects", { session_id: ["b"], cwd: {}, agent_id: 5, data: [[[]]] }],
  [
    "no tool calls",
    { type: "hook.post_tool_batch", session_id: "x", data: { tool_calls: [null, 1, "a", {}] } },
  ],
  [
    "an agent that is its own parent",
    {
      type: "hook.post_tool_use",
      session_id: "loop",
      agent_id: "a",
      data: {
        tool_name: "Agent",
        tool_use_id: "t1",
        tool_input: {},
        tool_response: { agentId: "a" },
        agent_id: "a",
      },
    },
  ],
  [
    "an agent that starts in itself",
    { type: "hook.subagent_start", session_id: "loop", data: { agent_id: "a" } },
  ],
];

describe.skipIf(CHROMIUM === null)("hostile events in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  let last = 0;
  beforeAll(async () => {
    server = await startDashboardServer();
    page = await server.open("#/events");
    for (const [name, event] of HOSTILE) {
      const response = await fetch(`${server.url}/api/events`, {
        method: "POST",
        body: JSON.stringify(event),
      });
      // What the server itself refuses would never be shown here.
      if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
      last = ((await response.json()) as { last_seq: number }).last_seq;
    }
    await page.locator(`[data-seq="${last}"]`).waitFor();
  });

  const seqOf = (wanted: string) => 1 + HOSTILE.findIndex(([name]) => name === wanted);
  /** Opens branch after branch, until the value at the end of them can be read. */
  const openDeepTree = async (detail: Locator) => {
    await detail
      .getByRole("button", { name: /…[\]}] 1 (item|field)$/ })
      .first()
      .click();
    await detail.evaluate(async (element) => {
      const next = () => element.querySelector<HTMLElement>(".json-toggle[aria-expanded=false]");
      for (let branch = next(); branch; branch = next()) {
        branch.click();
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    });
    expect(await detail.locator(".json-branch").count()).toBeGreaterThan(2 * (DEEPEST - 1));
    const innermost = detail.locator(".json-leaf", { hasText: "0: 1" }).last();
    await innermost.scrollIntoViewIfNeeded();
    // Without room of its own it would stand there letter below letter.
    expect((await innermost.boundingBox())?.height).toBeLessThan(40);
    expect((await detail.locator(".json-toggle").last().boundingBox())?.height).toBeLessThan(40);
  };

  const unharmed = async () => {
    expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
    expect(
      await page.evaluate(() => document.querySelectorAll("main img, main script, main style").length),
    ).toBe(0);
    // An id of half a character cannot stand in an address, so its session is asked for in vain.
    expect(page.problems.filter((problem) => !problem.includes("404 (Not Found)"))).toEqual([]);
  };
  const isUsable = async () => {
    await page.keyboard.press("1");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
  };

  test("the list shows all of them as text", async () => {
    const rows = await page.locator(".event-row").allInnerTexts();
    expect(rows.length).toBe(last);
    expect(rows.join("\n")).toContain("<script>globalThis.hacked=1</script>");
    expect(rows.join("\n")).toContain("⟨U+202E⟩txt.exe");
    expect(rows.join("\n")).toContain("a⟨U+0000⟩b");
    expect(rows.join("\n")).not.toContain("\u202E");
    await unharmed();
  });

  test("each is opened, looked through and closed", async () => {
    for (let seq = 1; seq <= last; seq += 1) {
      await page.goto(`${server.url}/#/events?seq=${seq}`);
      const detail = page.getByRole("complementary");
      await detail.getByRole("heading", { name: "JSON" }).waitFor();
      for (const branch of await detail.locator(".json-toggle[aria-expanded=false]").all())
        await branch.click();
      expect(await detail.innerText()).not.toMatch(/[\u202A-\u202E\u2066-\u2069]/);
      await page.locator("body").press("Escape");
    }
    await unharmed();
  }, 120_000);

  test("a text of a megabyte is shown in pieces", async () => {
    await page.goto(`${server.url}/#/events?seq=${seqOf("a megabyte")}`);
    const detail = page.getByRole("complementary");
    const more = detail.getByRole("button", { name: /Show more of [\d,]+ other characters/ });
    await more.waitFor();
    const before = (await detail.innerText()).length;
    expect(before).toBeLessThan(10_000);
    await more.click();
    await eventually(async () => (await detail.innerText()).length > before + 10_000);
    await page.locator("body").press("Escape");
  });

  test("the deepest event that the server takes is opened down to its end", async () => {
    const refused = { type: "deeper", data: nested(DEEPEST + 1) };
    await expect(server.post(refused)).rejects.toThrow("nested more than");
    for (const name of ["deep", "a call with a deep input"]) {
      await page.goto(`${server.url}/#/events?seq=${seqOf(name)}`);
      await openDeepTree(page.getByRole("complementary"));
      await page.locator("body").press("Escape");
    }
    await unharmed();
  }, 60_000);

  test("the card of a deep session tells its call, and its page opens it", async () => {
    await page.goto(`${server.url}/#/sessions`);
    const card = page.getByRole("article").filter({ hasText: "Deep" });
    expect(await card.innerText()).toMatch(/^Deep$/m);
    await page.goto(`${server.url}/#/session/deep`);
    await page
      .getByRole("region", { name: "Timeline" })
      .getByRole("button", { name: /^Deep, running/ })
      .click();
    await openDeepTree(page.getByRole("complementary"));
    await unharmed();
  }, 60_000);

  test("the sessions they made are cards like others", async () => {
    await isUsable();
    await page.getByRole("article").first().waitFor();
    const { sessions } = await server.get("/api/sessions");
    expect(await page.getByRole("article").count()).toBe(sessions.length);
    expect(await page.locator("main").innerText()).not.toMatch(/[\u202A-\u202E\u2066-\u2069\0]/);
    await unharmed();
  });

  test("each of them has a page of its own, with a timeline", async () => {
    const { sessions } = await server.get("/api/sessions");
    for (const { session_id: id } of sessions) {
      await page.goto(`${server.url}/#/session/${encodeURIComponent(String(id).toWellFormed())}`);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.goto(`${server.url}/#/session/${encodeURIComponent(String(id).toWellFormed())}?replay=1`);
    }
    await unharmed();
    await isUsable();
  }, 120_000);

  test("the other views show them", async () => {
    for (const view of ["tools", "server"]) {
      await page.goto(`${server.url}/#/${view}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      expect(await page.locator("main").innerText()).not.toMatch(/[\u202A-\u202E\u2066-\u2069\0]/);
    }
    await unharmed();
  });
});
