/** Three nodes, one log: everybody sees everything once, in one order, wherever they are. */
import { describe, expect } from "bun:test";
import { connect, type TestClient } from "../support/clients.ts";
import { startCluster } from "../support/cluster.ts";
import { clusterLoad, faultsOf } from "../support/cluster-load.ts";
import { eventually } from "../support/eventually.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { SOAK } from "../support/soak.ts";
import { testWith } from "../support/tools.ts";

const EVENTS = SOAK ? 100_000 : 6000;
const MOVES = 100;
const LIMIT_MS = 600_000;

describe("over three nodes", () => {
  testWith(
    REDIS,
    `30 clients see ${EVENTS} events of producers on all of them, each once and in one order`,
    async () => {
      const redis = await startRedis();
      const nodes = await startCluster({ redis: redis.url, settings: ["max_history_size=200000"] });
      const load = await clusterLoad(nodes, { sockets: 8, streams: 2, total: EVENTS, perSecond: 0 });
      const outcome = await load.finish();

      expect(outcome.watchers).toHaveLength(30);
      expect(outcome.watchers.map(({ last, lost }) => ({ last, lost }))).toEqual(
        outcome.watchers.map(() => ({ last: EVENTS, lost: 0 })),
      );
      expect(outcome.acknowledged.size).toBe(EVENTS);
      expect(outcome.refusals).toEqual(new Map());
      expect(await faultsOf(outcome, nodes)).toEqual([]);
    },
    LIMIT_MS,
  );

  testWith(
    REDIS,
    `a client that moves between them ${MOVES} times under load misses and repeats nothing`,
    async () => {
      const redis = await startRedis();
      const nodes = await startCluster({ redis: redis.url });
      const load = await clusterLoad(nodes, { sockets: 1, streams: 0, perSecond: SOAK ? 1000 : 300 });
      await load.more(10);

      const got: number[] = [];
      const own: number[] = [];
      const gaps: unknown[] = [];
      let position: { epoch: string; seq: number } | null = null;
      let start = 0;
      for (let move = 0; move < MOVES; move += 1) {
        const node = nodes[move % nodes.length] as (typeof nodes)[number];
        const client: TestClient = await connect(node.url, position === null ? {} : { resume: position });
        const { epoch, last_seq } = await client.next("connection_ack");
        if (position === null) start = last_seq;
        const answer = await client.socket.emitWithAck("claude_event", { type: "moved", id: `move-${move}` });
        expect(answer).toMatchObject({ ok: true, id: `move-${move}` });
        own.push(answer.seq);
        // It leaves at any moment: with events on their way to it, or a moment after one came.
        const before = client.events().length;
        if (move % 3 !== 0) await eventually(() => client.events().length > before + (move % 7));
        client.socket.disconnect();
        got.push(...client.events().map(({ seq }) => seq));
        gaps.push(...client.received.filter(({ name }) => name === "history_gap"));
        position = { epoch, seq: got.at(-1) ?? start };
      }
      const outcome = await load.finish();
      const end = Math.max(...outcome.acknowledged.values(), ...own);
      const last = await connect(nodes[0]?.url as string, { resume: position });
      await eventually(() => (last.events().at(-1)?.seq ?? got.at(-1)) === end);
      got.push(...last.events().map(({ seq }) => seq));

      expect(gaps).toEqual([]);
      expect(got).toEqual(got.toSorted((a, b) => a - b));
      expect(new Set(got).size).toBe(got.length);
      // Its own events come back only where it resumes before them.
      const all = new Set([...got, ...own]);
      const missing = Array.from({ length: end - start }, (_, n) => start + 1 + n).filter(
        (seq) => !all.has(seq),
      );
      expect(missing).toEqual([]);
      expect(await faultsOf(outcome, nodes)).toEqual([]);
    },
    LIMIT_MS,
  );
});
