/** Every metric by name and help, and the text that Prometheus reads. The only import of prom-client. */

interface Definition {
  type: "counter" | "gauge" | "histogram" | "info";
  help: string;
  /** What its values are told apart by. */
  label?: string;
}

const PREFIX = "claude_mpm_socketio_";

/** Names without their prefix; units are those of https://prometheus.io/docs/practices/naming/. */
export const METRICS = {
  info: { type: "info", help: "Versions of the server; always 1" },
  start_time_seconds: { type: "gauge", help: "When the server was started, since the epoch" },
  uptime_seconds: { type: "gauge", help: "How long the server has been running" },
  health_status: { type: "gauge", help: "The worst of all checks: 0 healthy, 1 degraded, 2 unhealthy" },
  health_check_status: {
    type: "gauge",
    help: "A check of the server's of itself: 0 healthy, 1 degraded, 2 unhealthy",
    label: "check",
  },

  connections: { type: "gauge", help: "Clients that are connected", label: "transport" },
  connections_served_total: { type: "counter", help: "Socket.IO clients that have connected" },
  events_received_total: { type: "counter", help: "New events, by the way they came", label: "way" },
  events_duplicate_total: { type: "counter", help: "Events that were in the log already" },
  event_bytes_received_total: { type: "counter", help: "Bytes of the new events' JSON" },
  events_delivered_total: { type: "counter", help: "Events given to clients, each client counted" },
  event_bytes_delivered_total: { type: "counter", help: "Bytes of JSON of the events given to clients" },

  lagging_clients: { type: "gauge", help: "Clients that are behind the live feed and fed from the log" },
  delivery_lag_events: { type: "gauge", help: "Events by which the client farthest behind is behind" },
  catch_ups_total: { type: "counter", help: "Times a client was fed from the log" },
  gaps_total: {
    type: "counter",
    help: "Gaps told to clients: what they missed is not in the log",
    label: "reason",
  },
  events_dropped_total: { type: "counter", help: "Events that clients did not get" },

  errors_total: {
    type: "counter",
    help: "Requests and events that failed or were refused, mostly for what their sender did wrong",
  },
  refused_total: { type: "counter", help: "What was refused, by the code of the error", label: "reason" },
  auth_failures_total: { type: "counter", help: "Attempts with a token that is not good" },
  redactions_total: { type: "counter", help: "Secrets masked in events", label: "kind" },

  recoveries_total: { type: "counter", help: "Faults the server has mended by itself", label: "action" },

  ingest_seconds: { type: "histogram", help: "From an event's arrival until it is stored" },
  delivery_seconds: {
    type: "histogram",
    help: "From an event's arrival until it is given to all who are live",
  },
  commit_seconds: { type: "histogram", help: "How long the log takes to store a batch" },
  batch_events: { type: "histogram", help: "Events that are stored together" },

  log_events: { type: "gauge", help: "Events the log holds" },
  log_bytes: { type: "gauge", help: "Size of the log with its index" },
  log_index_backlog_events: { type: "gauge", help: "Events that filters and search still have to take in" },

  redis_up: {
    type: "gauge",
    help: "Whether Redis can be used, by what it is used for; nothing without `redis_url`",
    label: "use",
  },
  cluster_nodes: { type: "gauge", help: "Servers that share the log, this one too" },
  log_append_retries_total: {
    type: "counter",
    help: "Times a batch was sent to Redis once more, as no answer had come",
  },
  log_epochs_total: { type: "counter", help: "Epochs that have begun on Redis while the server ran" },
  log_tail_lag_events: { type: "gauge", help: "Events on Redis that the server has not read yet" },

  event_loop_delay_seconds: {
    type: "gauge",
    help: "How late the event loop was in the last 10 to 20 seconds",
    label: "stat",
  },
  memory_rss_bytes: { type: "gauge", help: "Resident memory of the process" },
  memory_heap_bytes: { type: "gauge", help: "Memory in use by JavaScript" },
  cpu_seconds_total: { type: "counter", help: "Processor time of the process, of user and system together" },
  tls_certificate_expiry_seconds: {
    type: "gauge",
    help: "When the TLS certificate expires, since the epoch; without TLS never",
  },
} as const satisfies Record<string, Definition>;

export type MetricKey = keyof typeof METRICS;

type KeyOf<Type extends Definition["type"]> = {
  [Key in MetricKey]: (typeof METRICS)[Key]["type"] extends Type ? Key : never;
}[MetricKey];

export type HistogramKey = KeyOf<"histogram">;
export type CounterKey = KeyOf<"counter">;

/** A metric's name as Prometheus knows it. */
export function metricName(key: MetricKey): string {
  return PREFIX + key;
}

/** How many values lie at or below each bound, and not below the one before; the last count is of those above all. */
export interface Distribution {
  bounds: readonly number[];
  counts: readonly number[];
  sum: number;
}

type FigureOf<Metric extends Definition> = Metric extends { type: "histogram" }
  ? Distribution
  : Metric extends { type: "info" }
    ? Record<string, string>
    : Metric extends { label: string }
      ? Record<string, number>
      : number;

/** What the metrics say at one moment. */
export type Figures = { [Key in MetricKey]: FigureOf<(typeof METRICS)[Key]> };

interface Sample {
  labels: Record<string, string | number>;
  value: number;
  metricName?: string;
}

/**
 * Writes figures in the text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * @param labels stand with every value
 */
export async function expose(
  figures: Figures,
  labels: Record<string, string>,
): Promise<{ text: string; contentType: string }> {
  const registry = await createRegistry();
  registry.setDefaultLabels(labels);
  for (const key of Object.keys(METRICS) as MetricKey[]) {
    const name = metricName(key);
    const { type, help }: Definition = METRICS[key];
    const values = samplesOf(key, figures);
    registry.registerMetric({
      name,
      get: async () => ({ name, help, type: type === "info" ? "gauge" : type, values }),
    });
  }
  return { text: await registry.metrics(), contentType: registry.contentType };
}

function samplesOf(key: MetricKey, figures: Figures): Sample[] {
  const definition: Definition = METRICS[key];
  const figure = figures[key];
  if (typeof figure === "number") return [{ labels: {}, value: figure }];
  if (definition.type === "histogram") return bucketsOf(metricName(key), figure as Distribution);
  if (definition.type === "info") return [{ labels: figure as Record<string, string>, value: 1 }];
  return Object.entries(figure as Record<string, number>).map(([value, amount]) => {
    return { labels: { [definition.label ?? ""]: value }, value: amount };
  });
}

function bucketsOf(name: string, { bounds, counts, sum }: Distribution): Sample[] {
  let total = 0;
  const buckets = counts.map((count, index) => {
    total += count;
    return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? "+Inf" }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: total },
  ];
}

interface Registry {
  contentType: string;
  setDefaultLabels(labels: Record<string, string>): void;
  registerMetric(metric: { name: string; get(): Promise<object> }): void;
  metrics(): Promise<string>;
}

/**
 * The registry alone is loaded, when it is asked for: it takes 3 ms, the whole of prom-client 45 ms and 17 MB. What is
 * counted stands in plain numbers, so that counting costs nothing.
 */
async function createRegistry(): Promise<Registry> {
  // @ts-expect-error the package has types for the whole alone
  const { default: PromRegistry } = await import("prom-client/lib/registry.js");
  return new PromRegistry() as Registry;
}
