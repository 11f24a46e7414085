/** Finding servers among others, and among programs that are none. */
import { describe, expect, test } from "bun:test";
import { type Ask, askWithFetch } from "../../src/client/ask.ts";
import { discoverServers, findBestServer } from "../../src/client/discovery.ts";
import { askOverHttp } from "../../src/client/http.ts";
import { endless, fakeServer, stranger } from "../support/fake-server.ts";
import { freePort } from "../support/ports.ts";
import { startTestServer } from "../support/server.ts";

const hosts = ["127.0.0.1"];

/** Far above the 0.6 s that are promised, for machines that are busy; without the limits it would be for ever. */
const GENEROUS_MS = 5000;

describe("the best server", () => {
  test("is the newest, compared by number, and of equally new ones that with most features", async () => {
    const ports = [
      fakeServer({ version: "1.2.0", serverId: "older", features: ["a", "b", "c"] }),
      fakeServer({ version: "1.10.0", serverId: "newest, few features", features: ["a"] }),
      fakeServer({ version: "1.10.0", serverId: "newest", features: ["a", "b"] }),
      fakeServer({ version: "1.9.9", serverId: "newer as text", features: ["a", "b", "c"] }),
    ];
    const best = await findBestServer({ hosts, ports });
    expect(best?.version.server_id).toBe("newest");
    expect(best?.port).toBe(ports[2] as number);
  });

  test("is never one that is not compatible", async () => {
    const newer = fakeServer({ version: "2.0.0", serverId: "newer", compatible: false });
    const ours = await startTestServer();
    const best = await findBestServer({ hosts, ports: [newer, ours.port], clientVersion: "4.1.0rc1" });
    expect(best).toMatchObject({
      url: `http://127.0.0.1:${ours.port}`,
      port: ours.port,
      compatibility: { compatible: true, client_version: "4.1.0rc1" },
    });
    expect(await findBestServer({ hosts, ports: [newer] })).toBeNull();
    expect(await findBestServer({ hosts, ports: [ours.port], clientVersion: "0.6.9" })).toBeNull();
  });
});

test("all servers are found, each once under the first of its names", async () => {
  const [one, two] = [await startTestServer(), await startTestServer()];
  const found = await discoverServers({ ports: [two.port, await freePort(), one.port] });
  expect(found.map(({ url, version }) => [url, version.server_id])).toEqual([
    [`http://localhost:${two.port}`, two.serverId],
    [`http://localhost:${one.port}`, one.serverId],
  ]);
});

test("a URL is the only place that is looked at", async () => {
  const [one, two] = [await startTestServer(), await startTestServer()];
  const options = { hosts, ports: [one.port], url: two.url };
  expect((await discoverServers(options)).map(({ port }) => port)).toEqual([two.port]);
  expect((await findBestServer(options))?.port).toBe(two.port);
});

const asks: [string, Ask][] = [
  ["fetch", askWithFetch],
  ["node:http", askOverHttp],
];
for (const [name, ask] of asks) {
  describe(`over ${name}`, () => {
    test("other programs are passed over, whatever they do, and keep nobody waiting", async () => {
      const ours = await startTestServer();
      const answering = (text: string) =>
        stranger((socket) => void socket.once("data", () => socket.end(text)));
      const json = (body: unknown) => {
        return answering(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${JSON.stringify(body)}`);
      };
      const strangers = await Promise.all([
        stranger(() => {}),
        stranger((socket) => socket.destroy()),
        stranger(endless),
        answering("SSH-2.0-OpenSSH_9.2\r\n"),
        answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
        answering(
          `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${ours.port}/version\r\nContent-Length: 0\r\n\r\n`,
        ),
        json({ version: "1.0.0" }),
        json([]),
        json({ server_version: "a", server_id: "b", features: [] }),
      ]);
      const start = performance.now();
      const found = await discoverServers({
        hosts,
        ports: [...strangers.map(({ port }) => port), ours.port],
        ask,
      });
      expect(performance.now() - start).toBeLessThan(GENEROUS_MS);
      expect(found.map(({ port }) => port)).toEqual([ours.port]);
    });

    test("an answer without end is not read to its end", async () => {
      const { port } = await stranger(endless);
      await expect(ask(`http://127.0.0.1:${port}/version`, { timeoutMs: 60_000 })).rejects.toThrow(
        "more than",
      );
    });

    test("nothing is found where nothing listens", async () => {
      const start = performance.now();
      expect(await discoverServers({ ports: [await freePort(), await freePort()], ask })).toEqual([]);
      expect(performance.now() - start).toBeLessThan(GENEROUS_MS);
    });
  });
}
