/** TLS on the compiled binary: served, renewed, and believed by every client of ours; refused where it is not that one. */
import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type Account, account } from "../support/binary.ts";
import { type CertificateFiles, inDays, makeCertificate } from "../support/certificates.ts";
import { connect } from "../support/clients.ts";
import { run } from "../support/command.ts";
import { curl, curlTest } from "../support/curl.ts";
import { eavesdropper } from "../support/eavesdropper.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { pythonTest } from "../support/python.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const HOOK = JSON.stringify({ hook_event_name: "Stop", session_id: "over-tls" });

/** Made for another host than any it is reached at. */
const pair = await makeCertificate({ name: "events.example" });
const local = await makeCertificate({ name: "localhost" });
const other = await makeCertificate({ name: "localhost" });

interface Running {
  user: Account;
  port: number;
  pid: number;
  files: { cert: string; key: string };
  put(pair: CertificateFiles): void;
  ours(args: readonly string[], stdin?: string): ReturnType<Account["run"]>;
  json(args: readonly string[]): Promise<any>;
}

/** Where a server with TLS would be. */
async function place(first: CertificateFiles, settings: Record<string, string> = {}) {
  const user = account();
  const port = await freePort();
  const directory = temporaryDirectory();
  const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  const put = ({ cert, key }: CertificateFiles) => {
    copyFileSync(cert, files.cert);
    copyFileSync(key, files.key);
  };
  put(first);
  const env = { CLAUDE_MPM_SOCKETIO_PORT: `${port}`, ...settings };
  const ours = (args: readonly string[], stdin?: string) =>
    user.run(args, { env, ...(stdin === undefined ? {} : { stdin }) });
  const json = async (args: readonly string[]) => JSON.parse((await ours([...args, "--json"])).stdout);
  const start = () => ours(["start", "--json", "--tls-cert", files.cert, "--tls-key", files.key]);
  return { user, port, files, put, ours, json, start };
}

async function started(first: CertificateFiles, settings: Record<string, string> = {}): Promise<Running> {
  const { start, ...rest } = await place(first, settings);
  const { exitCode, stdout, stderr } = await start();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return { ...rest, pid: JSON.parse(stdout).pid };
}

describe("a server with TLS", () => {
  let server: Running;
  let url: string;
  beforeAll(async () => {
    server = await started(local);
    url = `https://localhost:${server.port}`;
  });

  test("is called by https everywhere", async () => {
    expect((await server.json(["status"])).url).toBe(url);
    expect((await server.ours(["open", "--print"])).stdout).toBe(`${url}/\n`);
    const again = await server.ours(["start"]);
    expect(again.stdout).toContain(`Already running: ${url}`);
    const file = join(server.user.stateDir, `${server.port}`, "server.json");
    expect(JSON.parse(readFileSync(file, "utf8")).url).toBe(url);
  });

  curlTest("curl reaches it with --cacert, and not without", async () => {
    const event = ["-d", '{"type":"from.curl"}', `${url}/api/events`];
    expect((await curl(["--cacert", server.files.cert, ...event])).stdout).toContain('"accepted":1');
    expect((await curl(event)).exitCode).toBe(60);
    expect((await curl([`http://localhost:${server.port}/health`])).exitCode).not.toBe(0);
  });

  curlTest("TLS 1.1 is refused, 1.2 and 1.3 are not", async () => {
    const statuses = ["1.1", "1.2", "1.3"].map(async (version) => {
      const range = [`--tlsv${version}`, "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0"];
      return (await curl([...range, "--cacert", server.files.cert, `${url}/ready`])).exitCode;
    });
    expect(await Promise.all(statuses)).toEqual([35, 0, 0]);
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`the stock client connects over ${transports.join(", then ")}`, async () => {
      const agent = { agent: new Agent({ ca: local.pem }) } as object;
      const [a, b] = [
        await connect(url, {}, { transports, ...agent }),
        await connect(url, {}, { transports, ...agent }),
      ];
      expect(await a.socket.emitWithAck("claude_event", { type: transports.join() })).toMatchObject({
        ok: true,
      });
      expect(await b.next("claude_event")).toMatchObject({ type: transports.join() });
    });
  }

  for (const transport of ["polling", "websocket"]) {
    pythonTest(`stock python-socketio connects over ${transport}`, async () => {
      const script = `
import socketio, sys
client = socketio.Client()
client.connect(sys.argv[1], transports=[sys.argv[2]])
print(client.call("claude_event", {"type": "from.python"})["ok"], client.transport())
client.disconnect()`;
      const env = { PATH: "/usr/bin:/bin", SSL_CERT_FILE: local.cert, REQUESTS_CA_BUNDLE: local.cert };
      const argv = ["/usr/bin/python3", "-c", script, url, transport];
      expect(await run(argv, { env })).toMatchObject({ stdout: `True ${transport}\n`, exitCode: 0 });
    });
  }
});

