/** `history export` and `history import`, as people move from one server to another. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Account, account, binary } from "../support/binary.ts";
import { onEnd } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { runScript } from "../support/script.ts";
import { testWith } from "../support/tools.ts";

const PYTHON = "/usr/bin/python3";

beforeAll(async () => void (await binary()), 120_000);

interface House {
  user: Account;
  url: string;
  file(name: string): string;
  run(...args: string[]): ReturnType<Account["run"]>;
  post(events: unknown): Promise<any>;
}

/** A server of a user of its own. */
async function house(...flags: string[]): Promise<House> {
  const user = account();
  const port = await freePort();
  user.env.CLAUDE_MPM_SOCKETIO_PORT = `${port}`;
  const { exitCode, stderr } = await user.run(["start", ...flags]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  const url = `http://127.0.0.1:${port}`;
  return {
    user,
    url,
    file: (name) => join(user.home, name),
    run: (...args) => user.run(args),
    post: async (events) =>
      (await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(events) })).json(),
  };
}

const events = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    type: "t",
    id: `e${from + index}`,
    text: "é \u2028",
  }));
const linesOf = (text: string) => text.split("\n").slice(1);
const read = (path: string) => readFileSync(path, "utf8");

test("a history is moved, and who followed the old server goes on at the new one", async () => {
  const old = await house();
  await old.post(events(1, 700));
  const { next } = await connect(old.url);
  const { epoch } = await next("connection_ack");
  const path = old.file("history.ndjson");
  const exported = await old.run("history", "export", path);
  expect(exported).toEqual({ exitCode: 0, stdout: `700 events, 1 to 700, are in ${path}\n`, stderr: "" });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(old.user.home)).not.toContainEqual(expect.stringContaining(".tmp"));

  const other = await house("--set", "persistent=false");
  const imported = await other.run("history", "import", path);
  expect([imported.exitCode, imported.stderr]).toEqual([0, ""]);
  expect(imported.stdout).toMatch(/^700 events were brought into http:.*, which holds 1 to 700 now\n$/);
  await other.post(events(701, 701));
  const { events: heard, received } = await connect(other.url, { resume: { epoch, seq: 690 } });
  await eventually(() => heard().length === 11);
  expect(heard().map(({ id }) => id)).toEqual(events(691, 701).map(({ id }) => id));
  expect(received.some(({ name }) => name === "history_gap")).toBe(false);

  // Out again, on standard output, byte for byte, and by a pipe into a third.
  const { stdout, stderr } = await other.run("history", "export", "-");
  expect(stderr).toBe("701 events, 1 to 701, were written\n");
  expect(linesOf(stdout).slice(0, 700)).toEqual(linesOf(read(path)).slice(0, 700));
  const third = await house();
  const piped = await third.user.run(["history", "import", "-", "--json"], { stdin: stdout });
  expect(JSON.parse(piped.stdout)).toMatchObject({
    schema: 1,
    file: "-",
    events: 701,
    stored: 701,
    already_there: 0,
    not_kept: 0,
    first_seq: 1,
    last_seq: 701,
  });
  const again = JSON.parse((await third.run("history", "import", path, "--json")).stdout);
  expect(again).toMatchObject({ events: 700, stored: 0, already_there: 700, last_seq: 701 });
});

