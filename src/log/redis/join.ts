/** How a node joins the log: whatever became of Redis meanwhile, from here on both agree on it. */
import type { Epoch } from "../log.ts";
import { isFenced, type LogConnection, type LogState } from "./connection.ts";
import { encodeStored } from "./entry.ts";
import { isBehind, joinEpochs, nextEpoch, withEpoch } from "./lineage.ts";
import type { Mirror } from "./mirror.ts";

export interface JoinOptions {
  connection: LogConnection;
  mirror: Mirror;
  /** As the node knows them; none before it has joined for the first time. */
  epochs: readonly Epoch[];
  /** The first part of the stream's id of the last event the node holds. */
  ms: number;
  onRestored: (from: number, to: number) => void;
  onBegun: (epoch: Epoch) => void;
}

/** Characters of JSON put back in one go. */
const RESTORE_CHARS = 512 * 1024;
/** Before a new epoch begins: other nodes may hold more than this one, and put it back meanwhile. */
const GRACE_MS = 300;

/**
 * Where the log is in an epoch that began in this very process of Redis, that is all. Else its end may be lost: what
 * the node holds beyond it is put back as it was, and a new epoch begins, unless another node was first.
 */
export async function joinLog(options: JoinOptions): Promise<LogState> {
  const { connection, mirror, epochs, onBegun } = options;
  for (;;) {
    const found = await connection.state();
    const { epoch, beganIn } = found;
    if (epoch !== "" && beganIn === connection.runId) return found;
    const fence = { epoch, runId: beganIn };
    const behind = isBehind(epochs, epoch, found.last);
    if (behind) await restore(options, found);
    if (epochs.length > 0 || epoch !== "") await Bun.sleep(GRACE_MS);
    const now = await connection.state();
    if (now.epoch !== epoch || now.beganIn !== beganIn) continue;
    const last = Math.max(now.last, behind ? mirror.lastSeq() : 0);
    const before = joinEpochs(epochs, now.epochs, behind);
    const next = { epoch: nextEpoch([...before, ...epochs], Date.now()), start_seq: last };
    const begun = await connection.begin(fence, last, {
      epoch: next.epoch,
      runId: connection.runId,
      epochs: withEpoch(before, next),
    });
    if (begun) onBegun(next);
  }
}

async function restore({ connection, mirror, ms, onRestored }: JoinOptions, found: LogState): Promise<void> {
  const fence = { epoch: found.epoch, runId: found.beganIn };
  let last = found.last;
  while (last < mirror.lastSeq()) {
    const { events } = await mirror.ask((file) => file.readAfter(last, RESTORE_CHARS));
    const [first] = events;
    if (first === undefined) return;
    const reached = await connection
      .restore(fence, ms, first.seq, events.flatMap(encodeStored))
      // Another node has begun the new epoch.
      .catch((error: unknown) => (isFenced(error) ? last : Promise.reject(error)));
    if (reached <= last) return;
    last = reached;
  }
  if (last > found.last) onRestored(found.last + 1, last);
}
