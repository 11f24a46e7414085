/** `history` and `tail`, as people and scripts use them. */
import { beforeAll, describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type Account, account, binary, type RunOptions } from "../support/binary.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

interface Place {
  user: Account;
  port: string;
  start(...flags: string[]): Promise<number>;
  post(events: unknown): Promise<{ first_seq: number; last_seq: number }>;
}

/** An account with a port of its own, and no server yet. */
async function place(): Promise<Place> {
  const user = account();
  const port = `${await freePort()}`;
  user.env.CLAUDE_MPM_SOCKETIO_PORT = port;
  return {
    user,
    port,
    async start(...flags) {
      const { stdout } = await user.run(["start", "--json", ...flags]);
      return JSON.parse(stdout).pid;
    },
    async post(events) {
      const url = `http://127.0.0.1:${port}/api/events`;
      return (await fetch(url, { method: "POST", body: JSON.stringify(events) })).json() as any;
    },
  };
}

const A = "4f2a91c0-0000-4000-8000-000000000001";
const B = "4f2a91c0-0000-4000-8000-000000000002";
const C = "77777777-0000-4000-8000-000000000003";

const EVENTS = [
  {
    type: "hook.pre_tool_use",
    session_id: A,
    cwd: "/w/app",
    data: { tool_name: "Bash", tool_input: { command: "ls -la" } },
  },
  { type: "hook.stop", session_id: A, cwd: "/w/app" },
  {
    type: "hook.pre_tool_use",
    session_id: C,
    cwd: "/w/other",
    data: { tool_name: "Read", tool_input: { file_path: "/w/other/src/x.ts" } },
  },
  { type: "todo.update", session_id: B, data: { todos: [{ content: "a", status: "completed" }] } },
  { type: "hello", session_id: "s-1" },
];

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