describe("an import", () => {
  let old: House;
  let path: string;
  beforeAll(async () => {
    old = await house();
    await old.post(events(1, 900));
    path = old.file("history.ndjson");
    expect((await old.run("history", "export", path)).exitCode).toBe(0);
  });

  const copy = (name: string, change: (text: string) => string) => {
    writeFileSync(old.file(name), change(read(path)));
    return old.file(name);
  };

  test("that was interrupted goes on where it stopped", async () => {
    const fresh = await house();
    const lines = read(path).split("\n");
    const part = [
      lines[0]?.replace("{", '{"more":true,').replace('"last_seq":900', '"last_seq":400'),
      ...lines.slice(1, 401),
    ];
    const { status } = await fetch(`${fresh.url}/api/history/import`, {
      method: "POST",
      body: part.join("\n"),
    });
    expect(status).toBe(200);
    expect((await fresh.run("emit", "hello")).exitCode).toBe(1);
    const { stdout } = await fresh.run("history", "import", path);
    expect(stdout).toMatch(/^500 events were brought into .* holds 1 to 900 now\n400 were there already\n$/);
    expect((await fresh.run("emit", "hello")).stdout).toContain("901");
  });

  testWith(REDIS, "goes on when Redis is there again, and misses nothing", async () => {
    const redis = await startRedis({ aof: true });
    const node = await house("--redis-url", redis.url);
    const child = Bun.spawn([await binary(), "history", "import", "-", "--json"], {
      env: node.user.env,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    onEnd(() => child.kill("SIGKILL"));
    const lines = read(path).split("\n");
    child.stdin.write(`${lines.slice(0, 700).join("\n")}\n`);
    await child.stdin.flush();
    const stats = async (): Promise<any> => (await fetch(`${node.url}/stats`)).json();
    await eventually(async () => (await stats()).log.last_seq === 500);
    await redis.stop();
    child.stdin.write(lines.slice(700).join("\n"));
    await child.stdin.end();
    await redis.restart();
    expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({ stored: 900, last_seq: 900 });
    expect(await child.exited).toBe(0);
    const { stdout } = await node.run("history", "export", "-");
    expect(linesOf(stdout)).toEqual(lines.slice(1));
    expect((await node.run("emit", "hello")).stdout).toContain("901");
  });

  test("looks at all of a file before it sends anything, and names the line", async () => {
    const fresh = await house();
    const cases: [file: string, said: string][] = [
      [copy("short", (text) => text.slice(0, text.indexOf('"e500"'))), "line 501: "],
      [copy("shorter", (text) => text.slice(0, text.indexOf('{"seq":600,'))), "ends after 599 of 900 events"],
      [copy("garbled", (text) => text.replace('"id":"e700"', '"id":"e700')), "line 701: it is no JSON"],
      [
        copy("missing", (text) => text.replace(/\{"seq":800,[^\n]*\n/, "")),
        "line 801: the event with the seq 800",
      ],
      [copy("longer", (text) => `${text}{"seq":901,"id":"e901"}\n`), "behind 900, its last event"],
      [copy("other", (text) => text.replace('"schema":1', '"schema":7')), "7, and this release knows 1"],
      [copy("none", () => ""), "is empty"],
      [copy("json", () => '{"hello": 1}\n'), "line 1: "],
    ];
    const bytes = Buffer.from(read(path));
    bytes[bytes.indexOf('"e100"') - 20] = 0xff;
    writeFileSync(old.file("bytes"), bytes);
    cases.push([old.file("bytes"), "no UTF-8"]);
    for (const [file, said] of cases) {
      const { exitCode, stdout, stderr } = await fresh.run("history", "import", file);
      expect([file, exitCode, stdout]).toEqual([file, 1, ""]);
      expect(stderr).toContain(said);
      expect(stderr.trimEnd().split("\n")).toHaveLength(2);
    }
    expect((await fresh.run("emit", "hello")).stdout).toContain("1");
  });

  test("into a server that has events of its own is refused, and says what to do", async () => {
    const busy = await house();
    await busy.post(events(5000, 5003));
    const { exitCode, stderr } = await busy.run("history", "import", path);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("The history from 1 to 900 does not continue what this server holds");
    expect(stderr).toContain("1 to 4");
    expect(stderr).toContain("--state-dir");
  });

  test("of more than the server keeps asks for --trim, and then brings in the newest", async () => {
    const small = await house("--set", "max_history_size=300");
    const refused = await small.run("history", "import", path);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("has 900 events, and the server keeps no more than 300");
    expect(refused.stderr).toContain("max_history_size=900");
    const { exitCode, stdout } = await small.run("history", "import", "--trim", path);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^300 events .* holds 601 to 900 now\nThe oldest 600 are beyond what the server keeps\n$/,
      ),
    ]);
  });

  test("needs a server, a file that is there, and the right to", async () => {
    const user = account();
    user.env.CLAUDE_MPM_SOCKETIO_PORT = `${await freePort()}`;
    expect((await user.run(["history", "import", path])).exitCode).toBe(3);
    expect((await user.run(["history", "import"])).exitCode).toBe(2);
    expect((await old.run("history", "import", old.file("not there"))).stderr).toContain("not there");
    const guarded = await house("--auth", "on", "--set", "token=secret");
    const { exitCode, stderr } = await guarded.run("token", "create", "--scope", "subscribe");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect((await guarded.run("history", "import", path)).exitCode).toBe(0);
  });
});

