/** A real server on port 0 in a temporary directory, ended when the run ends. */
import { type App, createApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config, Key } from "../../src/config/schema.ts";
import type { EventLog } from "../../src/log/log.ts";
import { onEnd } from "./cleanup.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface TestServer extends App {
  config: Config;
  /** `fetch` relative to the server, with JSON read. */
  get(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; body: any }>;
  post(
    path: string,
    body: unknown,
    init?: RequestInit,
  ): Promise<{ status: number; headers: Headers; body: any }>;
}

export async function startTestServer(
  settings: Partial<Record<Key, string>> = {},
  { log }: { log?: EventLog } = {},
): Promise<TestServer> {
  const directory = temporaryDirectory();
  const given = { port: "0", state_dir: directory, log_level: "ERROR", ...settings };
  const flags = Object.fromEntries(
    Object.entries(given).map(([key, raw]) => [key, { raw, flag: `--set ${key}` }]),
  );
  const { values } = loadConfig({ flags, compiled: true, env: { HOME: directory }, dockerFile: false });
  const app = await createApp({ config: values, stderr: false, ...(log && { log }) });
  onEnd(() => app.stop());

  const call = async (path: string, init?: RequestInit) => {
    const response = await fetch(new URL(path, app.url), init);
    const text = await response.text();
    const json = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    return {
      status: response.status,
      headers: response.headers,
      body: json && text !== "" ? JSON.parse(text) : text,
    };
  };
  return {
    ...app,
    config: values,
    get: call,
    post: (path, body, init) => {
      return call(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
      });
    },
  };
}
