/** `emit`, as scripts use it. */
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Account, account, binary } from "../support/binary.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

let user: Account;
let env: Record<string, string>;
let url: string;

beforeAll(async () => {
  user = account();
  const port = await freePort();
  env = { CLAUDE_MPM_SOCKETIO_PORT: `${port}` };
  url = `http://127.0.0.1:${port}`;
  expect(await user.run(["start"], { env })).toMatchObject({ exitCode: 0 });
});

const emit = (args: string[], stdin?: string) => {
  return user.run(["emit", ...args], { env, ...(stdin === undefined ? {} : { stdin }) });
};
const newest = async () => (await (await fetch(`${url}/api/events?limit=1`)).json()).events[0];

test("stores an event, prints its seq, and everyone gets it", async () => {
  const other = await connect(url);
  const first = await emit(["build.started"]);
  expect(first).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^\d+\n$/), stderr: "" });
  const second = await emit([
    "build.done",
    '{"target": "web", "größe": [1, null]}',
    "--session",
    "s-1",
    "--project",
    "app",
  ]);
  expect(Number(second.stdout)).toBe(Number(first.stdout) + 1);
  await eventually(() => other.events().length === 2);
  const stamps = {
    id: expect.any(String),
    timestamp: expect.stringMatching(/Z$/),
    received_at: expect.any(String),
    server_id: expect.any(String),
  };
  expect(other.events()).toEqual([
    { ...stamps, seq: Number(first.stdout), type: "build.started" },
    {
      ...stamps,
      seq: Number(second.stdout),
      type: "build.done",
      session_id: "s-1",
      cwd: join(user.home, "app"),
      data: { target: "web", größe: [1, null] },
    },
  ]);
});

test("prints one document where it is asked for", async () => {
  const { stdout, exitCode } = await emit(["build.done", "--json"]);
  expect(exitCode).toBe(0);
  const { seq, id } = await newest();
  expect(JSON.parse(stdout)).toEqual({ schema: 1, seq, id });
});

test("takes any JSON as data, with numbers as they are written", async () => {
  for (const data of ["[1,2]", '"text"', "0", "null", '{"ns":1795374180274123456}']) {
    expect(await emit(["any", data])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await (await fetch(`${url}/api/events?limit=1`)).text()).toContain(`"data":${data}`);
  }
});

describe("the data", () => {
  test("comes from stdin, where it is not given, or is -", async () => {
    await emit(["piped"], '{"from": "stdin"}\n');
    expect((await newest()).data).toEqual({ from: "stdin" });
    await emit(["piped", "-"], "[1]");
    expect((await newest()).data).toEqual([1]);
    await emit(["piped", '{"from": "argument"}'], '{"from": "stdin"}');
    expect((await newest()).data).toEqual({ from: "argument" });
  });

  test("is none where stdin is a pipe that stays open and empty", async () => {
    const child = Bun.spawn([await binary(), "emit", "piped.nothing", "--json"], {
      env: { ...user.env, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    expect(await child.exited).toBe(0);
    expect((await newest()).type).toBe("piped.nothing");
    expect((await newest()).data).toBeUndefined();
    child.stdin.end();
  });

  test("is none where stdin holds nothing", async () => {
    await emit(["empty"], "");
    expect(await newest()).toMatchObject({ type: "empty" });
    expect(await newest()).not.toHaveProperty("data");
  });

  test("that is no JSON is a usage error, and nothing is sent", async () => {
    const before = await newest();
    expect(await emit(["broken", "{target: web}"])).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringMatching(/^Error: The data is not valid JSON: .*\n.*emit build\.done.*\n$/),
    });
    expect((await emit(["broken"], "{")).stderr).toContain("What stdin holds is not valid JSON");
    expect(await newest()).toEqual(before);
  });
});

test("without a type, or with too much, is a usage error", async () => {
  expect(await emit([])).toMatchObject({ exitCode: 2, stdout: "" });
  expect(await emit(["a", "{}", "{}"])).toMatchObject({ exitCode: 2, stdout: "" });
});

test("says what the server refuses, with what to do", async () => {
  expect(await emit(["t".repeat(300)])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr:
      "Error: `type` must be a string of at most 256 characters\nAn event is a JSON object; `type` and `id`, when given, are strings\n",
  });
  const { exitCode, stdout } = await emit(["t".repeat(300), "--json"]);
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 1, error: { message: expect.any(String) } });
});

test("exits 3 where no server runs, and starts none", async () => {
  const other = { CLAUDE_MPM_SOCKETIO_PORT: `${await freePort()}` };
  for (let round = 0; round < 2; round += 1) {
    const { exitCode, stdout, stderr } = await user.run(["emit", "lost"], { env: other });
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("claude-mpm-socketio start");
  }
});
