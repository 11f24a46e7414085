import { readFileSync } from "node:fs";
import type { HealthCheck } from "../protocol/messages.ts";

/** What a clock is adjusted by in the usual way is less. */
const JUMP_MS = 2000;
/** How long a jump is told of. */
const REMEMBERED_MS = 10 * 60_000;

export interface ClockOptions {
  wall?: () => number;
  /** Goes on steadily, whatever the wall clock does. */
  steady?: () => number;
  /** Whether the steady clock also goes on while the machine sleeps. */
  countsSleep?: boolean;
}

/**
 * Whether the wall clock was set. Times in events are then not in their order (their `seq` is), and retention by age
 * may forget too much or too little.
 */
export function clockMonitor({
  wall = Date.now,
  countsSleep = process.platform === "linux",
  steady = countsSleep ? uptime : () => performance.now(),
}: ClockOptions = {}): () => HealthCheck {
  let before = { wall: wall(), steady: steady() };
  let jump: { ms: number; at: number } | null = null;
  return () => {
    const now = { wall: wall(), steady: steady() };
    const ms = now.wall - before.wall - (now.steady - before.steady);
    before = now;
    // Where the steady clock sleeps with the machine, every sleep looks like a clock that is set forward.
    if (ms <= -JUMP_MS || (ms >= JUMP_MS && countsSleep)) jump = { ms, at: now.steady };
    if (jump !== null && now.steady - jump.at >= REMEMBERED_MS) jump = null;
    if (jump === null) {
      const message = `it goes on steadily, ${Math.round(Math.abs(ms))} ms off since the last look`;
      return { name: "clock", status: "healthy", message };
    }
    const seconds = Math.round(Math.abs(jump.ms) / 1000);
    const minutes = Math.round((now.steady - jump.at) / 60_000);
    const message = `it was set ${jump.ms < 0 ? "back" : "forward"} by ${seconds} s, ${minutes} min ago: times of events are not in order there, their seq is`;
    return { name: "clock", status: "degraded", message };
  };
}

/** Milliseconds since the machine was started, its sleep included. */
function uptime(): number {
  return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
}