describe("with a certificate that was made for another host", () => {
  let server: Running;
  beforeAll(async () => {
    server = await started(pair, { CLAUDE_MPM_SOCKETIO_AUTH: "on" });
  });

  test("every command of the same user believes exactly that one", async () => {
    expect((await server.ours(["health"])).stdout).toContain("tls");
    expect((await server.json(["emit", "hello"])).seq).toBe(1);
    expect((await server.json(["history", "--type", "hello"])).events).toHaveLength(1);
    expect(await server.ours(["run", "--", "true"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await server.json(["history", "--type", "session.end"])).events).toHaveLength(1);
    const { checks } = await server.json(["doctor"]);
    for (const name of ["port", "canary", "hook"])
      expect(checks.find((check: { name: string }) => check.name === name)).toMatchObject({ status: "ok" });
  });

  test("tail follows it, over a restart too", async () => {
    const env = { CLAUDE_MPM_SOCKETIO_PORT: `${server.port}` };
    const tail = await server.user.spawn(["tail", "--json", "--type", "tailed"], { env });
    let text = "";
    void (async () => {
      for await (const chunk of tail.stdout) text += new TextDecoder().decode(chunk);
    })();
    const seen = async (count: number) => {
      await eventually(async () => {
        await server.ours(["emit", "tailed"]);
        return text.split("\n").length > count;
      });
    };
    await seen(1);
    expect((await server.ours(["restart"])).exitCode).toBe(0);
    await seen(text.split("\n").length);
    tail.kill();
  });

  test("a hook delivers, and leaves nothing in the spool", async () => {
    expect(await server.ours(["hook"], HOOK)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect((await server.json(["history", "--type", "hook.stop"])).events).toHaveLength(1);
    const spool = join(server.user.stateDir, `${server.port}`, "spool");
    expect(existsSync(spool) ? readdirSync(spool) : []).toEqual([]);
  });

  test("who has no instance file believes the configured certificate, and nothing more because of it", async () => {
    const stranger = account();
    const { token } = await server.json(["token", "create"]);
    const env = { CLAUDE_MPM_SOCKETIO_PORT: `${server.port}`, CLAUDE_MPM_SOCKETIO_TOKEN: token };
    const emit = (...args: string[]) => stranger.run(["emit", "configured", ...args], { env });
    expect((await emit("--tls-cert", pair.cert)).exitCode).toBe(0);
    for (const args of [[], ["--tls-cert", other.cert]]) {
      const { exitCode, stderr } = await emit(...args);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 1,
        stderr: expect.stringContaining("is not believed"),
      });
    }
    const chained = await makeCertificate({ name: "authority", isAuthority: true });
    expect((await emit("--tls-cert", chained.cert)).exitCode).toBe(1);
    expect(
      await stranger.run(["emit", "x", "--tls-cert", join(stranger.home, "none.pem")], { env }),
    ).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining("cannot be read"),
    });
  });
});

test("one whose issuer is configured is believed, and so is one whose issuer is the server's own alone", async () => {
  const authority = await makeCertificate({ name: "authority", isAuthority: true });
  const server = await started(await makeCertificate({ name: "events.example", issuer: authority }));
  const stranger = account();
  const env = { CLAUDE_MPM_SOCKETIO_PORT: `${server.port}` };
  const status = (cert: string) => stranger.run(["status", "--tls-cert", cert], { env });
  expect((await status(authority.cert)).exitCode).toBe(0);
  // The chain file names the issuer too: whom else it has issued one for is not believed because of that.
  expect((await status(server.files.cert)).exitCode).toBe(0);
  const sibling = await makeCertificate({ name: "events.example", issuer: authority });
  expect((await status(sibling.cert)).exitCode).not.toBe(0);
});

