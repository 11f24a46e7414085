import { describe, expect, test } from "bun:test";
import { copyFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type Config } from "../../src/config/schema.ts";
import { type CertificateFiles, inDays, makeCertificate } from "../support/certificates.ts";
import { onEnd } from "../support/cleanup.ts";
import { run } from "../support/command.ts";
import { connect, connectLater } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const first = await makeCertificate();
const second = await makeCertificate();

/** A server whose files can be changed under it. */
async function startSecure(
  pair: CertificateFiles = first,
  settings: Partial<Record<keyof Config, string>> = {},
) {
  const directory = temporaryDirectory();
  const files = { tls_cert: join(directory, "cert.pem"), tls_key: join(directory, "key.pem") };
  const put = ({ cert, key }: CertificateFiles) => {
    copyFileSync(cert, files.tls_cert);
    copyFileSync(key, files.tls_key);
  };
  put(pair);
  const server = await startTestServer({ ...files, ...settings });
  return { ...server, files, put, renew: () => server.reload(server.config) };
}

const trusting = ({ pem }: { pem: string }) => ({ tls: { ca: pem } }) as RequestInit;
const agentFor = (...pairs: CertificateFiles[]) =>
  ({ agent: new Agent({ ca: pairs.map(({ pem }) => pem) }) }) as object;

/** The certificate a new connection is shown, in PEM. */
function shownBy({ port }: TestServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const base64 = socket
        .getPeerCertificate()
        .raw.toString("base64")
        .replaceAll(/.{1,64}/g, "$&\n");
      socket.destroy();
      resolve(`-----BEGIN CERTIFICATE-----\n${base64}-----END CERTIFICATE-----\n`);
    });
    socket.on("error", reject);
  });
}

const shows = (server: TestServer, pair: CertificateFiles) =>
  // A handshake that is under way when the listener changes is reset.
  eventually(async () => (await shownBy(server).catch(() => null)) === pair.pem, {
    what: "the new certificate",
  });

const tlsCheck = async (server: TestServer, pair: CertificateFiles) => {
  const { body } = await server.get("/health", trusting(pair));
  return body.checks.find(({ name }: { name: string }) => name === "tls");
};

describe("with tls_cert and tls_key", () => {
  test("HTTPS and WSS are served on the one port, and the server calls itself so", async () => {
    const server = await startSecure();
    expect(server.url).toBe(`https://localhost:${server.port}`);
    const { status, headers } = await server.post("/api/events", { type: "a" }, trusting(first));
    expect(status).toBe(200);
    expect(headers.has("strict-transport-security")).toBe(false);
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const client = await connect(server.url, {}, { transports, ...agentFor(first) });
      await server.post("/api/events", { type: transports.join() }, trusting(first));
      expect(await client.next("claude_event")).toMatchObject({ type: transports.join() });
    }
  });

  test("a chain is served whole", async () => {
    const root = await makeCertificate({ name: "root", isAuthority: true });
    const between = await makeCertificate({ name: "between", isAuthority: true, issuer: root });
    const server = await startSecure(await makeCertificate({ issuer: between }));
    expect((await server.get("/ready", trusting(root))).status).toBe(200);
  });

  for (const version of ["TLSv1", "TLSv1.1"] as const) {
    test(`${version} is refused`, async () => {
      const { port } = await startSecure();
      const flag = version === "TLSv1" ? "-tls1" : "-tls1_1";
      const ciphers = ["-cipher", "ALL:@SECLEVEL=0"];
      const { exitCode, stderr } = await run([
        "openssl",
        "s_client",
        "-connect",
        `127.0.0.1:${port}`,
        flag,
        ...ciphers,
      ]);
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain("alert protocol version");
    });
  }

  test("plain HTTP gets no answer, and does no harm", async () => {
    const server = await startSecure();
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connectTcp(server.port, "127.0.0.1", () =>
        socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      socket.on("data", (chunk) => (text += chunk.toString("latin1")));
      socket.on("close", () => resolve(text));
    });
    expect(answer).not.toContain("HTTP");
    expect((await server.get("/ready", trusting(first))).status).toBe(200);
  });

  for (const [what, from, to, status, message] of [
    ["in good time", -1, 90, "healthy", "89 days left"],
    ["in less than 14 days", -1, 13.5, "degraded", "13 days left"],
    ["already", -9, -1, "degraded", "expired at"],
    ["before it is valid", 1, 9, "degraded", "not valid before"],
  ] as const) {
    test(`the check tells of a certificate that ends ${what}`, async () => {
      const pair = await makeCertificate({ from: inDays(from), to: inDays(to) });
      const server = await startSecure(pair);
      const { body } = await server.get("/health", { tls: { rejectUnauthorized: false } } as RequestInit);
      const check = body.checks.find(({ name }: { name: string }) => name === "tls");
      expect(check).toMatchObject({ status, message: expect.stringContaining(message) });
    });
  }
});

