/** A server of the compiled binary with the dashboard of it opened in a real browser. */
import type { BrowserContextOptions } from "playwright-core";
import { type Account, account } from "./binary.ts";
import { openPage, type OpenPage } from "./browser.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";

export interface DashboardServer {
  url: string;
  user: Account;
  port: number;
  signal(name: NodeJS.Signals): void;
  /** Ends it without a word, and resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and with the same log. */
  start(): Promise<void>;
  post(events: unknown): Promise<{ accepted: number; first_seq: number; last_seq: number }>;
  get(path: string): Promise<any>;
  /** Delivers payloads one after the other through `hook`, as Claude Code does. */
  hooks(payloads: readonly object[]): Promise<void>;
  open(hash?: string, options?: BrowserContextOptions): Promise<OpenPage>;
}

export async function startDashboardServer(settings: readonly string[] = []): Promise<DashboardServer> {
  const user = account();
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const flags = ["--port", `${port}`, "--log-level", "ERROR", ...settings.flatMap((one) => ["--set", one])];
  let child: Awaited<ReturnType<Account["spawn"]>>;

  const server: DashboardServer = {
    url,
    user,
    port,
    async start() {
      child = await user.spawn(["serve", ...flags]);
      await eventually(async () => (await fetch(`${url}/ready`).catch(() => null))?.ok === true, {
        what: "the server's answer",
      });
    },
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async post(events) {
      const response = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(events) });
      const answer: any = await response.json();
      if (!response.ok) throw new Error(answer.error.message);
      return answer;
    },
    get: async (path) => (await fetch(`${url}${path}`)).json(),
    async hooks(payloads) {
      for (const payload of payloads) {
        await user.run(["hook", "--port", `${port}`], { stdin: JSON.stringify(payload) });
      }
    },
    open: (hash = "", options = {}) => openPage(`${url}/${hash}`, options),
  };
  await server.start();
  return server;
}
