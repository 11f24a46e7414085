/** `upgrade` on the compiled binary: from a folder and from a host, with servers that run and clients that go on. */
import { Database } from "bun:sqlite";
import { beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { archiveName, SUMS_FILE } from "../../src/release/targets.ts";
import { type Account, account, type Finished } from "../support/binary.ts";
import { run } from "../support/command.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { OWN_TARGET, programOf, publish } from "../support/release.ts";
import { REDIS, startRedis } from "../support/redis.ts";
import { SOAK } from "../support/soak.ts";
import { steadyLoad } from "../support/steady-load.ts";
import { testWith } from "../support/tools.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OLD = "0.8.0";
const NEW = "0.9.0";

/** Runs what follows as another user; for root alone. */
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

let oldProgram: string;
let newProgram: string;
/** A folder with the new release. */
let releases: string;

beforeAll(async () => {
  oldProgram = await programOf(OLD);
  releases = temporaryDirectory();
  chmodSync(releases, 0o755);
  newProgram = await programOf(NEW);
  const program = readFileSync(newProgram);
  publish(releases, NEW, { targets: [OWN_TARGET], program: () => program });
}, 60_000);

/** A release for this machine whose program is a shell script. */
function publishScript(folder: string, version: string, script: string): void {
  publish(folder, version, { targets: [OWN_TARGET], program: () => `#!/bin/sh\n${script}\n` });
}

interface Installed extends Account {
  program: string;
  /** Runs the installed program. */
  call(...args: string[]): Promise<Finished>;
  upgrade(...args: string[]): Promise<Finished>;
  /** What lies beside the program. */
  beside(): string[];
}

/** The old program, installed in a home of its own. */
function installed(): Installed {
  const user = account();
  const bin = join(user.home, ".local", "bin");
  mkdirSync(bin, { recursive: true });
  const program = join(bin, "claude-mpm-socketio");
  copyFileSync(oldProgram, program);
  chmodSync(program, 0o755);
  const call = (...args: string[]) => run([program, ...args], { cwd: user.home, env: user.env });
  onEnd(() => call("stop", "--all"));
  return {
    ...user,
    program,
    call,
    upgrade: (...args) => call("upgrade", "--base-url", releases, ...args),
    beside: () => readdirSync(bin),
  };
}

async function start(
  user: Installed,
  ...flags: string[]
): Promise<{ url: string; pid: number; port: number }> {
  const port = await freePort();
  const { stdout, stderr } = await user.call("start", "--port", `${port}`, "--json", ...flags);
  expect(stderr).toBe("");
  const { url, pid } = JSON.parse(stdout);
  return { url, pid, port };
}

const versionOf = async (user: Installed) => (await user.call("--version")).stdout.trim();
const health = async (url: string) => (await (await fetch(`${url}/health`)).json()) as { pid: number };
const post = async (url: string, event: object) =>
  (await (await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(event) })).json()) as any;

/** Nothing has changed: the old program stands alone in its place, and its server runs on. */
async function expectUntouched(user: Installed, server?: { url: string; pid: number }): Promise<void> {
  expect(await versionOf(user)).toBe(OLD);
  expect(user.beside()).toEqual(["claude-mpm-socketio"]);
  if (server) expect((await health(server.url)).pid).toBe(server.pid);
}

