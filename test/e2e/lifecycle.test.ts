/** One server per port, with the compiled binary and real processes. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../support/clients.ts";
import { type Account, account } from "../support/binary.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { SOAK } from "../support/soak.ts";

const health = async (port: number) =>
  (await fetch(`http://127.0.0.1:${port}/health`)).json() as Promise<any>;
const pidOf = (stdout: string) => Number(/PID (\d+)/.exec(stdout)?.[1]);
const instanceFile = ({ stateDir }: Account, port: number) => join(stateDir, `${port}`, "server.json");
const readInstance = (user: Account, port: number) =>
  JSON.parse(readFileSync(instanceFile(user, port), "utf8"));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** A process that has nothing to do with us, and would die of any signal. */
function bystander(): { pid: number; alive: () => boolean } {
  const child = Bun.spawn(["sleep", "600"], { stdio: ["ignore", "ignore", "ignore"] });
  onEnd(() => child.kill("SIGKILL"));
  return { pid: child.pid, alive: () => child.exitCode === null && child.signalCode === null };
}

/** What a stream says until it has said `word`; rejects when it ends before. */
async function readUntil(stream: ReadableStream<Uint8Array>, word: string): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes(word)) return text;
  }
  throw new Error(`it ended after: ${text}`);
}

async function started(
  flags: string[] = [],
): Promise<{ user: Account; port: number; pid: number; args: string[] }> {
  const user = account();
  const port = await freePort();
  const args = ["--port", `${port}`, ...flags];
  const { exitCode, stdout, stderr } = await user.run(["start", ...args]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return { user, port, pid: pidOf(stdout), args };
}

describe("start", () => {
  test("returns once the server answers, and says URL, PID and server id", async () => {
    const user = account();
    const port = await freePort();
    const { exitCode, stdout } = await user.run(["start", "--port", `${port}`]);
    const answer = await health(port);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`http://localhost:${port}`);
    expect(stdout).toContain(`PID ${answer.pid}`);
    expect(stdout).toContain(answer.server_id);
    const file = readInstance(user, port);
    expect(file).toMatchObject({
      pid: answer.pid,
      server_id: answer.server_id,
      server_version: "1.0.0",
      port,
      host: "localhost",
    });
    for (const key of ["process_start_time", "url", "state_dir", "started_at", "executable"])
      expect(file[key]).toBeString();
    expect(statSync(instanceFile(user, port)).mode & 0o777).toBe(0o600);
    expect(statSync(join(user.stateDir, `${port}`)).mode & 0o777).toBe(0o700);
  });

  test("the server outlives the terminal, and its log is a file", async () => {
    const { user, port, pid } = await started();
    // Field 6 of proc(5)'s stat: a session of its own, so that the terminal's hang-up does not reach it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ");
    expect(Number(stat?.[3])).toBe(pid);
    expect(readFileSync(join(user.stateDir, `${port}`, "server.log"), "utf8")).toContain("listening");
    expect((await user.run(["logs", "--port", `${port}`])).stdout).toContain("listening");
  });

  const rounds = SOAK ? 20 : 5;
  test(`twice at the same instant leaves one server, ${rounds} times over`, async () => {
    const user = account();
    for (let round = 0; round < rounds; round += 1) {
      const port = await freePort();
      const args = ["start", "--port", `${port}`];
      const both = await Promise.all([user.run(args), user.run(args)]);
      expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
      const pids = both.map(({ stdout }) => pidOf(stdout));
      expect(pids[0]).toBe((await health(port)).pid);
      expect(pids[1]).toBe(pids[0] as number);
      const stopped = await user.run(["stop", "--port", `${port}`]);
      expect([stopped.exitCode, isAlive(pids[0] as number)]).toEqual([0, false]);
    }
  });

  test("while it runs: exit 0, the same PID, and what would differ", async () => {
    const { user, args, pid } = await started();
    const same = await user.run(["start", ...args]);
    expect([same.exitCode, pidOf(same.stdout)]).toEqual([0, pid]);
    expect(same.stdout).toContain("Already running");
    const other = await user.run(["start", ...args, "--log-level", "DEBUG", "--set", "ping_interval=7"]);
    expect([other.exitCode, pidOf(other.stdout)]).toEqual([0, pid]);
    expect(other.stdout).toContain('--log-level: it has "INFO", not "DEBUG"');
    expect(other.stdout).toMatch(/--set ping_interval: it has \d+, not 7/);
    expect(other.stdout).not.toContain("--port");
  });

  test("after kill -9 works at once", async () => {
    const { user, port, pid, args } = await started();
    process.kill(pid, "SIGKILL");
    const again = await user.run(["start", ...args]);
    expect(again.exitCode).toBe(0);
    expect((await health(port)).pid).toBe(pidOf(again.stdout));
    expect(pidOf(again.stdout)).not.toBe(pid);
  });

  test("names the foreign program on the port and offers another port", async () => {
    const port = await freePort();
    const script = `Bun.serve({ port: ${port}, hostname: "127.0.0.1", fetch: () => new Response("hello") })`;
    const foreign = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "ignore", "ignore"] });
    onEnd(() => foreign.kill("SIGKILL"));
    await eventually(() =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      ),
    );
    const user = account();
    for (const command of ["start", "serve"]) {
      const { exitCode, stderr } = await user.run([command, "--port", `${port}`]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`PID ${foreign.pid}`);
      expect(stderr).toContain("Bun.serve");
      expect(stderr).toMatch(/--port \d+/);
    }
    const status = await user.run(["status", "--port", `${port}`]);
    expect([status.exitCode, status.stdout.includes(`PID ${foreign.pid}`)]).toEqual([3, true]);
    expect((await user.run(["stop", "--port", `${port}`])).exitCode).toBe(3);
    expect(foreign.exitCode).toBeNull();
  });

  test("a program that accepts and never answers is foreign too", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    onEnd(() => silent.stop(true));
    const { exitCode, stderr } = await account().run(["start", "--port", `${silent.port}`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`PID ${process.pid}`);
  });

  test("on port 0 takes a free port and says which", async () => {
    const user = account();
    const { exitCode, stdout } = await user.run(["start", "--port", "0", "--json"]);
    expect(exitCode).toBe(0);
    const { url, pid } = JSON.parse(stdout);
    expect(((await (await fetch(`${url}/health`)).json()) as any).pid).toBe(pid);
    expect((await user.run(["stop", "--all"])).exitCode).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  test("a state directory that cannot be used is named", async () => {
    const user = account();
    writeFileSync(join(user.home, "file"), "");
    const { exitCode, stderr } = await user.run([
      "start",
      "--port",
      "0",
      "--state-dir",
      join(user.home, "file"),
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(join(user.home, "file"));
    expect(stderr).toContain("--state-dir");
  });

  test("an address of another machine is named", async () => {
    const { exitCode, stderr } = await account().run([
      "start",
      "--port",
      "0",
      "--host",
      "192.0.2.1",
      "--auth",
      "off",
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('"192.0.2.1" is no address of this machine');
    const unknown = await account().run([
      "start",
      "--port",
      "0",
      "--host",
      "nosuch.invalid",
      "--auth",
      "off",
    ]);
    expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining("is no address")]);
  });

  test("two servers never share a directory, even on two addresses of one port", async () => {
    const { user, args } = await started();
    const { exitCode, stderr } = await user.run(["serve", ...args, "--host", "127.0.0.2"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--state-dir");
  });

  test("while the old server is stopping waits for it and takes over", async () => {
    const { user, port, pid, args } = await started();
    // A request that never ends keeps the old one busy for its whole grace period.
    const never = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data() {},
        open: (socket) =>
          void socket.write("POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"),
      },
    });
    onEnd(() => never.terminate());
    process.kill(pid, "SIGTERM");
    await eventually(() => !existsSync(instanceFile(user, port)));
    const { exitCode, stdout } = await user.run(["start", ...args]);
    expect(exitCode).toBe(0);
    expect(pidOf(stdout)).not.toBe(pid);
    expect((await health(port)).pid).toBe(pidOf(stdout));
    await eventually(() => !isAlive(pid));
  }, 30_000);

  test("the server id is kept across restarts", async () => {
    const { user, port, args } = await started();
    const { server_id } = await health(port);
    await user.run(["stop", ...args]);
    await user.run(["start", ...args]);
    expect((await health(port)).server_id).toBe(server_id);
  });
});

/** A file as a server writes it, about a process that is none. */
function forged(pid: number, port: number, stateDir: string): object {
  return {
    pid,
    process_start_time: new Date().toISOString(),
    process_token: "00000000-0000-0000-0000-000000000000:1",
    server_id: "socketio-00000000",
    server_version: "1.0.0",
    host: "localhost",
    port,
    url: `http://localhost:${port}`,
    state_dir: stateDir,
    started_at: new Date().toISOString(),
    executable: "/bin/sleep",
    args: [],
    settings: {},
    sources: {},
  };
}

describe("files of the dead", () => {
  const forgeries: [string, (pid: number, port: number, stateDir: string) => string][] = [
    [
      "an unrelated live process",
      (pid, port, stateDir) =>
        JSON.stringify({
          pid,
          port,
          url: `http://localhost:${port}`,
          host: "localhost",
          server_id: "socketio-00000000",
          server_version: "1.0.0",
          state_dir: stateDir,
          process_start_time: new Date().toISOString(),
        }),
    ],
    [
      "a process that is no more",
      (_pid, port) => JSON.stringify({ pid: 4_000_000, port, url: "http://localhost", host: "localhost" }),
    ],
    [
      "itself in full, but for the process",
      (pid, port, stateDir) => JSON.stringify(forged(pid, port, stateDir)),
    ],
    ["no host", (pid, port, stateDir) => JSON.stringify({ ...forged(pid, port, stateDir), host: undefined })],
    ["nothing", () => ""],
    ["half a document", () => '{"pid": 12'],
    ["a list", () => "[]"],
    ["no number", (_pid, port) => JSON.stringify({ pid: "1; rm", port, url: "x", host: "localhost" })],
    [
      "every process there is",
      (_pid, port) => JSON.stringify({ pid: -1, port, url: "x", host: "localhost" }),
    ],
  ];
  for (const [what, content] of forgeries) {
    test(`a file that names ${what} is not believed, and that process is never signalled`, async () => {
      const user = account();
      const port = await freePort();
      const innocent = bystander();
      const write = () => {
        mkdirSync(join(user.stateDir, `${port}`), { recursive: true });
        writeFileSync(instanceFile(user, port), content(innocent.pid, port, user.stateDir));
      };
      write();
      expect((await user.run(["status", "--port", `${port}`])).exitCode).toBe(3);
      write();
      expect((await user.run(["stop", "--port", `${port}`])).exitCode).toBe(3);
      expect(existsSync(instanceFile(user, port))).toBe(false);
      write();
      expect((await user.run(["stop", "--all"])).exitCode).toBe(3);
      write();
      const start = await user.run(["start", "--port", `${port}`]);
      expect(start.exitCode).toBe(0);
      expect(pidOf(start.stdout)).not.toBe(innocent.pid);
      write();
      // The file lies now about a server that runs: what answers is believed, not the file.
      expect((await user.run(["stop", "--port", `${port}`])).exitCode).toBe(0);
      expect(isAlive(pidOf(start.stdout))).toBe(false);
      expect(innocent.alive()).toBe(true);
    });
  }

  test("a file that tells the truth about a process that is no server gets nobody signalled", async () => {
    const user = account();
    const port = await freePort();
    const innocent = bystander();
    const ticks = readFileSync(`/proc/${innocent.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const file = { ...forged(innocent.pid, port, user.stateDir), process_token: `${boot}:${ticks}` };
    mkdirSync(join(user.stateDir, `${port}`), { recursive: true });
    writeFileSync(instanceFile(user, port), JSON.stringify(file));
    expect((await user.run(["stop", "--port", `${port}`])).exitCode).toBe(3);
    expect(innocent.alive()).toBe(true);
  });

  test("a damaged lock file is no obstacle", async () => {
    const user = account();
    const port = await freePort();
    mkdirSync(join(user.stateDir, `${port}`), { recursive: true });
    writeFileSync(
      join(user.stateDir, `${port}`, "lock.db"),
      "this is no database, it is a text file ".repeat(100),
    );
    expect((await user.run(["status", "--port", `${port}`])).exitCode).toBe(3);
    expect((await user.run(["start", "--port", `${port}`])).exitCode).toBe(0);
  });

  test("the file of a server that holds its lock is never removed, however dead it looks", async () => {
    const { user, port, pid, args } = await started();
    const before = readInstance(user, port);
    // As seen from another container: the process cannot be identified, and nothing answers.
    writeFileSync(instanceFile(user, port), JSON.stringify({ ...before, process_token: "elsewhere:1" }));
    process.kill(pid, "SIGSTOP");
    expect((await user.run(["status", ...args])).exitCode).toBe(3);
    expect(existsSync(instanceFile(user, port))).toBe(true);
    process.kill(pid, "SIGCONT");
    expect((await user.run(["stop", ...args])).exitCode).toBe(0);
  });

  test("a program that answers like our server and names another process gets nobody signalled", async () => {
    const innocent = bystander();
    const user = account();
    const { port: real } = await started();
    const truth = await health(real);
    for (const lie of [{ pid: innocent.pid }, { pid: truth.pid, port: real }]) {
      const liar = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => Response.json({ ...truth, ...lie }),
      });
      const { exitCode, stderr } = await user.run(["stop", "--port", `${liar.port}`]);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("was not signalled")]);
      await liar.stop(true);
    }
    expect(innocent.alive()).toBe(true);
    expect((await health(real)).pid).toBe(truth.pid);
  });

  test("a running server whose file is gone is found and stopped all the same", async () => {
    const { user, port, pid, args } = await started();
    await Bun.file(instanceFile(user, port)).delete();
    expect((await user.run(["status", ...args])).stdout).toContain(`${pid}`);
    expect((await user.run(["stop", ...args])).exitCode).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });
});

describe("stop", () => {
  test("is graceful: clients get 1001, the file goes, the log says so, within 5 seconds", async () => {
    const { user, port, pid, args } = await started();
    const codes: number[] = [];
    const raw = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    raw.onclose = ({ code }) => codes.push(code);
    await eventually(() => raw.readyState === WebSocket.OPEN);
    await connect(`http://127.0.0.1:${port}`, {}, { transports: ["polling"] });
    const { exitCode, stdout } = await user.run(["stop", ...args]);
    expect([exitCode, stdout]).toEqual([0, `Stopped: port ${port} (PID ${pid})\n`]);
    await eventually(() => codes.length === 1);
    expect(codes).toEqual([1001]);
    expect(existsSync(instanceFile(user, port))).toBe(false);
    expect(readFileSync(join(user.stateDir, `${port}`, "server.log"), "utf8")).toMatch(
      /stopped events_processed=0\n$/,
    );
  });

  test("finishes what is under way, and is not held up by who never ends", async () => {
    const { user, port, args } = await started();
    const never = Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data() {},
        open: (socket) =>
          void socket.write("POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"),
      },
    });
    onEnd(async () => (await never).terminate());
    await never;
    expect((await user.run(["stop", ...args])).exitCode).toBe(0);
  });

  test("kills a server that does not answer, but only after it has been asked and identified", async () => {
    const { user, port, pid, args } = await started();
    process.kill(pid, "SIGSTOP");
    expect((await user.run(["status", ...args])).stdout).toContain("does not answer");
    expect((await user.run(["health", ...args])).exitCode).toBe(1);
    const { exitCode, stdout } = await user.run(["stop", ...args]);
    expect([exitCode, stdout]).toEqual([0, `Killed: port ${port} (PID ${pid}) did not stop in time\n`]);
    expect(existsSync(instanceFile(user, port))).toBe(false);
  });

  test("--all stops every server of this user and no other", async () => {
    const other = await started();
    const user = account();
    const ports = [await freePort(), await freePort()];
    for (const port of ports) await user.run(["start", "--port", `${port}`]);
    const { exitCode, stdout } = await user.run(["stop", "--all"]);
    expect(exitCode).toBe(0);
    for (const port of ports) expect(stdout).toContain(`port ${port} `);
    expect((await user.run(["stop", "--all"])).exitCode).toBe(3);
    expect((await health(other.port)).pid).toBe(other.pid);
  });

  test("several at once all say that it is stopped", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { user, args } = await started();
      const all = await Promise.all([1, 2, 3].map(() => user.run(["stop", ...args])));
      expect(all.map(({ stderr }) => stderr)).toEqual(["", "", ""]);
      expect(all.every(({ exitCode }) => exitCode === 0 || exitCode === 3)).toBe(true);
      expect(all.some(({ exitCode }) => exitCode === 0)).toBe(true);
    }
  });

  test("--json is one document, also when it fails", async () => {
    const user = account();
    const truth = { ...(await health((await started()).port)), pid: 1 };
    const liar = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json(truth) });
    onEnd(() => liar.stop(true));
    const { exitCode, stdout } = await user.run(["stop", "--json", "--port", `${liar.port}`]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, servers: [{ outcome: "failed" }] });
  });

  test("with none running exits 3", async () => {
    const user = account();
    const args = ["--port", `${await freePort()}`];
    for (const command of ["stop", "status", "health"])
      expect((await user.run([command, ...args])).exitCode).toBe(3);
  });
});

