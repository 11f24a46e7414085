/** The dashboard and the alerts ask for what a server says, in a way that Prometheus understands. */
import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { alertRules } from "../../src/cli/monitoring/alerts.ts";
import { grafanaDashboard } from "../../src/cli/monitoring/dashboard.ts";
import { metricName } from "../../src/metrics.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { parseMetrics, type Sample } from "../support/metrics.ts";
import { freePort } from "../support/ports.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; legendFormat: string }[];
}

interface Rule {
  alert: string;
  expr: string;
}

const dashboard = grafanaDashboard() as { panels: Panel[]; templating: { list: any[] } };
const rules = (Bun.YAML.parse(alertRules()) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const drawn = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const asked = dashboard.templating.list.flatMap(({ query }) => query.query ?? []);

let server: TestServer;
let samples: Sample[];
beforeAll(async () => {
  server = await startTestServer();
  await connect(server.url);
  await server.post("/api/events", { type: "a" });
  samples = parseMetrics((await server.get("/metrics")).body);
});

/** As Grafana would, for all servers. */
function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "1m").replaceAll(/\$(server_id|instance)/g, ".*");
}

describe("the queries", () => {
  test("name only metrics that /metrics has", () => {
    const names = [...drawn, ...asked, ...rules.map(({ expr }) => expr)].flatMap(
      (expr) => expr.match(/claude_mpm_socketio_\w+/g) ?? [],
    );
    // Without Redis it has no value.
    const known = new Set([...samples.map(({ name }) => name), metricName("redis_up")]);
    expect(names.length).toBeGreaterThan(60);
    expect([...new Set(names)].filter((name) => !known.has(name))).toEqual([]);
  });

  test("name only values of labels that /metrics has", () => {
    const known = (label: string) =>
      new Set(samples.flatMap(({ labels }) => (labels[label] === undefined ? [] : [labels[label]])));
    const strange = [...drawn, ...rules.map(({ expr }) => expr)].flatMap((expr) =>
      [...expr.matchAll(/\b(check|stat|reason|way|transport|use)=~?"([^"]*)"/g)].flatMap(
        ([, label = "", values = ""]) => values.split("|").filter((value) => !known(label).has(value)),
      ),
    );
    expect(strange).toEqual([]);
  });

  test("show every metric there is, or alert on it", () => {
    const names = new Set(samples.map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")));
    const text = [...drawn, ...rules.map(({ expr }) => expr)].join("\n");
    expect([...names].filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe("the dashboard", () => {
  test("is laid out without overlaps, each panel with a number and a query of its own", () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { type, title, gridPos, targets = [] } of panels) {
      if (type !== "row") expect([title, targets.length > 0]).toEqual([title, true]);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect([title, taken.has(`${x},${y}`)]).toEqual([title, false]);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  test("is told which Prometheus and which servers by variables", () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual([
      "datasource",
      "server_id",
      "instance",
    ]);
    const unfiltered = drawn
      .flatMap((expr) => expr.match(/claude_mpm_socketio_\w+(\{[^}]*\})?/g) ?? [])
      .filter((one) => !/\{server_id=~"\$server_id",instance=~"\$instance"[,}]/.test(one));
    expect(unfiltered).toEqual([]);
  });
});

describe("the alerts", () => {
  testWith(["promtool"], "are rules that promtool takes", () => {
    const { exitCode, stdout } = Bun.spawnSync(["promtool", "check", "rules", "/dev/stdin"], {
      stdin: Buffer.from(alertRules()),
    });
    expect([exitCode, `${stdout}`]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)]);
  });
});

/** Samples of a minute each for half an hour, and which alerts are to fire at its end. */
const SCENES: [name: string, series: Record<string, string>, fires: string[]][] = [
  [
    "a server that is well, without TLS",
    {
      "up{}": "1x30",
      "info{}": "1x30",
      "health_status{}": "0x30",
      'health_check_status{check="log"}': "0x30",
      'refused_total{reason="invalid_json"}': "0+100x30",
      'event_loop_delay_seconds{stat="p99"}': "0.01x30",
      "tls_certificate_expiry_seconds{}": "Inf ".repeat(31).trim(),
    },
    [],
  ],
  ["a server that was there, and is not", { "up{}": "1x10 0x20", "info{}": "1x10 _x20" }, ["Down"]],
  ["another program that does not answer", { "up{}": "0x30" }, []],
  ["a server that is not well", { "health_status{}": "2x30" }, ["Unhealthy"]],
  ["a check that goes on failing", { 'health_check_status{check="clock"}': "1x30" }, ["Degraded"]],
  ["a full disk", { 'health_check_status{check="disk"}': "1x30" }, ["Degraded", "LogFailing"]],
  ["restarts", { "start_time_seconds{}": "0x15 1 2 3 4 5 6 6 6 6 6 6 6 6 6 6" }, ["RestartsOften"]],
  [
    "events that cannot be stored",
    { 'refused_total{reason="log_unavailable"}': "0+9x30" },
    ["RefusingEvents"],
  ],
  ["a client beyond its limit", { 'refused_total{reason="rate_limited"}': "0+9x30" }, ["LimitsReached"]],
  ["clients behind", { "lagging_clients{}": "2x30" }, ["ClientsLagging"]],
  ["a gap", { 'gaps_total{reason="trimmed"}': "0x25 1x5" }, ["Gaps"]],
  ["a slow event loop", { 'event_loop_delay_seconds{stat="p99"}': "0.5x30" }, ["EventLoopBlocked"]],
  [
    "a slow disk",
    {
      'commit_seconds_bucket{le="0.25"}': "0x30",
      'commit_seconds_bucket{le="0.5"}': "0+60x30",
      'commit_seconds_bucket{le="+Inf"}': "0+60x30",
    },
    ["CommitsSlow"],
  ],
  [
    "a Redis that is away for a while, and one that stays so",
    { 'redis_up{use="cluster"}': "1x10 0x1 1x19", 'redis_up{use="log"}': "1x20 0x10" },
    ["RedisAway"],
  ],
  ["a server that is too slow", { "log_tail_lag_events{}": "0+500x30" }, ["BehindRedis"]],
  ["guessing", { "auth_failures_total{}": "0+60x30" }, ["AuthFailures"]],
  [
    "a certificate near its end",
    { "tls_certificate_expiry_seconds{}": `${10 * 24 * 3600}x30` },
    ["CertificateExpires"],
  ],
];

testWith(["promtool"], "each alert fires when it should, and none when all is well", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "alerts.yml"), alertRules());
  const names = rules.map(({ alert }) => alert);
  expect(new Set(SCENES.flatMap(([, , fires]) => fires)).size).toBe(names.length);
  const tests = SCENES.map(([name, series, fires]) => ({
    name,
    interval: "1m",
    input_series: Object.entries(series).map(([key, values]) => {
      const [, metric = "", labels = ""] = /^(\w+)\{(.*)\}$/.exec(key) ?? [];
      const full = metric === "up" ? metric : `claude_mpm_socketio_${metric}`;
      return { series: `${full}{job="j",instance="i"${labels && `,${labels}`}}`, values };
    }),
    // What is not to fire is told by an expression that finds it.
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: "30m",
        exp_samples: fires.map((alert) => ({ labels: `{alertname="ClaudeMpmSocketio${alert}"}`, value: 1 })),
      },
    ],
  }));
  const file = join(directory, "tests.yml");
  writeFileSync(file, JSON.stringify({ rule_files: ["alerts.yml"], evaluation_interval: "1m", tests }));
  const { exitCode, stdout, stderr } = Bun.spawnSync(["promtool", "test", "rules", file]);
  expect([`${stdout}${stderr}`, exitCode]).toEqual([expect.stringContaining("SUCCESS"), 0]);
});

