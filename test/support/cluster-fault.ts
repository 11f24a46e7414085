/** A cluster under load to which something happens, and what has to hold whatever that is. */
import { expect } from "bun:test";
import { type ClusterNode, startCluster } from "./cluster.ts";
import {
  type ClusterLoad,
  clusterLoad,
  faultsOf,
  type HealthWatch,
  type LoadOptions,
  type Outcome,
  watchHealth,
} from "./cluster-load.ts";
import { eventually } from "./eventually.ts";

export interface Scene {
  nodes: ClusterNode[];
  load: ClusterLoad;
  health: HealthWatch;
}

export interface FaultOptions {
  /** URL of Redis. */
  redis: string;
  settings?: readonly string[];
  load?: LoadOptions;
  /** What happens; over when it resolves. */
  fault(scene: Scene): Promise<void>;
}

/** Events acknowledged before the fault, and those that have to be after it. */
const [BEFORE, AFTER] = [100, 150];
const RECOVERY_LIMIT_MS = 30_000;

/**
 * Runs a fault under load: all nodes recover by themselves, no acknowledged event is lost, every one is stored once, and
 * every client sees all of it once and in order.
 */
export async function underLoad({
  redis,
  settings = ["max_history_size=100000"],
  load: options,
  fault,
}: FaultOptions): Promise<Scene & { outcome: Outcome; recoveredMs: number }> {
  const nodes = await startCluster({ redis, settings });
  const load = await clusterLoad(nodes, options);
  const health = watchHealth(nodes);
  await load.more(BEFORE);
  await fault({ nodes, load, health });
  const over = performance.now();
  await allHealthy(nodes);
  const recoveredMs = performance.now() - over;
  await load.more(AFTER);
  const outcome = await load.finish();
  health.stop();
  expect(await faultsOf(outcome, nodes)).toEqual([]);
  return { nodes, load, health, outcome, recoveredMs };
}

export async function allHealthy(nodes: readonly ClusterNode[]): Promise<void> {
  await eventually(
    async () => {
      const checks = await Promise.all(nodes.map((node) => node.logCheck()));
      return checks.every((check) => check?.status === "healthy");
    },
    { limitMs: RECOVERY_LIMIT_MS, what: "every node's health" },
  );
}

/** Resolves once every node has said that its log is degraded. */
export async function allDegraded({ health, nodes }: Pick<Scene, "health" | "nodes">): Promise<void> {
  await eventually(() => nodes.every(({ name }) => health.states.get(name)?.includes("degraded")), {
    what: "every node's being degraded",
  });
}

/** What has to hold when it was Redis that failed, and no node. */
export function expectKeptAndDegraded({ outcome, health, nodes }: Scene & { outcome: Outcome }): void {
  expect(outcome.watchers.map(({ lost }) => lost)).toEqual(outcome.watchers.map(() => 0));
  for (const { name } of nodes) expect(health.states.get(name)).toEqual(["healthy", "degraded", "healthy"]);
  expect([...outcome.refusals.keys()].filter((code) => code !== "log_unavailable")).toEqual([]);
}