describe("upgrade", () => {
  test("replaces the program, and restarts its server with the flags and the history it had", async () => {
    const user = installed();
    const server = await start(user, "--set", "max_history_size=123", "--log-level", "DEBUG");
    await post(server.url, { type: "before" });

    const { exitCode, stdout, stderr } = await user.upgrade();
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`Upgraded ${realpathSync(user.program)} from ${OLD} to ${NEW}`);
    expect(stdout).toContain(`Restarted the server on port ${server.port}`);
    expect(await versionOf(user)).toBe(NEW);
    expect(user.beside()).toEqual(["claude-mpm-socketio"]);

    const after = await health(server.url);
    expect(after.pid).not.toBe(server.pid);
    const instance = JSON.parse(readFileSync(join(user.stateDir, `${server.port}`, "server.json"), "utf8"));
    expect(instance.settings).toMatchObject({ max_history_size: 123, log_level: "DEBUG" });
    expect(instance.args.filter((arg: string) => arg.startsWith("max_history_size"))).toHaveLength(1);
    expect(await post(server.url, { type: "after" })).toMatchObject({ first_seq: 2 });
    const { stdout: history } = await user.call("history", "--port", `${server.port}`, "--json");
    expect(JSON.parse(history).events.map(({ type }: { type: string }) => type)).toEqual(["before", "after"]);
  });

  test("names the secrets that its server had by flags, and does not have any more", async () => {
    const user = installed();
    await start(user, "--set", "token=a-token-of-the-team");
    const { exitCode, stderr } = await user.upgrade();
    expect(exitCode).toBe(0);
    expect(stderr).toContain("Warning: token was given on the command line or by a variable");
    expect(stderr).not.toContain("a-token-of-the-team");
  });

  testWith(REDIS, "leaves a server alone that would lose its Redis", async () => {
    const user = installed();
    const { url } = await startRedis();
    const server = await start(user, "--redis-url", url);
    const { exitCode, stderr } = await user.upgrade();
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("was given its redis_url")]);
    await expectUntouched(user);
    expect((await health(server.url)).pid).toBe(server.pid);
  });

  test("has nothing to do when this is the newest, and says with --check when it is not", async () => {
    const user = installed();
    const check = await user.upgrade("--check", "--json");
    expect(JSON.parse(check.stdout)).toMatchObject({ schema: 1, outcome: "available", from: OLD, to: NEW });
    await expectUntouched(user);

    expect((await user.upgrade()).exitCode).toBe(0);
    const again = await user.upgrade("--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ outcome: "current", from: NEW, to: NEW, servers: [] });
    expect((await user.upgrade()).stdout).toBe(`Version ${NEW} is the newest; nothing was changed\n`);
  });

  test("finds a server wherever it keeps its state", async () => {
    const user = installed();
    const stateDir = join(user.home, "my state 'q' %h");
    const server = await start(user, "--state-dir", stateDir);
    const { exitCode, stdout } = await user.upgrade();
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining(`Restarted the server on port ${server.port}`),
    ]);
    expect((await health(server.url)).pid).not.toBe(server.pid);
    expect((await user.call("stop", "--port", `${server.port}`, "--state-dir", stateDir)).exitCode).toBe(0);
  });

  test("leaves a server that runs another program alone", async () => {
    const user = installed();
    const other = join(temporaryDirectory(), "claude-mpm-socketio");
    copyFileSync(oldProgram, other);
    const server = await start({
      ...user,
      call: (...args) => run([other, ...args], { env: user.env, cwd: user.home }),
    });
    const { exitCode, stdout } = await user.upgrade();
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("No server was running it")]);
    expect((await health(server.url)).pid).toBe(server.pid);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "as root leaves another user's server to that user, who wrote the flags it has (as root, which can be another user)",
    async () => {
      const user = installed();
      Bun.spawnSync(["chown", "-R", "65534:65534", user.home]);
      const theirs = (...args: string[]) => run([...NOBODY, user.program, ...args], user);
      const port = await freePort();
      const { pid } = JSON.parse((await theirs("start", "--port", `${port}`, "--json")).stdout);
      const { exitCode, stdout } = await user.upgrade("--json");
      expect([exitCode, JSON.parse(stdout)]).toEqual([
        0,
        expect.objectContaining({ servers: [], left: [{ port, pid, reason: "other_user" }] }),
      ]);
      expect((await health(`http://127.0.0.1:${port}`)).pid).toBe(pid);
      expect((await theirs("restart", "--port", `${port}`)).exitCode).toBe(0);
      expect((await theirs("stop", "--all")).exitCode).toBe(0);
    },
  );

  test("leaves a server that does not answer, and says so", async () => {
    const user = installed();
    const { port, pid } = await start(user);
    process.kill(pid, "SIGSTOP");
    onEnd(() => process.kill(pid, "SIGKILL"));
    const { exitCode, stdout } = await user.upgrade();
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining(`port ${port} (PID ${pid}) does not answer`),
    ]);
  });

  test("under load loses no acknowledged event, doubles none, and every client goes on where it was", async () => {
    const user = installed();
    const server = await start(user, "--set", "max_history_size=1000000");
    const load = steadyLoad(server.url);
    const acknowledged = async () => (await stats(server.url))?.events.total_processed ?? 0;
    await eventually(async () => (await acknowledged()) > (SOAK ? 5000 : 500), { limitMs: 60_000 });

    expect((await user.upgrade()).exitCode).toBe(0);
    expect(await versionOf(user)).toBe(NEW);
    await eventually(async () => (await acknowledged()) > (SOAK ? 5000 : 500), { limitMs: 60_000 });
    const { acknowledged: acks, received, sent, gaps } = await load.finish();
    expect(gaps).toEqual([]);

    const stored = await allEvents(server.url);
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
    expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
    expect(new Map(stored.map(({ id, seq }) => [id, seq]))).toEqual(acks);

    for (const [client, seqs] of received.entries()) {
      const others = stored.filter(({ id }) => !sent[client]?.has(id)).map(({ seq }) => seq);
      await eventually(() => seqs.includes(others.at(-1) as number), { what: "the last event" });
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      expect(new Set(seqs).size).toBe(seqs.length);
      // The first ones may have been stored before this client was there.
      const missing = new Set(others.filter((seq) => seq >= (seqs[0] as number))).difference(new Set(seqs));
      expect([...missing]).toEqual([]);
    }
  });
});

