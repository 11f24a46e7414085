/** What a node says of itself, for the others to know it by. */
import { isObject } from "../protocol/event.ts";
import type { HealthStatus } from "../protocol/messages.ts";

export interface NodeAbout {
  /** One run of a server; the server's id may be the same in two places by mistake. */
  instance: string;
  server_id: string;
  /** Where it takes itself to be. */
  url: string;
  /** Its release. */
  version: string;
  /** Seconds; a time would be that of its own clock. */
  uptime: number;
  /** Connected to it over Socket.IO. */
  clients: number;
  status: HealthStatus;
  /** Its `max_history_size`. */
  keeps?: number;
}

/** Reads what another node has written down, maybe of another release; null where it cannot be used. */
export function readNode(text: string): NodeAbout | null {
  try {
    return asNode(JSON.parse(text));
  } catch {
    return null;
  }
}

export function asNode(value: unknown): NodeAbout | null {
  if (!isObject(value)) return null;
  const { instance, server_id, url, version, uptime, clients, status } = value;
  const named = [instance, server_id, url, version].every((one) => typeof one === "string");
  const counted = [uptime, clients].every((one) => typeof one === "number");
  const isStatus = ["healthy", "degraded", "unhealthy"].includes(String(status));
  return named && counted && isStatus ? (value as unknown as NodeAbout) : null;
}
