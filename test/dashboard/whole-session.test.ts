/** A session from its first hook to its last, and other senders' events beside it, followed in one page. */
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ClientManager } from "../../src/client/index.ts";
import type { JsonObject } from "../../src/protocol/event.ts";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { missingPython, pythonTest, runPython } from "../support/python.ts";

const SESSION = "0e57a2c4-0000-4000-8000-000000000001";
const CWD = "/home/dana/work/whole";
const PYTHON_CLIENT = join(import.meta.dir, "..", "compat", "sync_client.py");

/** What a hook gets on its standard input. */
function payload(name: string, fields: JsonObject = {}): JsonObject {
  return {
    session_id: SESSION,
    transcript_path: `/home/dana/.claude/projects/whole/${SESSION}.jsonl`,
    cwd: CWD,
    prompt_id: "aaefa481-8241-465b-9f72-cc59b74d8dff",
    permission_mode: "default",
    hook_event_name: name,
    ...fields,
  };
}

interface Call extends JsonObject {
  tool_name: string;
  tool_input: JsonObject;
  tool_use_id: string;
}

const bash = (letter: string): Call => ({
  tool_name: "Bash",
  tool_input: { command: `make part-${letter}`, description: `Make part ${letter}` },
  tool_use_id: `toolu_${letter}`,
});
const read = (id: string, file: string): Call => ({
  tool_name: "Read",
  tool_input: { file_path: `${CWD}/src/${file}` },
  tool_use_id: `toolu_${id}`,
});
const [A, B, C] = [bash("a"), bash("b"), bash("c")];
const MISSING = read("missing", "missing.ts");
const ALPHA = read("alpha", "alpha.ts");
const EXPLORER = { agent_id: "a793beae9fa532d0f", agent_type: "Explore" };
const DELEGATION: Call = {
  tool_name: "Agent",
  tool_input: { subagent_type: "Explore", description: "Read alpha.ts", prompt: "Read it and report." },
  tool_use_id: "toolu_agent",
};

const pre = (call: Call, by: JsonObject = {}) => payload("PreToolUse", { ...by, ...call });
const post = (call: Call, by: JsonObject = {}, response: JsonObject = {}) =>
  payload("PostToolUse", { ...by, ...call, tool_response: response, duration_ms: 12 });
const batch = (calls: Call[], by: JsonObject = {}) =>
  payload("PostToolBatch", { ...by, tool_calls: calls.map((call) => ({ ...call, tool_response: "text" })) });
const stop = (running: JsonObject[]) =>
  payload("Stop", { stop_hook_active: false, last_assistant_message: "Done.", background_tasks: running });

/** What another program sends of a session of its own. */
function eventsOf(sender: string): JsonObject[] {
  const common = { session_id: `${sender}-session`, cwd: `/home/dana/work/by-${sender}`, source: sender };
  const call = {
    tool_name: `mcp__${sender}__ask`,
    tool_use_id: `call-${sender}`,
    tool_input: { query: sender },
  };
  return [
    { type: "hook.user_prompt_submit", ...common, data: { prompt: `A prompt by ${sender}` } },
    { type: "hook.pre_tool_use", ...common, data: call },
    { type: "hook.post_tool_use", ...common, data: { ...call, tool_response: {}, duration_ms: 5 } },
  ];
}
const SENDERS = ["socketio", "library", ...(missingPython === null ? ["python"] : [])];

