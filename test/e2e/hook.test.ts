import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { serverPaths } from "../../src/config/paths.ts";
import { spoolStatus } from "../../src/hooks/spool.ts";
import { account, binary } from "../support/binary.ts";
import { eavesdropper } from "../support/eavesdropper.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

beforeAll(async () => {
  await binary();
});

/** A user with a port of their own, whose hooks and server are run as Claude Code and they would. */
async function setUp() {
  const user = account();
  const port = await freePort();
  const env = { CLAUDE_MPM_SOCKETIO_PORT: `${port}` };
  const { spool } = serverPaths(user.stateDir, port);
  const url = `http://127.0.0.1:${port}`;
  const events = async (): Promise<any[]> => {
    const response = await fetch(`${url}/api/events?limit=1000`);
    return ((await response.json()) as any).events;
  };
  return {
    ...user,
    port,
    url,
    spool,
    instance: serverPaths(user.stateDir, port).instance,
    status: () => spoolStatus(spool),
    /** Runs one hook to its end; anything but silent success is a failure. */
    async hook(payload: unknown, more: Record<string, string> = {}, args: string[] = []) {
      const stdin = typeof payload === "string" ? payload : JSON.stringify(payload);
      const finished = await user.run(["hook", ...args], { env: { ...env, ...more }, stdin });
      expect(finished).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    },
    async start(...args: string[]) {
      const { exitCode, stderr } = await user.run(["start", ...args], { env });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    },
    stop: () => user.run(["stop"], { env }),
    async kill() {
      const { pid } = JSON.parse(readFileSync(serverPaths(user.stateDir, port).instance, "utf8"));
      process.kill(pid, "SIGKILL");
      await eventually(
        () =>
          fetch(url).then(
            () => false,
            () => true,
          ),
        { what: "its end" },
      );
    },
    events,
    /** All events, once there are so many: on a busy machine a hook may take the way of the spool. */
    stored: (count: number) =>
      eventually(
        async () => {
          const all = await events().catch(() => []);
          return all.length >= count && all;
        },
        { what: `${count} events` },
      ),
  };
}

type User = Awaited<ReturnType<typeof setUp>>;

const pre = (id: string, session = "s") => ({
  session_id: session,
  cwd: "/work",
  hook_event_name: "PreToolUse",
  tool_name: "Bash",
  tool_use_id: id,
});
const post = (id: string, session = "s") => ({ ...pre(id, session), hook_event_name: "PostToolUse" });
const steps = (events: any[]) => events.map(({ type, correlation_id: id }) => `${type} ${id}`);

/** Something that listens and is no server of ours; it keeps what it is sent, and answers it so. */
function stranger(
  port: number,
  answer: string | null,
): Promise<{ received(): string; close(): Promise<void> }> {
  let received = "";
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      received += chunk;
      if (answer !== null) socket.end(answer);
    });
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () =>
      resolve({
        received: () => received,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => closed());
          }),
      }),
    );
  });
}

/** An instance file as a living server of this user would have written it: of this very process. */
function vouchFor(user: User, settings: object = {}): void {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  mkdirSync(join(user.stateDir, `${user.port}`), { recursive: true });
  const own = { pid: process.pid, process_token: `${boot}:${ticks}`, server_id: "test", executable: "test" };
  const where = { host: "localhost", port: user.port, url: user.url };
  const instance = { ...own, ...where, args: [], settings, sources: {} };
  writeFileSync(user.instance, JSON.stringify(instance));
}