describe("restart", () => {
  test("keeps the flags the server had and adds those given", async () => {
    const { user, port, pid, args } = await started(["--log-level", "ERROR"]);
    const { exitCode, stdout } = await user.run(["restart", ...args, "--set", "ping_interval=7"]);
    expect(exitCode).toBe(0);
    expect(pidOf(stdout)).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
    expect(readInstance(user, port).settings).toMatchObject({ log_level: "ERROR", ping_interval: 7 });
  });

  test("with a configuration that is refused leaves the server as it is", async () => {
    const { user, port, pid, args } = await started();
    expect((await user.run(["restart", ...args, "--set", "ping_interval=0"])).exitCode).toBe(78);
    expect((await health(port)).pid).toBe(pid);
  });

  test("with none running starts one", async () => {
    const user = account();
    const port = await freePort();
    const { exitCode } = await user.run(["restart", "--port", `${port}`]);
    expect([exitCode, (await health(port)).status]).toEqual([0, "healthy"]);
  });
});

describe("serve", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`says where it is, and ${signal} stops it with exit 0`, async () => {
      const user = account();
      const child = await user.spawn(["serve", "--port", "0"]);
      const text = await readUntil(child.stdout, "Try:");
      const url = /Ready at (\S+)/.exec(text)?.[1] as string;
      expect((await fetch(`${url}/ready`)).status).toBe(200);
      child.kill(signal);
      expect(await child.exited).toBe(0);
      expect(readdirSync(join(user.stateDir, new URL(url).port))).not.toContain("server.json");
    });
  }

  test("SIGHUP reads the configuration again and drops no client", async () => {
    const user = account();
    const file = join(user.home, "config.json");
    writeFileSync(file, '{"log_level": "INFO"}');
    const port = await freePort();
    const args = ["--port", `${port}`, "--config", file];
    await user.run(["start", ...args]);
    const { pid } = await health(port);
    const client = await connect(`http://127.0.0.1:${port}`);
    const log = () => readFileSync(join(user.stateDir, `${port}`, "server.log"), "utf8");
    expect(log()).not.toContain("DEBUG");
    const asks = (origin: string) =>
      fetch(`http://127.0.0.1:${port}/health`, { headers: { Origin: origin } });
    expect((await asks("https://a.example")).status).toBe(403);

    writeFileSync(
      file,
      '{"log_level": "DEBUG", "cors_allowed_origins": "https://a.example", "ping_interval": 9}',
    );
    process.kill(pid, "SIGHUP");
    await eventually(async () => (await asks("https://a.example")).status === 200);
    await eventually(() => log().includes("configuration read again"));
    expect(log()).toContain("these take effect with a restart keys=ping_interval");
    expect(readInstance(user, port).settings.log_level).toBe("DEBUG");

    await connect(`http://127.0.0.1:${port}`);
    expect(log()).toMatch(/DEBUG +\[socketio\] client connected/);

    writeFileSync(file, '{"log_level": "LOUD"}');
    process.kill(pid, "SIGHUP");
    await eventually(() => log().includes("configuration not taken up"));
    expect(client.socket.connected).toBe(true);
    expect(await client.socket.emitWithAck("claude_event", {})).toMatchObject({ ok: true });
    expect((await health(port)).pid).toBe(pid);
  });

  test("a log file that was deleted is made again, by itself", async () => {
    const { user, port } = await started(["--set", "health_check_interval=0.1", "--log-level", "DEBUG"]);
    const path = join(user.stateDir, `${port}`, "server.log");
    await Bun.file(path).delete();
    await eventually(async () => {
      await connect(`http://127.0.0.1:${port}`).then(({ socket }) => socket.disconnect());
      return existsSync(path);
    });
  });

  test("a state directory that was removed is made again on SIGHUP, and the server is found", async () => {
    const { user, port, pid, args } = await started();
    rmSync(join(user.stateDir, `${port}`), { recursive: true });
    process.kill(pid, "SIGHUP");
    await eventually(() => existsSync(instanceFile(user, port)));
    expect((await user.run(["stop", ...args])).exitCode).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  test("SIGHUP opens the log file anew after it was moved away", async () => {
    const { user, port, pid } = await started();
    const path = join(user.stateDir, `${port}`, "server.log");
    await Bun.write(`${path}.old`, Bun.file(path));
    await Bun.file(path).delete();
    process.kill(pid, "SIGHUP");
    await eventually(
      () => existsSync(path) && readFileSync(path, "utf8").includes("configuration read again"),
    );
  });
});