test("run brings a server with TLS of its own, and gets into it", async () => {
  const user = account();
  const tls = ["--tls-cert", pair.cert, "--tls-key", pair.key];
  const args = ["run", "--set", "deployment_mode=embedded", "--set", "port=0", ...tls, "--", "true"];
  expect(await user.run(args)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

describe("another certificate on the port", () => {
  test("gets neither a token nor an event, from nobody", async () => {
    const server = await started(pair, {
      CLAUDE_MPM_SOCKETIO_AUTH: "on",
      CLAUDE_MPM_SOCKETIO_TOKEN: `cms_${"secret".repeat(6)}`,
    });
    const file = join(server.user.stateDir, `${server.port}`, "server.json");
    const kept = readFileSync(file, "utf8");
    process.kill(server.pid, "SIGKILL");
    await eventually(() => !existsSync(`/proc/${server.pid}`));
    const thief = await eavesdropper(undefined, { pair: other, port: server.port });
    for (const instance of [kept, null]) {
      for (const args of [
        ["status"],
        ["emit", "x"],
        ["history"],
        ["tail"],
        ["health"],
        ["open", "--print"],
      ]) {
        if (instance !== null) writeFileSync(file, instance);
        const { exitCode, stderr, stdout } = await server.ours([...args, "--tls-cert", server.files.cert]);
        expect(exitCode).not.toBe(0);
        expect(stdout + stderr).toContain("is not believed");
      }
      if (instance !== null) writeFileSync(file, instance);
      await server.ours(["hook", "--tls-cert", server.files.cert], HOOK);
      if (instance !== null) continue;
      await server.ours([
        "run",
        "--set",
        "deployment_mode=client",
        "--tls-cert",
        server.files.cert,
        "--",
        "true",
      ]);
    }
    expect(thief.heard).toEqual([]);
    expect(readdirSync(join(server.user.stateDir, `${server.port}`, "spool")).length).toBeGreaterThan(0);
  });
});

/** An address of this machine by which none of our programs takes it for this one. */
const ELSEWHERE = "::ffff:127.0.0.1";

describe("another machine that speaks no TLS", () => {
  const token = `cms_${"secret".repeat(6)}`;
  const setUp = async () => {
    const user = account();
    const listener = await eavesdropper();
    const env = {
      CLAUDE_MPM_SOCKETIO_HOST: ELSEWHERE,
      CLAUDE_MPM_SOCKETIO_PORT: `${listener.port}`,
      CLAUDE_MPM_SOCKETIO_TOKEN: token,
    };
    const ours = (args: readonly string[]) => user.run(args, { env, stdin: HOOK });
    return { user, listener, ours };
  };

  test("is told neither the token nor an event, and the commands say why", async () => {
    const { user, listener, ours } = await setUp();
    for (const args of [["emit", "secret"], ["history"], ["tail"], ["open", "--print"]]) {
      const { exitCode, stderr } = await ours(args);
      expect({ args, exitCode, stderr }).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("speaks no TLS"),
      });
    }
    for (const mode of ["standalone", "client"]) {
      const { stderr } = await ours(["run", "--set", `deployment_mode=${mode}`, "--", "true"]);
      expect(stderr).toContain("speaks no TLS");
    }
    for (const args of [["status"], ["health"], ["doctor"]]) await ours(args);
    await ours(["hook"]);
    expect(listener.heard.length).toBeGreaterThan(0);
    expect(listener.heard.join("\n")).not.toContain("secret");
    expect(listener.heard.filter((request) => !/^GET \S+\/(health|version)$/m.test(request))).toEqual([]);
    expect(readdirSync(join(user.stateDir, `${listener.port}`, "spool")).length).toBeGreaterThan(0);
  });

  test("is told both where that is wanted", async () => {
    const { listener, ours } = await setUp();
    await ours(["hook", "--set", "allow_plain_http=true"]);
    await eventually(() => listener.heard.find((request) => request.includes(token)));
    const { length } = listener.heard;
    await ours(["status", "--set", "allow_plain_http=true"]);
    expect(listener.heard.slice(length).join()).toContain(token);
  });
});

describe("files that are bad", () => {
  for (const [what, make, message] of [
    ["at the start: a missing one", () => ["--tls-cert", "/missing.pem", "--tls-key", pair.key], "tls_cert"],
    [
      "at the start: another's key",
      () => ["--tls-cert", pair.cert, "--tls-key", other.key],
      "is not that of",
    ],
    ["at the start: one without the other", () => ["--tls-cert", pair.cert], "tls_key is not"],
  ] as const) {
    test(`${what} is exit code 78, for serve, start and config check`, async () => {
      const user = account();
      for (const command of [["serve"], ["start"], ["config", "check"]]) {
        const { exitCode, stderr } = await user.run([...command, ...make()]);
        expect({ exitCode, stderr }).toEqual({ exitCode: 78, stderr: expect.stringContaining(message) });
        expect(stderr).toContain("tls_cert");
      }
    });
  }

  test("on SIGHUP leave the old ones in use, and health says so", async () => {
    const server = await started(pair);
    writeFileSync(server.files.key, "no key");
    process.kill(server.pid, "SIGHUP");
    const tls = async () =>
      (await server.json(["health"])).checks.find(({ name }: { name: string }) => name === "tls");
    await eventually(async () => (await tls()).status === "degraded");
    expect((await tls()).message).toContain("holds no private key");
    expect((await server.ours(["logs"])).stdout).toContain("the old one stays");
  });
});

test("an expired one is served with a warning, and no client of ours believes it", async () => {
  const { start, ours, port, user, put } = await place(
    await makeCertificate({ from: inDays(-9), to: inDays(-1) }),
  );
  const first = await start();
  expect(first).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("it has expired") });
  expect((await ours(["logs"])).stdout).toContain("expired at");
  const file = join(user.stateDir, `${port}`, "server.json");
  const { pid } = JSON.parse(readFileSync(file, "utf8"));
  expect(await ours(["status"])).toMatchObject({ stdout: expect.stringContaining(`kill -HUP ${pid}`) });
  put(pair);
  process.kill(pid, "SIGHUP");
  await eventually(async () => (await ours(["status"])).exitCode === 0);
  expect((await ours(["stop"])).exitCode).toBe(0);
});

