/** Logs that share one Redis, each as a node has it, with what each of them tells. */
import { join } from "node:path";
import type { Epoch, EventLog } from "../../src/log/log.ts";
import { openRedisLog, type RedisLogOptions } from "../../src/log/redis/log.ts";
import type { PendingEvent, StoredEvent } from "../../src/protocol/event.ts";
import { onEnd } from "./cleanup.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface Node {
  log: EventLog;
  /** Seqs and ids as they were told and are good, oldest first. */
  told: { seq: number; id: string; origin: string | undefined }[];
  events: StoredEvent[];
  epochs: Epoch[];
  skipped: number[];
  /** How often it was told that events were forgotten. */
  forgotten: number;
  recovered: string[];
  /** Appends events of these ids, and returns their seqs, negative where they were there. */
  add(...ids: string[]): Promise<number[]>;
}

let nodes = 0;

export async function openNode(url: string, options: Partial<RedisLogOptions> = {}): Promise<Node> {
  nodes += 1;
  const instance = `node${nodes}`;
  const recovered: string[] = [];
  const log = await openRedisLog({
    url,
    path: join(temporaryDirectory(), "mirror.db"),
    instance,
    onRecovery: (action) => recovered.push(action),
    ...options,
  });
  onEnd(() => log.close());
  const node: Node = {
    log,
    told: [],
    events: [],
    epochs: [],
    skipped: [],
    forgotten: 0,
    recovered,
    async add(...ids) {
      const appended = await log.append(
        ids.map((id) => pending(id)),
        ids.map((id) => `from-${id}`),
      );
      return appended.map(({ seq, stored }) => (stored ? seq : -seq));
    },
  };
  log.follow?.({
    onStored(events, origins) {
      for (const [index, event] of events.entries()) {
        node.events.push(event);
        node.told.push({ seq: event.seq, id: event.id, origin: origins[index] });
      }
    },
    onSkipped: (seq) => node.skipped.push(seq),
    onForgotten: () => void (node.forgotten += 1),
    onEpoch(epoch) {
      node.epochs.push(epoch);
      // What came after it was known to no node that was in time to put it back: clients are told, and get others.
      const kept = node.told.filter(({ seq }) => seq <= epoch.start_seq).length;
      node.told.length = kept;
      node.events.length = kept;
    },
  });
  return node;
}

export function pending(id: string, more: Record<string, unknown> = {}): PendingEvent {
  return {
    id,
    received_at: Date.now(),
    body: JSON.stringify({ id, type: "test", ...more }),
    type: "test",
    session_id: null,
    project: null,
  };
}

/** Appends without a pause until it is stopped; refused events are tried again under their id. */
export function keepAdding(node: Node, name: string, pauseMs = 0) {
  let stopped = false;
  const acknowledged: string[] = [];
  let refused = 0;
  const done = (async () => {
    for (let n = 1; !stopped; n += 1) {
      for (const id = `${name}${n}`; ; refused += 1) {
        const added = await node.add(id).catch((error: { code?: string }) => {
          if (error.code !== "log_unavailable") throw error;
          return null;
        });
        if (added) {
          acknowledged.push(id);
          if (pauseMs > 0) await Bun.sleep(pauseMs);
          break;
        }
        await Bun.sleep(20); // as a sender that waits before it tries again
      }
    }
  })();
  return {
    acknowledged,
    refused: () => refused,
    async stop() {
      stopped = true;
      await done;
    },
  };
}
