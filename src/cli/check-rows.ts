/** The server's checks of itself as rows of a table. */
import type { HealthCheck } from "../protocol/messages.ts";
import { style } from "./output.ts";

const COLOURS = { healthy: "green", degraded: "yellow", unhealthy: "red" } as const;

export function checkRows(checks: readonly HealthCheck[] = []): string[][] {
  return checks.map(({ name, status, message }) => [`  ${name}`, style(status, COLOURS[status]), message]);
}

/** Those that are not as they should be. */
export function failing(checks: readonly HealthCheck[] = []): HealthCheck[] {
  return checks.filter(({ status }) => status !== "healthy");
}