describe("what the commands say", () => {
  test("status, status -v and --json", async () => {
    const { user, port, pid, args } = await started();
    await fetch(`http://127.0.0.1:${port}/api/events`, { method: "POST", body: "{}" });
    const short = await user.run(["status", ...args]);
    expect(short.exitCode).toBe(0);
    expect(short.stdout).toContain(`PID        ${pid}`);
    expect(short.stdout).toMatch(/events +1/);
    const long = await user.run(["status", "-v", ...args]);
    for (const word of ["release", "Socket.IO", "executable", "state", "memory", "history", "last errors"])
      expect(long.stdout).toContain(word);
    const { checks } = (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as {
      checks: { name: string; status: string }[];
    };
    for (const name of [
      "log",
      "log_file",
      "disk",
      "lag",
      "spool",
      "event_loop",
      "memory",
      "errors",
      "clock",
    ]) {
      expect(checks).toContainEqual(expect.objectContaining({ name }));
      expect(long.stdout).toMatch(new RegExp(`^ +(checks +)?${name} +(healthy|degraded)`, "m"));
    }
    const json = JSON.parse((await user.run(["status", "-v", "--json", ...args])).stdout);
    expect(json).toMatchObject({ schema: 1, running: true, pid, stats: { events: { total_processed: 1 } } });
    expect(JSON.parse((await user.run(["health", "--json", ...args])).stdout)).toMatchObject({
      schema: 1,
      status: "healthy",
    });
  });

  test("POST /api/admin/shutdown ends it as SIGTERM does", async () => {
    const { user, port, args } = await started();
    await fetch(`http://127.0.0.1:${port}/api/events`, { method: "POST", body: "{}" });
    const child = await user.spawn(["serve", "--port", `${await freePort()}`, "--auth", "on"]);
    const [, own = ""] = /Ready at (\S+)/.exec(await readUntil(child.stdout, "Try:")) ?? [];
    const token = readFileSync(join(user.stateDir, "local-token"), "utf8").trim();
    const ask = (headers: Record<string, string>) =>
      fetch(`${own}/api/admin/shutdown`, { method: "POST", headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ Authorization: `Bearer ${token}` })).status).toBe(202);
    expect(await child.exited).toBe(0);
    expect(existsSync(join(user.stateDir, new URL(own).port, "server.json"))).toBe(false);
    // The other one goes on.
    expect((await user.run(["status", ...args])).exitCode).toBe(0);
  });

  test("--json says that none runs, too", async () => {
    const { exitCode, stdout } = await account().run(["status", "--json", "--port", `${await freePort()}`]);
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, running: false });
  });

  test("logs -f follows, through a rotation, and ends with Ctrl-C", async () => {
    const { user, port, args } = await started();
    const path = join(user.stateDir, `${port}`, "server.log");
    const child = await user.spawn(["logs", "-f", "-n", "1", ...args]);
    let text = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) text += new TextDecoder().decode(chunk);
    })();
    await eventually(() => text.includes("\n"));
    writeFileSync(path, `${readFileSync(path, "utf8")}first addition\n`);
    await eventually(() => text.includes("first addition"));
    await Bun.write(`${path}.1`, Bun.file(path));
    writeFileSync(path, "after rotation\n");
    await eventually(() => text.includes("after rotation"));
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await reading;
  });

  test("logs of a server that never was say where one would be", async () => {
    const { exitCode, stderr } = await account().run(["logs", "--port", `${await freePort()}`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("server.log");
  });
});

