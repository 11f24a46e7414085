/** The package as others get it: packed, unpacked elsewhere, imported by Node, Bun and a page, and type-checked. */
import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dependencies } from "../package.json";
import { makeCertificate } from "./support/certificates.ts";
import { fakeSocketServer } from "./support/fake-server.ts";
import { startTestServer } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const ROOT = join(import.meta.dir, "..");
const NODE = Bun.which("node");

/** A program that has the package in its `node_modules`, as after `npm install`. */
let consumer: string;

async function run(
  argv: readonly string[],
  cwd = consumer,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env.PATH ?? "", HOME: temporaryDirectory() };
  const child = Bun.spawn([...argv], { cwd, env, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

beforeAll(async () => {
  consumer = temporaryDirectory();
  const packed = await run(["npm", "pack", "--json", "--pack-destination", consumer], ROOT);
  expect(packed).toMatchObject({ exitCode: 0 });
  const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf("[\n")));
  const modules = join(consumer, "node_modules");
  mkdirSync(modules);
  expect(await run(["tar", "-xzf", join(consumer, filename), "-C", modules])).toMatchObject({ exitCode: 0 });
  symlinkSync("package", join(modules, "claude-mpm-socketio"));
  // In the place of a download from the registry.
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(modules, name, ".."), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(consumer, "package.json"), '{ "type": "module" }');
});

const PROGRAM = `
  const { ClientManager, discoverServers, findBestServer, getClientManager, EventRefused } = await import(MODULE);
  const port = Number(process.argv.at(-1));
  const hosts = ["127.0.0.1"];
  const [found] = await discoverServers({ hosts, ports: [port] });
  const best = await findBestServer({ hosts, ports: [port], clientVersion: "5.0.0" });
  const client = getClientManager({ hosts, ports: [port] }).start();
  const stored = await client.emitEvent("from.elsewhere", { of: "a consumer" });
  const refused = await client.emitEvent("t".repeat(300), null).catch((error) => error instanceof EventRefused);
  const heard = new Promise((resolve) => client.on("event", resolve));
  const other = new ClientManager({ url: best.url }).start();
  await other.emitEvent("heard", null);
  const { type } = await heard;
  client.stop();
  other.stop();
  process.stdout.write(JSON.stringify({ found: found.port, best: best.port, seq: stored.seq, refused, type }));
`;

