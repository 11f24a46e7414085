/** A dashboard for Grafana: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
import { metricName } from "../../metrics.ts";
import { createQueries } from "./queries.ts";

interface Panel {
  title: string;
  description?: string;
  /** A figure, or a line over time. */
  kind: "stat" | "timeseries";
  /** As Grafana names it. */
  unit: string;
  /** Of 24. */
  width: number;
  queries: { expr: string; legend: string }[];
  mappings?: object[];
  thresholds?: [value: number, colour: string][];
}

const { metric, rate, quantile, mean } = createQueries(
  ['server_id=~"$server_id"', 'instance=~"$instance"'],
  "$__rate_interval",
);

const STATUS = [
  {
    type: "value",
    options: {
      0: { text: "Healthy", color: "green", index: 0 },
      1: { text: "Degraded", color: "orange", index: 1 },
      2: { text: "Unhealthy", color: "red", index: 2 },
    },
  },
];
const STATUS_COLOURS: Panel["thresholds"] = [
  [1, "orange"],
  [2, "red"],
];
const sum = (expr: string) => `sum(${expr})`;
const by = (label: string, expr: string) => `sum by (${label}) (${expr})`;
const one = (expr: string, legend: string) => [{ expr, legend }];
const SERVER = "{{instance}}";

const stat = (title: string, unit: string, expr: string, more: Partial<Panel> = {}): Panel => {
  return { title, kind: "stat", unit, width: 4, queries: one(expr, SERVER), ...more };
};

const lines = (title: string, unit: string, queries: Panel["queries"], description?: string): Panel => {
  return { title, kind: "timeseries", unit, width: 8, queries, ...(description ? { description } : {}) };
};

const latency = (key: Parameters<typeof quantile>[1]) => [
  ...[0.5, 0.99].map((q) => ({ expr: quantile(q, key), legend: `p${q * 100} ${SERVER}` })),
  { expr: mean(key), legend: `mean ${SERVER}` },
];

const SECTIONS: { title: string; panels: Panel[] }[] = [
  {
    title: "Now",
    panels: [
      stat("Health", "none", metric("health_status"), { mappings: STATUS, thresholds: STATUS_COLOURS }),
      stat("Uptime", "s", metric("uptime_seconds")),
      stat("Clients", "none", sum(metric("connections"))),
      stat("Events per second", "short", sum(rate("events_received_total"))),
      stat("Lagging clients", "none", sum(metric("lagging_clients")), { thresholds: [[1, "orange"]] }),
      stat("Version", "none", metric("info"), { queries: one(metric("info"), "{{version}}") }),
    ],
  },
  {
    title: "Events",
    panels: [
      lines("Events in", "eps", one(by("way", rate("events_received_total")), "{{way}}")),
      lines(
        "Events out",
        "eps",
        one(by("instance", rate("events_delivered_total")), SERVER),
        "Each client counted.",
      ),
      lines("Bytes", "Bps", [
        { expr: sum(rate("event_bytes_received_total")), legend: "in" },
        { expr: sum(rate("event_bytes_delivered_total")), legend: "out" },
      ]),
      lines("Ingest latency", "s", latency("ingest_seconds"), "From an event's arrival until it is stored."),
      lines(
        "Delivery latency",
        "s",
        latency("delivery_seconds"),
        "From an event's arrival until it is given to all who are live.",
      ),
      lines("Duplicates", "eps", one(by("instance", rate("events_duplicate_total")), SERVER)),
    ],
  },
  {
    title: "Clients",
    panels: [
      lines("Connections", "none", one(by("transport", metric("connections")), "{{transport}}")),
      lines("New connections", "cps", one(by("instance", rate("connections_served_total")), SERVER)),
      lines(
        "Lag",
        "short",
        [
          { expr: metric("delivery_lag_events"), legend: `events behind ${SERVER}` },
          { expr: metric("lagging_clients"), legend: `clients ${SERVER}` },
        ],
        "The client farthest behind. It is fed from the log and loses nothing.",
      ),
      lines("Catch-ups", "cps", one(by("instance", rate("catch_ups_total")), SERVER)),
      lines("Gaps told", "cps", one(by("reason", rate("gaps_total")), "{{reason}}")),
      lines("Events dropped", "eps", one(by("instance", rate("events_dropped_total")), SERVER)),
    ],
  },
  {
    title: "Refused",
    panels: [
      lines("Refused by reason", "cps", one(by("reason", rate("refused_total")), "{{reason}}")),
      lines("Bad tokens", "cps", one(by("instance", rate("auth_failures_total")), SERVER)),
      lines("Errors", "cps", one(by("instance", rate("errors_total")), SERVER)),
      lines("Secrets masked", "cps", one(by("kind", rate("redactions_total")), "{{kind}}")),
    ],
  },
  {
    title: "Log",
    panels: [
      lines("Size", "bytes", one(metric("log_bytes"), SERVER)),
      lines("Events held", "short", one(metric("log_events"), SERVER)),
      lines("Index backlog", "short", one(metric("log_index_backlog_events"), SERVER)),
      lines("Commit time", "s", latency("commit_seconds")),
      lines("Events per commit", "short", latency("batch_events")),
    ],
  },
  {
    title: "Several servers",
    panels: [
      stat("Servers", "none", `max(${metric("cluster_nodes")})`),
      {
        ...lines("Redis", "none", one(metric("redis_up"), `{{use}} ${SERVER}`), "1 while it can be used."),
        width: 5,
      },
      lines(
        "Events not read from Redis yet",
        "short",
        one(metric("log_tail_lag_events"), SERVER),
        "Written by any server, as of the last look.",
      ),
      {
        ...lines("Appends tried again, epochs begun", "cps", [
          { expr: by("instance", rate("log_append_retries_total")), legend: `appends ${SERVER}` },
          { expr: by("instance", rate("log_epochs_total")), legend: `epochs ${SERVER}` },
        ]),
        width: 7,
      },
    ],
  },
  {
    title: "Process",
    panels: [
      lines("Processor", "percentunit", one(rate("cpu_seconds_total"), SERVER)),
      lines("Memory", "bytes", [
        { expr: metric("memory_rss_bytes"), legend: `resident ${SERVER}` },
        { expr: metric("memory_heap_bytes"), legend: `heap ${SERVER}` },
      ]),
      lines("Event-loop delay", "s", one(metric("event_loop_delay_seconds"), `{{stat}} ${SERVER}`)),
      {
        ...lines("Checks", "none", one(metric("health_check_status"), `{{check}} ${SERVER}`)),
        mappings: STATUS,
      },
      lines("Recoveries", "cps", one(by("action", rate("recoveries_total")), "{{action}}")),
      stat("Started", "dateTimeFromNow", `${metric("start_time_seconds")} * 1000`, { width: 4 }),
      stat(
        "Certificate expires",
        "dateTimeFromNow",
        `(${metric("tls_certificate_expiry_seconds")} < Inf) * 1000`,
        {
          width: 4,
        },
      ),
    ],
  },
];

