/** The load balancers of `docs/deploy`: real ones, run by those very files with the addresses of a test in them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterNode } from "./cluster.ts";
import { onEnd } from "./cleanup.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";
import { temporaryDirectory } from "./temporary.ts";

export const BALANCERS = ["nginx", "haproxy"] as const;
export type BalancerKind = (typeof BALANCERS)[number];

export interface BalancerOptions {
  /** PEM files, to have it speak TLS as the comments in the file say. */
  tls?: { cert: string; key: string };
}

const FOLDER = join(import.meta.dir, "..", "..", "docs", "deploy");
const FILES = { nginx: "nginx.conf", haproxy: "haproxy.cfg" };

/** Runs it in front of nodes that are named as in the files; resolves with its URL once it sends requests on. */
export async function startBalancer(
  kind: BalancerKind,
  nodes: readonly ClusterNode[],
  { tls }: BalancerOptions = {},
): Promise<string> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const config = join(directory, FILES[kind]);
  let text = readFileSync(join(FOLDER, FILES[kind]), "utf8");
  if (tls) {
    // The plain port's line goes, and what follows the comment on TLS becomes part of the file.
    text = text.replace(
      /^ +(?:listen|bind) :?8765;?\n( *# TLS.*\n(?: *# .*(?:ssl).*\n)+)/m,
      (_, block: string) => block.replace(/^( *)# (?=listen|bind|ssl)/gm, "$1"),
    );
    const both = join(directory, "both.pem");
    writeFileSync(both, readFileSync(tls.cert, "utf8") + readFileSync(tls.key, "utf8"));
    text = text
      .replace(/(?<=ssl_certificate )[^;]+/, tls.cert)
      .replace(/(?<=ssl_certificate_key )[^;]+/, tls.key)
      .replace(/(?<=ssl crt )\S+/, both);
  }
  text = text.replace(/^( +(?:listen|bind)) :?8765/m, `$1 127.0.0.1:${port}`);
  for (const { name, port: own } of nodes) text = text.replaceAll(`${name}:8765`, `127.0.0.1:${own}`);
  if (kind === "nginx") text = text.replace("http {", `http {\n${temporaryPaths(directory)}`);
  writeFileSync(config, text);

  const child = Bun.spawn(commandOf(kind, directory, config), {
    stdio: ["ignore", "ignore", Bun.file(join(directory, "stderr.txt"))],
  });
  onEnd(async () => {
    // Both end their own processes on it.
    child.kill("SIGTERM");
    await child.exited;
  });
  const url = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  await eventually(
    async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(join(directory, "stderr.txt"), "utf8"));
      const answer = await fetch(`${url}/ready`, { tls: { rejectUnauthorized: false } }).catch(() => null);
      return answer?.ok;
    },
    { what: kind },
  );
  return url;
}

function commandOf(kind: BalancerKind, directory: string, config: string): string[] {
  if (kind === "haproxy") return ["haproxy", "-db", "-f", config];
  const user = process.getuid?.() === 0 ? "user root; " : "";
  const settings = `${user}daemon off; pid ${join(directory, "pid")};`;
  return ["nginx", "-p", directory, "-c", config, "-e", join(directory, "error.log"), "-g", settings];
}

/** Debian's are root's own. */
function temporaryPaths(directory: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(directory, name)};\n`)
    .join("");
}
