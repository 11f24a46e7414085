/** A server inside this process, and the factory in all its modes. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  getSocketioServer,
  getWebsocketServer,
  NoServerError,
  SocketioServer,
  type SocketioServerOptions,
  startEmbeddedServer,
} from "../src/embedded/index.ts";
import { makeCertificate } from "./support/certificates.ts";
import { onEnd } from "./support/cleanup.ts";
import { eavesdropper } from "./support/eavesdropper.ts";
import { connect } from "./support/clients.ts";
import { eventually } from "./support/eventually.ts";
import { fakeServer, stranger } from "./support/fake-server.ts";
import { freePort } from "./support/ports.ts";
import { startTestServer } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const hosts = ["127.0.0.1"];
const environment = { ...process.env };
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
});

/** As in a shell with these variables, and no configuration of whoever runs the tests. */
function setEnvironment(variables: Record<string, string> = {}): void {
  Object.assign(process.env, { HOME: temporaryDirectory(), ...variables });
}

function make(options: SocketioServerOptions): SocketioServer {
  setEnvironment();
  const server = getSocketioServer({ hosts, ...options });
  onEnd(() => server.stop());
  return server;
}

/** Sends, is heard by others, hears others; whatever it is connected to. */
async function expectWorking(server: SocketioServer): Promise<void> {
  expect(server.isRunning()).toBe(true);
  const url = server.url as string;
  expect(url).toBe(`http://127.0.0.1:${server.port}`);
  const other = await connect(url);
  const heard: unknown[] = [];
  server.on("event", ({ type }) => heard.push(type));
  await Promise.all([
    server.sessionStarted("s-1", "exec", "/home/dev/app"),
    server.agentDelegated("qa", "look at it"),
    server.emitEvent("build.done", { target: "web" }),
    server.sessionEnded(),
  ]);
  await eventually(() => other.events().length === 4);
  expect(other.events().map(({ type, session_id, cwd }) => [type, session_id, cwd])).toEqual(
    ["session.start", "agent.delegation", "build.done", "session.end"].map((type) => [
      type,
      "s-1",
      "/home/dev/app",
    ]),
  );
  await other.socket.emitWithAck("claude_event", { type: "from.elsewhere" });
  await eventually(() => heard.length === 1);
  expect(heard).toEqual(["from.elsewhere"]);
  other.socket.disconnect();
}

describe("an embedded server", () => {
  test("is a whole server, and leaves nothing behind", async () => {
    const TMPDIR = temporaryDirectory();
    setEnvironment({ TMPDIR });
    const server = await startEmbeddedServer();
    expect(readdirSync(TMPDIR)).toHaveLength(1);
    await expect(startEmbeddedServer({ port: server.port })).rejects.toThrow();
    const health = await (await fetch(`${server.url}/health`)).json();
    expect(health).toMatchObject({ status: "healthy", server_id: server.serverId, port: server.port });
    expect(health.checks.map(({ name }: any) => name)).toContain("log_file");
    const first = server.stop();
    expect(server.stop()).toBe(first);
    await first;
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
    expect(readdirSync(TMPDIR)).toEqual([]);
  });

  test("keeps its events where it is told to", async () => {
    setEnvironment();
    const stateDir = temporaryDirectory();
    const port = await freePort();
    for (const total of [1, 2]) {
      const server = await startEmbeddedServer({ port, stateDir });
      await fetch(`${server.url}/api/events`, { method: "POST", body: '{"type":"kept"}' });
      expect((await (await fetch(`${server.url}/api/events`)).json()).total_available).toBe(total);
      await server.stop();
    }
    expect(existsSync(join(stateDir, `${port}`, "events.db"))).toBe(true);
  });

  test("stays on this machine, whatever the configuration opens", async () => {
    setEnvironment({ CLAUDE_MPM_SOCKETIO_HOST: "0.0.0.0" });
    const server = await startEmbeddedServer();
    onEnd(() => server.stop());
    expect((await (await fetch(`${server.url}/health`)).json()).host).toBe("localhost");
    expect(server.token).toBeNull();
  });

  test("asks for tokens where it is told to, or opened to others, and gives its program one", async () => {
    setEnvironment();
    for (const options of [{ settings: { auth: "on" } }, { host: "0.0.0.0" }]) {
      const server = await startEmbeddedServer(options);
      onEnd(() => server.stop());
      const headers = { Authorization: `Bearer ${server.token}` };
      expect((await fetch(`${server.url}/stats`)).status).toBe(401);
      expect((await fetch(`${server.url}/stats`, { headers })).status).toBe(200);
    }
  });
});

