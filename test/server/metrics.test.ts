/** What /metrics says, and that it is what /stats and the dashboard say. */
import { X509Certificate } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { beforeAll, describe, expect, test } from "bun:test";
import { METRICS, type MetricKey, metricName } from "../../src/metrics.ts";
import { bytes, count } from "../../src/dashboard/parts/words.ts";
import { tilesOf } from "../../src/dashboard/views/server/tiles.tsx";
import { onEnd } from "../support/cleanup.ts";
import { makeCertificate } from "../support/certificates.ts";
import { connect, type TestClient } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { parseMetrics, type Sample } from "../support/metrics.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { testWith } from "../support/tools.ts";

const STATUSES = ["healthy", "degraded", "unhealthy"];

let server: TestServer;
let reader: TestClient;
beforeAll(async () => {
  server = await startTestServer();
  reader = await connect(server.url);
  const sender = await connect(server.url, {}, { transports: ["polling"] });
  await server.post("/api/events", [{ type: "a" }, { type: "b", text: "ü" }]);
  await server.post("/api/events", { id: "same", type: "c" });
  await server.post("/api/events", { id: "same", type: "c" });
  await server.post("/api/hooks/claude", { hook_event_name: "Stop", session_id: "s" });
  await sender.socket.emitWithAck("claude_event", { type: "d" });
  await server.post("/api/events", { type: "e", password: "hunter2hunter2" });
  await server.post("/api/events", "{");
  const { body } = await server.get("/api/events");
  await connect(server.url, { resume: { epoch: "another", seq: 1 } });
  await eventually(() => reader.events().length === 6);
  expect(body.returned).toBe(6);
  // What is read one after the other has to stand still.
  await eventually(async () => (await server.get("/stats")).body.log.index_backlog === 0);
});

async function scrape(): Promise<Sample[]> {
  return parseMetrics((await server.get("/metrics")).body);
}

/** One sample's value, or all added up. */
function value(samples: readonly Sample[], key: string, labels: Record<string, string> = {}): number {
  const found = samples.filter(
    (sample) =>
      sample.name === metricName(key as MetricKey) &&
      Object.entries(labels).every(([name, text]) => sample.labels[name] === text),
  );
  expect(found.length).toBeGreaterThan(0);
  return found.reduce((sum, sample) => sum + sample.value, 0);
}