describe("upgrade that is interrupted from the terminal", () => {
  /** A release whose program waits at one of the steps; Ctrl-C is pressed as soon as it does. */
  async function interruptAt(step: "version" | "restart") {
    const user = installed();
    const server = await start(user);
    const folder = temporaryDirectory();
    const waits = join(folder, "waits");
    publishScript(
      folder,
      NEW,
      `[ "$1" != ${step} ] || { touch "${waits}"; sleep 1; }
case "$1" in
  --version) echo ${NEW} ;;
  version) echo '{"version":"${NEW}","log_version":2}' ;;
  restart) "${oldProgram}" "$@" ;;
esac`,
    );
    const child = Bun.spawn([user.program, "upgrade", "--base-url", folder], {
      env: user.env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      // A group of processes of its own, as a shell gives a terminal's.
      detached: true,
    });
    await eventually(() => existsSync(waits), { what: "the step" });
    process.kill(-child.pid, "SIGINT");
    const stderr = await new Response(child.stderr).text();
    return { user, server, exitCode: await child.exited, stderr };
  }

  test("before it has changed anything leaves all as it was", async () => {
    const { user, server, exitCode, stderr } = await interruptAt("version");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Interrupted; nothing was changed")]);
    await expectUntouched(user, server);
  });

  test("while a server is restarted goes through with it", async () => {
    const { user, server, exitCode, stderr } = await interruptAt("restart");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect([await versionOf(user), user.beside()]).toEqual([NEW, ["claude-mpm-socketio"]]);
    expect((await health(server.url)).pid).not.toBe(server.pid);
    await user.run(["stop", "--all"]);
  });
});

