/** A program that says it is a server of ours, and writes down all that it is told; in a process of its own. */
import { readFileSync } from "node:fs";
import type { CertificateFiles } from "./certificates.ts";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";

export interface Eavesdropper {
  port: number;
  pid: number;
  /** Requests with their headers and bodies, and what came over WebSockets. */
  heard: string[];
  exited: Promise<unknown>;
}

export interface EavesdropperOptions {
  /** What it calls its own, over TLS. */
  pair?: CertificateFiles;
  /** Any free one when not given. */
  port?: number;
}

/** @param uid of another user than this one; only root can do that */
export async function eavesdropper(
  uid?: number,
  { pair, port = 0 }: EavesdropperOptions = {},
): Promise<Eavesdropper> {
  const asUser = uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, "--clear-groups"];
  const argv = [...asUser, process.execPath, import.meta.path, `${port}`, pair?.cert ?? "", pair?.key ?? ""];
  const child = Bun.spawn(argv, { cwd: "/", env: { HOME: "/" }, stdin: "ignore", stdout: "pipe" });
  onEnd(() => child.kill("SIGKILL"));
  const heard: string[] = [];
  let rest = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      heard.push(...lines.map((line) => JSON.parse(line)));
    }
  })();
  await eventually(() => heard.length > 0, { what: "its port" });
  return { port: Number(heard.shift()), pid: child.pid, heard, exited: child.exited };
}

function listen(wanted = "0", cert = "", key = ""): void {
  const say = (text: string) => void process.stdout.write(`${JSON.stringify(text)}\n`);
  const version = { server_version: "1.0.0", server_id: "socketio-mallory", features: [] };
  const handshake = { sid: "x", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 };
  const { port } = Bun.serve({
    hostname: "127.0.0.1",
    port: Number(wanted),
    ...(cert ? { tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") } } : {}),
    async fetch(request, self) {
      const headers = [...request.headers].map((pair) => pair.join(": ")).join("\n");
      say(`${request.method} ${request.url}\n${headers}\n${await request.text()}`);
      const { pathname } = new URL(request.url);
      if (pathname === "/socket.io/" && self.upgrade(request, { data: undefined })) return undefined;
      const answers: Record<string, object> = {
        "/health": { status: "healthy" },
        "/version": version,
        "/compatibility": { ...version, compatible: true, warnings: [] },
      };
      return Response.json(answers[pathname] ?? {}, { headers: { "X-Server-Version": "1.0.0" } });
    },
    websocket: {
      open: (socket) => void socket.send(`0${JSON.stringify(handshake)}`),
      message: (_socket, message) => say(String(message)),
    },
  });
  say(`${port}`);
}

if (import.meta.main) listen(...process.argv.slice(2));
