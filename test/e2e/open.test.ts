/** `open`, with a browser that writes down what it is started with. */
import { beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, account } from "../support/binary.ts";
import { CHROMIUM, openPage } from "../support/browser.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

let user: Account;
let port: string;
let url: string;

beforeAll(async () => {
  user = account();
  port = `${await freePort()}`;
  url = `http://localhost:${port}/`;
  user.env.CLAUDE_MPM_SOCKETIO_PORT = port;
  expect(await user.run(["start"])).toMatchObject({ exitCode: 0 });
});

/** A program that writes its arguments into a file, each on a line, and goes on as it is told. */
function browser(name: string, then = ""): { path: string; args: () => string[] } {
  const path = join(user.home, name);
  const record = `${path}.args`;
  writeFileSync(
    path,
    `#!/bin/sh\nprintf '%s\\n' "$@" > '${record}.new'\nmv '${record}.new' '${record}'\n${then}\n`,
  );
  chmodSync(path, 0o755);
  return {
    path,
    args: () => (existsSync(record) ? readFileSync(record, "utf8").trimEnd().split("\n") : []),
  };
}

const open = (args: string[], env: Record<string, string> = {}) => user.run(["open", ...args], { env });

test("prints the address, and opens the browser with it", async () => {
  const { path, args } = browser("plain");
  expect(await open([], { BROWSER: path })).toEqual({ exitCode: 0, stdout: `${url}\n`, stderr: "" });
  expect(args()).toEqual([url]);
});

test("opens a session by as much of its id as the lines show", async () => {
  const session_id = "4f2a91c0-0000-4000-8000-000000000001";
  await fetch(`${url}api/events`, { method: "POST", body: JSON.stringify({ type: "a", session_id }) });
  const { path, args } = browser("session");
  const { stdout } = await open(["--session", "4f2a91c0"], { BROWSER: `${path} --new %s` });
  expect(stdout).toBe(`${url}#/session/${session_id}\n`);
  expect(args()).toEqual(["--new", `${url}#/session/${session_id}`]);
});

test("says of a session that is not there which ones are, and of a beginning of several whose it is", async () => {
  const ids = ["77770001-0000-4000-8000-000000000001", "77770002-0000-4000-8000-000000000002", "own-name"];
  for (const [index, session_id] of ids.entries()) {
    const timestamp = new Date(Date.now() + 1000 + index).toISOString();
    const event = { type: "hook.session_start", session_id, timestamp, data: { cwd: "/w/shop" } };
    await fetch(`${url}api/events`, { method: "POST", body: JSON.stringify(event) });
  }
  const { path, args } = browser("unknown-session");
  const missing = await open(["--session", "none"], { BROWSER: path });
  expect(missing).toMatchObject({ exitCode: 1, stdout: "" });
  const [what, next, ...more] = missing.stderr.trimEnd().split("\n");
  expect([what, more]).toEqual(["Error: The server knows no session none", []]);
  expect(next).toMatch(/^The newest are own-name \(shop\), 77770002 \(shop\), 77770001 \(shop\)$/);

  const several = await open(["--session", "7777"], { BROWSER: path });
  expect(several).toMatchObject({ exitCode: 1, stdout: "" });
  expect(several.stderr.trimEnd().split("\n")).toEqual([
    "Error: --session 7777 is the beginning of 2 sessions",
    `Write more of it: ${ids[1]}, ${ids[0]}`,
  ]);
  expect(args()).toEqual([]);
  const unique = await open(["--session", "77770002-", "--print"]);
  expect(unique.stdout).toBe(`${url}#/session/${ids[1]}\n`);
});

