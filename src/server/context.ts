/** What both faces of the server, HTTP and Socket.IO, answer from. */
import type { Access } from "../auth/access.ts";
import type { LoginCodes } from "../auth/login-codes.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { EventLoopDelays } from "../health/event-loop.ts";
import type { Hub } from "../hub/hub.ts";
import { checkCompatibility, type Compatibility, COMPATIBILITY_MATRIX } from "../protocol/compatibility.ts";
import type {
  ClientFilter,
  ClientList,
  ConnectedClient,
  Health,
  HealthCheck,
  HealthStatus,
  ServerStatus,
  Stats,
  VersionInfo,
} from "../protocol/messages.ts";
import type { EventFilter } from "../protocol/query.ts";
import type { Limits } from "./limits.ts";
import type { Refusals } from "./refusals.ts";
import { BUN_VERSION, SERVER_VERSION, SOCKETIO_VERSION } from "../version.ts";

export interface ServerContext {
  hub: Hub;
  serverId: string;
  host: string;
  port: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Bytes of one event's JSON at most. */
  maxEventBytes: number;
  /** Events the log keeps at most. */
  maxHistorySize: number;
  minClientVersion(): string;
  access: Access;
  /** Null where no tokens are asked for. */
  loginCodes: LoginCodes | null;
  limits: Limits;
  refusals: Refusals;
  /** The address a request comes from, behind a proxy that is trusted that of its client. */
  addressOf(request: Request): string;
  /** Ends the server, and the process it is all of; null where it is a part of another program. */
  shutDown: (() => void) | null;
  /** Whether the server takes traffic: false once it is stopping. */
  isReady(): boolean;
  /** Whether it is going to stop: it still takes traffic, and wants no more of it. */
  isDraining(): boolean;
  /** The server's checks of itself, made anew with every call. */
  checks(): HealthCheck[];
  /** What the server did by itself to get well again, and how often. */
  recoveries(): Readonly<Record<string, number>>;
  /** How late the event loop has been lately. */
  loopDelays(): EventLoopDelays;
  /** The servers that share the log; null where this one has it to itself. */
  cluster(): Cluster | null;
  /** When the TLS certificate expires, milliseconds since the epoch; without TLS never. */
  certificateExpiresAt(): number;
}

/** From well to bad. */
export const SEVERITY = ["healthy", "degraded", "unhealthy"] as const;

export function severityOf(checks: readonly HealthCheck[]): HealthStatus {
  const worst = Math.max(0, ...checks.map(({ status }) => SEVERITY.indexOf(status)));
  return SEVERITY[worst] ?? "unhealthy";
}

/** The answer to `GET /health`: as bad as the worst of its checks. */
export function healthReport(context: ServerContext): Health {
  const { hub, host, port, serverId, startedAt } = context;
  const stats = hub.stats();
  const checks = context.checks();
  return {
    status: severityOf(checks),
    server_version: SERVER_VERSION,
    server_id: serverId,
    pid: process.pid,
    uptime_seconds: uptime(context),
    start_time: isoTime(startedAt),
    timestamp: isoTime(Date.now()),
    clients_connected: hub.clients.count(),
    client_versions: hub.clients.versions(),
    health_stats: {
      events_processed: stats.events_processed,
      clients_served: hub.clients.served(),
      errors: stats.errors,
      last_activity: isoTimeOrNull(stats.last_activity),
    },
    port,
    host,
    dependencies: { socketio_version: SOCKETIO_VERSION, bun_version: BUN_VERSION },
    checks,
  };
}

/** The answer to `GET /version` and `get_version`. */
export function versionInfo({ serverId }: ServerContext): VersionInfo {
  const row = COMPATIBILITY_MATRIX[SERVER_VERSION];
  return {
    server_version: SERVER_VERSION,
    server_id: serverId,
    socketio_version: SOCKETIO_VERSION,
    compatibility_matrix: COMPATIBILITY_MATRIX,
    supported_client_versions: row?.claude_mpm_versions ?? [],
    features: row?.features ?? [],
  };
}

/** What `GET /stats` tells of this server. */
export function statsReport(context: ServerContext): Stats {
  const { hub, serverId } = context;
  const stats = hub.stats();
  return {
    server_info: { version: SERVER_VERSION, id: serverId, uptime: uptime(context) },
    connections: {
      current_clients: hub.clients.count(),
      total_served: hub.clients.served(),
      client_versions: hub.clients.versions(),
    },
    events: {
      total_processed: stats.events_processed,
      history_size: stats.log.events,
      last_activity: isoTimeOrNull(stats.last_activity),
    },
    errors: stats.errors,
    log: { ...hub.position(), bytes: stats.log.bytes, index_backlog: stats.log.index_backlog },
    delivery: stats.delivery,
    redacted: stats.redacted,
    memory: { rss: process.memoryUsage.rss() },
  };
}

/** What `GET /api/clients` tells of this server. */
export function clientList(context: ServerContext): ClientList {
  const clients = context.hub
    .receivers()
    .map(({ id, version, clientId, transport, connectedAt, filter, lag, buffered }) => {
      const { client_version, compatible, warnings } = compatibilityOf(context, version);
      return {
        sid: id,
        client_id: clientId ?? null,
        version: client_version,
        compatible,
        warnings,
        transport,
        connected_at: isoTime(connectedAt),
        lag_events: lag,
        buffered_bytes: buffered,
        filter: filterOnWire(filter),
      };
    })
    .toSorted(compareClients);
  return { clients, total: clients.length };
}

/** Who lags most comes first, then who has been there longest. */
export function compareClients(a: ConnectedClient, b: ConnectedClient): number {
  if (a.lag_events !== b.lag_events) return b.lag_events - a.lag_events;
  return a.connected_at < b.connected_at ? -1 : Number(a.connected_at > b.connected_at);
}

/** What every client gets on connecting, and on `get_status`. */
export function serverStatus(context: ServerContext): ServerStatus {
  const { hub, serverId } = context;
  return {
    server_version: SERVER_VERSION,
    server_id: serverId,
    uptime: uptime(context),
    clients_connected: hub.clients.count(),
    events_processed: hub.eventsProcessed(),
    timestamp: isoTime(Date.now()),
  };
}

/** Judges what a client says of its version; undefined is silence. */
export function compatibilityOf(context: ServerContext, clientVersion: string | undefined): Compatibility {
  return checkCompatibility(clientVersion, SERVER_VERSION, context.minClientVersion());
}

/** Null where nothing is narrowed. */
function filterOnWire(filter: EventFilter | null): ClientFilter | null {
  if (filter === null || Object.keys(filter).length === 0) return null;
  const { since, until, ...rest } = filter;
  return {
    ...rest,
    ...(since === undefined ? {} : { since: isoTime(since) }),
    ...(until === undefined ? {} : { until: isoTime(until) }),
  };
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function isoTimeOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : isoTime(milliseconds);
}

/** Seconds, to the millisecond. */
function uptime({ startedAt }: ServerContext): number {
  return (Date.now() - startedAt) / 1000;
}