const COLUMNS = 24;
const HEIGHTS = { stat: 4, timeseries: 8 };
const DATA_SOURCE = { type: "prometheus", uid: "${datasource}" };

/** The dashboard's JSON model, as Grafana imports it. */
export function grafanaDashboard(): object {
  return {
    title: "claude-mpm-socketio",
    uid: "claude-mpm-socketio",
    description: "Servers of claude-mpm-socketio: what comes in, what goes out, and who has to wait.",
    tags: ["claude-mpm-socketio"],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [dataSource(), variable("server_id", "Server id"), variable("instance", "Instance")],
    },
    panels: layOut(),
  };
}

function dataSource(): object {
  return { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {} };
}

function variable(name: "server_id" | "instance", label: string): object {
  const selector = name === "instance" ? '{server_id=~"$server_id"}' : "";
  return {
    name,
    label,
    type: "query",
    datasource: DATA_SOURCE,
    query: { query: `label_values(${metricName("info")}${selector}, ${name})`, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  };
}

/** Places the panels line by line. */
function layOut(): object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of SECTIONS) {
    placed.push({
      id: placed.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    let [x, height] = [0, 0];
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) [x, y, height] = [0, y + height, 0];
      const h = HEIGHTS[panel.kind];
      placed.push({ id: placed.length + 1, gridPos: { x, y, w: panel.width, h }, ...drawn(panel) });
      x += panel.width;
      height = Math.max(height, h);
    }
    y += height;
  }
  return placed;
}

function drawn({ title, description, kind, unit, queries, mappings = [], thresholds = [] }: Panel): object {
  const isVersion = queries.some(({ legend }) => legend === "{{version}}");
  const steps = [{ value: null, color: "green" }, ...thresholds.map(([value, color]) => ({ value, color }))];
  return {
    type: kind,
    title,
    ...(description ? { description } : {}),
    datasource: DATA_SOURCE,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
      ...(kind === "stat" ? { instant: true } : {}),
    })),
    fieldConfig: {
      defaults: {
        unit,
        mappings,
        thresholds: { mode: "absolute", steps },
        ...(kind === "stat" ? {} : { min: 0 }),
      },
      overrides: [],
    },
    options:
      kind === "stat"
        ? {
            reduceOptions: { calcs: ["lastNotNull"] },
            colorMode: thresholds.length > 0 ? "value" : "none",
            graphMode: "none",
            textMode: isVersion ? "name" : "value",
          }
        : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
  };
}
