/** What a hook costs the agent, whole processes: beside curl and Python posting the same body, and without a server. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { serverPaths } from "../../src/config/paths.ts";
import { identifyProcess } from "../../src/daemon/process.ts";
import { openSpool } from "../../src/hooks/spool.ts";
import { account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";
import { interleaved, median } from "./measure.ts";
import { startSubject } from "./subjects.ts";

const ROUNDS = 50;
const SILENT_ROUNDS = 5;
const WAITING = 9000;

/** Milliseconds. */
export interface HookFigures {
  hook: number;
  curl: number;
  python: number;
  /** No server, nothing waiting. */
  down: number;
  /** No server, thousands of events waiting. */
  downBehindMany: number;
  /** A server that accepts and never answers. */
  silent: number;
}

const PAYLOAD = {
  session_id: "5b5a4f9e-6f0d-4d3f-9f3c-1f2e3d4c5b6a",
  transcript_path: "/home/user/.claude/projects/-home-user-project/5b5a4f9e.jsonl",
  cwd: "/home/user/project",
  permission_mode: "default",
  hook_event_name: "PreToolUse",
  tool_name: "Bash",
  tool_input: { command: "npm test", description: "Run the tests" },
  tool_use_id: "toolu_01",
};

export async function benchHook(say: (text: string) => void): Promise<HookFigures> {
  const program = await binary();
  const user = account();
  const server = await startSubject("this server", { user });
  const url = `http://127.0.0.1:${server.port}/api/events`;
  const file = join(user.home, "payload.json");
  const post = join(user.home, "post.py");
  writeFileSync(file, JSON.stringify(PAYLOAD));
  writeFileSync(
    post,
    "import requests, sys\nrequests.post(sys.argv[1], data=open(sys.argv[2], 'rb').read())\n",
  );

  let number = 0;
  /** Every hook has its own payload, or it would be taken for one that is registered twice. */
  const hook = (port: number) => {
    number += 1;
    const payload = JSON.stringify({ ...PAYLOAD, tool_use_id: `toolu_${number}` });
    writeFileSync(file, payload);
    return timed([program, "hook"], { ...user.env, CLAUDE_MPM_SOCKETIO_PORT: `${port}` }, file);
  };
  const down = await freePort();
  const many = await freePort();
  const spool = openSpool(serverPaths(user.stateDir, many).spool);
  for (let n = 0; n < WAITING; n += 1) spool.add(JSON.stringify({ type: "hook.stop", n }), Date.now());

  const times = await interleaved(ROUNDS, {
    hook: () => hook(server.port),
    curl: () => timed(["curl", "-q", "-s", "--noproxy", "*", "--data-binary", `@${file}`, url], user.env),
    python: () => timed(["/usr/bin/python3", post, url, file], user.env),
    down: () => hook(down),
    downBehindMany: () => hook(many),
  });
  const { silentPort, end } = await silentServer(user.stateDir);
  // With its event waiting, the next hook would not give the server all of its time again.
  const silent = await interleaved(SILENT_ROUNDS, {
    silent: () => {
      rmSync(serverPaths(user.stateDir, silentPort).spool, { recursive: true, force: true });
      return hook(silentPort);
    },
  });
  end();
  server.stop();

  const figures: HookFigures = {
    hook: median(times.hook),
    curl: median(times.curl),
    python: median(times.python),
    down: median(times.down),
    downBehindMany: median(times.downBehindMany),
    silent: Math.max(...silent.silent),
  };
  const { hook: own, curl, python } = figures;
  say(
    `hook: ${own.toFixed(1)} ms, curl ${curl.toFixed(1)} ms: ${(own / curl).toFixed(2)}× (at most 1.1); ` +
      `Python with requests ${python.toFixed(0)} ms: 1/${(python / own).toFixed(0)} (at most 1/15)`,
  );
  say(
    `without a server: ${figures.down.toFixed(1)} ms, behind ${WAITING} events ${figures.downBehindMany.toFixed(1)} ms (at most 15)`,
  );
  say(`a server that never answers: slowest ${figures.silent.toFixed(0)} ms (at most 600)`);
  return figures;
}

async function timed(command: string[], env: Record<string, string>, stdin?: string): Promise<number> {
  const start = performance.now();
  const child = Bun.spawn(command, {
    env,
    stdio: [stdin === undefined ? "ignore" : Bun.file(stdin), "ignore", "ignore"],
  });
  await child.exited;
  return performance.now() - start;
}

/** One that accepts, vouched for by the instance file of this process, and says nothing. */
async function silentServer(stateDir: string): Promise<{ silentPort: number; end: () => void }> {
  const port = await freePort();
  const server = createServer(() => {}).listen(port, "127.0.0.1");
  const { directory, instance } = serverPaths(stateDir, port);
  const own = { pid: process.pid, process_token: identifyProcess(process.pid)?.token, server_id: "silent" };
  const where = { host: "localhost", port, url: "-", executable: "-", args: [], settings: {}, sources: {} };
  mkdirSync(directory, { recursive: true });
  writeFileSync(instance, JSON.stringify({ ...own, ...where }));
  return { silentPort: port, end: () => server.close() };
}