test("leaves nothing in an id that a shell or a URL would read", async () => {
  const id = "a b/?#&;|<>`$(id)'\"\\\n%s!*ü";
  await fetch(`${url}api/events`, { method: "POST", body: JSON.stringify({ type: "a", session_id: id }) });
  const { path, args } = browser("strange");
  const { stdout, exitCode } = await open(["--session", id], { BROWSER: path });
  expect(exitCode).toBe(0);
  const [address = "", ...more] = args();
  expect([`${address}\n`, more]).toEqual([stdout, []]);
  expect(address).toMatch(/^http:\/\/localhost:\d+\/#\/session\/[\w%.-]+$/);
  expect(decodeURIComponent(address.split("/").at(-1) ?? "")).toBe(id);
});

test("--json is one document", async () => {
  const { path } = browser("json");
  const { stdout, stderr } = await open(["--json"], { BROWSER: path });
  expect([JSON.parse(stdout), stderr]).toEqual([{ schema: 1, url, opened: true }, ""]);
});

test("--print opens nothing", async () => {
  const { path, args } = browser("unused");
  expect(await open(["--print"], { BROWSER: path })).toEqual({ exitCode: 0, stdout: `${url}\n`, stderr: "" });
  const { stdout } = await open(["--print", "--json"], { BROWSER: path });
  expect(JSON.parse(stdout)).toEqual({ schema: 1, url, opened: false });
  expect(args()).toEqual([]);
});

test.skipIf(process.platform !== "linux")(
  "without a display says how to reach it, and is content",
  async () => {
    const { exitCode, stdout, stderr } = await open([]);
    expect([exitCode, stdout]).toEqual([0, `${url}\n`]);
    expect(stderr).toContain("There is no display here");
    expect(stderr).toContain(`ssh -L ${port}:localhost:${port} HOST`);
    expect(JSON.parse((await open(["--json"])).stdout)).toEqual({ schema: 1, url, opened: false });
  },
);

test("tries several browsers in turn, and says of each why it did not open", async () => {
  const [bad, good] = [browser("bad", "exit 3"), browser("good")];
  const worked = await open([], { BROWSER: `/nowhere/web:${bad.path}:${good.path}` });
  expect(worked).toEqual({ exitCode: 0, stdout: `${url}\n`, stderr: "" });
  expect([bad.args(), good.args()]).toEqual([[url], [url]]);

  const failed = await open([], { BROWSER: `/nowhere/web:${bad.path}` });
  expect(failed).toMatchObject({ exitCode: 1, stdout: `${url}\n` });
  expect(failed.stderr.trimEnd().split("\n")).toEqual([
    `Error: No browser opened: there is no /nowhere/web; ${bad.path} ended with exit code 3`,
    `Open ${url} yourself, or name a browser in the variable BROWSER`,
  ]);
  const { exitCode, stdout } = await open(["--json"], { BROWSER: bad.path });
  expect([exitCode, JSON.parse(stdout).error.hint]).toEqual([1, expect.stringContaining(url)]);
});

test("does not wait for a browser to end, which the terminal's Ctrl-C does not reach either", async () => {
  const pidFile = join(user.home, "pid");
  const { path, args } = browser("lasting", `echo $$ > '${pidFile}'; exec sleep 600`);
  const finished = await open([], { BROWSER: path });
  await eventually(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
  const pid = Number(readFileSync(pidFile, "utf8"));
  onEnd(() => process.kill(pid, "SIGKILL"));
  expect(finished).toEqual({ exitCode: 0, stdout: `${url}\n`, stderr: "" });
  expect(args()).toEqual([url]);
  // It leads a process group of its own.
  expect(process.kill(-pid, 0)).toBe(true);
});

test("starts a server when none runs, but where it may not", async () => {
  const other = `${await freePort()}`;
  const { path, args } = browser("starting");
  const refused = await open(["--port", other, "--set", "auto_start=false"], { BROWSER: path });
  expect(refused).toMatchObject({ exitCode: 3, stdout: "" });
  expect(args()).toEqual([]);
  const { exitCode, stdout, stderr } = await open(["--port", other], { BROWSER: path });
  expect([exitCode, stdout]).toEqual([0, `http://localhost:${other}/\n`]);
  expect(stderr).toContain("started one");
  expect((await fetch(args()[0] as string)).status).toBe(200);
});

test.skipIf(CHROMIUM === null)(
  "where tokens are asked for, the page is logged in, and what is printed is of no use",
  async () => {
    const locked = `${await freePort()}`;
    expect(await user.run(["start", "--port", locked, "--auth", "on"])).toMatchObject({ exitCode: 0 });
    const { path, args } = browser("locked");
    const { exitCode, stdout } = await open(["--port", locked], { BROWSER: path });
    expect([exitCode, stdout]).toEqual([0, `http://localhost:${locked}/\n`]);
    const [link = ""] = args();
    expect(link).toMatch(/\/\?token=cml_[\w-]{43}$/);
    const page = await openPage(link);
    await page.getByRole("button", { name: "Connection" }).getByText("Live", { exact: true }).waitFor();
    expect(page.url()).toBe(`http://localhost:${locked}/`);
    expect(page.problems).toEqual([]);
  },
);