describe("changed files", () => {
  test("are taken up, and nobody who is connected loses anything", async () => {
    const server = await startSecure();
    const before = await Promise.all(
      [["polling"], ["websocket"]].flatMap((transports) =>
        Array.from({ length: 10 }, () => connect(server.url, {}, { transports, ...agentFor(first, second) })),
      ),
    );
    const lost: string[] = [];
    for (const { socket } of before) socket.on("disconnect", (reason) => lost.push(reason));
    let sent = 0;
    let sending = true;
    const sender = (async () => {
      while (sending) {
        const [from] = before;
        await from?.socket.emitWithAck("claude_event", { n: (sent += 1) });
      }
    })();
    const stream = await fetch(`${server.url}/api/events/stream?type=last`, trusting(first));
    let streamed = "";
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) streamed += new TextDecoder().decode(chunk);
    })().catch(() => {});

    server.put(second);
    server.renew();
    await shows(server, second);
    const after = await connect(server.url, {}, agentFor(second));
    server.put(first);
    server.renew();
    await shows(server, first);
    sending = false;
    await sender;

    await server.post("/api/events", { type: "last" }, trusting(first));
    for (const client of [...before, after])
      await eventually(() => client.events().at(-1)?.type === "last", { what: "the last event" });
    const [, ...others] = before;
    for (const client of others)
      expect(client.events().map(({ n }) => n)).toEqual([
        ...Array.from({ length: sent }, (_, n) => n + 1),
        undefined,
      ]);
    expect(lost).toEqual([]);
    await eventually(() => streamed.includes('"type":"last"'), { what: "the last event on the stream" });
    expect((await tlsCheck(server, first)).status).toBe("healthy");
    await server.stop();
    await reading;
  });

  test("a request that is being answered is answered, and its connection is not used again", async () => {
    const server = await startSecure();
    const socket = connectTls({
      host: "127.0.0.1",
      port: server.port,
      ca: first.pem,
      servername: "localhost",
    });
    onEnd(() => socket.destroy());
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    const body = JSON.stringify({ type: "slow" });
    const head = `POST /api/events HTTP/1.1\r\nHost: localhost:${server.port}\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(head + body.slice(0, 5));
    await eventually(() => socket.bytesWritten > 0);
    await server.get("/ready", trusting(first));
    server.put(second);
    server.renew();
    socket.write(body.slice(5));
    await eventually(() => text.includes('"accepted":1'));
    expect(text).toContain("HTTP/1.1 200");
    expect(text.toLowerCase()).toContain("connection: close");
  });

  test("that are bad leave the old certificate in place, and the check says so until they are good", async () => {
    const server = await startSecure();
    writeFileSync(server.files.tls_cert, "no certificate");
    server.renew();
    expect(await shownBy(server)).toBe(first.pem);
    expect(await tlsCheck(server, first)).toMatchObject({
      status: "degraded",
      message: expect.stringContaining("holds no certificate"),
    });
    server.put(second);
    server.renew();
    await shows(server, second);
    expect((await tlsCheck(server, second)).status).toBe("healthy");
  });

  test("that are the same change nothing", async () => {
    const server = await startSecure();
    const kept = connectTls({ host: "127.0.0.1", port: server.port, ca: first.pem, servername: "localhost" });
    onEnd(() => kept.destroy());
    await new Promise((resolve) => kept.once("secureConnect", resolve));
    server.renew();
    expect(await shownBy(server)).toBe(first.pem);
    // An idle connection is what a new listener would have cost.
    expect(kept.destroyed).toBe(false);
  });

  test("the stop ends the clients of every listener", async () => {
    const server = await startSecure();
    const old = await connect(server.url, {}, agentFor(first));
    server.put(second);
    server.renew();
    await shows(server, second);
    const young = await connect(server.url, {}, agentFor(second));
    await server.stop();
    await eventually(() => !old.socket.connected && !young.socket.connected);
    const again = connectLater(server.url, {}, agentFor(first, second));
    await eventually(() => again.socket.active === false || !again.socket.connected);
    expect(() =>
      Bun.listen({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } }).stop(),
    ).not.toThrow();
  });
});
