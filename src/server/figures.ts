/** What the server's parts have counted, as its metrics. */
import type { Figures } from "../metrics.ts";
import { ERRORS } from "../protocol/errors.ts";
import { BUN_VERSION, RELEASE_VERSION, SERVER_VERSION, SOCKETIO_VERSION } from "../version.ts";
import { healthReport, type ServerContext, SEVERITY } from "./context.ts";

/** A rate can be taken of a counter only where it was there before it counted; of secrets the commonest kind. */
const NONE_MASKED = { password: 0 };
const NONE_REFUSED = Object.fromEntries(Object.keys(ERRORS).map((code) => [code, 0]));

const MS_PER_SECOND = 1000;

export function figuresOf(context: ServerContext): Figures {
  const { hub, startedAt } = context;
  const { errors, redacted, log, remote, delivery } = hub.stats();
  const { measures } = hub;
  const { transports, maxLag } = hub.census();
  const health = healthReport(context);
  const cluster = context.cluster()?.figures() ?? null;
  const refused = context.refusals.counts();
  const loop = context.loopDelays();
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();

  return {
    info: {
      version: RELEASE_VERSION,
      server_version: SERVER_VERSION,
      bun_version: BUN_VERSION,
      socketio_version: SOCKETIO_VERSION,
    },
    start_time_seconds: startedAt / MS_PER_SECOND,
    uptime_seconds: health.uptime_seconds,
    health_status: SEVERITY.indexOf(health.status),
    health_check_status: Object.fromEntries(
      health.checks.map(({ name, status }) => [name, SEVERITY.indexOf(status)]),
    ),

    connections: transports,
    connections_served_total: hub.clients.served(),
    events_received_total: measures.received,
    events_duplicate_total: measures.duplicates,
    event_bytes_received_total: measures.bytesReceived,
    events_delivered_total: measures.delivered,
    event_bytes_delivered_total: measures.bytesDelivered,

    lagging_clients: delivery.lagging_clients,
    delivery_lag_events: maxLag,
    catch_ups_total: delivery.catch_ups,
    gaps_total: measures.gaps,
    events_dropped_total: delivery.dropped,

    errors_total: errors,
    refused_total: { ...NONE_REFUSED, ...refused },
    auth_failures_total: context.access.failures(),
    redactions_total: { ...NONE_MASKED, ...redacted },

    recoveries_total: context.recoveries(),

    ingest_seconds: measures.ingestSeconds,
    delivery_seconds: measures.deliverySeconds,
    commit_seconds: measures.commitSeconds,
    batch_events: measures.batchEvents,

    log_events: log.events,
    log_bytes: log.bytes,
    log_index_backlog_events: log.index_backlog,

    redis_up: {
      ...(remote && { log: Number(remote.up) }),
      ...(cluster && { cluster: Number(cluster.up) }),
    },
    cluster_nodes: cluster?.nodes ?? 1,
    log_append_retries_total: remote?.append_retries ?? 0,
    log_epochs_total: remote?.epochs ?? 0,
    log_tail_lag_events: remote?.tail_lag ?? 0,

    event_loop_delay_seconds: {
      p50: loop.p50 / MS_PER_SECOND,
      p99: loop.p99 / MS_PER_SECOND,
      max: loop.max / MS_PER_SECOND,
    },
    memory_rss_bytes: memory.rss,
    memory_heap_bytes: memory.heapUsed,
    cpu_seconds_total: (cpu.user + cpu.system) / 1e6,
    tls_certificate_expiry_seconds: context.certificateExpiresAt() / MS_PER_SECOND,
  };
}
