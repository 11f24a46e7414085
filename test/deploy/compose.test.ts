/** The compose file of three nodes: what it names is there, and what it sets is taken. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CONTAINER_ENVIRONMENT } from "../../build/release/container.ts";
import { loadConfig } from "../../src/config/load.ts";

const FOLDER = join(import.meta.dir, "..", "..", "docs", "deploy");
const { services, volumes } = Bun.YAML.parse(
  readFileSync(join(FOLDER, "compose.cluster.yaml"), "utf8"),
) as any;
const NODES = ["node-1", "node-2", "node-3"];
const TOKEN = "a-token-from-the-file-env";

/** As compose fills variables in. */
function filledIn(value: unknown): string {
  return String(value).replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, text: string) =>
    kind === "-" ? text : name === "CLAUDE_MPM_SOCKETIO_TOKEN" ? TOKEN : "",
  );
}

function configOf(name: string) {
  const own = Object.entries(services[name].environment).map(([key, value]) => [key, filledIn(value)]);
  const env = { HOME: "/nowhere", ...CONTAINER_ENVIRONMENT, ...Object.fromEntries(own) };
  return loadConfig({ compiled: true, dockerFile: true, platform: "linux", env });
}

test("every node takes what is set for it, without a warning, and is named as the balancers know it", () => {
  for (const name of NODES) {
    const { values, warnings } = configOf(name);
    expect([name, warnings]).toEqual([name, []]);
    expect(values).toMatchObject({
      host: "0.0.0.0",
      port: 8765,
      server_id: name,
      redis_url: "redis://redis:6379",
      token: TOKEN,
      allowed_hosts: ["localhost", "balancer"],
      trusted_proxies: [services.balancer.networks.nodes.ipv4_address],
      drain_seconds: 5,
    });
    expect(Number.parseInt(services[name].stop_grace_period, 10)).toBeGreaterThan(values.drain_seconds + 5);
    for (const file of ["haproxy.cfg", "nginx.conf"])
      expect(readFileSync(join(FOLDER, file), "utf8")).toContain(`${name}:${values.port}`);
  }
});

test("nodes differ in their name, address and volume alone, and every volume is one that is declared", () => {
  const own = NODES.map((name) => {
    const { environment, networks, volumes: mounted, ...rest } = services[name];
    expect(environment.CLAUDE_MPM_SOCKETIO_SERVER_ID).toBe(name);
    expect(mounted).toEqual([`${name}:${CONTAINER_ENVIRONMENT.CLAUDE_MPM_SOCKETIO_STATE_DIR}`]);
    return { rest, address: networks.nodes.ipv4_address };
  });
  expect(own.map(({ rest }) => rest)).toEqual(own.map(() => own[0]?.rest));
  expect(
    new Set([...own.map(({ address }) => address), services.balancer.networks.nodes.ipv4_address]).size,
  ).toBe(4);
  expect(Object.keys(volumes).toSorted()).toEqual([...NODES, "redis"]);
});

test("Redis writes every second what it was told, drops nothing, and nodes wait until it answers", () => {
  expect(services.redis.command).toMatch(/--appendonly yes --appendfsync everysec .*noeviction/);
  expect(services.redis.healthcheck.test).toEqual(["CMD", "redis-cli", "ping"]);
  for (const name of NODES) expect(services[name].depends_on.redis.condition).toBe("service_healthy");
  // Nobody outside reaches anything but the balancer.
  expect(
    Object.entries<any>(services)
      .filter(([, { ports }]) => ports)
      .map(([name]) => name),
  ).toEqual(["balancer"]);
});
