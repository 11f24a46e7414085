import { expect, test } from "bun:test";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { takePort } from "../../src/server/port.ts";

const pair = { cert: "", key: "" };

/** Opens plain listeners; somebody else may hold the port for a while. */
function hold() {
  let stranger: Bun.TCPSocketListener | null = null;
  const port = takePort<undefined>({
    port: 0,
    tls: pair,
    retry: { firstMs: 1, maxMs: 4 },
    open: (number) => {
      const server = Bun.serve({ hostname: "127.0.0.1", port: number, fetch: () => new Response() });
      // Whoever is quick takes the port as soon as it is let go.
      const { stop, port: taken = 0 } = server;
      server.stop = (force?: boolean) => {
        const stopping = stop.call(server, force);
        if (shallSteal) {
          stranger = Bun.listen({
            hostname: "127.0.0.1",
            port: taken,
            socket: { data() {} },
          });
        }
        return stopping;
      };
      return server;
    },
  });
  let shallSteal = false;
  onEnd(() => port.close());
  return {
    port,
    stealNext: () => (shallSteal = true),
    giveBack: () => {
      shallSteal = false;
      stranger?.stop(true);
    },
  };
}

const answers = (port: number) => fetch(`http://127.0.0.1:${port}`).then(({ ok }) => ok);

test("a port that somebody takes in between is taken again once it is free, with growing pauses", async () => {
  const { port, stealNext, giveBack } = hold();
  const attempts: [code: unknown, delayMs: number][] = [];
  stealNext();
  port.renew(pair, (error, delayMs) => attempts.push([(error as { code?: string } | null)?.code, delayMs]));
  await eventually(() => attempts.length >= 5);
  expect(attempts.slice(0, 5)).toEqual([1, 2, 4, 4, 4].map((delayMs) => ["EADDRINUSE", delayMs]));
  giveBack();
  await eventually(() => attempts.at(-1)?.[0] === undefined);
  expect(await answers(port.number)).toBe(true);
});

test("a newer renewal takes the place of one that waits, and closing ends the attempts", async () => {
  const { port, stealNext, giveBack } = hold();
  stealNext();
  const told: string[] = [];
  port.renew(pair, () => told.push("first"));
  port.renew(pair, () => told.push("second"));
  await eventually(() => told.length > 3);
  expect(told.lastIndexOf("first")).toBe(0);
  port.close();
  giveBack();
  const count = told.length;
  await Bun.sleep(20);
  expect(told).toHaveLength(count);
  expect(port.servers()).toEqual([]);
});