describe("doctor", () => {
  test("finds nothing wrong with a running server, and times the way of an event", async () => {
    const { user, args } = await started();
    const { exitCode, stdout } = await user.run(["doctor", "--json", ...args]);
    const report = JSON.parse(stdout);
    expect([exitCode, report.ok, report.schema]).toEqual([0, true, 1]);
    const canary = report.checks.find(({ name }: any) => name === "canary");
    expect(canary.status).toBe("ok");
    expect(canary.message).toMatch(/stored in [\d.]+ ms, back over the socket in [\d.]+ ms/);
    const hook = report.checks.find(({ name }: any) => name === "hook");
    expect(hook.status).toBe("ok");
    expect(hook.message).toMatch(/hook run and its event stored in [\d.]+ ms, back over the socket/);
    const versions = report.checks.find(({ name }: any) => name === "versions");
    expect(versions.message).toMatch(/^release \d.*claude-mpm >=0.7.0$/);
  });

  test("tells of hooks that wait, of those that were given up, and takes those that wait at the next start", async () => {
    const user = account();
    const port = `${await freePort()}`;
    const args = ["--port", port];
    const spool = join(user.stateDir, port, "spool");
    const payload = JSON.stringify({ hook_event_name: "Stop", session_id: "s-1" });
    await user.run(["hook", ...args], { stdin: payload });
    writeFileSync(`${spool}.dropped`, "2026-01-31T12:00:00.000Z 3 spool_full\n");
    const spoolChecks = async () => {
      const { stdout } = await user.run(["doctor", "--json", ...args]);
      return JSON.parse(stdout).checks.filter(({ name }: any) => name === "spool");
    };
    expect(await spoolChecks()).toEqual([
      {
        name: "spool",
        status: "ok",
        message: expect.stringContaining("1 event of hooks waits for the server"),
      },
      {
        name: "spool",
        status: "warning",
        message: "3 events of hooks could not be kept (last: spool_full)",
        hint: expect.stringContaining(`${spool}.dropped`),
      },
    ]);
    await user.run(["start", ...args]);
    await eventually(async () => (await spoolChecks()).length === 1, { what: "an empty spool" });
  });

  test("a server of another directory gets no hooks, and doctor says why", async () => {
    const { user, port } = await started();
    const stateDir = join(user.home, "elsewhere");
    const { exitCode, stdout } = await user.run([
      "doctor",
      "--json",
      "--port",
      `${port}`,
      "--state-dir",
      stateDir,
    ]);
    expect(exitCode).toBe(0);
    const hook = JSON.parse(stdout).checks.find(({ name }: any) => name === "hook");
    expect(hook).toMatchObject({ status: "warning", message: expect.stringContaining("no instance file") });
    expect(existsSync(join(stateDir, `${port}`, "spool"))).toBe(false);
  });

  test("tries a server of its own when none runs, and leaves nothing behind", async () => {
    const user = account();
    const { exitCode, stdout } = await user.run(["doctor", "--port", `${await freePort()}`]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("on a trial server");
    expect(existsSync(user.stateDir)).toBe(false);
  });

  test("names what is wrong and how to mend it: port, permissions, stale files, configuration", async () => {
    const user = account();
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    onEnd(() => silent.stop(true));
    mkdirSync(join(user.stateDir, "9999"), { recursive: true, mode: 0o755 });
    writeFileSync(join(user.stateDir, "9999", "server.json"), "");
    const { exitCode, stdout } = await user.run(["doctor", "--json", "--port", `${silent.port}`], {
      env: { CLAUDE_MPM_SOCKETIO_PROT: "1", HTTP_PROXY: "http://127.0.0.1:9" },
    });
    expect(exitCode).toBe(1);
    const checks = JSON.parse(stdout).checks as {
      name: string;
      status: string;
      message: string;
      hint?: string;
    }[];
    const of = (name: string) => checks.filter((check) => check.name === name).map(({ status }) => status);
    expect(of("port")).toEqual(["failed"]);
    expect(of("state directory")).toEqual(["warning"]);
    expect(of("stale files")).toEqual(["warning"]);
    expect(of("configuration")).toEqual(["ok", "warning"]);
    expect(of("proxy")).toEqual(["warning"]);
    expect(checks.filter(({ status }) => status !== "ok").every(({ hint }) => hint)).toBe(true);

    const broken = await user.run(["doctor", "--json"], { env: { CLAUDE_MPM_SOCKETIO_PORT: "x" } });
    expect(broken.exitCode).toBe(1);
    expect(JSON.parse(broken.stdout).checks[0]).toMatchObject({ name: "configuration", status: "failed" });
  });

  test("install-deps says that nothing has to be installed, checks, and exits 0", async () => {
    const { exitCode, stdout } = await account().run(["install-deps"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Nothing has to be installed");
    expect(stdout).toContain("canary");
  });
});