describe.skipIf(CHROMIUM === null)("a whole session in a browser", () => {
  let server: DashboardServer;
  let page: OpenPage;
  let hooks = 0;
  beforeAll(async () => {
    server = await startDashboardServer();
    page = await server.open();
    await page.getByText("No session yet").waitFor();
  });

  const play = async (...payloads: JsonObject[]) => {
    hooks += payloads.length;
    await server.hooks(payloads);
  };
  const card = (project = "whole") =>
    page.getByRole("article").filter({ has: page.getByRole("heading", { name: project }) });
  const cardSays = (text: RegExp) =>
    eventually(async () => text.test(await card().innerText()), { what: `a card with ${text}` });
  const running = () => card().locator(".open-tools code").allInnerTexts();

  test("begins with a prompt", async () => {
    await play(
      payload("SessionStart", { source: "startup", model: "claude-sonnet-5" }),
      payload("UserPromptSubmit", { prompt: "Make all parts, then look at alpha." }),
    );
    await card().waitFor();
    await cardSays(/working[^]*Make all parts, then look at alpha\./);
  });

  test("shows tools that run at once, until each has ended", async () => {
    await play(pre(A), pre(B), pre(C));
    await eventually(async () => (await running()).join() === "make part-a,make part-b,make part-c");
    await play(post(B, {}, { stdout: "b", stderr: "", interrupted: false }), post(A));
    await eventually(async () => (await running()).join() === "make part-c");
  });

  test("says that a permission is asked for, until it is granted", async () => {
    await play(
      payload("PermissionRequest", { tool_name: C.tool_name, tool_input: C.tool_input }),
      payload("Notification", {
        message: "Claude needs your permission",
        notification_type: "permission_prompt",
      }),
    );
    await cardSays(/waiting for you[^]*Bash asks for permission\nmake part-c/);
    await eventually(async () => (await page.title()).startsWith("(1) waiting for you"));
    await play(post(C), batch([A, B, C]));
    await cardSays(/^whole[^]*working/);
    await eventually(async () => !(await card().innerText()).includes("permission"));
    expect(await running()).toEqual([]);
  });

  test("shows a sub-agent at work after the main agent has stopped", async () => {
    const task = { id: EXPLORER.agent_id, type: "subagent", status: "running", description: "Read alpha.ts" };
    const launched = { isAsync: true, status: "async_launched", agentId: EXPLORER.agent_id };
    await play(
      pre(DELEGATION),
      payload("SubagentStart", EXPLORER),
      post(DELEGATION, {}, launched),
      batch([DELEGATION]),
      stop([task]),
      pre(ALPHA, EXPLORER),
    );
    await cardSays(/^whole[^]*working[^]*Explore a793bea working[^]*Read[^]*alpha\.ts/);
    await play(
      post(ALPHA, EXPLORER),
      batch([ALPHA], EXPLORER),
      payload("SubagentStop", { ...EXPLORER, last_assistant_message: "alpha is small" }),
    );
    await cardSays(/Explore a793bea ended/);
    await play(
      payload("UserPromptSubmit", {
        prompt: `<task-notification>\n<task-id>${EXPLORER.agent_id}</task-id>\n<tool-use-id>toolu_agent</tool-use-id>\n<status>completed</status>\n<summary>Agent "Read alpha.ts" completed</summary>\n</task-notification>`,
      }),
    );
    await cardSays(/^whole[^]*working[^]*Make all parts, then look at alpha\./);
  });

  test("counts a tool that failed, is idle after its last answer, and has ended", async () => {
    await play(
      pre(MISSING),
      payload("PostToolUseFailure", { ...MISSING, error: "File does not exist.", is_interrupt: false }),
      batch([MISSING]),
    );
    await cardSays(/1 failed/);
    await play(stop([]));
    await cardSays(/^whole[^]*idle/);
    await play(payload("SessionEnd", { reason: "prompt_input_exit" }));
    await cardSays(/Ended: prompt input exit[^]*Bash 3[^]*Read 2[^]*Agent 1/);
    expect(await card().innerText()).toContain(`${hooks} events`);
  });

  const isShown = async (sender: string) => {
    await card(`by-${sender}`).getByText(`A prompt by ${sender}`).waitFor();
    await card(`by-${sender}`).getByText("3 events").waitFor();
  };

  test("stands beside that of a stock Socket.IO client", async () => {
    const { socket } = await connect(server.url);
    for (const event of eventsOf("socketio")) await socket.emitWithAck("claude_event", event);
    await isShown("socketio");
  });

  test("stands beside that of the client library", async () => {
    const manager = new ClientManager({ hosts: ["localhost"], ports: [server.port] });
    onEnd(() => manager.stop());
    manager.start();
    for (const { type, data, ...fields } of eventsOf("library")) {
      await manager.emitEvent(String(type), data, fields);
    }
    await isShown("library");
  });

  pythonTest("stands beside that of a stock python-socketio client", async () => {
    const options = { url: server.url, auth: null, transports: ["websocket"] };
    const python = runPython(PYTHON_CLIENT, [JSON.stringify(options)]);
    await python.next(({ at }) => at === "ready", "a connected Python client");
    for (const [n, data] of eventsOf("python").entries()) {
      python.send({ n, do: "call", name: "claude_event", data });
      const answer = await python.next(({ reply }) => reply === n, "its acknowledgement");
      expect(answer.error).toBeUndefined();
    }
    await isShown("python");
  });

  describe("on its own page", () => {
    const labels = () =>
      page
        .getByRole("region", { name: "Timeline" })
        .locator(".lane-plot button")
        .evaluateAll((buttons) => buttons.map((button) => button.getAttribute("aria-label")).join("\n"));

    test("has all calls, waits and marks in its timeline", async () => {
      await card().getByRole("link", { name: "whole" }).click();
      const timeline = page.getByRole("region", { name: "Timeline" });
      await timeline.waitFor();
      await timeline
        .locator(".lane-name")
        .filter({ hasText: /^Explore/ })
        .waitFor();
      expect(await timeline.locator(".lane-name b").allInnerTexts()).toEqual(["main", "Explore"]);
      expect(await timeline.locator(".lane-task .amount").allInnerTexts()).toEqual([
        "5 calls, 1 failed",
        "1 call",
      ]);
      const said = await labels();
      for (const letter of "abc") expect(said).toMatch(`Bash make part-${letter}, succeeded, `);
      expect(said).toMatch(/^waited [\d.]+ m?s for permission: Bash: make part-c$/m);
      expect(said).toMatch(/^Agent .*, succeeded, /m);
      expect(said).toMatch(/^Read src\/alpha\.ts, succeeded, /m);
      expect(said).toMatch(/^Read src\/missing\.ts, failed, /m);
      for (const mark of ["start: startup", "prompt: Make all parts, then look at alpha.", "end: "])
        expect(said).toContain(mark);
    });

    for (const sender of SENDERS) {
      test(`so has the one of ${sender}`, async () => {
        await page.goto(`${server.url}/#/session/${sender}-session`);
        await page.getByRole("heading", { name: `by-${sender}` }).waitFor();
        await eventually(async () => (await labels()).includes(`mcp__${sender}__ask ${sender}, succeeded, `));
        expect(await labels()).toContain(`prompt: A prompt by ${sender}`);
      });
    }
  });

  test("is in the list of events, each event once and in its order", async () => {
    await page.goto(`${server.url}/#/events`);
    const rows = page.getByRole("listbox").getByRole("option");
    const total = hooks + 3 * SENDERS.length;
    await page.getByText(`${total} events, all there are`).waitFor();
    await page.goto(`${server.url}/#/events?session=${SESSION}`);
    await page.getByText(`${hooks} events, all there are of these`).waitFor();
    const { events } = await server.get(`/api/events?session_id=${SESSION}`);
    expect(await rows.locator(".event-type").allInnerTexts()).toEqual(
      events.map(({ type }: JsonObject) => type),
    );
    expect(events).toHaveLength(hooks);
    for (const sender of SENDERS) {
      await page.goto(`${server.url}/#/events?session=${sender}-session`);
      await page.getByText("3 events, all there are of these").waitFor();
      expect(await rows.allInnerTexts()).toEqual([
        expect.stringContaining(`A prompt by ${sender}`),
        expect.stringContaining(`mcp__${sender}__ask`),
        expect.stringContaining(`mcp__${sender}__ask`),
      ]);
    }
  });

  test("is in the figures of the tools", async () => {
    await page.goto(`${server.url}/#/tools`);
    const table = page.getByRole("table", { name: "Tool calls by tool" });
    await table.waitFor();
    const callsOf = async (name: string) => {
      const row = table.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
      return (await row.getByRole("cell").allInnerTexts()).slice(0, 3).map((text) => text.split(/\s/)[0]);
    };
    expect(await callsOf("Bash")).toEqual(["3", "0", "0"]);
    expect(await callsOf("Read")).toEqual(["2", "0", "1"]);
    expect(await callsOf("Agent")).toEqual(["1", "0", "0"]);
    for (const sender of SENDERS) expect(await callsOf(`mcp__${sender}__ask`)).toEqual(["1", "0", "0"]);
    const files = page.getByRole("table", { name: "Files that were read or edited" });
    expect(await files.getByRole("rowheader").allInnerTexts()).toEqual(["src/alpha.ts"]);
  });

  test("nothing went wrong on the page", () => expect(page.problems).toEqual([]));
});
