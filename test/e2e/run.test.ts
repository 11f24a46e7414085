/** `run -- COMMAND`: the command is as if it were run alone, and its session is reported beside it. */
import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, account, binary } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { stranger } from "../support/fake-server.ts";
import { freePort } from "../support/ports.ts";
import { runScript } from "../support/script.ts";

const PYTHON = "/usr/bin/python3";

let user: Account;
let port: number;
let env: Record<string, string>;

beforeAll(async () => {
  user = account();
  port = await freePort();
  // What is detected differs from machine to machine.
  env = { CLAUDE_MPM_SOCKETIO_PORT: `${port}`, CLAUDE_MPM_SOCKETIO_MODE: "auto" };
  await user.run(["start"], { env });
});

const sh = (script: string) => ["run", "--", "/bin/sh", "-c", script];
const run = (args: string[], options = {}) => user.run(args, { env, ...options });

async function reported(): Promise<any[]> {
  const { events } = await (await fetch(`http://127.0.0.1:${port}/api/events?limit=1000`)).json();
  const session = events.findLast(({ type }: any) => type === "session.start")?.session_id;
  return events.filter(({ session_id }: any) => session_id === session);
}

/** Runs a command that writes "ready" first, and waits for that. */
async function startRun(args: string[]) {
  const child = await user.spawn(args, { env });
  let stdout = "";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) stdout += decoder.decode(chunk);
  })();
  await eventually(() => stdout.includes("ready\n"), { what: "the command's start" });
  return { child, stdout: () => stdout };
}

describe("the command", () => {
  test("gives its exit code, and reads and writes what is its own", async () => {
    const result = await run(sh("cat; echo complaint >&2; exit 7"), { stdin: "what is\npiped in" });
    expect(result).toEqual({ exitCode: 7, stdout: "what is\npiped in", stderr: "complaint\n" });
  });

  test("gets its arguments as they are", async () => {
    const args = ["--help", "--json", "-v", "--", "a b", "", "--port", "1"];
    const { stdout, exitCode } = await run(["run", "--", "printf", "[%s]", ...args]);
    expect([stdout, exitCode]).toEqual([args.map((arg) => `[${arg}]`).join(""), 0]);
  });

  test("stands where it was called, and finds the same server", async () => {
    const args = ["run", "--port", `${port}`, "--", "/bin/sh", "-c", "pwd; echo $CLAUDE_MPM_SOCKETIO_PORT"];
    const named = await run(args, { env: { CLAUDE_MPM_SOCKETIO_MODE: "auto" } });
    expect(named.stdout).toBe(`${user.home}\n${port}\n`);
  });

  test("that does not exist is 127, one that cannot be run 126, and neither is reported", async () => {
    const before = await reported();
    const text = join(user.home, "text");
    writeFileSync(text, "no program");
    const interpreter = join(user.home, "interpreter");
    writeFileSync(interpreter, "#!/no/such/interpreter\n", { mode: 0o755 });
    for (const [command, exitCode, said] of [
      ["no-such-command", 127, 'Error: There is no command "no-such-command"\nCheck its spelling and PATH\n'],
      [interpreter, 127, expect.stringContaining("interpreter that is missing")],
      [text, 126, expect.stringMatching(/cannot be run: .*\n.*ls -l\n$/)],
      [user.home, 126, expect.stringMatching(/cannot be run: .*\n.*ls -l\n$/)],
    ] as const) {
      expect(await run(["run", "--", command])).toEqual({ exitCode, stdout: "", stderr: said });
    }
    expect(await reported()).toEqual(before);
  });

  test("may be a script that names no interpreter, as in a shell", async () => {
    const script = join(user.home, "script");
    writeFileSync(script, 'echo "$1"; exit 3\n');
    chmodSync(script, 0o755);
    expect(await run(["run", "--", script, "argument"])).toEqual({
      exitCode: 3,
      stdout: "argument\n",
      stderr: "",
    });
  });

  for (const [args, hint] of [
    [["run", "ls", "-la"], "run -- ls -la"],
    [["run", "--monitor", "ls"], "run -- ls"],
    [["run"], "run -- COMMAND"],
    [["run", "--"], "run -- COMMAND"],
  ] as const) {
    test(`is asked for after --: ${args.join(" ")}`, async () => {
      expect(await run([...args])).toEqual({
        exitCode: 2,
        stdout: "",
        stderr: `Error: The command to run is missing\nWrite it after --: claude-mpm-socketio ${hint}\n`,
      });
    });
  }

  test("is where --help says it is", async () => {
    const { stdout } = await run(["run", "--help"]);
    expect(stdout).toContain("USAGE claude-mpm-socketio run [OPTIONS] -- COMMAND");
  });

  test("is not run with a flag that does not exist", async () => {
    const { exitCode, stdout, stderr } = await run(["run", "--banana", "--", "echo", "ran"]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--banana");
  });
});

describe("signals", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGUSR1"] as const) {
    test(`${signal} reaches the command, which decides what comes of it`, async () => {
      const name = signal.slice(3);
      const script = `trap 'echo got ${name}; exit 9' ${name}; echo ready; while :; do sleep 0.02; done`;
      const { child, stdout } = await startRun(sh(script));
      child.kill(signal);
      expect(await child.exited).toBe(9);
      expect(stdout()).toBe(`ready\ngot ${name}\n`);
      expect((await reported()).at(-1)).toMatchObject({ data: { exit_code: 9, signal: null } });
    });
  }

  test("a command that SIGTERM ends is 143, and its end is reported", async () => {
    const { child } = await startRun(sh("echo ready; exec sleep 1000"));
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
    expect((await reported()).at(-1)).toMatchObject({
      type: "session.end",
      data: { exit_code: null, signal: "SIGTERM" },
    });
  });

  test("a command that is killed is 137, and its end is reported", async () => {
    const { child, stdout } = await startRun(sh("echo $$; echo ready; exec sleep 1000"));
    process.kill(Number.parseInt(stdout()), "SIGKILL");
    expect(await child.exited).toBe(137);
    const events = await reported();
    expect(events.map(({ type }) => type)).toEqual(["session.start", "claude.status", "session.end"]);
    expect(events[2]).toMatchObject({ data: { exit_code: null, signal: "SIGKILL" } });
  });
});

