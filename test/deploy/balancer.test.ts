/** What a load balancer does for each kind of client, with the files of `docs/deploy`; here every node has a log of its own. */
import { beforeAll, describe, expect } from "bun:test";
import { join } from "node:path";
import { BALANCERS, startBalancer } from "../support/balancer.ts";
import { makeCertificate } from "../support/certificates.ts";
import { connect, type TestClient } from "../support/clients.ts";
import { type ClusterNode, startCluster } from "../support/cluster.ts";
import { curl, curlResponse } from "../support/curl.ts";
import { eventually } from "../support/eventually.ts";
import { missingPython, runPython } from "../support/python.ts";
import { testWith } from "../support/tools.ts";

const CLIENTS = 6;
const CALLS = 20;
const HOST = "events.example";

let nodes: ClusterNode[];
beforeAll(async () => {
  if (BALANCERS.every((kind) => Bun.which(kind) === null)) return;
  const settings = [`allowed_hosts=${HOST}`, "trusted_proxies=127.0.0.1", "max_events_per_second=100"];
  nodes = await startCluster({ settings });
});

/** The node a client is on, asked again and again. */
async function nodeOf({ socket }: TestClient): Promise<string> {
  const asked = Array.from({ length: CALLS }, async () => (await socket.emitWithAck("get_status")).server_id);
  const [first, ...others] = [...new Set(await Promise.all(asked))];
  expect(others).toEqual([]);
  return first;
}

for (const kind of BALANCERS) {
  describe(`through ${kind}`, () => {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      testWith(
        [kind],
        `socket.io-client with ${transports.join(", then ")}: each stays on its node`,
        async () => {
          const url = await startBalancer(kind, nodes);
          const clients = await Promise.all(
            Array.from({ length: CLIENTS }, () => connect(url, {}, { transports })),
          );
          const used = await Promise.all(clients.map(nodeOf));
          // All of them are on one address.
          expect(new Set(used).size).toBeGreaterThan(1);
          await eventually(() =>
            clients.every(({ socket }) => socket.io.engine.transport.name === transports.at(-1)),
          );
          expect(await Promise.all(clients.map(nodeOf))).toEqual(used);
          expect(clients.map(({ socket }) => socket.connected)).toEqual(clients.map(() => true));
        },
      );
    }

    for (const script of ["sync_client.py", "async_client.py"]) {
      for (const transports of [["polling"], ["websocket"], null]) {
        const how = transports?.join() ?? "the upgrade";
        testWith(
          [kind, ...(missingPython === null ? [] : [missingPython])],
          `${script} with ${how}`,
          async () => {
            const url = await startBalancer(kind, nodes);
            const options = JSON.stringify({ url, auth: {}, transports });
            const client = runPython(join(import.meta.dir, "..", "compat", script), [options]);
            await client.next(({ at }) => at === "ready", "a connected client");
            const asked = new Set<string>();
            for (let n = 0; n < CALLS; n += 1) {
              client.send({ n, do: "call", name: "get_status" });
              const { value } = await client.next(({ reply }) => reply === n, "its answer");
              asked.add(value.server_id);
            }
            expect([...asked]).toEqual([expect.stringMatching(/^node-[123]$/)]);
            expect((await client.finish()).exitCode).toBe(0);
          },
        );
      }
    }

    testWith(
      [kind, "curl"],
      "who asks is who is limited, whatever a client writes into its headers",
      async () => {
        const url = await startBalancer(kind, nodes);
        const batch = JSON.stringify(Array.from({ length: 1000 }, (_, n) => ({ n })));
        const post = async (from: string, ...args: string[]) =>
          (await curlResponse(["--interface", from, ...args, "-d", batch, `${url}/api/events`])).status;
        const own = `127.0.${kind === "nginx" ? 1 : 2}`;
        // Each node counts for itself.
        await eventually(async () => (await post(`${own}.1`)) === 429 && (await post(`${own}.1`)) === 429);
        const claimed = ["-H", "X-Forwarded-For: 198.51.100.7"];
        for (let n = 0; n < 3; n += 1) await post(`${own}.1`, ...claimed);
        expect(await post(`${own}.1`, ...claimed)).toBe(429);
        expect(await post(`${own}.2`)).toBe(200);
      },
    );

    testWith([kind, "curl", "openssl"], "TLS ends there, and pages of its own name are let in", async () => {
      const tls = await makeCertificate({ name: HOST });
      const url = await startBalancer(kind, nodes, { tls });
      const { port } = new URL(url);
      const ask = async (origin: string) => {
        const name = ["--cacert", tls.cert, "--resolve", `${HOST}:${port}:127.0.0.1`];
        return curlResponse([...name, "-H", `Origin: ${origin}`, `https://${HOST}:${port}/ready`]);
      };
      const own = `https://${HOST}:${port}`;
      const answer = await ask(own);
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, own]);
      expect((await ask("https://elsewhere.example")).body.error.code).toBe("origin_refused");
      expect(
        (await curlResponse(["--cacert", tls.cert, "-k", "-H", "Host: other.example", `${url}/ready`])).body
          .error.code,
      ).toBe("host_refused");
    });

    testWith(
      [kind, "curl"],
      "a body of the largest size gets in, and one beyond it the server's own refusal",
      async () => {
        const url = await startBalancer(kind, nodes);
        const text = (bytes: number) => `{"text":"${"x".repeat(bytes)}"}`;
        const { stdout } = await curl(["-d", "@-", `${url}/api/events`], text(9 * 1024 * 1024));
        expect(JSON.parse(stdout).error.code).toBe("body_too_large");
      },
    );
  });
}
