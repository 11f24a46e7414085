/** Stock clients that need a token: how they give it, and what they hear without one. */
import { beforeAll, describe, expect } from "bun:test";
import { join } from "node:path";
import { run } from "../support/command.ts";
import { missingPython, pythonTest } from "../support/python.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const TOKEN = "the-configured-token";
const SCRIPT = join(import.meta.dir, "refused_client.py");

let server: TestServer;
beforeAll(async () => {
  if (missingPython === null) server = await startTestServer({ auth: "on", token: TOKEN });
});

async function connect(transport: string, auth: object | null, headers: object = {}) {
  const options = JSON.stringify({ url: server.url, auth, headers, transport });
  const { stdout } = await run(["/usr/bin/python3", "-sB", SCRIPT, options]);
  return JSON.parse(stdout) as { heard: { message: string; data: unknown }[]; in: boolean };
}

describe("python-socketio", () => {
  for (const transport of ["polling", "websocket"]) {
    pythonTest(`over ${transport} gets in by auth or by a header, and hears the code otherwise`, async () => {
      const [none, wrong, right, header] = await Promise.all([
        connect(transport, null),
        connect(transport, { token: "wrong" }),
        connect(transport, { token: TOKEN, claude_mpm_version: "4.1.0" }),
        connect(transport, null, { Authorization: `Bearer ${TOKEN}` }),
      ]);
      expect([right.in, header.in]).toEqual([true, true]);
      expect([none.in, wrong.in]).toEqual([false, false]);
      expect(none.heard).toMatchObject([{ data: { code: 401, error: { code: "token_missing" } } }]);
      expect(wrong.heard).toMatchObject([{ data: { code: 401, error: { code: "token_invalid" } } }]);
    });
  }
});
