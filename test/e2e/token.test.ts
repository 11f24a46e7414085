/** Access tokens on the compiled binary: made, used, taken back; and the commands of a user whose server asks for them. */
import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { identifyProcess } from "../../src/daemon/process.ts";
import { type Account, account } from "../support/binary.ts";
import { connect, connectLater } from "../support/clients.ts";
import { eavesdropper } from "../support/eavesdropper.ts";
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
  expect(await user.run(["start", "--auth", "on"], { env })).toMatchObject({ exitCode: 0 });
});

const ours = (args: string[], more: Record<string, string> = {}) =>
  user.run(args, { env: { ...env, ...more } });
const create = async (...args: string[]) => {
  const { stdout, exitCode } = await ours(["token", "create", "--json", ...args]);
  expect(exitCode).toBe(0);
  return JSON.parse(stdout);
};
const status = async (token: string | null, path = "/stats", init: RequestInit = {}) => {
  const headers: HeadersInit = token === null ? {} : { Authorization: `Bearer ${token}` };
  return (await fetch(url + path, { headers, ...init })).status;
};

describe("token", () => {
  test("create makes one that a running server takes at once, for what it says", async () => {
    // The server has just looked for tokens in vain.
    expect(await status("cms_unknown")).toBe(401);
    const { token, id, scopes, expires_at } = await create("--name", "ci");
    expect(await status(token)).toBe(200);
    expect(await status(token, "/api/events", { method: "POST", body: '{"type":"x"}' })).toBe(200);
    expect(await status(token, "/api/clients")).toBe(403);
    expect({ scopes, expires_at }).toEqual({ scopes: ["publish", "subscribe"], expires_at: null });
    expect(id).toMatch(/^[0-9a-f]{8}$/);

    const told = await ours(["token", "create", "--scope", "publish", "--expires", "30d"]);
    const [made = ""] = told.stdout.split("\n");
    expect(told.stdout).toContain("publish\n");
    expect(told.stdout).not.toContain("handshake");
    expect((await ours(["token", "create"])).stdout).toContain("handshake");
    expect(await status(made)).toBe(403);
    expect(await status(made, "/api/events", { method: "POST", body: '{"type":"x"}' })).toBe(200);
  });

  test("list shows all of them and no token; the file has none either", async () => {
    const { token, id } = await create("--name", "listed", "--scope", "subscribe", "--expires", "1h30m");
    const list = JSON.parse((await ours(["token", "list", "--json"])).stdout);
    const { created_at, expires_at, ...rest } = list.tokens.find((one: { id: string }) => one.id === id);
    expect(rest).toEqual({ id, name: "listed", scopes: ["subscribe"], expired: false });
    expect(Math.round((Date.parse(expires_at) - Date.parse(created_at)) / 1000)).toBe(5400);
    const human = (await ours(["token", "list"])).stdout;
    expect(human).toMatch(new RegExp(`^${id} +listed +subscribe +20`, "m"));
    const file = join(user.stateDir, "tokens.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const text of [human, JSON.stringify(list), readFileSync(file, "utf8")]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(token.slice(4));
    }
  });

  test("revoke by id or name ends the connections that used it, within two seconds", async () => {
    const first = await create("--name", "two of them");
    const second = await create("--name", "two of them");
    const third = await create("--name", "stays");
    const sockets = await Promise.all([first, second, third].map(({ token }) => connect(url, { token })));
    const revoked = await ours(["token", "revoke", "two of them"]);
    const revokedAt = Date.now();
    expect(revoked.stdout).toStartWith("2 tokens had this name:\n");
    await eventually(() => !sockets[0]?.socket.connected && !sockets[1]?.socket.connected);
    expect(Date.now() - revokedAt).toBeLessThan(2000);
    expect(sockets[2]?.socket.connected).toBe(true);
    expect(await status(first.token)).toBe(401);
    expect(await status(third.token)).toBe(200);
    expect(await ours(["token", "revoke", third.id, "--json"])).toMatchObject({ exitCode: 0 });
    await eventually(async () => (await status(third.token)) === 401);
    expect(await ours(["token", "revoke", "nobody"])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining("claude-mpm-socketio token list"),
    });
  });

  test("one that has expired lets nobody in, and ends who is", async () => {
    const { token, id } = await create("--expires", "1s");
    const { socket } = await connect(url, { token });
    await eventually(() => !socket.connected);
    expect(await status(token)).toBe(401);
    const refused = connectLater(url, { token });
    const error: any = await new Promise((resolve) => refused.socket.once("connect_error", resolve));
    expect(error.data).toMatchObject({ code: 401, error: { code: "token_invalid" } });
    expect((await ours(["token", "list"])).stdout).toMatch(new RegExp(`^${id} .* expired 20`, "m"));
  });

  test("wrong usage is told before anything is made", async () => {
    const before = (await ours(["token", "list", "--json"])).stdout;
    for (const args of [
      ["--scope", "all"],
      ["--expires", "soon"],
      ["--expires", "0s"],
      ["--name", "a\nb"],
    ])
      expect(await ours(["token", "create", ...args])).toMatchObject({ exitCode: 2, stdout: "" });
    expect(await ours(["token", "revoke"])).toMatchObject({ exitCode: 2 });
    expect((await ours(["token", "list", "--json"])).stdout).toBe(before);
  });

  test("works without a server, before its first start", async () => {
    const other = account();
    const { stdout, exitCode } = await other.run(["token", "create"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^cms_[\w-]{43}\n/);
    expect(statSync(other.stateDir).mode & 0o777).toBe(0o700);
  });
});

