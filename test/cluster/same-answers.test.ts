/** What one node answers about the past and about sessions, every node answers. */
import { expect } from "bun:test";
import { sceneEvents } from "../support/scene.ts";
import { agentEvents, take } from "../support/agent-events.ts";
import { startCluster, startNode } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";

const QUESTIONS = [
  "/api/events?limit=1000",
  "/api/events?limit=7",
  "/api/events?after=100&limit=50",
  "/api/events?before=300&limit=20",
  "/api/events?type=hook.post_tool_use&limit=1000",
  "/api/events?type=hook.*&limit=30",
  "/api/events?session_id=s3-0000-4000-8000-000000000003&limit=1000",
  "/api/events?project=/home/dev/app-2&limit=1000",
  "/api/events?q=module-7&limit=1000",
  "/api/events?q=bun%20test&type=hook.pre_tool_use&limit=1000",
  "/api/events?q=nothing-of-the-kind",
  "/api/sessions?limit=100",
  "/api/sessions?state=working",
  "/api/sessions?state=ended",
];

testWith(
  REDIS,
  "history, filters, search and sessions are the same on all nodes, on a late one and on one with SQLite",
  async () => {
    const redis = await startRedis();
    const nodes = await startCluster({ redis: redis.url });
    const alone = await startNode({ name: "alone" });
    const events = [...sceneEvents(Date.now()), ...take(agentEvents(6), 600)].map((event, n) => ({
      timestamp: new Date(Date.now() - 60_000 + n).toISOString(),
      ...event,
      id: `same-${n}`,
    }));
    for (let n = 0; n < events.length; n += 20) {
      const batch = events.slice(n, n + 20);
      const answer = await nodes[(n / 20) % nodes.length]?.post("/api/events", batch);
      expect(answer?.status).toBe(200);
      await alone.post("/api/events", batch);
    }
    const late = await startNode({ redis: redis.url, name: "late" });

    for (const question of QUESTIONS) {
      const expected = plain(await alone.get(question));
      for (const node of [...nodes, late]) {
        await eventually(async () => Bun.deepEquals(plain(await node.get(question)), expected), {
          limitMs: 3000,
          what: `${node.name}'s same answer to ${question}`,
        }).catch(async (error) => {
          expect(plain(await node.get(question))).toEqual(expected);
          throw error;
        });
      }
      if (!question.includes("nothing-of")) expect(JSON.stringify(expected).length).toBeGreaterThan(200);
    }
    const list = (await alone.get("/api/sessions?limit=100")).sessions as { session_id: string }[];
    expect(list.length).toBeGreaterThanOrEqual(12);
    for (const { session_id } of list) {
      const whole = plain(await alone.get(`/api/sessions/${session_id}`));
      for (const node of [...nodes, late])
        expect(plain(await node.get(`/api/sessions/${session_id}`))).toEqual(whole);
    }
  },
  120_000,
);

/** An answer without what is each server's own. */
function plain(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, value) =>
      ["epoch", "server_id", "received_at"].includes(key) ? undefined : value,
    ),
  );
}
