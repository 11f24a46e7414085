/** What follows from the epochs a node knows and those that Redis has. */
import { randomBytes } from "node:crypto";
import type { Epoch } from "../log.ts";

/** Older ones are forgotten: whoever comes with a position of them is told that it is unknown. */
const MAX_EPOCHS = 100;

/** The part of an epoch's name by which later ones sort higher: the first part of the stream's ids in it. */
export function msOf(epoch: string): number {
  return Number.parseInt(epoch, 10);
}

/** The name of an epoch that is later than all of these, whatever the clock says. */
export function nextEpoch(epochs: readonly Epoch[], now: number): string {
  const ms = Math.max(now, ...epochs.map(({ epoch }) => msOf(epoch) + 1));
  return `${ms}-${randomBytes(3).toString("hex")}`;
}

export function withEpoch(epochs: readonly Epoch[], next: Epoch): Epoch[] {
  return [...epochs, next].slice(-MAX_EPOCHS);
}

/**
 * Whether what a node holds beyond the end of Redis' log is what came after it: Redis has come back as it was at some
 * time before. Not so where it is another log, or went on from there without this node.
 *
 * @param mine the node's epochs
 * @param found the epoch in which Redis is, empty where there is none
 * @param last where Redis' log ends
 */
export function isBehind(mine: readonly Epoch[], found: string, last: number): boolean {
  if (mine.length === 0) return false;
  if (found === "") return true;
  const index = mine.findIndex(({ epoch }) => epoch === found);
  return index !== -1 && (mine[index + 1]?.start_seq ?? Infinity) >= last;
}

/** Up to where a log with these epochs is the one that was in `epoch`; 0 where they have nothing in common. */
export function commonWith(epochs: readonly Epoch[], epoch: string): number {
  const index = epochs.findIndex((one) => one.epoch === epoch);
  return index === -1 ? 0 : Math.min(Infinity, ...epochs.slice(index + 1).map(({ start_seq }) => start_seq));
}