describe("with auth on, for the server's own user", () => {
  test("every command works without any set-up", async () => {
    const session = "0f5b1a52-7c1e-4f39-9a52-0c6b3a4c9d11";
    expect(await ours(["status"])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("running") });
    expect(await ours(["status", "-v"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await ours(["health"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("log_file"),
    });
    const emitted = await ours(["emit", "build.done", "--session", session]);
    expect(emitted).toMatchObject({ exitCode: 0, stderr: "" });
    const seq = Number(emitted.stdout);
    const history = await ours(["history", "--json", "--session", session.slice(0, 8)]);
    expect(JSON.parse(history.stdout).events).toMatchObject([{ seq, type: "build.done" }]);

    const tail = await user.spawn(["tail", "--json", "--since", `${seq - 1}`], { env });
    const lines = tail.stdout.getReader();
    expect(new TextDecoder().decode((await lines.read()).value)).toContain("build.done");
    tail.kill();

    const again = await ours(["start", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ outcome: "already_running" });
    expect(await ours(["run", "--", "true"])).toMatchObject({ exitCode: 0, stderr: "" });
    const ran = await ours(["history", "--json", "--type", "session.*"]);
    expect(JSON.parse(ran.stdout).events).toHaveLength(2);
    const doctor = await ours(["doctor", "--json"]);
    const { checks } = JSON.parse(doctor.stdout);
    const way = checks.filter(({ name }: { name: string }) => ["port", "canary", "hook"].includes(name));
    expect(way).toMatchObject([{ status: "ok" }, { status: "ok" }, { status: "ok" }]);
  });

  test("open logs the browser in, by a link that is good once", async () => {
    const browser = join(user.home, "browser");
    writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > '${browser}.url'\n`, { mode: 0o755 });
    const page = `http://localhost:${new URL(url).port}/`;
    expect(await ours(["open"], { BROWSER: browser })).toEqual({
      exitCode: 0,
      stdout: `${page}\n`,
      stderr: "",
    });
    const opened = new URL(readFileSync(`${browser}.url`, "utf8"));
    const code = opened.searchParams.get("token") ?? "";
    const local = readFileSync(join(user.stateDir, "local-token"), "utf8").trim();
    expect(code).toStartWith("cml_");
    expect(opened.href).not.toContain(local);
    const logIn = () =>
      fetch(`${url}/api/login`, { method: "POST", headers: { Authorization: `Bearer ${code}` } });
    const { token } = (await (await logIn()).json()) as { token: string };
    expect(await status(token)).toBe(200);
    expect((await logIn()).status).toBe(401);
    const printed = await ours(["open", "--print"]);
    expect(printed.stdout).toMatch(/\/\?token=cml_[\w-]+\n$/);
    expect(printed.stderr).toContain("within a minute");
  });

  test("restart and stop work, and the token stays the same", async () => {
    const file = join(user.stateDir, "local-token");
    const token = readFileSync(file, "utf8");
    const restarted = await ours(["restart"]);
    expect(restarted).toMatchObject({ exitCode: 0 });
    expect(restarted.stdout).toContain(`$(cat ${file})`);
    expect(restarted.stdout).not.toContain(token.trim());
    expect(readFileSync(file, "utf8")).toBe(token);
    expect(await ours(["stop"])).toMatchObject({ exitCode: 0 });
    expect(await ours(["status"])).toMatchObject({ exitCode: 3 });
    expect(await ours(["start", "--auth", "on"])).toMatchObject({ exitCode: 0 });
  });

  test.skipIf(process.platform === "win32")("and when it cannot be used, the reason is said", async () => {
    const file = join(user.stateDir, "local-token");
    const token = readFileSync(file, "utf8");
    const told = async () => {
      const { exitCode, stderr } = await ours(["history"]);
      expect([exitCode, stderr]).not.toContain("there is none here");
      return [exitCode, stderr];
    };
    chmodSync(file, 0o644);
    expect(await told()).toEqual([1, expect.stringContaining(`${file} cannot be used: others may read`)]);
    chmodSync(file, 0o600);
    writeFileSync(file, "short");
    expect(await told()).toEqual([1, expect.stringContaining(`${file} cannot be used: it holds no token`)]);
    rmSync(file);
    expect(await told()).toEqual([1, expect.stringMatching(/local-token (is|was) missing\nTry again/)]);
    // The server was asked how it is, and has made another.
    await eventually(async () => (await ours(["history"])).exitCode === 0);
    writeFileSync(file, token);
  });

  test("another user is told that a token is needed, and gets in with one", async () => {
    const stranger = account();
    const ask = (args: string[], more = {}) => stranger.run(args, { env: { ...env, ...more } });
    expect(await ask(["health"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^healthy\n.*asks for a token/),
    });
    for (const args of [["status"], ["emit", "x"], ["history"], ["tail"], ["open", "--print"], ["start"]]) {
      const { exitCode, stdout, stderr } = await ask(args);
      expect([args, exitCode, stdout]).toEqual([args, 1, ""]);
      expect(stderr).toContain("CLAUDE_MPM_SOCKETIO_TOKEN");
    }
    const { token } = await create();
    const withToken = { CLAUDE_MPM_SOCKETIO_TOKEN: token };
    expect(await ask(["emit", "x"], withToken)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await ask(["status"], withToken)).toMatchObject({ exitCode: 0 });
    const wrong = await ask(["emit", "x"], { CLAUDE_MPM_SOCKETIO_TOKEN: "cms_wrong" });
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("does not know") });
  });
});

