import { expect, test } from "bun:test";
import { startTestServer } from "../support/server.ts";
import { random } from "../support/secrets.ts";

test("redaction and own patterns change while the server runs, and the counts go on", async () => {
  const server = await startTestServer();
  const secret = `ghp_${random(36)}`;
  const stored = async () => {
    await server.post("/api/events", { text: `${secret} corp-1` });
    const { events } = (await server.get("/api/events?limit=1")).body;
    return events[0].text;
  };
  expect(await stored()).toBe("[redacted:github-token] corp-1");
  server.reload({ ...server.config, redact_patterns: ["corp-\\d"] });
  expect(await stored()).toBe("[redacted:github-token] [redacted:custom]");
  server.reload({ ...server.config, redact: false });
  expect(await stored()).toBe(`${secret} corp-1`);
  expect((await server.get("/stats")).body.redacted).toEqual({ "github-token": 2, custom: 1 });
});

test("an event is measured as it came, and its id still tells it from others when there is a secret in it", async () => {
  const server = await startTestServer();
  const id = `key:ghp_${random(36)}`;
  const sent = [await server.post("/api/events", { id }), await server.post("/api/events", { id })];
  expect(sent.map(({ body }) => body.accepted)).toEqual([1, 0]);
  expect((await server.get("/api/events")).body.events[0].id).toMatch(/^key:\[redacted:github-token\]#/);
});
