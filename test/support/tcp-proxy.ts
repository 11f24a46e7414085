/** A wire between a client and a server that can be cut in each of the ways in which wires are. */
import { connect, createServer, type Socket } from "node:net";
import { onEnd } from "./cleanup.ts";

export interface TcpProxy {
  port: number;
  /** Nothing passes, nothing is closed; who connects anew hears nothing. What was sent meanwhile arrives later. */
  hold(): void;
  /** Every connection is reset, and each new one at once. */
  reset(): void;
  /** The server's ends are closed, the clients' stay open, and nobody ever tells them. New ones hear nothing. */
  halfOpen(): void;
  /** What the server sends passes at this rate on each connection. */
  throttle(bytesPerSecond: number): void;
  /** New connections pass again, and so does what was held. */
  heal(): void;
  /** Connections go to another server from now on; those there are end. */
  to(port: number): void;
}

type State = "passing" | "held" | "reset" | "half open";

export async function startTcpProxy(firstPort: number): Promise<TcpProxy> {
  let targetPort = firstPort;
  let state: State = "passing";
  let rate = Infinity;
  const pairs = new Set<[Socket, Socket]>();

  const server = createServer((client) => {
    client.on("error", () => {});
    if (state === "reset") return void client.resetAndDestroy();
    // As if its first packet never arrived: it stays unanswered for good, unless it is held for later.
    if (state === "half open") return void onEnd(() => client.destroy());
    const upstream = connect(targetPort, "127.0.0.1");
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    upstream.on("error", () => client.destroy());
    client.on("data", (data) => void upstream.write(data));
    upstream.on("data", (data) => {
      client.write(data);
      if (rate === Infinity) return;
      upstream.pause();
      setTimeout(() => state !== "held" && upstream.resume(), (data.length / rate) * 1000);
    });
    client.on("close", () => {
      pairs.delete(pair);
      upstream.destroy();
    });
    upstream.on("close", () => {
      if (state !== "half open") client.destroy();
    });
    if (state === "held") for (const socket of pair) socket.pause();
  });
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  onEnd(() => {
    server.close();
    for (const [client, upstream] of pairs) {
      client.destroy();
      upstream.destroy();
    }
  });

  return {
    port,
    throttle: (bytesPerSecond) => void (rate = bytesPerSecond),
    hold() {
      state = "held";
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    reset() {
      state = "reset";
      for (const [client] of pairs) client.resetAndDestroy();
    },
    halfOpen() {
      state = "half open";
      for (const [client, upstream] of pairs) {
        client.pause();
        upstream.destroy();
      }
    },
    to(next) {
      targetPort = next;
      for (const [client] of pairs) client.destroy();
    },
    heal() {
      const held = state === "held";
      state = "passing";
      if (held) for (const pair of pairs) for (const socket of pair) socket.resume();
    },
  };
}