describe("upgrade finds a release", () => {
  const get = async (paths: Record<string, string>, ...args: string[]) => {
    const asked: string[] = [];
    const host = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const { pathname } = new URL(request.url);
        asked.push(pathname);
        const file = paths[pathname];
        return file === undefined ? new Response("no", { status: 404 }) : new Response(Bun.file(file));
      },
    });
    onEnd(() => host.stop(true));
    const user = installed();
    const result = await user.call("upgrade", "--base-url", `http://127.0.0.1:${host.port}/r/`, ...args);
    return { user, asked, result };
  };
  const archive = archiveName(NEW, OWN_TARGET);
  const filesAt = (path: string) => ({
    [`${path}/${SUMS_FILE}`]: join(releases, SUMS_FILE),
    [`${path}/${archive}`]: join(releases, archive),
  });

  test("at a host laid out as GitHub's, the newest", async () => {
    const { user, asked, result } = await get(filesAt("/r/latest/download"));
    expect([result.exitCode, result.stderr]).toEqual([0, ""]);
    expect(asked).toEqual([`/r/latest/download/${SUMS_FILE}`, `/r/latest/download/${archive}`]);
    expect(await versionOf(user)).toBe(NEW);
  });

  test("at such a host, one version", async () => {
    const { user, result } = await get(filesAt(`/r/download/v${NEW}`), "--version", `v${NEW}`);
    expect([result.exitCode, result.stderr]).toEqual([0, ""]);
    expect(await versionOf(user)).toBe(NEW);
  });

  test("at a host that is one folder", async () => {
    const { user, result } = await get(filesAt("/r"), "--version", NEW);
    expect([result.exitCode, result.stderr]).toEqual([0, ""]);
    expect(await versionOf(user)).toBe(NEW);
  });

  test("at a host that calls the archive's compression its encoding", async () => {
    const host = Bun.serve({
      port: 0,
      fetch({ url }) {
        const file = Bun.file(join(releases, url.slice(url.lastIndexOf("/"))));
        return new Response(file, url.endsWith(".gz") ? { headers: { "Content-Encoding": "gzip" } } : {});
      },
    });
    onEnd(() => host.stop(true));
    const user = installed();
    const { exitCode, stderr } = await user.call("upgrade", "--base-url", `http://localhost:${host.port}`);
    expect([exitCode, stderr]).toEqual([0, ""]);
  });

  test.skipIf(Bun.which("openssl") === null)(
    "where its host sends it, but never from https to what is not encrypted (needs openssl)",
    async () => {
      const [key, cert] = ["key", "cert"].map((name) => join(temporaryDirectory(), `${name}.pem`)) as [
        string,
        string,
      ];
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
      Bun.spawnSync([
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        ...subject,
      ]);
      const tls = { key: Bun.file(key), cert: Bun.file(cert) };
      const files = ({ url }: Request) =>
        new Response(Bun.file(join(releases, url.slice(url.lastIndexOf("/")))));
      const hosts = [Bun.serve({ port: 0, fetch: files }), Bun.serve({ port: 0, tls, fetch: files })];
      const upgradeBy = async (to: string) => {
        const redirect = ({ url }: Request) => Response.redirect(new URL(new URL(url).pathname, to).href);
        const first = Bun.serve({ port: 0, tls, fetch: redirect });
        onEnd(() => [first, ...hosts].map((host) => host.stop(true)));
        const user = installed();
        const argv = [user.program, "upgrade", "--base-url", `https://localhost:${first.port}`];
        return { user, ...(await run(argv, { env: { ...user.env, NODE_EXTRA_CA_CERTS: cert } })) };
      };
      const plain = await upgradeBy(`http://localhost:${hosts[0]?.port}`);
      expect([plain.exitCode, plain.stderr]).toEqual([1, expect.stringContaining("which is not encrypted")]);
      await expectUntouched(plain.user);
      const encrypted = await upgradeBy(`https://localhost:${hosts[1]?.port}`);
      expect([encrypted.exitCode, encrypted.stderr]).toEqual([0, ""]);
    },
  );

  test("and says so where there is none", async () => {
    const { user, result } = await get({});
    expect([result.exitCode, result.stdout]).toEqual([1, ""]);
    expect(result.stderr).toMatch(
      /^Error: There is no release at .*\nName another host or folder: --base-url\n$/,
    );
    const { result: other } = await get(filesAt("/r"), "--version", "7.7.7");
    expect([other.exitCode, other.stderr]).toEqual([1, expect.stringContaining("7.7.7")]);
    await expectUntouched(user);
  });
});

