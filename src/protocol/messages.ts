/** The shapes that cross the wire: HTTP answers and Socket.IO payloads. Field names are the contract's. */
import type { Compatibility, MatrixRow } from "./compatibility.ts";
import type { ErrorBody } from "./errors.ts";
import { isObject, type JsonObject } from "./event.ts";

/** What a client may emit. */
export const CLIENT_EVENTS = [
  "claude_event",
  "ping",
  "get_version",
  "get_history",
  "get_status",
  "subscribe",
  "unsubscribe",
] as const;

export type ClientEvent = (typeof CLIENT_EVENTS)[number];

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export interface HealthCheck {
  name: string;
  status: HealthStatus;
  message: string;
}

/** `GET /health`. */
export interface Health {
  status: HealthStatus;
  server_version: string;
  server_id: string;
  pid: number;
  uptime_seconds: number;
  start_time: string;
  timestamp: string;
  clients_connected: number;
  client_versions: Record<string, string>;
  health_stats: {
    events_processed: number;
    clients_served: number;
    errors: number;
    last_activity: string | null;
  };
  port: number;
  host: string;
  dependencies: { socketio_version: string; bun_version: string };
  checks: HealthCheck[];
}

/** `GET /version` and `version_info`. */
export interface VersionInfo {
  server_version: string;
  server_id: string;
  socketio_version: string;
  compatibility_matrix: Record<string, MatrixRow>;
  supported_client_versions: string[];
  features: string[];
}

/** `GET /stats`. */
export interface Stats {
  server_info: { version: string; id: string; uptime: number };
  connections: {
    current_clients: number;
    total_served: number;
    client_versions: Record<string, string>;
  };
  events: { total_processed: number; history_size: number; last_activity: string | null };
  errors: number;
  log: LogPosition & { bytes: number; index_backlog: number };
  delivery: { lagging_clients: number; catch_ups: number; dropped: number };
  /** Secrets masked since the start, by kind. */
  redacted: Record<string, number>;
  memory: { rss: number };
  /** Of several servers that share a log: those there are. */
  nodes?: ClusterNode[];
  /** Of several: one at least has not answered, or nobody knows which others there are. */
  partial?: boolean;
}

/** One of several servers that share a log. */
export interface ClusterNode {
  server_id: string;
  /** Where it takes itself to be. */
  url: string;
  /** Its release. */
  version: string;
  /** Seconds. */
  uptime: number;
  clients: number;
  /** `silent`: it was there within the last seconds, and does not answer; what is told of it is as of then. */
  status: HealthStatus | "silent";
}

/** What a client asked to receive, in the names it asks with; times are ISO 8601. */
export interface ClientFilter {
  session_id?: string;
  project?: string;
  types?: string[];
  since?: string;
  until?: string;
  q?: string;
}

/** A client that is connected: over Socket.IO, or as a reader of `GET /api/events/stream`. */
export interface ConnectedClient {
  /** The Socket.IO session id, by which `/health` knows it too; a stream gets one of its own. */
  sid: string;
  /** As the handshake's `auth` gave it, at most 100 characters. */
  client_id: string | null;
  /** The claude-mpm version it named, or "unknown". */
  version: string;
  compatible: boolean;
  /** Why it is not compatible. */
  warnings: string[];
  transport: "websocket" | "polling" | "stream";
  connected_at: string;
  /** How far behind the live feed it is, in events of the log, wanted or not; 0 while it is live. */
  lag_events: number;
  /** Given to the connection and still in this process; on polling these are characters. */
  buffered_bytes: number;
  /** Null while it gets everything. */
  filter: ClientFilter | null;
  /** Of several servers that share a log: the one it is connected to. */
  server_id?: string;
}

/** `GET /api/access`: what a token allows. */
export interface AccessReport {
  /** Whether tokens are asked for at all. */
  auth: boolean;
  /** What the token is called. */
  name: string;
  scopes: string[];
  /** ISO 8601; null is never. */
  expires_at: string | null;
}

/** `GET /api/clients`: who lags most comes first, then who has been there longest. */
export interface ClientList {
  clients: ConnectedClient[];
  total: number;
  /** Of several servers that share a log: those whose clients are missing here. */
  silent?: Pick<ClusterNode, "server_id" | "url">[];
  /** As in `Stats`. */
  partial?: boolean;
}

/** Where the log stands. `first_seq` is `last_seq + 1` while it holds nothing. */
export interface LogPosition {
  epoch: string;
  first_seq: number;
  last_seq: number;
}

/**
 * First message of every connection. A later one on the same connection tells of the log's next epoch: all that came so
 * far is good in it, up to `last_seq`.
 */
export interface ConnectionAck extends LogPosition {
  server_version: string;
  server_id: string;
  compatibility: Compatibility;
  timestamp: string;
}

