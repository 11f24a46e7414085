/** Memory of the compiled server under abuse: it returns, and does not grow from round to round. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { account } from "../support/binary.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { SOAK } from "../support/soak.ts";

const CONNECTIONS = SOAK ? 1000 : 200;
const ROUNDS = SOAK ? 10 : 4;
const MIB = 1024 * 1024;
/** What allocators and the garbage collector may keep between two looks at a server that is idle. */
const NOISE = 24 * MIB;

/** Private memory, as proc(5)'s smaps_rollup counts it: shared pages of the binary do not blur it. */
function privateBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].map(([, value]) =>
    Number(value),
  );
  return kilobytes.reduce((a, b) => a + b, 0) * 1024;
}

test.skipIf(process.platform !== "linux")(
  `${ROUNDS} rounds of ${CONNECTIONS} dropped connections and refused messages leave the memory where it was`,
  async () => {
    const user = account();
    const { stdout } = await user.run(["start", "--port", "0", "--set", "max_history_size=100", "--json"]);
    const { pid, url } = JSON.parse(stdout) as { pid: number; url: string };
    const health = async () => (await (await fetch(`${url}/health`)).json()) as any;

    const round = async () => {
      const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(url)));
      clients[0]?.socket.emit("claude_event", { x: "y".repeat(2_000_000) });
      for (const body of ["{", "[5]", JSON.stringify({ x: "y".repeat(2_000_000) })]) {
        expect((await fetch(`${url}/api/events`, { method: "POST", body })).status).toBeGreaterThanOrEqual(
          400,
        );
      }
      for (let n = 0; n < 100; n += 1) clients[1]?.socket.emit("claude_event", { n, x: "y".repeat(1000) });
      for (const { socket } of clients) {
        (
          socket.io.engine as unknown as { transport: { ws: { terminate(): void } } }
        ).transport.ws.terminate();
      }
      await eventually(async () => (await health()).clients_connected === 0);
    };

    // The first rounds warm up code and allocators; what the later ones add would be a leak.
    await round();
    await round();
    const before = privateBytes(pid);
    for (let count = 0; count < ROUNDS; count += 1) await round();
    await eventually(() => privateBytes(pid) < before + NOISE, {
      limitMs: 30_000,
      what: "memory back to where it was",
    });
    expect((await health()).status).toBe("healthy");
  },
  300_000,
);
