import type { HealthStatus } from "../protocol/messages.ts";

/** Where a status begins, and the lower figure below which it ends: what lies between does not make it flap. */
export interface Threshold {
  from: number;
  until: number;
}

export interface Thresholds {
  degraded: Threshold;
  unhealthy?: Threshold;
}

/** Judges a figure of which more is worse, by what it was before. */
export function createLevel({ degraded, unhealthy }: Thresholds): (figure: number) => HealthStatus {
  const isDegraded = createSwitch(degraded);
  const isUnhealthy = unhealthy ? createSwitch(unhealthy) : () => false;
  return (figure) => {
    const [worse, bad] = [isUnhealthy(figure), isDegraded(figure)];
    return worse ? "unhealthy" : bad ? "degraded" : "healthy";
  };
}

function createSwitch({ from, until }: Threshold): (figure: number) => boolean {
  let on = false;
  return (figure) => (on = on ? figure >= until : figure >= from);
}