describe("history", () => {
  let here: Place;
  beforeAll(async () => {
    here = await place();
    await here.start();
    await here.post(EVENTS);
  });
  const history = (args: string[], options?: RunOptions) => here.user.run(["history", ...args], options);
  const seqsOf = async (...args: string[]): Promise<number[]> => {
    const { stdout, stderr, exitCode } = await history([...args, "--json"]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout).events.map(({ seq }: any) => seq);
  };

  test("shows what is stored, oldest first, one line each", async () => {
    const { exitCode, stdout, stderr } = await history([]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(lines(stdout).map((line) => line.replace(/^(\d{4}-\d{2}-\d{2} )?\d{2}:\d{2}:\d{2} /, ""))).toEqual(
      [
        "4f2a91c0 app        hook.pre_tool_use       Bash ls -la",
        "4f2a91c0 app        hook.stop               stopped",
        "77777777 other      hook.pre_tool_use       Read src/x.ts",
        "4f2a91c0 -          todo.update             1 of 1 done",
        "s-1      -          hello",
      ],
    );
  });

  test("--json is one document", async () => {
    const { stdout } = await history(["--json", "--type", "hello"]);
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      epoch: expect.any(String),
      first_seq: 1,
      last_seq: 5,
      total_available: 1,
      returned: 1,
      events: [expect.objectContaining({ seq: 5, type: "hello" })],
    });
  });

  const FILTERS: [args: string[], seqs: number[]][] = [
    [
      ["--session", A],
      [1, 2],
    ],
    [["--session", "77777777"], [3]],
    [
      ["--session", `${A.slice(0, -2)}01`],
      [1, 2],
    ],
    [["--session", "s-1"], [5]],
    [["--session", "s-"], []],
    [["--session", "00000000"], []],
    [["--type", "hook.stop"], [2]],
    [
      ["--type", "hook.*"],
      [1, 2, 3],
    ],
    [
      ["--type", "hello", "--type", "todo.*"],
      [4, 5],
    ],
    [["--type=hello,hook.stop"], [2, 5]],
    [
      ["--project", "app"],
      [1, 2],
    ],
    [["--project", "/w/other"], [3]],
    [["--search", "LS -la"], [1]],
    [["--session", "77777777", "--type", "hook.*", "--search", "x.ts"], [3]],
    [
      ["--since", "2"],
      [3, 4, 5],
    ],
    [
      ["--since", "1", "--until", "3"],
      [2, 3],
    ],
    [
      ["--since", "10m"],
      [1, 2, 3, 4, 5],
    ],
    [
      ["--since", "2020-01-01"],
      [1, 2, 3, 4, 5],
    ],
    [["--until", "10m"], []],
    [["--until", "2020-01-01T00:00:00Z"], []],
    [
      ["--limit", "2"],
      [4, 5],
    ],
    [["-n", "1", "--type", "hook.*"], [3]],
    [
      ["--limit", "all", "--until", "2"],
      [1, 2],
    ],
    [["--limit", "0"], []],
  ];
  for (const [args, seqs] of FILTERS) {
    test(`${args.join(" ")} gives ${seqs.join(", ") || "none"}`, async () => {
      expect(await seqsOf(...args)).toEqual(seqs);
    });
  }

  test("--project . is the directory one stands in", async () => {
    await here.post({ type: "here", cwd: here.user.home });
    const { stdout } = await history(["--project", "."], { cwd: here.user.home });
    expect(lines(stdout)).toHaveLength(1);
    expect((await history(["--project", "./elsewhere"])).stdout).toBe("");
  });

  test("the beginning of two sessions' ids is refused, and says them", async () => {
    const { exitCode, stderr } = await history(["--session", "4f2a91c0"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("--session 4f2a91c0 is the beginning of 2 sessions");
    expect(stderr).toContain(A);
    expect(stderr).toContain(B);
  });

  test("nothing that fits, and nothing after the end, is said on stderr", async () => {
    expect(await history(["--type", "nope"])).toEqual({ exitCode: 0, stdout: "", stderr: "No event fits\n" });
    expect((await history(["--since", "99"])).stderr).toMatch(
      /^Events \d+ to 99 are not in the log, which ends at \d+\n/,
    );
  });

  test("times are those of the place, and those of another zone are understood", async () => {
    const { events } = JSON.parse((await history(["--json", "--type", "hook.*"])).stdout);
    const zone = { env: { TZ: "Asia/Kolkata" } };
    const [, clock] = new Date(Date.parse(events[0].received_at) + 5.5 * 3600_000)
      .toISOString()
      .split(/[T.]/);
    const at = events[0].received_at.replace(/Z$/, "+00:00");
    const { stdout } = await history(["--type", "hook.*", "--since", at], zone);
    expect(stdout).toContain(`${clock} 4f2a91c0`);
    expect(lines(stdout)).toHaveLength(3);
  });

  test("through a pipe that closes it ends without a word", async () => {
    const child = await here.user.spawn(["history"]);
    await child.stdout.cancel();
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  });
});

describe("a long history", () => {
  let here: Place;
  beforeAll(async () => {
    here = await place();
    await here.start("--set", "max_history_size=2600");
    for (let n = 0; n < 3; n += 1) {
      await here.post(Array.from({ length: 1000 }, (_, at) => ({ type: "bulk", n: n * 1000 + at + 1 })));
    }
  });

  test("shows the newest hundred, and says that there is more", async () => {
    const { stdout, stderr } = await here.user.run(["history"]);
    expect(lines(stdout)).toHaveLength(100);
    expect(stderr).toBe("The newest 100 of 2600; for more: --limit N, or --limit all\n");
    const since = await here.user.run(["history", "--since", "2000"]);
    expect(since.stderr).toBe("The newest 100, perhaps not all; for more: --limit N, or --limit all\n");
  });

  test("any number of them, and all", async () => {
    for (const [limit, first] of [
      ["2100", 901],
      ["all", 401],
    ] as const) {
      const { stdout, stderr } = await here.user.run(["history", "--limit", limit]);
      const numbers = lines(stdout).map((line) => Number(/"n":(\d+)/.exec(line)?.[1]));
      expect([numbers, stderr]).toEqual([Array.from({ length: 3001 - first }, (_, n) => first + n), ""]);
    }
    const { stdout } = await here.user.run(["history", "--limit", "2100", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ returned: 2100, total_available: 2600, first_seq: 401 });
  });

  test("what is asked for and no longer held is said", async () => {
    const { stdout, stderr } = await here.user.run(["history", "--since", "10", "--until", "403"]);
    expect(lines(stdout)).toHaveLength(3);
    expect(stderr).toBe("Events 11 to 400 are no longer held\n");
    const narrowed = await here.user.run(["history", "--since", "399", "--type", "nope"]);
    expect(narrowed.stderr).toBe(
      "Event 400 is no longer held; what of that would have fitted is not known\nNo event fits\n",
    );
  });
});

interface Tail {
  pid: number;
  /** Complete lines of stdout so far. */
  lines: string[];
  seqs(): number[];
  stderr(): string;
  end(signal?: NodeJS.Signals): Promise<number>;
  exited: Promise<number>;
}

async function tail(user: Account, ...args: string[]): Promise<Tail> {
  const child = await user.spawn(["tail", ...args]);
  const found: string[] = [];
  let errors = "";
  const read = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
  };
  let rest = "";
  void read(child.stdout, (text) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    found.push(...parts);
  });
  void read(child.stderr, (text) => (errors += text));
  return {
    pid: child.pid,
    lines: found,
    seqs: () => found.map((line) => JSON.parse(line).seq),
    stderr: () => errors,
    exited: child.exited,
    end(signal = "SIGINT") {
      child.kill(signal);
      return child.exited;
    },
  };
}