describe("upgrade refuses, before anything is touched,", () => {
  /** Runs it against a folder that holds only this, beside a server of the old version. */
  const against = async (prepare: (folder: string) => void, ...args: string[]) => {
    const user = installed();
    const server = await start(user);
    const folder = temporaryDirectory();
    prepare(folder);
    const result = await user.call("upgrade", "--base-url", folder, ...args);
    await expectUntouched(user, server);
    return { ...result, server: { ...server, stateDir: user.stateDir } };
  };
  const says = (version: string, log = 2) =>
    `[ "$1" = version ] && { echo '{"version":"${version}","log_version":${log}}'; exit; }`;

  test("an older release", async () => {
    const { exitCode, stderr } = await against(
      (folder) => publishScript(folder, "0.7.9", ""),
      "--version",
      "0.7.9",
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain("Version 0.7.9 is older than this one, 0.8.0; nothing was changed");
  });

  test("an archive that is not the one the sums name", async () => {
    const { exitCode, stderr } = await against((folder) => {
      publishScript(folder, NEW, says(NEW));
      const path = join(folder, archiveName(NEW, OWN_TARGET));
      writeFileSync(path, readFileSync(path).fill(0, 40, 41));
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("its SHA-256 is")]);
  });

  test("an archive that is cut short", async () => {
    const { exitCode, stderr } = await against((folder) => {
      publishScript(folder, NEW, says(NEW));
      const path = join(folder, archiveName(NEW, OWN_TARGET));
      writeFileSync(path, readFileSync(path).subarray(0, 50));
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("damaged")]);
  });

  test("an archive without the program", async () => {
    const { exitCode, stderr } = await against((folder) => {
      const archive = Bun.gzipSync(new Uint8Array(1024));
      const sum = new Bun.CryptoHasher("sha256").update(archive).digest("hex");
      writeFileSync(join(folder, archiveName(NEW, OWN_TARGET)), archive);
      writeFileSync(join(folder, SUMS_FILE), `${sum}  ${archiveName(NEW, OWN_TARGET)}\n`);
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("The archive does not hold")]);
  });

  test("a program that does not run here", async () => {
    const { exitCode, stderr } = await against((folder) =>
      publishScript(folder, NEW, "echo no such library >&2; exit 127"),
    );
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("does not run here: no such library")]);
  });

  test("a program of another version than it says", async () => {
    const { exitCode, stderr } = await against((folder) => publishScript(folder, NEW, says("0.8.5")));
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("is version 0.8.5, not 0.9.0")]);
  });

  test("a program that cannot read the log of a server that runs", async () => {
    const { exitCode, stderr, server } = await against((folder) => publishScript(folder, NEW, says(NEW, 1)));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      `Version ${NEW} cannot read ${join(server.stateDir, `${server.port}`, "events.db")}`,
    );
  });

  test("a program that cannot read the log of a server that is down", async () => {
    const user = installed();
    const server = await start(user);
    await user.call("stop", "--port", `${server.port}`);
    const log = new Database(join(user.stateDir, `${server.port}`, "events.db"));
    log.run("PRAGMA user_version = 99");
    log.close();
    const { exitCode, stderr } = await user.upgrade();
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("and this one is 99")]);
    await expectUntouched(user);
  });

  test("a program that does not take the configuration of a server", async () => {
    const { exitCode, stderr, server } = await against((folder) =>
      publishScript(
        folder,
        NEW,
        `${says(NEW)}\n[ "$1 $2" = "config check" ] && { echo "Error: port is not possible" >&2; exit 78; }`,
      ),
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      `does not take the configuration of the server on port ${server.port}: Error: port is not possible`,
    );
  });

  test.skipIf(process.getuid?.() !== 0)(
    "to write where this user may not (as root, which can be another user)",
    async () => {
      const user = installed();
      chmodSync(user.home, 0o755);
      const child = Bun.spawn([...NOBODY, user.program, "upgrade", "--base-url", releases], {
        cwd: "/",
        env: { ...user.env, HOME: "/nonexistent" },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      const stderr = await new Response(child.stderr).text();
      const exitCode = await child.exited;
      await expectUntouched(user);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("may not be written by this user")]);
    },
  );

  test("a place that is no place", async () => {
    const user = installed();
    const { exitCode, stderr } = await user.call("upgrade", "--base-url", "ftp://example.test/x");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("is no place to load from")]);
    expect((await user.upgrade("--version", "banana")).exitCode).toBe(2);
  });
});