describe("the factory, where tokens are asked for", () => {
  test("gets into the server it brings", async () => {
    const server = make({ mode: "embedded", embedded: { settings: { auth: "on" } } });
    await server.start();
    expect(await server.emitEvent("a", {})).toMatchObject({ seq: 1 });
    await server.stop();
  });

  test("gets into one that runs, by the configured token", async () => {
    const standalone = await startTestServer({ auth: "on" });
    setEnvironment({ CLAUDE_MPM_SOCKETIO_TOKEN: standalone.localToken ?? "" });
    const server = make({ mode: "client", ports: [standalone.port] });
    await server.start();
    expect(await server.emitEvent("a", {})).toMatchObject({ seq: 1 });
    await server.stop();
  });
});

describe("the factory, over TLS", () => {
  test("gets into the server it brings, and into one that runs with the configured certificate", async () => {
    const { cert, key } = await makeCertificate({ name: "events.example" });
    const settings = { tls_cert: cert, tls_key: key };
    const own = make({ mode: "embedded", embedded: { settings } });
    await own.start();
    expect(await own.emitEvent("mine", null)).toMatchObject({ seq: 1 });
    expect(own.url).toStartWith("https:");

    const running = await startTestServer(settings);
    setEnvironment({
      CLAUDE_MPM_SOCKETIO_TLS_CERT: cert,
      CLAUDE_MPM_SOCKETIO_PORT: `${running.port}`,
    });
    const client = getSocketioServer({ mode: "client" });
    onEnd(() => client.stop());
    await client.start();
    expect(await client.emitEvent("theirs", null)).toMatchObject({ seq: 1 });
  });
});