test("start and end are reported with what belongs to them", async () => {
  await run(["run", "--monitor", "--", "/bin/sh", "-c", "exit 5"]);
  const events = await reported();
  const [{ session_id }] = events;
  const common = {
    session_id,
    cwd: user.home,
    source: "run",
    id: expect.any(String),
    seq: expect.any(Number),
    server_id: expect.any(String),
    received_at: expect.any(String),
    timestamp: expect.stringMatching(/Z$/),
    client_version: expect.any(String),
  };
  expect(events).toEqual([
    {
      ...common,
      type: "session.start",
      data: {
        session_id,
        launch_method: "run",
        working_directory: user.home,
        command: ["/bin/sh", "-c", "exit 5"],
        pid: expect.any(Number),
      },
    },
    {
      ...common,
      type: "claude.status",
      data: { status: "running", pid: events[0].data.pid, message: "" },
    },
    {
      ...common,
      type: "session.end",
      data: { session_id, exit_code: 5, signal: null, duration_seconds: expect.any(Number) },
    },
  ]);
  expect(events[0].timestamp <= events[2].timestamp).toBe(true);
});

describe("the server", () => {
  test("is started in the background where none runs, and told of when the command has ended", async () => {
    const other = account();
    const free = await freePort();
    const options = { env: { ...env, CLAUDE_MPM_SOCKETIO_PORT: `${free}` } };
    const script = `until ${await binary()} emit from.within >/dev/null 2>&1; do :; done; echo last words >&2`;
    const { exitCode, stdout, stderr } = await other.run(sh(script), options);
    expect([exitCode, stdout]).toEqual([0, ""]);
    expect(stderr).toMatch(
      /^last words\nNo server was running; started one: http:\/\/localhost:\d+ \(PID \d+\)\n$/,
    );
    const { events } = await (await fetch(`http://127.0.0.1:${free}/api/events`)).json();
    const types = events.map(({ type }: any) => type).filter((type: string) => type !== "from.within");
    expect(types).toEqual(["session.start", "claude.status", "session.end"]);
    expect(await other.run(["stop"], options)).toMatchObject({ exitCode: 0 });
  });

  for (const [name, settings] of [
    ["where that is the mode", { CLAUDE_MPM_SOCKETIO_MODE: "embedded" }],
    ["where none runs and none may be started", { CLAUDE_MPM_SOCKETIO_AUTO_START: "false" }],
  ] as const) {
    test(`is in the process itself ${name}, reachable for the command and gone with it`, async () => {
      const other = account();
      const free = await freePort();
      const options = { env: { ...env, CLAUDE_MPM_SOCKETIO_PORT: `${free}`, ...settings } };
      const us = await binary();
      const script = `until ${us} emit from.within >/dev/null 2>&1; do :; done; ${us} history --json`;
      const { exitCode, stdout, stderr } = await other.run(sh(script), options);
      expect([exitCode, stderr]).toEqual([0, ""]);
      const types = JSON.parse(stdout).events.map(({ type }: any) => type);
      expect(types.toSorted()).toEqual(["claude.status", "from.within", "session.start"]);
      await expect(fetch(`http://127.0.0.1:${free}/health`)).rejects.toThrow();
      expect(existsSync(join(other.stateDir, `${free}`, "server.json"))).toBe(false);
    });
  }

  test("is another one in the process itself where another program has the port", async () => {
    const { port: taken } = await stranger((socket) => socket.end("garbage"));
    const options = { env: { ...env, CLAUDE_MPM_SOCKETIO_PORT: `${taken}` } };
    expect(await account().run(sh("exit 4"), options)).toEqual({ exitCode: 4, stdout: "", stderr: "" });
  });

  test("that cannot be had keeps the command from nothing", async () => {
    const { port: taken } = await stranger(() => {});
    const options = {
      env: { ...env, CLAUDE_MPM_SOCKETIO_PORT: `${taken}`, CLAUDE_MPM_SOCKETIO_MODE: "client" },
    };
    const { exitCode, stdout, stderr } = await account().run(sh("echo done; exit 6"), options);
    expect([exitCode, stdout]).toEqual([6, "done\n"]);
    expect(stderr).toContain("the session is reported when the server is back");
  });

  test("that dies while the command runs is told when it is back, of each event once", async () => {
    const other = account();
    const options = { env: { ...env, CLAUDE_MPM_SOCKETIO_PORT: `${await freePort()}` } };
    const { stdout } = await other.run(["start", "--json"], options);
    const history = async () => {
      const { stdout: text } = await other.run(["history", "--json"], options);
      return JSON.parse(text).events as any[];
    };
    const args = sh("echo ready; read line; exit 5");
    const child = Bun.spawn([await binary(), ...args], {
      cwd: other.home,
      env: { ...other.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    await eventually(async () => (await history()).length === 2, { what: "the start in the history" });
    process.kill(JSON.parse(stdout).pid, "SIGKILL");
    child.stdin.write("on\n");
    child.stdin.end();
    expect(await child.exited).toBe(5);
    expect(await new Response(child.stderr).text()).toContain("reported when the server is back");
    const ended = Date.now();
    await other.run(["start"], options);
    const events = await eventually(async () => {
      const all = await history();
      return all.length >= 3 && all;
    });
    expect(events.map(({ type }) => type)).toEqual(["session.start", "claude.status", "session.end"]);
    expect(events[2].data).toMatchObject({ exit_code: 5 });
    expect(Date.parse(events[2].timestamp)).toBeLessThanOrEqual(ended);
  });

  test("is left alone without monitoring", async () => {
    const before = await reported();
    expect(await run(["run", "--no-monitor", "--", "/bin/sh", "-c", "exit 2"])).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "",
    });
    expect(await reported()).toEqual(before);
  });
});

describe("a terminal", () => {
  const title = existsSync(PYTHON)
    ? "is the command's own"
    : "is the command's own (not run: python3 missing)";
  test.skipIf(!existsSync(PYTHON))(title, async () => {
    const script = [
      "import os, select, signal, sys",
      // One signal may come while another is told of, and `print` cannot be called again before it is done.
      "say = lambda *words: os.write(1, (' '.join(map(str, words)) + '\\n').encode())",
      "signal.signal(signal.SIGINT, lambda *_: say('interrupted'))",
      "signal.signal(signal.SIGWINCH, lambda *_: say('columns', os.get_terminal_size().columns))",
      "print('terminal', [os.isatty(fd) for fd in range(3)], flush=True)",
      // A signal that comes just before Python blocks in a read is only heard after it.
      "while not select.select([sys.stdin], [], [], 0.05)[0]: pass",
      "print('typed', sys.stdin.readline().strip(), flush=True)",
      "sys.exit(8)",
    ].join("\n");
    const argv = [await binary(), "run", "--", PYTHON, "-c", script];
    const terminal = runScript(
      [
        PYTHON,
        "-u",
        join(import.meta.dir, "terminal.py"),
        JSON.stringify(argv),
        JSON.stringify({ ...user.env, ...env }),
      ],
      { PATH: "/usr/bin:/bin" },
    );
    const shown = () => terminal.lines.map((line) => line.shown ?? "").join("");
    await eventually(() => shown().includes("terminal [True, True, True]"));
    terminal.send({ columns: 123 });
    await eventually(() => shown().includes("columns 123"));
    terminal.send({ type: "\u0003" });
    await eventually(() => shown().includes("interrupted"));
    terminal.send({ type: "hello\n" });
    expect((await terminal.next((line) => "exit" in line, "its end")).exit).toBe(8);
    expect(shown()).toContain("typed hello");
    expect(shown().match(/interrupted/g)).toHaveLength(1);
    expect((await reported()).at(-1)).toMatchObject({ data: { exit_code: 8, signal: null } });
  });
});