test("whoever else is on the port is never told the user's own token", async () => {
  const victim = account();
  const mallory = await eavesdropper();
  const { port } = mallory;
  const token = "cms_" + "s".repeat(43);
  const directory = join(victim.stateDir, `${port}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(victim.stateDir, "local-token"), `${token}\n`, { mode: 0o600 });
  const instance = {
    pid: mallory.pid,
    process_token: "of a process that was",
    server_id: "socketio-00000000",
    host: "localhost",
    port,
    url: `http://localhost:${port}`,
    executable: process.execPath,
    args: [],
    settings: { auth: "on", host: "localhost" },
    sources: {},
  };
  const place = { CLAUDE_MPM_SOCKETIO_PORT: `${port}` };
  const commands = [
    ["status", "-v"],
    ["health"],
    ["emit", "x"],
    ["history"],
    ["tail"],
    ["open", "--print"],
    ["run", "--", "true"],
    ["doctor"],
  ];
  await Promise.all(
    commands.map((args) => {
      writeFileSync(join(directory, "server.json"), JSON.stringify(instance), { mode: 0o600 });
      return victim.run(args, { env: place });
    }),
  );
  writeFileSync(join(directory, "server.json"), JSON.stringify(instance), { mode: 0o600 });
  await victim.run(["hook"], { env: place, stdin: '{"hook_event_name":"Stop","prompt":"a secret"}' });
  await eventually(() => mallory.heard.length >= commands.length);
  expect(mallory.heard.filter((text) => text.includes(token) || /authorization/i.test(text))).toEqual([]);
  expect(mallory.heard.filter((text) => text.includes("a secret"))).toEqual([]);

  // The very same with the process that is there, to see that this would be heard.
  instance.process_token = identifyProcess(mallory.pid)?.token ?? "";
  writeFileSync(join(directory, "server.json"), JSON.stringify(instance), { mode: 0o600 });
  const { length } = mallory.heard;
  await victim.run(["emit", "x"], { env: place });
  await eventually(() => mallory.heard.slice(length).some((text) => text.includes(`Bearer ${token}`)));
});

describe("the first token, of a server that others reach", () => {
  const open = ["--set", "host=0.0.0.0"];

  test("start tells it once, and the log does not", async () => {
    const owner = account();
    const port = await freePort();
    const place = { env: { CLAUDE_MPM_SOCKETIO_PORT: `${port}` } };
    const { first_token: token } = JSON.parse((await owner.run(["start", "--json", ...open], place)).stdout);
    const answer = await fetch(`http://127.0.0.1:${port}/stats`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
    const log = readFileSync(join(owner.stateDir, `${port}`, "server.log"), "utf8");
    expect(log).not.toContain(token);
    const again = await owner.run(["restart"], place);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(again.stdout).not.toContain("cms_");
    expect(await owner.run(["stop"], place)).toMatchObject({ exitCode: 0 });
  });

  test("serve prints it, with how to use it", async () => {
    const owner = account();
    const child = await owner.spawn(["serve", "--port", "0", ...open]);
    let said = "";
    const reader = child.stdout.getReader();
    while (!said.includes("token create")) said += new TextDecoder().decode((await reader.read()).value);
    expect(said).toMatch(/shown this once: cms_[\w-]{43}\n/);
    child.kill();
    await child.exited;
    expect(existsSync(join(owner.stateDir, "tokens.json"))).toBe(true);
    expect(dirname(owner.stateDir)).toEndWith(".claude-mpm");
  });
});