describe("the factory", () => {
  test("in the mode auto takes a server that runs", async () => {
    const standalone = await startTestServer();
    const server = make({ mode: "auto", ports: [standalone.port] });
    await server.start();
    expect([server.kind, server.port]).toEqual(["client", standalone.port]);
    await expectWorking(server);
    await server.stop();
    expect([server.kind, server.isRunning()]).toEqual([null, false]);
    expect((await standalone.get("/ready")).status).toBe(200);
  });

  test("in the mode auto brings a server where none runs, or none that takes it", async () => {
    const strict = fakeServer({ version: "1.0.0", serverId: "strict", compatible: false });
    const port = await freePort();
    const server = make({ mode: "auto", ports: [await freePort(), strict], embedded: { port } });
    await Promise.all([server.start(), server.start()]);
    expect([server.kind, server.port]).toEqual(["embedded", port]);
    await expectWorking(server);
    expect(server.status()).toEqual({
      kind: "embedded",
      mode: "auto",
      running: true,
      url: `http://127.0.0.1:${port}`,
      port,
      buffered: 0,
      dropped: 0,
    });
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
    expect([server.kind, server.url]).toEqual([null, null]);
  });

  test("looks only where it is told to", async () => {
    const [elsewhere, standalone] = [await startTestServer(), await startTestServer()];
    for (const mode of ["client", "auto"] as const) {
      const url = `http://127.0.0.1:${standalone.port}`;
      const server = make({ mode, ports: [elsewhere.port], url });
      await server.start();
      expect([server.kind, server.port]).toEqual(["client", standalone.port]);
      await expectWorking(server);
    }
    const url = `http://127.0.0.1:${await freePort()}`;
    const failure = await make({ mode: "client", ports: [elsewhere.port], url })
      .start()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: `No compatible server was found on ${url}` });
  });

  test("in the mode client says clearly that none runs, and can be started once there is one", async () => {
    const port = await freePort();
    const server = make({ mode: "client", ports: [port] });
    const failure = await server.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NoServerError);
    expect(failure).toMatchObject({
      message: `No compatible server was found on 127.0.0.1, port ${port}`,
      hint: expect.stringContaining("claude-mpm-socketio start"),
    });
    const sent = server.emitEvent("patient", null);
    const standalone = await startTestServer({ port: `${port}` });
    await server.start();
    expect(server.kind).toBe("client");
    expect(await sent).toMatchObject({ seq: 1 });
    expect((await standalone.get("/api/events")).body.total_available).toBe(1);
  });

  test("in the mode embedded brings one in memory, also where a Redis is configured", async () => {
    setEnvironment({ CLAUDE_MPM_SOCKETIO_REDIS_URL: "redis://127.0.0.1:1" });
    const server = make({ mode: "embedded", embedded: {} });
    await server.start();
    await expectWorking(server);
  });

  test("in the mode embedded brings one beside another, and sends what it was given before", async () => {
    const standalone = await startTestServer();
    const server = make({ mode: "embedded", ports: [standalone.port], embedded: {} });
    const sent = server.emitEvent("early", null);
    await server.start();
    expect(await sent).toMatchObject({ seq: 1 });
    expect(server.kind).toBe("embedded");
    expect(server.port).not.toBe(standalone.port);
    expect((await standalone.get("/api/events")).body.total_available).toBe(0);
  });

  test("takes another port where the configured one is another program's", async () => {
    const { port } = await stranger(() => {});
    setEnvironment({ CLAUDE_MPM_SOCKETIO_PORT: `${port}`, CLAUDE_MPM_SOCKETIO_MODE: "embedded" });
    const server = getSocketioServer();
    onEnd(() => server.stop());
    await server.start();
    expect(server.kind).toBe("embedded");
    expect(server.port).not.toBe(port);
    await expectWorking(server);
  });

  test("finds mode and port in the configuration, and goes by its old name", async () => {
    const standalone = await startTestServer();
    setEnvironment({
      CLAUDE_MPM_SOCKETIO_PORT: `${standalone.port}`,
      CLAUDE_MPM_SOCKETIO_HOST: "127.0.0.1",
      CLAUDE_MPM_SOCKETIO_MODE: "standalone",
    });
    const server = getWebsocketServer();
    onEnd(() => server.stop());
    expect(server.mode).toBe("standalone");
    await server.start();
    expect([server.kind, server.port]).toEqual(["client", standalone.port]);
    await expectWorking(server);
  });

  test("tells another machine that speaks no TLS neither the token nor an event, unless that is wanted", async () => {
    const listener = await eavesdropper();
    for (const wanted of [false, true]) {
      setEnvironment({
        CLAUDE_MPM_SOCKETIO_PORT: `${listener.port}`,
        // An address of this machine by which it is not taken for this one.
        CLAUDE_MPM_SOCKETIO_HOST: "::ffff:7f00:1",
        CLAUDE_MPM_SOCKETIO_TOKEN: "cms_secret",
        CLAUDE_MPM_SOCKETIO_ALLOW_PLAIN_HTTP: `${wanted}`,
      });
      const server = getSocketioServer({ mode: "client" });
      onEnd(() => server.stop());
      const started = server.start().catch((error: Error) => error);
      if (wanted) await eventually(() => listener.heard.find((told) => told.includes("cms_secret")));
      else {
        expect(await started).toBeInstanceOf(Error);
        expect(listener.heard).toEqual([]);
      }
    }
  });

  test("works where a proxy is set for everything", async () => {
    const standalone = await startTestServer();
    const script = [
      'const { getSocketioServer } = await import("./src/embedded/index.ts");',
      'const server = getSocketioServer({ mode: "client" });',
      "await server.start();",
      'process.stdout.write(JSON.stringify(await server.emitEvent("through", null)));',
      "await server.stop();",
    ].join("\n");
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, ".."),
      env: {
        HOME: temporaryDirectory(),
        PATH: "/usr/bin:/bin",
        HTTP_PROXY: "http://127.0.0.1:9",
        CLAUDE_MPM_SOCKETIO_PORT: `${standalone.port}`,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect([stderr, await child.exited]).toEqual(["", 0]);
    expect(JSON.parse(stdout)).toMatchObject({ seq: 1 });
  });
});

test("a mode that does not exist is a mistake, and not another mode", () => {
  expect(() => getSocketioServer({ mode: "bogus" as "auto" })).toThrow(
    'There is no mode "bogus"; it is one of auto, standalone, client, embedded',
  );
});
