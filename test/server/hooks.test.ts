import { beforeAll, describe, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ max_http_buffer_size: "10000" });
});

const newest = async () => (await server.get("/api/events?limit=1")).body.events[0];

describe("POST /api/hooks/claude", () => {
  test("takes a payload as it is, and answers nothing", async () => {
    const payload = {
      session_id: "s1",
      cwd: "/work",
      hook_event_name: "PreToolUse",
      tool_name: "Bash",
      tool_use_id: "toolu_1",
      tool_input: { command: "ls", big: 12345678901234567890n.toString() },
    };
    const before = Date.now();
    const { status, body, headers } = await server.post("/api/hooks/claude", payload);
    expect({ status, body }).toEqual({ status: 204, body: "" });
    expect(headers.get("x-server-version")).toBe("1.0.0");
    const event = await newest();
    expect(event).toMatchObject({
      type: "hook.pre_tool_use",
      session_id: "s1",
      cwd: "/work",
      correlation_id: "toolu_1",
      source: "claude-code",
      data: payload,
    });
    expect(Date.parse(event.timestamp)).toBeGreaterThanOrEqual(before);
  });

  test("the very same again at once counts once", async () => {
    const payload = { hook_event_name: "Stop", session_id: "twice" };
    for (let time = 0; time < 2; time += 1) await server.post("/api/hooks/claude", payload);
    expect((await server.get("/api/events?session_id=twice")).body.total_available).toBe(1);
  });

  test("numbers stay as they were written", async () => {
    await server.post("/api/hooks/claude", '{"hook_event_name":"Stop","time_ns":12345678901234567890}');
    const text = await (await fetch(`${server.url}/api/events?limit=1`)).text();
    expect(text).toContain('"time_ns":12345678901234567890');
  });

  test("what is too large for an event is shortened, with a mark", async () => {
    const { status } = await server.post("/api/hooks/claude", {
      hook_event_name: "PostToolUse",
      session_id: "large",
      tool_response: "x".repeat(12_000_000),
    });
    expect(status).toBe(204);
    const { data } = await newest();
    expect(data.session_id).toBe("large");
    expect(data.tool_response).toMatch(/^x+… \[11,99\d,\d{3} characters left out\]$/);
  });

  for (const [size, levels] of [
    ["small", 300],
    ["too large", 30_000],
  ] as const) {
    test(`what is nested too deeply is kept as text, with what places it: ${size}`, async () => {
      const body = `{"hook_event_name":"Stop","session_id":"deep-${size}","p":"${"x".repeat(levels)}","d":${"[".repeat(levels)}${"]".repeat(levels)}}`;
      expect((await server.post("/api/hooks/claude", body)).status).toBe(204);
      const { type, data } = await newest();
      const { session_id: session, _raw: raw } = data;
      expect({ type, session }).toEqual({ type: "hook.stop", session: `deep-${size}` });
      expect(raw).toStartWith(body.slice(0, 1000));
    });
  }

  test("without a name it is an unknown hook", async () => {
    expect((await server.post("/api/hooks/claude", { session_id: "nameless" })).status).toBe(204);
    expect(await newest()).toMatchObject({ type: "hook.unknown", session_id: "nameless" });
  });

  const refused: [string, string, number, string][] = [
    ["no JSON", "{", 400, "invalid_json"],
    ["an array", "[]", 400, "invalid_hook"],
    ["a number", "1", 400, "invalid_hook"],
    ["more than 16 MiB", `{"a":"${"x".repeat(16 * 1024 * 1024)}"}`, 413, "body_too_large"],
  ];
  for (const [name, body, status, code] of refused) {
    test(`${name} is refused`, async () => {
      const answer = await server.post("/api/hooks/claude", body);
      expect({ status: answer.status, code: answer.body.error.code }).toEqual({ status, code });
    });
  }

  test("other methods are refused", async () => {
    expect((await server.get("/api/hooks/claude")).status).toBe(405);
  });
});
