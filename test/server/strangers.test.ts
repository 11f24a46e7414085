/** What somebody without a token can cost a server: no more than a refusal does. */
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { readLocalToken } from "../../src/auth/local-token.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const POLLING = "/socket.io/?EIO=4&transport=polling";

const localTokenOf = ({ config }: TestServer) => readLocalToken(tokenPaths(config.state_dir).local);

async function open(server: TestServer, headers: Record<string, string> = {}): Promise<string> {
  const { body } = await server.get(POLLING, { headers });
  return `${POLLING}&sid=${JSON.parse(body.slice(1)).sid}`;
}

function heap(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

for (const auth of ["on", "off"]) {
  for (const packet of ["40", '40{"token":"x"}', "40/elsewhere,"]) {
    test(`a session that asks a thousand times to be let in, by ${packet}, is ended, with auth ${auth}`, async () => {
      const server = await startTestServer({ auth });
      const session = await open(server);
      await server.post(session, Array(1000).fill(packet).join("\x1e"));
      // What it was told before is still there to be read.
      expect([(await server.get(session)).status, (await server.get(session)).status]).toContain(400);
      expect((await server.get("/ready")).status).toBe(200);
      const { body } = await server.get("/health", {
        headers: { Authorization: `Bearer ${localTokenOf(server)}` },
      });
      expect(body.clients_connected).toBe(0);
      expect(body.health_stats).toMatchObject({ errors: auth === "on" && !packet.includes("/") ? 1 : 0 });
    });
  }
}

test("a session that goes without asking to be let in leaves nothing behind", async () => {
  const server = await startTestServer({ auth: "on" });
  const headers = { Authorization: `Bearer ${"x".repeat(14_000)}` };
  const come = async (count: number) => {
    for (let left = count; left > 0; left -= 1) await server.post(await open(server, headers), "1");
  };
  await come(100);
  const before = heap();
  await come(500);
  await eventually(() => heap() - before < 3_000_000);
});

test("of what a client says when it connects no more is kept than its name", async () => {
  const server = await startTestServer({ auth: "off" });
  const junk = "x".repeat(300_000);
  const come = async (count: number) => {
    const auths = Array.from({ length: count }, (_, n) => ({
      claude_mpm_version: `0.7.${n}${junk}`,
      more: [junk, n],
    }));
    for (const auth of auths) {
      const session = await open(server);
      await server.post(session, `40${JSON.stringify(auth)}`);
    }
  };
  await come(3);
  const before = heap();
  await come(40);
  await eventually(() => heap() - before < 5_000_000);
});

test("pongs that nobody has asked for bring no pings", async () => {
  const server = await startTestServer({ auth: "on", ping_interval: "0.2" });
  const session = await open(server);
  await server.post(session, Array(1000).fill("3").join("\x1e"));
  for (let round = 0; round < 3; round += 1) {
    expect((await server.get(session)).body).toBe("2");
    await server.post(session, "3");
  }
});