describe("the client library", () => {
  const runtimes: [name: string, command: string[], module: string][] = [
    ["Node, by its name", [NODE ?? "node"], '"claude-mpm-socketio/client"'],
    ["Bun, by its name", [process.execPath], '"claude-mpm-socketio/client"'],
    ["Bun, as a page gets it", [process.execPath], '"./node_modules/package/dist/library/client.browser.js"'],
  ];
  for (const [name, command, module] of runtimes) {
    test.skipIf(NODE === null && command[0] === "node")(`works in ${name}`, async () => {
      const server = await startTestServer();
      const file = join(consumer, `${Bun.hash(name)}.mjs`);
      writeFileSync(file, PROGRAM.replace("MODULE", module));
      const { stdout, stderr, exitCode } = await run([...command, file, `${server.port}`]);
      expect([stderr, exitCode]).toEqual(["", 0]);
      expect(JSON.parse(stdout)).toEqual({
        found: server.port,
        best: server.port,
        seq: 1,
        refused: true,
        type: "heard",
      });
    });
  }

  test.skipIf(NODE === null)(
    "gathers nothing on the signal that ends it, of which Node would warn",
    async () => {
      const { port, io } = await fakeSocketServer({});
      io.on("connection", (socket) => void setImmediate(() => socket.conn.close()));
      const file = join(consumer, "flapping.mjs");
      writeFileSync(
        file,
        `const { ClientManager } = await import("claude-mpm-socketio/client");
       const client = new ClientManager({ url: "http://127.0.0.1:${port}", reconnectionDelayMs: 1 });
       let lost = 0;
       client.on("disconnected", () => (lost += 1) === 15 && client.stop());
       client.start();`,
      );
      expect(await run([NODE ?? "node", file])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    },
  );

  test("imports nothing where a page gets it, and no server anywhere", () => {
    const read = (name: string) =>
      readFileSync(join(consumer, "node_modules/package/dist/library", name), "utf8");
    expect(new Bun.Transpiler({ loader: "js" }).scanImports(read("client.browser.js"))).toEqual([]);
    const imported = new Bun.Transpiler({ loader: "js" })
      .scanImports(read("client.js"))
      .map(({ path }) => path);
    expect(imported.filter((path) => !path.startsWith("semver/"))).toEqual(["socket.io-client"]);
  });

  test("comes with its types", async () => {
    writeFileSync(
      join(consumer, "types.ts"),
      `import { ClientManager, type DiscoveredServer, findBestServer, type Stored } from "claude-mpm-socketio/client";
       import { getSocketioServer, getWebsocketServer, type SocketioServer } from "claude-mpm-socketio/embedded";
       const client: ClientManager = new ClientManager({ ports: [8765], maxBufferedEvents: 10 });
       client.on("connected", ({ server, again }) => { const to: DiscoveredServer = server; const one: boolean = again; });
       client.on("gap", ({ from_seq, reason }) => { const from: number = from_seq; const why: string = reason; });
       // @ts-expect-error there is no such event
       client.on("banana", () => {});
       // @ts-expect-error hosts is a list
       findBestServer({ hosts: "localhost" });
       const stored: Promise<Stored> = client.sessionStarted("s", "exec", "/");
       const server: SocketioServer = getSocketioServer({ mode: "auto" });
       const running: boolean = getWebsocketServer().isRunning();
       // @ts-expect-error there is no such mode
       getSocketioServer({ mode: "banana" });`,
    );
    const strict = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
    const tsc = [join(ROOT, "node_modules/.bin/tsc"), ...strict];
    for (const module of [
      ["--module", "nodenext"],
      ["--module", "preserve", "--moduleResolution", "bundler"],
    ]) {
      expect(await run([...tsc, ...module, "types.ts"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    }
  });

  for (const command of [[NODE ?? "node"], [process.execPath]]) {
    test.skipIf(NODE === null && command[0] === "node")(
      `believes a certificate, in ${command[0]}`,
      async () => {
        const pair = await makeCertificate({ name: "events.example" });
        const other = await makeCertificate();
        const server = await startTestServer({ tls_cert: pair.cert, tls_key: pair.key });
        const program = `
        import { readFileSync } from "node:fs";
        import { ClientManager } from "claude-mpm-socketio/client";
        import { trusting } from "claude-mpm-socketio/client/node";
        const [url, cert] = process.argv.slice(2);
        const client = new ClientManager({ url, ...trusting(readFileSync(cert, "utf8")) }).start();
        const connected = await client.whenConnected(3000);
        if (connected) await client.emitEvent("over.tls", null);
        client.stop();
        process.stdout.write(String(connected));
      `;
        const file = join(consumer, `trusting-${Bun.hash(command.join())}.mjs`);
        writeFileSync(file, program);
        const url = `https://127.0.0.1:${server.port}`;
        expect(await run([...command, file, url, pair.cert])).toEqual({
          stdout: "true",
          stderr: "",
          exitCode: 0,
        });
        expect((await run([...command, file, url, other.cert])).stdout).toBe("false");
      },
    );
  }
});

describe("the embedded server", () => {
  test("works in Bun, by its name", async () => {
    const file = join(consumer, "embedded.mjs");
    writeFileSync(
      file,
      `const { getSocketioServer } = await import("claude-mpm-socketio/embedded");
       const server = getSocketioServer({ mode: "embedded", embedded: { port: 0 } });
       await server.start();
       const { seq } = await server.emitEvent("here", null);
       const { status } = await fetch(server.url + "/socket.io/socket.io.js");
       process.stdout.write(JSON.stringify({ kind: server.kind, seq, status }));
       await server.stop();`,
    );
    const { stdout, stderr, exitCode } = await run([process.execPath, file]);
    expect([stderr, exitCode]).toEqual(["", 0]);
    expect(JSON.parse(stdout)).toEqual({ kind: "embedded", seq: 1, status: 200 });
  });

  test.skipIf(NODE === null)("is not for Node, and says so", async () => {
    const { exitCode, stderr } = await run([NODE ?? "node", "-e", 'import("claude-mpm-socketio/embedded")']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });
});

test("every example of docs/client.md works", async () => {
  const text = readFileSync(join(ROOT, "docs/client.md"), "utf8");
  const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code as string);
  expect(examples).toHaveLength(5);
  const { cert, key } = await makeCertificate();
  copyFileSync(cert, join(consumer, "cert.pem"));
  for (const [index, code] of examples.entries()) {
    const isOverTls = code.includes("https:");
    const server = await startTestServer({
      ...(isOverTls ? { tls_cert: cert, tls_key: key } : {}),
      ...(code.includes("token:") ? { auth: "on" } : {}),
    });
    const { port, localToken } = server;
    const headers: HeadersInit = localToken === null ? {} : { Authorization: `Bearer ${localToken}` };
    const file = join(consumer, `example-${index}.mjs`);
    // The server is not on the ports it has everywhere else.
    const placed = code
      .replace("getClientManager()", `getClientManager({ ports: [${port}] })`)
      .replace("127.0.0.1:8765", `127.0.0.1:${port}`)
      .replace("cms_…", `${localToken}`)
      .replace("[8765, 8766]", `[${port}]`)
      .replace("findBestServer({", `findBestServer({ ports: [${port}],`)
      .replace("localhost:8765", `localhost:${port}`)
      .replace('mode: "auto"', `mode: "auto", ports: [${port}]`);
    writeFileSync(file, placed);
    const runtime = code.includes("/embedded") || NODE === null ? process.execPath : NODE;
    const { stdout, stderr, exitCode } = await run([runtime, file]);
    expect([index, exitCode, stderr.replaceAll(/^at http:.*\n/gm, "")]).toEqual([index, 0, ""]);
    expect(stdout).toContain(index < 2 ? "" : `${isOverTls ? "https" : "http"}://localhost:${port}`);
    const init = { headers, tls: { rejectUnauthorized: false } } as RequestInit;
    const { body } = await server.get("/api/events", init);
    expect(body.total_available).toBe([6, 1, 0, 1, 1][index] as number);
  }
});
