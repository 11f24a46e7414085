/** How a node joins the log: whatever became of Redis meanwhile, from here on both agree on it. */
import type { Epoch } from "../log.ts";
import { isFenced, type LogConnection, type LogState } from "./connection.ts";
import { encodeStored } from "./entry.ts";
import { commonWith, isBehind, nextEpoch, withEpoch } from "./lineage.ts";
import type { Mirror } from "./mirror.ts";

export interface JoinOptions {
  connection: LogConnection;
  mirror: Mirror;
  /** As the node knows them; none before it has joined for the first time. */
  epochs: readonly Epoch[];
  /** The first part of the stream's id of the last event the node holds. */
  ms: number;
  /** The first seq that the node does not know to be forgotten. */
  forgotten: number;
  onRestored: (from: number, to: number) => void;
  onBegun: (epoch: Epoch) => void;
}

/** Characters of JSON put back in one go. */
const RESTORE_CHARS = 512 * 1024;
/** Nothing has to happen for so long before a new epoch begins: other nodes may hold more than this one, and put it back. */
const GRACE_MS = 500;

/**
 * Where the log is in an epoch that began in this very process of Redis, that is all. Else its end may be lost: what
 * the node holds beyond it is put back as it was, and a new epoch begins, unless another node was first. What somebody
 * wanted to be forgotten goes again, whoever has put it back.
 */
export async function joinLog(options: JoinOptions): Promise<LogState> {
  const { connection, mirror, epochs, onBegun } = options;
  for (;;) {
    const found = await connection.state();
    if (isJoined(found, connection)) {
      if (await forgetAgain(options, found)) continue;
      return found;
    }
    const behind = isBehind(epochs, found.epoch, found.last);
    // Who was there first may hold less than this node does: it looks again at once.
    if (behind && !(await restore(options, found))) continue;
    const settled = await connection.state();
    if (epochs.length > 0 || found.epoch !== "") await Bun.sleep(GRACE_MS);
    const now = await connection.state();
    if (isJoined(now, connection)) continue;
    // Others are still putting back what they hold, or it is lost once more, with all that was put back.
    if (now.epoch !== settled.epoch || now.beganIn !== settled.beganIn || now.last !== settled.last) continue;
    if (now.epoch === "" && epochs.length > 0) continue;
    const last = Math.max(now.last, behind ? mirror.lastSeq() : 0);
    const next = { epoch: nextEpoch([...now.epochs, ...epochs], Date.now()), start_seq: last };
    const begun = await connection.begin({ epoch: now.epoch, runId: now.beganIn }, last, {
      epoch: next.epoch,
      runId: connection.runId,
      epochs: withEpoch(now.epochs, next),
    });
    if (begun) onBegun(next);
  }
}

function isJoined({ epoch, beganIn }: LogState, { runId }: LogConnection): boolean {
  return epoch !== "" && beganIn === runId;
}

/** False when another node has been faster. */
async function restore(
  { connection, mirror, epochs, ms, onRestored }: JoinOptions,
  { epoch, beganIn: runId, last: found }: LogState,
): Promise<boolean> {
  let last = found;
  for (let fence = { epoch, runId }; ; fence = { epoch: epochs.at(-1)?.epoch ?? "", runId }) {
    const { events } = await mirror.ask((file) => file.readAfter(last, RESTORE_CHARS));
    // Also without any event it takes up the epochs that Redis has forgotten, and how far the seqs had come.
    const from = events[0]?.seq ?? Math.max(last, mirror.lastSeq()) + 1;
    const reached = await connection
      .restore(fence, epochs, ms, from, events.flatMap(encodeStored))
      .catch((error: unknown) => (isFenced(error) ? null : Promise.reject(error)));
    if (reached === null) return false;
    if (events.length === 0 || reached <= last) break;
    last = reached;
  }
  if (last > found) onRestored(found + 1, last);
  return true;
}

/** What this node knows to be forgotten of what is there; false where there is nothing of it. */
async function forgetAgain(
  { connection, epochs, forgotten }: JoinOptions,
  { epoch, beganIn: runId, last, epochs: found, forgotten: known }: LogState,
): Promise<boolean> {
  const common = commonWith(found, epochs.at(-1)?.epoch ?? "");
  const wanted = Math.min(forgotten, common + 1, last + 1);
  if (wanted <= known) return false;
  await connection.forget({ epoch, runId }, wanted).catch((error: unknown) => {
    // It is looked at again in any case.
    if (!isFenced(error)) throw error;
  });
  return true;
}