const answer = (status: number, body = "") =>
  `HTTP/1.1 ${status} X\r\nX-Server-Version: 1.0.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe("with a server that asks for tokens", () => {
  test("a hook needs no set-up, and takes no detour", async () => {
    const user = await setUp();
    await user.start("--auth", "on");
    await user.hook(pre("t1"));
    expect(existsSync(user.spool)).toBe(false);
    const { stdout } = await user.run(["history", "--json", "--port", `${user.port}`]);
    expect(JSON.parse(stdout).events).toMatchObject([{ type: "hook.pre_tool_use" }]);
  });

  test("what it refuses waits, and is taken all the same", async () => {
    const user = await setUp();
    await user.start("--auth", "on");
    const env = { CLAUDE_MPM_SOCKETIO_TOKEN: "cms_of-another-server" };
    await user.hook(pre("t1"), env);
    await eventually(async () => {
      const { stdout } = await user.run(["history", "--json", "--port", `${user.port}`]);
      return JSON.parse(stdout).events.length === 1;
    });
    expect(user.status()).toMatchObject({ waiting: 0, dropped: 0 });
  });

  test("a token that others may read is not sent", async () => {
    const user = await setUp();
    vouchFor(user, { auth: "on" });
    const listener = await stranger(user.port, answer(200, "{}"));
    writeFileSync(join(user.stateDir, "local-token"), "cms_secret\n", { mode: 0o644 });
    await user.hook(pre("t1"));
    expect(listener.received()).not.toContain("cms_secret");
    chmodSync(join(user.stateDir, "local-token"), 0o600);
    await user.hook(pre("t2"));
    await eventually(() => listener.received().includes("Authorization: Bearer cms_secret"));
    await listener.close();
  });

  test.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)(
    "one of the machine is reached by a configured token, unless another user holds the port",
    async () => {
      for (const [uid, isReached] of [
        [61_200, true],
        [999, true],
        [1234, false],
      ] as const) {
        const listener = await eavesdropper(uid);
        const user = account();
        const env = {
          CLAUDE_MPM_SOCKETIO_PORT: `${listener.port}`,
          CLAUDE_MPM_SOCKETIO_TOKEN: "cms_for-the-service",
        };
        await user.run(["hook"], { env, stdin: JSON.stringify(pre("t1")) });
        const emitted = await user.run(["emit", "x"], { env });
        const heard = listener.heard.join("\n");
        expect([uid, heard.includes("cms_for-the-service")]).toEqual([uid, isReached]);
        expect([uid, heard.includes("PreToolUse")]).toEqual([uid, isReached]);
        expect(emitted.exitCode).toBe(1);
        const { spool } = serverPaths(user.stateDir, listener.port);
        if (!isReached) expect(spoolStatus(spool).waiting).toBe(1);
      }
    },
  );
});

describe("with a server", () => {
  test("a hook's event is stored in its normal form", async () => {
    const user = await setUp();
    await user.start();
    const before = Date.now();
    await user.hook(pre("t1"));
    const [event] = await user.stored(1);
    expect(event).toMatchObject({
      type: "hook.pre_tool_use",
      session_id: "s",
      cwd: "/work",
      correlation_id: "t1",
      source: "claude-code",
      data: pre("t1"),
    });
    expect(Date.parse(event.timestamp)).toBeGreaterThanOrEqual(before - 1);
    expect(user.status()).toEqual({
      waiting: 0,
      bytes: 0,
      oldest: null,
      dropped: 0,
      dropped_at: null,
      last_reason: null,
    });
  });

  test("a tool response of 12 MB arrives shortened, with its mark", async () => {
    const user = await setUp();
    await user.start();
    await user.hook({ ...post("t1"), tool_response: "x".repeat(12_000_000) });
    // On a busy machine it may take the way of the spool.
    const [event] = await user.stored(1);
    expect(event.correlation_id).toBe("t1");
    expect(event.data.tool_response).toMatch(/^x{900000,}… \[11,0\d\d,\d{3} characters left out\]$/);
  });

  test("what is beyond 16 MiB keeps its place, though its JSON is cut", async () => {
    const user = await setUp();
    await user.start();
    const { tool_use_id, ...rest } = post("t1");
    await user.hook({ ...rest, tool_response: "x".repeat(17 * 1024 * 1024), tool_use_id });
    const [event] = await user.stored(1);
    expect(event).toMatchObject({
      type: "hook.post_tool_use",
      session_id: "s",
      correlation_id: "t1",
      cwd: "/work",
    });
  });

  test("the limit is that of the server that runs", async () => {
    const user = await setUp();
    await user.start("--set", "max_http_buffer_size=5000");
    await user.hook({ ...post("t1"), tool_response: "y".repeat(100_000) });
    const [event] = await user.stored(1);
    expect(event.data.tool_response).toMatch(/^y+… \[9\d,\d{3} characters left out\]$/);
  });

  test("the same hook registered twice is stored once, and again later it is new", async () => {
    const user = await setUp();
    await user.start();
    await Promise.all([user.hook(pre("t1")), user.hook(pre("t1"))]);
    expect(await user.stored(1)).toHaveLength(1);
    const [first] = await user.stored(1);
    await eventually(() => Date.now() > Date.parse(first.timestamp) + 2001);
    await user.hook(pre("t1"));
    expect(await user.stored(2)).toHaveLength(2);
  });

  test("registered twice it is stored once, though the server ends between the two", async () => {
    const user = await setUp();
    await user.start();
    await user.hook(pre("t1"));
    await user.kill();
    await user.hook(pre("t1"));
    expect(user.status()).toMatchObject({ waiting: 1 });
    await user.start();
    await eventually(() => user.status().waiting === 0);
    expect(await user.stored(1)).toHaveLength(1);
  });

  test("what is no JSON is kept as text, and nothing is nothing", async () => {
    const user = await setUp();
    await user.start();
    await user.hook("");
    await user.hook("no json at all");
    expect(await user.stored(1)).toMatchObject([{ type: "hook.unknown", data: { _raw: "no json at all" } }]);
  });

  test("a writer that never closes its end is not waited for", async () => {
    const user = await setUp();
    await user.start();
    const child = Bun.spawn([await binary(), "hook"], {
      env: { ...user.env, CLAUDE_MPM_SOCKETIO_PORT: `${user.port}` },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    child.stdin.write(JSON.stringify(pre("t1")));
    child.stdin.flush();
    expect(await child.exited).toBe(0);
    expect(await user.stored(1)).toHaveLength(1);
  });

  test("the configuration file counts", async () => {
    const user = await setUp();
    const file = join(user.home, ".claude-mpm", "socketio_config.json");
    mkdirSync(join(user.home, ".claude-mpm"), { recursive: true });
    writeFileSync(file, `{"port": ${user.port}, /* ours */ "state_dir": "elsewhere"}`);
    await user.run(["start"]);
    await user.run(["hook"], { stdin: JSON.stringify(pre("t1")) });
    expect(await user.stored(1)).toHaveLength(1);
    await user.run(["stop"]);
  });

  test("events go on when it stops and starts, and none is lost or stored twice", async () => {
    const user = await setUp();
    await user.start();
    await user.hook(pre("t1"));
    await user.stop();
    await user.hook(post("t1"));
    const spooled = Date.now();
    await user.start();
    await user.stored(2);
    await user.hook(pre("t2"));
    const events = await user.stored(3);
    expect(steps(events)).toEqual(["hook.pre_tool_use t1", "hook.post_tool_use t1", "hook.pre_tool_use t2"]);
    expect(Date.parse(events[1].timestamp)).toBeLessThan(spooled);
    expect(user.status()).toMatchObject({ waiting: 0, dropped: 0 });
  });

  test("a spool that cannot be used keeps nothing from the server", async () => {
    const user = await setUp();
    vouchFor(user);
    writeFileSync(user.spool, "no directory");
    const server = await stranger(user.port, answer(200));
    await user.hook(pre("t1"));
    expect(server.received()).toContain('"t1"');
    await server.close();
  });

  test("what waits goes out with the next hook, in front of it", async () => {
    const user = await setUp();
    await user.hook(pre("t1"));
    vouchFor(user);
    const server = await stranger(user.port, answer(200, '{"accepted":2}'));
    await user.hook(post("t1"));
    const [, body = ""] = server.received().split("\r\n\r\n");
    expect(steps(JSON.parse(body))).toEqual(["hook.pre_tool_use t1", "hook.post_tool_use t1"]);
    expect(user.status()).toMatchObject({ waiting: 0, dropped: 0 });
    await server.close();
  });
});

describe("without a server", () => {
  test("another program on the port gets no byte: without an instance file, and with a dead server's", async () => {
    const user = await setUp();
    let server = await stranger(user.port, answer(200));
    await user.hook({ ...pre("t1"), prompt: "secret" });
    await server.close();
    await user.start();
    await user.stored(1);
    await user.kill();
    expect(existsSync(user.instance)).toBe(true);
    server = await stranger(user.port, answer(200));
    await user.hook({ ...pre("t2"), prompt: "secret" });
    expect(server.received()).toBe("");
    expect(user.status()).toMatchObject({ waiting: 1 });
    await server.close();
  });

  for (const status of [401, 403, 429, 500, 503]) {
    test(`a refusal for a while (${status}) keeps the event`, async () => {
      const user = await setUp();
      vouchFor(user);
      const server = await stranger(user.port, answer(status));
      await user.hook(pre("t1"));
      expect(server.received()).toContain("POST /api/events");
      expect(user.status()).toMatchObject({ waiting: 1, dropped: 0 });
      await server.close();
    });
  }

  for (const status of [400, 413, 422]) {
    test(`a refusal for good (${status}) gives it up, and counts it`, async () => {
      const user = await setUp();
      vouchFor(user);
      const server = await stranger(user.port, answer(status));
      await user.hook(pre("t1"));
      expect(user.status()).toMatchObject({ waiting: 0, dropped: 1, last_reason: `refused_${status}` });
      await server.close();
    });
  }

  const strange: [string, string | null][] = [
    ["that does not say it is ours", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["that is no HTTP", "220 smtp ready\r\n\r\n"],
    ["that ends too soon", ""],
    ["that never comes", null],
  ];
  for (const [name, text] of strange) {
    test(`an answer ${name} keeps the event`, async () => {
      const user = await setUp();
      vouchFor(user);
      const server = await stranger(user.port, text);
      const start = performance.now();
      await user.hook(pre("t1"));
      // 500 ms and a process; the figure itself is measured by the benchmark.
      expect(performance.now() - start).toBeLessThan(3000);
      expect(user.status()).toMatchObject({ waiting: 1, dropped: 0 });
      await server.close();
    });
  }

  test("a server that hangs costs only the first hook its time, and gets all of them when it goes on", async () => {
    const user = await setUp();
    await user.start();
    const { pid } = JSON.parse(readFileSync(user.instance, "utf8"));
    process.kill(pid, "SIGSTOP");
    await user.hook(pre("t1"));
    await user.hook(post("t1"));
    expect(user.status()).toMatchObject({ waiting: 2 });
    process.kill(pid, "SIGCONT");
    await user.hook(pre("t2"));
    const events = await user.stored(3);
    expect(steps(events)).toEqual(["hook.pre_tool_use t1", "hook.post_tool_use t1", "hook.pre_tool_use t2"]);
  });

  test("a token goes along, and a host with one is a server too", async () => {
    const user = await setUp();
    const server = await stranger(user.port, answer(200));
    // Any name of this machine that is not a loopback one by its looks.
    const host = "127.0.0.1.nip.invalid";
    await user.hook(pre("t1"), { CLAUDE_MPM_SOCKETIO_TOKEN: "t0ken", CLAUDE_MPM_SOCKETIO_HOST: host });
    expect(user.status()).toMatchObject({ waiting: 1 });
    vouchFor(user);
    await user.hook(pre("t2"), { CLAUDE_MPM_SOCKETIO_TOKEN: "t0ken" });
    expect(server.received()).toContain("Authorization: Bearer t0ken");
    await server.close();
  });
});

describe("whatever happens it is silent and exits 0", () => {
  test("with flags, settings and a file that mean nothing", async () => {
    const user = await setUp();
    const file = join(user.home, "broken.json");
    writeFileSync(file, "{{{");
    await user.hook(pre("t1"), { CLAUDE_MPM_SOCKETIO_LOG_LEVEL: "banana" }, [
      "--nonsense",
      "extra",
      "--config",
      file,
    ]);
    expect(user.status()).toMatchObject({ waiting: 1 });
  });

  test("with a state directory that cannot be written", async () => {
    const user = await setUp();
    const file = join(user.home, "a-file");
    writeFileSync(file, "");
    await user.hook(pre("t1"), { CLAUDE_MPM_SOCKETIO_STATE_DIR: join(file, "state") });
    mkdirSync(join(user.stateDir, `${user.port}`), { recursive: true });
    chmodSync(join(user.stateDir, `${user.port}`), 0o500);
    await user.hook(pre("t1"));
    chmodSync(join(user.stateDir, `${user.port}`), 0o700);
  });

  test("with an instance file that is half there", async () => {
    const user = await setUp();
    mkdirSync(join(user.stateDir, `${user.port}`), { recursive: true });
    writeFileSync(user.instance, '{"pid":');
    await user.hook(pre("t1"));
    expect(user.status()).toMatchObject({ waiting: 1 });
  });

  test("with its standard input closed, and with a full disk", async () => {
    const user = await setUp();
    const env = { ...user.env, CLAUDE_MPM_SOCKETIO_PORT: `${user.port}` };
    const shell = Bun.spawn(["/bin/sh", "-c", `"$0" hook <&- >out 2>&1; echo $? >>out`, await binary()], {
      env,
      cwd: user.home,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await shell.exited;
    expect(readFileSync(join(user.home, "out"), "utf8")).toBe("0\n");
    await user.hook(pre("t1"), { CLAUDE_MPM_SOCKETIO_STATE_DIR: "/dev/full" });
  });

  const troubles: [string, string][] = [
    [
      "with a /proc that is masked",
      `const file = Bun.file;
       Bun.file = (path, ...rest) =>
         path === "/proc/sys/kernel/random/boot_id"
           ? { text: () => Promise.reject(new Error("EACCES")) }
           : file(path, ...rest);`,
    ],
    [
      "with a rejection that nobody waits for",
      `setTimeout(() => Promise.reject(new Error("floating")), 100)`,
    ],
    ["with an exception in a callback", `setTimeout(() => { throw new Error("thrown"); }, 100)`],
    ["with a socket that cannot be made", `Bun.connect = () => { throw new Error("EMFILE"); }`],
    [
      "with a socket that cannot be written",
      `Bun.connect = async ({ socket }) => {
         socket.open({ write() { throw new Error("EIO"); } });
       }`,
    ],
  ];
  for (const [name, trouble] of troubles) {
    test(`${name}, and the event is kept`, async () => {
      const user = await setUp();
      vouchFor(user);
      const preload = join(user.home, "trouble.ts");
      writeFileSync(preload, trouble);
      const main = join(import.meta.dir, "..", "..", "src", "main.ts");
      const child = Bun.spawn([process.execPath, "--preload", preload, main, "hook"], {
        env: { ...user.env, CLAUDE_MPM_SOCKETIO_PORT: `${user.port}` },
        cwd: user.home,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      });
      // All that can go wrong by itself has gone wrong by then.
      await Bun.sleep(300);
      child.stdin.write(JSON.stringify(pre("t1")));
      await child.stdin.end();
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect({ exitCode: await child.exited, stdout, stderr }).toEqual({
        exitCode: 0,
        stdout: "",
        stderr: "",
      });
      expect(user.status()).toMatchObject({ waiting: 1, dropped: 0 });
    });
  }

  test("and --help says what it is", async () => {
    const user = await setUp();
    const { exitCode, stdout } = await user.run(["hook", "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("standard input");
  });
});

describe("fifty hooks at once lose nothing and keep each session's order", () => {
  /** 25 sessions, each of which begins a tool and, once that hook is over, ends it. */
  async function sessions(user: User): Promise<void> {
    await Promise.all(
      Array.from({ length: 25 }, async (_, index) => {
        await user.hook(pre(`t${index}`, `s${index}`));
        await user.hook(post(`t${index}`, `s${index}`));
      }),
    );
  }

  async function expectAll(user: User): Promise<void> {
    const events = await user.stored(50);
    expect(events).toHaveLength(50);
    for (let index = 0; index < 25; index += 1) {
      const own = events.filter(({ session_id }) => session_id === `s${index}`);
      expect(steps(own)).toEqual([`hook.pre_tool_use t${index}`, `hook.post_tool_use t${index}`]);
    }
    await eventually(() => user.status().waiting === 0);
    expect(user.status()).toMatchObject({ dropped: 0 });
  }

  test("with the server up", async () => {
    const user = await setUp();
    await user.start();
    await sessions(user);
    await expectAll(user);
  });

  test("with the server down, then started", async () => {
    const user = await setUp();
    await sessions(user);
    expect(user.status()).toMatchObject({ waiting: 50 });
    await user.start();
    await expectAll(user);
  });

  test("with the server started, restarted and killed in their midst", async () => {
    const user = await setUp();
    const all = sessions(user);
    await user.start();
    await user.stored(2);
    await user.stop();
    await user.start();
    await user.kill();
    await user.start();
    await all;
    await expectAll(user);
  });
});
