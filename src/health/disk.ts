import { statfsSync } from "node:fs";
import type { HealthCheck } from "../protocol/messages.ts";
import { createLevel } from "./level.ts";
import { bytes } from "./words.ts";

/**
 * Too little is a twentieth of the disk, on large disks 512 MiB: what the log takes at its usual size, and an upgrade
 * besides. A shortage is told of, and never unhealthy: to be restarted would help nobody.
 */
const ENOUGH_SHARE = 0.05;
const ENOUGH_BYTES = 512 * 1024 ** 2;
/** Of what is enough; only with a quarter more than that it is over. */
const SHORTAGE = { degraded: { from: 1, until: 0.8 } };

interface Room {
  bsize: number;
  blocks: number;
  bavail: number;
}

/** The room on the disk that a directory lies on. */
export function diskMonitor(
  directory: string,
  roomOf: (path: string) => Room = statfsSync,
): () => HealthCheck {
  const level = createLevel(SHORTAGE);
  return () => {
    const { bsize, blocks, bavail } = roomOf(directory);
    const [size, free] = [blocks * bsize, bavail * bsize];
    const enough = Math.min(size * ENOUGH_SHARE, ENOUGH_BYTES);
    // Some file systems have no size of their own.
    const status = size === 0 ? "healthy" : level(free === 0 ? Infinity : enough / free);
    const message = `${bytes(free)} of ${bytes(size)} are free where the log is kept`;
    return { name: "disk", status, message: status === "healthy" ? message : `only ${message}` };
  };
}