test("a server that still runs an older program than the one in place is restarted, though there is no newer", async () => {
  const user = installed();
  const server = await start(user);
  copyFileSync(newProgram, `${user.program}.new`);
  renameSync(`${user.program}.new`, user.program);
  expect((await user.upgrade("--check")).stdout).toContain("is the newest; nothing was changed");
  const { stdout: status } = await user.call("status", "-v", "--port", `${server.port}`);
  expect(status).toContain(`${NEW} (this command); the server is ${OLD}, to change it over`);
  const { stdout: doctor } = await user.call("doctor", "--port", `${server.port}`);
  expect(doctor).toContain(`of release ${OLD}`);
  expect((await health(server.url)).pid).toBe(server.pid);

  const { exitCode, stdout } = await user.upgrade();
  expect([exitCode, stdout]).toEqual([
    0,
    `Version ${NEW} is the newest; restarted the server on port ${server.port}, which still ran ${OLD}\n`,
  ]);
  expect((await health(server.url)).pid).not.toBe(server.pid);
  expect((await user.upgrade()).stdout).toContain("nothing was changed");
});

test("an upgrade that gives the log a new form is not taken back: the old version could not read it", async () => {
  const user = installed();
  const server = await start(user);
  const folder = temporaryDirectory();
  publishScript(
    folder,
    NEW,
    `case "$1" in
  version) echo '{"version":"${NEW}","log_version":99}' ;;
  --version) echo ${NEW} ;;
  restart) echo "Error: it explodes" >&2; exit 1 ;;
esac`,
  );
  const { exitCode, stderr } = await user.call("upgrade", "--base-url", folder);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`The new version does not start on port ${server.port}: it explodes`);
  expect(stderr).toContain("It stays in place");
  expect(await versionOf(user)).toBe(NEW);
  expect(user.beside()).toEqual(["claude-mpm-socketio"]);
  process.kill(server.pid);
});

test("an upgrade whose server does not start is taken back, and the old version runs as before", async () => {
  const user = installed();
  const server = await start(user, "--set", "max_history_size=77");
  await post(server.url, { type: "kept" });
  const folder = temporaryDirectory();
  // Stops the server, as a restart does, and then fails to start.
  const stop = `"${oldProgram}" stop --state-dir "${user.stateDir}" --port ${server.port}`;
  publishScript(
    folder,
    NEW,
    `case "$1" in
  version) echo '{"version":"${NEW}","log_version":2}' ;;
  restart) ${stop} >&2; echo "Error: it explodes" >&2; exit 1 ;;
esac`,
  );
  const { exitCode, stderr } = await user.call("upgrade", "--base-url", folder);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`The new version does not start on port ${server.port}`);
  expect(stderr).toContain(`Version ${OLD} is back in place, and its servers run again`);
  expect(await versionOf(user)).toBe(OLD);
  expect(user.beside()).toEqual(["claude-mpm-socketio"]);
  const instance = JSON.parse(readFileSync(join(user.stateDir, `${server.port}`, "server.json"), "utf8"));
  expect(instance.settings.max_history_size).toBe(77);
  expect(existsSync(user.program)).toBe(true);
  expect(await post(server.url, { type: "after" })).toMatchObject({ first_seq: 2 });
});

async function stats(url: string): Promise<{ events: { total_processed: number } } | null> {
  const response = await fetch(`${url}/stats`).catch(() => null);
  return response?.ok ? ((await response.json()) as any) : null;
}

async function allEvents(url: string): Promise<{ seq: number; id: string }[]> {
  const all: { seq: number; id: string }[] = [];
  for (let after = 0; ;) {
    const page = (await (await fetch(`${url}/api/events?after=${after}&limit=1000`)).json()) as any;
    all.push(...page.events);
    if (page.next === null) return all;
    after = page.next;
  }
}