interface Way {
  port: number;
  /** All that came from the server so far. */
  passed(): string;
  close(): void;
  open(): void;
}

/** A way to a local port that can be closed, with all that is on it. */
async function wayTo(target: number): Promise<Way> {
  const sockets = new Set<Socket>();
  let closed = false;
  let passed = "";
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
    if (closed) near.destroy();
    far.on("data", (chunk) => (passed += String(chunk)));
    near.pipe(far).pipe(near);
  });
  const close = () => {
    closed = true;
    for (const socket of sockets) socket.destroy();
  };
  onEnd(() => {
    close();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, passed: () => passed, close, open: () => (closed = false) };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe("tail", () => {
  test("shows what comes from now on, and ends with 0 on Ctrl-C and SIGTERM", async () => {
    const here = await place();
    await here.start();
    await here.post({ type: "before" });
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const live = await tail(here.user);
      await eventually(async () => {
        await here.post({ type: "live", data: { text: "now" } });
        return live.lines.length > 0;
      });
      expect(live.lines[0]).toMatch(/^\d{2}:\d{2}:\d{2} - {8}- {10}live {20}\{"text":"now"\}$/);
      expect([await live.end(signal), live.stderr()]).toEqual([0, ""]);
    }
  });

  test("begins where --since says, narrows, and prints JSON one event per line", async () => {
    const here = await place();
    await here.start();
    await here.post(EVENTS);
    const cases: [args: string[], seqs: number[]][] = [
      [
        ["--since", "2"],
        [3, 4, 5, 6],
      ],
      [
        ["--since", "0"],
        [1, 2, 3, 4, 5, 6],
      ],
      [
        ["--since", "10m"],
        [1, 2, 3, 4, 5, 6],
      ],
      [
        ["--since", "10m", "--type", "hook.*,live"],
        [1, 2, 3, 6],
      ],
      [
        ["--since", "10m", "--session", "77777777"],
        [3, 6],
      ],
      [
        ["--since", "10m", "--project", "other"],
        [3, 6],
      ],
      [["--since", "0s"], [6]],
    ];
    const tails = await Promise.all(cases.map(([args]) => tail(here.user, "--json", ...args)));
    // The last one has nothing to show before this comes, and no other sign that it listens.
    const sign = { type: "live", session_id: C, cwd: "/w/other" };
    await eventually(async () => {
      await here.post({ ...sign, id: "only one is stored" });
      return tails.every(
        ({ lines: shown }, n) => n === cases.length - 1 || shown.length >= (cases[n]?.[1].length ?? 0),
      );
    });
    for (const [n, [args, seqs]] of cases.entries()) {
      if (n < cases.length - 1) expect([args, tails[n]?.seqs()]).toEqual([args, seqs]);
    }
    for (const one of tails) expect(await one.end()).toBe(0);
  });

  test("goes on after kill -9 and a restart, without a gap or a duplicate, and says so", async () => {
    const here = await place();
    let pid = await here.start();
    const live = await tail(here.user, "--json", "--since", "0");
    const plain = await tail(here.user);
    // A tail that has not begun yet has no position to go on from.
    await eventually(async () => {
      await here.post({ type: "e" });
      return plain.lines.length > 0 && live.lines.length > 0;
    });
    for (let round = 0; round < 2; round += 1) {
      await here.post(Array.from({ length: 200 }, () => ({ type: "e", text: "x".repeat(500) })));
      process.kill(pid, "SIGKILL");
      await eventually(() => lines(live.stderr()).length === 2 * round + 1);
      pid = await here.start();
      const { last_seq: last } = await here.post([{ type: "e" }, { type: "e" }]);
      await eventually(() => live.seqs().at(-1) === last);
    }
    await here.user.run(["restart"]);
    const { last_seq: last } = await here.post({ type: "last" });
    await eventually(() => live.seqs().at(-1) === last && plain.lines.at(-1)?.includes("last") === true);
    expect(live.seqs()).toEqual(range(1, last));
    expect(lines(live.stderr())).toEqual(
      Array.from({ length: 3 }, () => [
        expect.stringMatching(/^Connection lost: .*; trying again$/),
        "Connected again",
      ]).flat(),
    );
    expect([await live.end(), await plain.end()]).toEqual([0, 0]);
  });

  test("says what was trimmed while it was away", async () => {
    const here = await place();
    const pid = await here.start("--set", "max_history_size=5");
    const live = await tail(here.user, "--json", "--since", "0");
    await here.post({});
    await eventually(() => live.lines.length === 1);
    process.kill(live.pid, "SIGSTOP");
    process.kill(pid, "SIGKILL");
    await here.start("--set", "max_history_size=5");
    await here.post(Array.from({ length: 30 }, () => ({})));
    process.kill(live.pid, "SIGCONT");
    await eventually(() => live.seqs().at(-1) === 31);
    expect(live.seqs()).toEqual([1, ...range(27, 31)]);
    expect(lines(live.stderr()).slice(1)).toEqual(["Connected again", "Events 2 to 26 are no longer held"]);
    expect(await live.end()).toBe(0);
  });

  test("knows where it was also when nothing had come yet", async () => {
    const here = await place();
    await here.start();
    await here.post([{ type: "awaited" }, { type: "other" }]);
    const way = await wayTo(Number(here.port));
    const live = await tail(here.user, "--json", "--type", "awaited", "--port", `${way.port}`);
    await eventually(() => way.passed().includes(": connected"));
    way.close();
    const { last_seq: seq } = await here.post([{ type: "other" }, { type: "awaited" }]);
    await eventually(() => live.stderr().includes("Connection lost"));
    way.open();
    await eventually(() => live.lines.length > 0);
    expect(live.seqs()).toEqual([seq]);
    expect(await live.end()).toBe(0);
  });

  test("hostile events do nothing to the terminal, in either form", async () => {
    const here = await place();
    await here.start();
    const evil = "\u001B[2J\u001B]0;x\u0007\u009B31m\u202Eb\r\nc";
    await here.post({
      type: evil,
      session_id: evil,
      cwd: `/a/${evil}`,
      data: { [evil]: evil, tool_name: evil },
    });
    const before = await Promise.all([
      tail(here.user, "--since", "0"),
      tail(here.user, "--since", "0", "--json"),
    ]);
    await eventually(() => before.every(({ lines: shown }) => shown.length === 1));
    const shown = before.map((one) => one.lines[0] ?? "");
    const stored = [
      (await here.user.run(["history"])).stdout.trimEnd(),
      (await here.user.run(["history", "--json"])).stdout,
    ];
    // oxlint-disable-next-line no-control-regex
    const acts = /[\u0000-\u001F\u007F-\u009F\u202E]/;
    for (const text of [...shown, ...stored]) expect(text.replaceAll("\n", "")).not.toMatch(acts);
    expect(stored[0]).toBe(shown[0] as string);
    expect(JSON.parse(shown[1] as string).type).toBe(evil);
    expect(JSON.parse(stored[1] as string).events[0].type).toBe(evil);
  });

  test("ends with 0 when nobody reads any more", async () => {
    const here = await place();
    await here.start();
    await here.post([{ type: "one" }, { type: "two" }]);
    const child = await here.user.spawn(["tail", "--since", "0"]);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    let ended = false;
    void child.exited.then(() => (ended = true));
    await eventually(async () => {
      await here.post({ type: "three" });
      return ended;
    });
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  });

  test.skipIf(Bun.which("mkfifo") === null)("hears signals while its reader does not read", async () => {
    const here = await place();
    await here.start();
    const batch = Array.from({ length: 1000 }, () => ({ text: "x".repeat(6000) }));
    for (let n = 0; n < 3; n += 1) await here.post(batch);
    const fifo = join(here.user.home, "fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(fifo, "w");
    onEnd(() => [reader, writer].forEach(closeSync));
    const child = Bun.spawn([await binary(), "tail", "--since", "0"], {
      env: here.user.env,
      stdio: ["ignore", writer, "pipe"],
    });
    onEnd(() => child.kill("SIGKILL"));
    // It has begun to write, and the server has more for it than it takes.
    await eventually(() => {
      try {
        return readSync(reader, Buffer.alloc(10)) > 0;
      } catch {
        return false;
      }
    });
    const stats = `http://127.0.0.1:${here.port}/stats`;
    await eventually(async () => ((await (await fetch(stats)).json()) as any).delivery.lagging_clients === 1);
    child.kill("SIGTERM");
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  });
});

describe("into `head -1`, while events pour in, it ends with 0 and without a word", () => {
  let here: Place;
  beforeAll(async () => {
    here = await place();
    await here.start();
    const batch = Array.from({ length: 1000 }, () => ({ type: "flood", text: "x".repeat(500) }));
    for (let n = 0; n < 5; n += 1) await here.post(batch);
  });

  for (const command of [
    "tail",
    "tail --json",
    "tail --since 0",
    "tail --since 0 --json",
    "history --limit 100",
    "history --limit all",
    "history --limit all --json",
  ]) {
    test(command, async () => {
      const script = `{ "$0" ${command}; echo "exit $?" >&2; } | head -1`;
      const shell = Bun.spawn(["sh", "-c", script, await binary()], {
        env: here.user.env,
        stdout: "pipe",
        stderr: "pipe",
      });
      let ended = false;
      void shell.exited.then(() => (ended = true));
      const batch = Array.from({ length: 200 }, () => ({ type: "flood", text: "y".repeat(500) }));
      await eventually(async () => {
        await here.post(batch);
        return ended;
      });
      expect(await new Response(shell.stderr).text()).toBe("exit 0\n");
      expect(lines(await new Response(shell.stdout).text())).toHaveLength(1);
    });
  }
});

describe("without a server", () => {
  test("history exits 3 with the next step", async () => {
    const here = await place();
    expect(await here.user.run(["history"])).toEqual({
      exitCode: 3,
      stdout: "",
      stderr: `Error: No server runs on port ${here.port}\nStart one: claude-mpm-socketio start\n`,
    });
    const other = `${await freePort()}`;
    const { stdout, stderr } = await here.user.run(["history", "--json", "--port", other]);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      error: { message: `No server runs on port ${other}` },
    });
    expect(stderr).toContain(`claude-mpm-socketio start --port ${other}`);
  });

  test("tail starts one in the background, with its flags, and leaves it running", async () => {
    const here = await place();
    const live = await tail(here.user, "--json", "--set", "max_history_size=77");
    await eventually(() => live.stderr().includes("\n"));
    expect(live.stderr()).toMatch(
      new RegExp(`^No server was running; started one: http://localhost:${here.port} \\(PID \\d+\\)\n$`),
    );
    await eventually(async () => {
      await here.post({ type: "live" });
      return live.lines.length > 0;
    });
    expect(await live.end()).toBe(0);
    const file = join(here.user.stateDir, here.port, "server.json");
    expect(JSON.parse(readFileSync(file, "utf8")).settings.max_history_size).toBe(77);
    expect((await here.user.run(["stop"])).exitCode).toBe(0);
  });

  test("tail does not where auto_start is false: exit 3 with the next step", async () => {
    const here = await place();
    for (const options of [
      { args: ["tail", "--set", "auto_start=false"], env: {} },
      { args: ["tail"], env: { CLAUDE_MPM_SOCKETIO_AUTO_START: "false" } },
    ]) {
      expect(await here.user.run(options.args, options)).toEqual({
        exitCode: 3,
        stdout: "",
        stderr: `Error: No server runs on port ${here.port}\nStart one: claude-mpm-socketio start\n`,
      });
    }
    expect((await here.user.run(["status"])).exitCode).toBe(3);
  });

  test("what is wrong with the flags is said before anything is started", async () => {
    const here = await place();
    expect((await here.user.run(["tail", "--since", "yesterday"])).exitCode).toBe(2);
    expect((await here.user.run(["status"])).exitCode).toBe(3);
  });

  test("another program on the port is named, and not asked", async () => {
    const here = await place();
    const other = Bun.serve({
      port: Number(here.port),
      hostname: "127.0.0.1",
      fetch: () => new Response("hi"),
    });
    onEnd(() => other.stop(true));
    const history = await here.user.run(["history"]);
    expect([history.exitCode, history.stdout]).toEqual([3, ""]);
    expect(history.stderr).toContain("which is no server of ours");
    const live = await here.user.run(["tail"]);
    expect([live.exitCode, live.stdout]).toEqual([1, ""]);
    expect(live.stderr).toContain(`Port ${here.port} is taken`);
  });
});