test("SIGHUP with new files drops nobody under load, and new connections are shown the new certificate", async () => {
  const server = await started(local);
  const url = `https://localhost:${server.port}`;
  const agent = (ca: CertificateFiles) => ({ agent: new Agent({ ca: ca.pem }) }) as object;
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", reject);
    }).catch(() => "");
  const old = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      connect(url, {}, {
        transports: [n % 4 === 0 ? "polling" : "websocket"],
        agent: new Agent({ ca: [local.pem, other.pem] }),
      } as object),
    ),
  );
  const lost: string[] = [];
  for (const { socket } of old) socket.on("disconnect", (reason) => void lost.push(reason));
  let sending = true;
  let sent = 0;
  const sender = (async () => {
    while (sending) await old[1]?.socket.emitWithAck("claude_event", { n: (sent += 1) });
  })();
  const before = await shown();
  server.put(other);
  process.kill(server.pid, "SIGHUP");
  await eventually(async () => ![before, ""].includes(await shown()), { what: "the new certificate" });
  const young = await connect(url, {}, agent(other));
  const from = young.events().length;
  sending = false;
  await sender;
  expect((await server.json(["emit", "last"])).seq).toBe(sent + 1);
  for (const client of [...old, young])
    await eventually(() => client.events().at(-1)?.type === "last", { what: "the last event" });
  expect(lost).toEqual([]);
  expect(from).toBeLessThan(sent + 1);
  for (const client of old.filter((_, n) => n !== 1)) expect(client.events()).toHaveLength(sent + 1);
  expect((await server.ours(["stop"])).exitCode).toBe(0);
  await eventually(() => [...old, young].every(({ socket }) => !socket.connected));
}, 60_000);