/** Second message of every connection, and the answer to `get_status`. */
export interface ServerStatus {
  server_version: string;
  server_id: string;
  /** Seconds. */
  uptime: number;
  clients_connected: number;
  events_processed: number;
  timestamp: string;
}

export interface Pong {
  timestamp: string;
  server_id: string;
}

/** A range of events the client did not get and the log no longer holds; both ends inclusive. */
export interface HistoryGap {
  from_seq: number;
  to_seq: number;
  reason: "trimmed" | "unknown_epoch" | "beyond_end";
}

export function isHistoryGap(value: unknown): value is HistoryGap {
  if (!isObject(value)) return false;
  const { from_seq, to_seq, reason } = value;
  return typeof from_seq === "number" && typeof to_seq === "number" && typeof reason === "string";
}

/** The answer to `get_history`. */
export interface EventHistory extends LogPosition {
  events: JsonObject[];
  total_available: number;
  returned: number;
  count: number;
  gap: HistoryGap | null;
}

/** The acknowledgement of `claude_event`. */
export type EventAck = { ok: true; seq: number; id: string } | { ok: false; error: ErrorBody };

/** The answer to `POST /api/events`. */
export interface IngestResult {
  accepted: number;
  duplicates: number;
  first_seq: number | null;
  last_seq: number | null;
}

/** The answer to `POST /api/history/import`: where the log stands then. */
export interface ImportResult extends LogPosition {
  /** Events of the part that were not there yet. */
  stored: number;
  /** Events the log keeps at most. */
  max_history_size: number;
}

/** The answer to `POST /api/history/clear`: where the log stands then. */
export interface ClearResult extends LogPosition {
  /** How many events there were. */
  forgotten: number;
}

export function isHealthStatus(value: unknown): value is HealthStatus {
  return value === "healthy" || value === "degraded" || value === "unhealthy";
}

/** Tells our server from any other program that answers `/health`, the Python original included. */
export function isHealth(value: unknown): value is Health {
  if (!isObject(value) || !isObject(value.dependencies) || !isObject(value.health_stats)) return false;
  const { health_stats: stats, dependencies, checks } = value;
  const texts = [value.status, value.server_id, value.server_version, value.host, dependencies.bun_version];
  const numbers = [
    value.pid,
    value.port,
    value.uptime_seconds,
    value.clients_connected,
    stats.events_processed,
  ];
  return (
    texts.every((text) => typeof text === "string") &&
    typeof dependencies.socketio_version === "string" &&
    numbers.every((number) => typeof number === "number") &&
    Array.isArray(checks) &&
    checks.every(
      (check) => isObject(check) && typeof check.name === "string" && typeof check.status === "string",
    )
  );
}

export const SESSION_STATES = ["working", "waiting", "idle", "ended", "failed"] as const;

/**
 * What a person watching the terminal would say: an agent is at it; a person is asked; stopped, with nothing running;
 * over; given up.
 */
export type SessionState = (typeof SESSION_STATES)[number];

/** What a session waits for a person to do. */
export interface SessionWait {
  kind: "permission" | "input";
  tool: string | null;
  message: string | null;
}

/** An agent of a session; the main one has no id. Times are ISO 8601, null where nobody saw it happen. */
export interface SessionAgent {
  agent_id: string | null;
  agent_type: string | null;
  state: SessionState;
  /** The call that started it. */
  parent_tool_use_id: string | null;
  /** The agent that made this call; null is the main one, or not known. */
  parent_agent_id: string | null;
  started_at: string | null;
  ended_at: string | null;
}

export interface SessionOpenTool {
  tool_use_id: string;
  tool: string;
  agent_id: string | null;
  started_at: string;
  /** What it is called on, in a few words. */
  argument: string;
}

/** One tool's calls in a session. `denied` were refused, `unfinished` never heard of again: neither is a success. */
export interface SessionTool {
  tool: string;
  calls: number;
  failures: number;
  denied: number;
  unfinished: number;
  total_ms: number;
  /** Of the latest 200 calls; null before the first that was timed. */
  p95_ms: number | null;
}

export interface SessionFile {
  path: string;
  reads: number;
  edits: number;
}

/** A session as `GET /api/sessions/:id` tells it. */
export interface Session {
  session_id: string;
  /** The directory it was started in. */
  project: string | null;
  source: string | null;
  state: SessionState;
  state_since: string;
  waiting_for: SessionWait | null;
  /** Why it is over, or has failed; "silence" after an hour without an event. */
  ended_reason: string | null;
  failure: string | null;
  started_at: string;
  last_event_at: string;
  event_count: number;
  /** The human's last. */
  prompt: string | null;
  agents: SessionAgent[];
  open_tools: SessionOpenTool[];
  tools: SessionTool[];
  files: SessionFile[];
}