testWith(
  ["prometheus"],
  "a Prometheus scrapes a server, and can answer all that is asked of it",
  async () => {
    const directory = temporaryDirectory();
    const config = join(directory, "prometheus.yml");
    writeFileSync(join(directory, "alerts.yml"), alertRules());
    writeFileSync(
      config,
      `global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: ours
    static_configs: [{ targets: ["127.0.0.1:${server.port}"] }]
`,
    );
    const port = await freePort();
    const prometheus = Bun.spawn(
      [
        "prometheus",
        `--config.file=${config}`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdout: "ignore", stderr: "ignore" },
    );
    onEnd(() => prometheus.kill("SIGKILL"));
    const query = async (expr: string) => {
      const url = `http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query: expr })}`;
      return (await fetch(url)).json() as Promise<{
        status: string;
        error?: string;
        data: { result: any[] };
      }>;
    };
    const isUp = () =>
      query("up").then(
        ({ data }) => data.result[0]?.value[1] === "1",
        () => false,
      );
    await eventually(isUp, { what: "a first scrape" });
    // A rate wants two of them.
    await eventually(
      async () => (await query(`rate(claude_mpm_socketio_cpu_seconds_total[1m])`)).data.result.length > 0,
    );

    const silent: string[] = [];
    for (const expr of drawn) {
      const { status, error, data } = await query(filledIn(expr));
      expect([expr, status, error]).toEqual([expr, "success", undefined]);
      if (data.result.length === 0) silent.push(expr);
    }
    // This server has no certificate, and no Redis.
    expect(silent).toEqual(drawn.filter((expr) => /tls_certificate|redis_up/.test(expr)));

    // Whether one fires is up to the machine.
    await eventually(async () => {
      const { data } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json()) as any;
      const evaluated = data.groups[0].rules as { name: string; health: string; lastError?: string }[];
      expect(evaluated.filter(({ health }) => health === "err")).toEqual([]);
      return evaluated.length === rules.length && evaluated.every(({ health }) => health === "ok");
    });
  },
);
