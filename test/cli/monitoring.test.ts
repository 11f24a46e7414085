/** The dashboard and the alerts ask for what a server says, in a way that Prometheus understands. */
import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { alertRules } from "../../src/cli/monitoring/alerts.ts";
import { grafanaDashboard } from "../../src/cli/monitoring/dashboard.ts";
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
    const known = new Set(samples.map(({ name }) => name));
    expect(names.length).toBeGreaterThan(60);
    expect([...new Set(names)].filter((name) => !known.has(name))).toEqual([]);
  });

  test("name only values of labels that /metrics has", () => {
    const known = (label: string) =>
      new Set(samples.flatMap(({ labels }) => (labels[label] === undefined ? [] : [labels[label]])));
    const strange = [...drawn, ...rules.map(({ expr }) => expr)].flatMap((expr) =>
      [...expr.matchAll(/\b(check|stat|reason|way|transport)=~?"([^"]*)"/g)].flatMap(
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
    for (const expr of [...drawn, ...rules.map((rule) => rule.expr)].map(filledIn)) {
      const { status, error, data } = await query(expr);
      expect([expr, status, error]).toEqual([expr, "success", undefined]);
      if (data.result.length === 0) silent.push(expr);
    }
    // All that is drawn is there, but for what this server has none of; no alert fires.
    const expected = [
      ...drawn.filter((expr) => /tls_certificate/.test(expr)),
      ...rules.map(({ expr }) => expr),
    ];
    expect(silent).toEqual(expected.map(filledIn));

    const { data } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json()) as any;
    const states = data.groups[0].rules.map(({ name, health }: any) => [name, health]);
    expect(states.filter(([, health]: string[]) => health === "err")).toEqual([]);
    expect(states.length).toBe(rules.length);
  },
);