describe("an export", () => {
  test("leaves the file that is there as it is when it fails, and a link where it leads", async () => {
    const old = await house();
    await old.post(events(1, 3));
    const path = old.file("history.ndjson");
    writeFileSync(path, "mine");
    expect((await old.run("history", "export", join(path, "x"))).exitCode).toBe(1);
    symlinkSync(path, old.file("link"));
    expect((await old.run("history", "export", old.file("link"))).exitCode).toBe(0);
    expect(read(path).split("\n")).toHaveLength(5);
    await old.run("stop");
    writeFileSync(path, "mine");
    expect((await old.run("history", "export", path)).exitCode).toBe(3);
    expect(read(path)).toBe("mine");
    mkdirSync(old.file("folder"));
    expect((await old.run("history", "export")).exitCode).toBe(2);
    expect((await old.run("history", "export", "-", "--json")).exitCode).toBe(2);
  });

  test("that is cut off is begun anew, and in the end is no file", async () => {
    const header = {
      claude_mpm_socketio: "history",
      schema: 1,
      epochs: [{ epoch: "1-a", start_seq: 0 }],
      first_seq: 1,
      last_seq: 2,
    };
    let asked = 0;
    let whole = 3;
    const server = createServer(({ url = "" }, response) => {
      if (!url.endsWith("/export")) return void relay(url).then((text) => response.end(text));
      asked += 1;
      response.write(`${JSON.stringify(header)}\n{"seq":1,"id":"a"}\n`);
      if (asked === whole) response.end('{"seq":2,"id":"b"}\n');
      else response.destroy();
    });
    // It looks like ours in every other way.
    const real = await house();
    const relay = async (url: string) => (await fetch(real.url + url)).text();
    server.listen(0, "127.0.0.1");
    onEnd(() => server.close());
    await eventually(() => server.address());
    const { port } = server.address() as AddressInfo;
    const user = account();
    const path = join(user.home, "history.ndjson");
    const run = () => user.run(["history", "export", path, "--host", "127.0.0.1", "--port", `${port}`]);
    const { exitCode, stdout } = await run();
    expect([exitCode, stdout, asked]).toEqual([0, `2 events, 1 to 2, are in ${path}\n`, 3]);

    [asked, whole] = [0, 9];
    truncateSync(path);
    appendFileSync(path, "as it was");
    const failed = await run();
    expect([failed.exitCode, asked]).toEqual([1, 3]);
    expect(failed.stderr).toContain("could not be read to its end");
    expect(read(path)).toBe("as it was");
    expect(existsSync(`${path}.tmp`)).toBe(false);
    expect(readdirSync(user.home).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("clear", () => {
  const clear = (where: House, ...args: string[]) => where.run("history", "clear", ...args);

  test("forgets for good what is asked for, and no more", async () => {
    const box = await house();
    const secret = "correct-horse-battery-staple";
    await box.post(events(1, 200).map((event) => ({ ...event, text: secret })));
    const filesWith = () =>
      readdirSync(box.user.home, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .filter((path) => readFileSync(path).includes(secret));
    expect(filesWith()).not.toEqual([]);
    const part = await clear(box, "--before", "151", "--yes");
    expect(part).toEqual({
      exitCode: 0,
      stdout: `150 events are forgotten; ${box.url} holds 151 to 200 now\n`,
      stderr: "",
    });
    const nothing = await clear(box, "--before", "1d", "-y");
    expect(nothing.stdout).toBe(`0 events are forgotten; ${box.url} holds 151 to 200 now\n`);
    const all = JSON.parse((await clear(box, "--yes", "--json")).stdout);
    expect(all).toEqual({
      schema: 1,
      url: box.url,
      epoch: expect.any(String),
      first_seq: 201,
      last_seq: 200,
      forgotten: 50,
    });
    expect(filesWith()).toEqual([]);
    expect((await box.run("history")).stderr).toBe("No event fits\n");
    expect((await box.run("restart")).exitCode).toBe(0);
    expect(await box.post(events(1, 1))).toMatchObject({ accepted: 1, first_seq: 201 });
  });

  test("asks first, and does nothing where nobody can be asked", async () => {
    const box = await house();
    await box.post(events(1, 3));
    const unasked = await clear(box);
    expect(unasked).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: `Error: Forget the 3 events of ${box.url}, 1 to 3, for good? Nobody is there to be asked\nWrite --yes to do it\n`,
    });
    const ofSession = await clear(box, "--session", "s1", "--yes");
    expect(ofSession.exitCode).toBe(2);
    expect(ofSession.stderr).toContain("One session alone cannot be forgotten");
    expect((await clear(box, "--before", "whenever", "--yes")).exitCode).toBe(2);
    expect((await box.run("history", "--json")).stdout).toContain('"total_available": 3');
  });

  test.skipIf(!existsSync(PYTHON))("asks on a terminal, where only yes is yes", async () => {
    const box = await house();
    await box.post(events(1, 3));
    const answered = async (typed: string) => {
      const argv = [await binary(), "history", "clear"];
      const terminal = runScript(
        [
          PYTHON,
          "-u",
          join(import.meta.dir, "terminal.py"),
          JSON.stringify(argv),
          JSON.stringify(box.user.env),
        ],
        { PATH: "/usr/bin:/bin" },
      );
      const shown = () => terminal.lines.map((line) => line.shown ?? "").join("");
      await eventually(() => shown().includes("for good? [y/N] "));
      terminal.send({ type: typed });
      const { exit } = await terminal.next((line) => "exit" in line, "its end");
      return [exit, shown()];
    };
    for (const typed of ["\n", "no\n", "yesterday\n", "\u0004"]) {
      const [exit, shown] = await answered(typed);
      expect([exit, shown]).toEqual([1, expect.stringContaining("Nothing was forgotten")]);
    }
    const [interrupted] = await answered("\u0003");
    expect(interrupted).not.toBe(0);
    expect((await box.run("history", "--json")).stdout).toContain('"total_available": 3');
    const [exit, shown] = await answered("yes\n");
    expect([exit, shown]).toEqual([0, expect.stringContaining("3 events are forgotten")]);
  });

  test("brings nothing back from a file that was exported before, and says so", async () => {
    const box = await house();
    await box.post(events(1, 3));
    const path = box.file("history.ndjson");
    expect((await box.run("history", "export", path)).exitCode).toBe(0);
    expect((await clear(box, "--yes")).exitCode).toBe(0);
    const { exitCode, stderr } = await box.run("history", "import", path);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("and has forgotten them")]);
  });
});