describe("GET /metrics", () => {
  testWith(["promtool"], "is what promtool takes without a complaint", async () => {
    const { body, headers } = await server.get("/metrics");
    expect(headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    const { exitCode, stdout, stderr } = Bun.spawnSync(["promtool", "check", "metrics"], {
      stdin: Buffer.from(body),
    });
    expect([exitCode, `${stdout}`, `${stderr}`]).toEqual([0, "", ""]);
  });

  test("has every metric there is, each value with the server's id", async () => {
    const samples = await scrape();
    const has = (name: string) => samples.some((sample) => sample.name === name);
    const missing = (Object.keys(METRICS) as MetricKey[]).filter((key) => {
      const name = metricName(key);
      return !has(METRICS[key].type === "histogram" ? `${name}_count` : name);
    });
    // There is no Redis that could be up or not.
    expect(missing).toEqual(["redis_up"]);
    expect(samples.filter(({ labels }) => labels.server_id !== server.serverId)).toEqual([]);
  });

  test("counts events by the way they came, what went out, and what was there already", async () => {
    const samples = await scrape();
    const received = (way: string) => value(samples, "events_received_total", { way });
    expect([received("http"), received("hook"), received("socketio"), received("spool")]).toEqual([
      4, 1, 1, 0,
    ]);
    expect(value(samples, "events_duplicate_total")).toBe(1);
    // Six to the reader; the sender gets all but its own; the third gets what the log held.
    expect(value(samples, "events_delivered_total")).toBe(6 + 5 + 6);
    expect(value(samples, "redactions_total", { kind: "password" })).toBe(1);
    const { body } = await server.get("/api/events");
    const sizes = body.events.map((event: object) => Buffer.byteLength(JSON.stringify(event)));
    const total = sizes.reduce((sum: number, one: number) => sum + one, 0);
    expect(value(samples, "event_bytes_received_total")).toBe(total);
    expect(value(samples, "event_bytes_delivered_total")).toBe(3 * total - sizes.at(-2));
  });

  test("counts every new event once in its histograms", async () => {
    const samples = await scrape();
    const batches = value(samples, "batch_events_count");
    for (const key of ["ingest_seconds", "delivery_seconds"]) {
      expect(value(samples, `${key}_count`)).toBe(7);
      expect(value(samples, `${key}_bucket`, { le: "10" })).toBe(7);
      expect(value(samples, `${key}_sum`)).toBeGreaterThan(0);
    }
    expect(value(samples, "batch_events_sum")).toBe(7);
    expect(value(samples, "commit_seconds_count")).toBe(batches);
  });

  test("says who is connected, and which gaps were told", async () => {
    const samples = await scrape();
    const connections = (transport: string) => value(samples, "connections", { transport });
    expect([connections("websocket"), connections("polling"), connections("stream")]).toEqual([2, 1, 0]);
    expect(value(samples, "gaps_total", { reason: "unknown_epoch" })).toBe(1);
    expect(value(samples, "gaps_total")).toBe(1);
  });

  test("knows the reader of a stream as long as it reads", async () => {
    const abort = new AbortController();
    const response = await fetch(new URL("/api/events/stream", server.url), { signal: abort.signal });
    await response.body?.getReader().read();
    expect(value(await scrape(), "connections", { transport: "stream" })).toBe(1);
    abort.abort();
    await eventually(async () => value(await scrape(), "connections", { transport: "stream" }) === 0);
  });

  test("agrees with /stats, /health and what the dashboard shows", async () => {
    const answers = await Promise.all(["/stats", "/health", "/api/clients"].map((path) => server.get(path)));
    const [stats, health, clients] = answers.map(({ body }) => body);
    const samples = await scrape();
    expect({
      processed: value(samples, "events_received_total"),
      held: value(samples, "log_events"),
      bytes: value(samples, "log_bytes"),
      backlog: value(samples, "log_index_backlog_events"),
      errors: value(samples, "errors_total"),
      served: value(samples, "connections_served_total"),
      sockets: value(samples, "connections") - value(samples, "connections", { transport: "stream" }),
      connected: value(samples, "connections"),
      lagging: value(samples, "lagging_clients"),
      catchUps: value(samples, "catch_ups_total"),
      dropped: value(samples, "events_dropped_total"),
    }).toEqual({
      processed: stats.events.total_processed,
      held: stats.events.history_size,
      bytes: stats.log.bytes,
      backlog: stats.log.index_backlog,
      errors: stats.errors,
      served: stats.connections.total_served,
      sockets: health.clients_connected,
      connected: clients.total,
      lagging: stats.delivery.lagging_clients,
      catchUps: stats.delivery.catch_ups,
      dropped: stats.delivery.dropped,
    });
    const tiles = tilesOf({ at: 0, aheadMs: 0, isThisPageIn: false, stats, health, clients });
    const tile = (name: string) => tiles.find((one) => one.name === name);
    expect({
      clients: tile("Clients")?.value,
      served: tile("Clients")?.note,
      held: tile("Events stored")?.value,
      received: tile("Events stored")?.note,
      log: tile("Log")?.value,
      errors: tile("Failed or refused")?.value,
      // A client's mistake is nothing of the server's to look at.
      tone: tile("Failed or refused")?.tone,
      lagging: tile("Lagging clients")?.value,
      catchUps: tile("Lagging clients")?.note,
    }).toEqual({
      clients: `${value(samples, "connections")}`,
      served: `${value(samples, "connections_served_total")} since the start`,
      held: `${value(samples, "log_events")}`,
      received: `${value(samples, "events_received_total")} came since the start`,
      log: bytes(value(samples, "log_bytes")),
      errors: `${value(samples, "errors_total")}`,
      tone: undefined,
      lagging: `${value(samples, "lagging_clients")}`,
      catchUps: `${count(value(samples, "catch_ups_total"), "catch-up")} from the log since the start`,
    });
    // What a machine that is busy finds of itself may change from one moment to the next.
    await eventually(async () => {
      const [{ body: report }, now] = [await server.get("/health"), await scrape()];
      const statuses = report.checks.map(({ status }: { status: string }) => STATUSES.indexOf(status));
      const shownAs = report.checks.map(({ name }: { name: string }) => {
        return value(now, "health_check_status", { check: name });
      });
      return Bun.deepEquals([Math.max(...statuses), ...statuses], [value(now, "health_status"), ...shownAs]);
    });
    expect(Math.abs(value(samples, "uptime_seconds") - stats.server_info.uptime)).toBeLessThan(5);
    expect(value(samples, "memory_rss_bytes") / stats.memory.rss).toBeCloseTo(1, 0);
  });

  test("says how far the slowest client is behind, as /stats and /api/clients do", async () => {
    const slow = await startTestServer();
    const socket = connectTcp(slow.port, "127.0.0.1");
    onEnd(() => socket.destroy());
    socket.pause().write("GET /api/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await eventually(async () => (await slow.get("/api/clients")).body.total === 1);
    // More than what the system keeps for a reader that does not read.
    const batch = Array.from({ length: 500 }, () => ({ text: "x".repeat(10_000) }));
    for (let round = 0; round < 4; round += 1) await slow.post("/api/events", batch);
    await eventually(async () => (await slow.get("/stats")).body.delivery.lagging_clients === 1);
    const lag = async (): Promise<number> => (await slow.get("/api/clients")).body.clients[0].lag_events;
    // It still takes what is on its way.
    const settled = await eventually(async () => {
      const before = await lag();
      const samples = parseMetrics((await slow.get("/metrics")).body);
      return before === (await lag()) && { lag: before, samples };
    });
    expect(settled.lag).toBeGreaterThan(0);
    expect(value(settled.samples, "delivery_lag_events")).toBe(settled.lag);
    expect(value(settled.samples, "lagging_clients")).toBe(1);
    expect(value(settled.samples, "catch_ups_total")).toBe(1);
    expect(value(settled.samples, "events_delivered_total")).toBe(2000 - settled.lag);
  });

  test("knows when the certificate expires, and without one never", async () => {
    expect(value(await scrape(), "tls_certificate_expiry_seconds")).toBe(Infinity);
    const { cert, key, pem } = await makeCertificate();
    const secure = await startTestServer({ tls_cert: cert, tls_key: key });
    const { body } = await secure.get("/metrics", { tls: { ca: pem } } as RequestInit);
    const expiry = value(parseMetrics(body), "tls_certificate_expiry_seconds");
    expect(expiry * 1000).toBe(Date.parse(new X509Certificate(pem).validTo));
  });
});
