/** The files tokens are kept in, and what a server makes of them. */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keepLocalToken, readLocalToken } from "../../src/auth/local-token.ts";
import { addToken, readTokens, removeTokens, TokenFileError } from "../../src/auth/token-file.ts";
import { createThrottle } from "../../src/auth/throttle.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });
const forever = { scopes: ["subscribe" as const], expiresAt: null };

describe("tokens.json", () => {
  test("holds no token, and the token is known again by its hash", async () => {
    const { tokens: path } = tokenPaths(temporaryDirectory());
    const { token, record } = await addToken(path, { name: "ci", ...forever });
    expect(token).toMatch(/^cms_[\w-]{43}$/);
    expect(readFileSync(path, "utf8")).not.toContain(token.slice(4));
    expect(readTokens(path)).toEqual([record]);
  });

  test("twenty changes at once are all in it", async () => {
    const { tokens: path } = tokenPaths(temporaryDirectory());
    const names = Array.from({ length: 20 }, (_, n) => `n${n}`);
    const made = await Promise.all(names.map((name) => addToken(path, { name, ...forever })));
    expect(
      readTokens(path)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(names.toSorted());
    await Promise.all(made.slice(0, 10).map(({ record }) => removeTokens(path, record.id)));
    expect(readTokens(path)).toHaveLength(10);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("a lock that somebody has died with holds nobody up", async () => {
    const { tokens: path } = tokenPaths(temporaryDirectory());
    writeFileSync(`${path}.lock`, "");
    const longAgo = new Date(Date.now() - 60_000);
    const { utimesSync } = await import("node:fs");
    utimesSync(`${path}.lock`, longAgo, longAgo);
    await addToken(path, { name: "n", ...forever });
    expect(readTokens(path)).toHaveLength(1);
  });

  for (const [what, content] of [
    ["broken JSON", '{"tokens": ['],
    ["no list", '{"tokens": {}}'],
    ["a token in the clear", '{"tokens": [{"id": "1", "name": "n", "hash": "secret", "scopes": ["admin"]}]}'],
    [
      "a date that is none",
      `{"tokens": [{"id":"1","name":"n","hash":"${"0".repeat(64)}","scopes":["admin"],"created_at":"x","expires_at":"soon"}]}`,
    ],
    [
      "a scope nobody knows",
      `{"tokens": [{"id":"1","name":"n","hash":"${"0".repeat(64)}","scopes":["root"],"created_at":"x","expires_at":null}]}`,
    ],
  ] as const) {
    test(`with ${what} in it is said and not guessed at: no server starts, no token is added`, async () => {
      const directory = temporaryDirectory();
      const { tokens: path } = tokenPaths(directory);
      writeFileSync(path, content, { mode: 0o600 });
      expect(() => readTokens(path)).toThrow(TokenFileError);
      expect(addToken(path, { name: "n", ...forever })).rejects.toThrow(TokenFileError);
      expect(startTestServer({ auth: "on", state_dir: directory })).rejects.toThrow(path);
      // Where nobody is asked for one, it does no harm.
      const open = await startTestServer({ state_dir: directory });
      expect((await open.get("/stats")).status).toBe(200);
      expect(readFileSync(path, "utf8")).toBe(content);
    });
  }
});

describe.skipIf(process.platform === "win32")("a tokens.json that others have a hand in", () => {
  for (const mode of [0o666, 0o620, 0o602]) {
    test(`with mode ${mode.toString(8)} is not believed, and nobody is let in by it`, async () => {
      const directory = temporaryDirectory();
      const { tokens: path } = tokenPaths(directory);
      const { token } = await addToken(path, { name: "n", ...forever });
      chmodSync(path, mode);
      const refusal = expect.objectContaining({
        message: expect.stringContaining("other users may write it"),
        hint: expect.stringContaining(`chmod 600 ${path}`),
      });
      expect(() => readTokens(path)).toThrow(refusal);
      expect(addToken(path, { name: "n", ...forever })).rejects.toThrow(refusal);
      expect(startTestServer({ auth: "on", state_dir: directory })).rejects.toThrow(refusal);
      chmodSync(path, 0o644);
      const server = await startTestServer({ auth: "on", state_dir: directory });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      chmodSync(path, mode);
      await eventually(async () => (await server.get("/stats", bearer(token))).status === 401);
    });
  }

  test.skipIf(process.getuid?.() !== 0)("and one of another user, for whoever is not root", async () => {
    const directory = temporaryDirectory();
    const { tokens: path } = tokenPaths(directory);
    await addToken(path, { name: "n", ...forever });
    chmodSync(path, 0o644);
    chmodSync(directory, 0o755);
    const read = (owner: number, reader: number) => {
      chownSync(path, owner, owner);
      const source = join(import.meta.dir, "../../src/auth/token-file.ts");
      // Loaded while it may still read whatever the checkout lies in.
      const script = `const { readTokens } = await import("${source}"); process.setuid(${reader}); readTokens("${path}")`;
      return Bun.spawnSync([process.execPath, "-e", script]).stderr.toString();
    };
    expect(read(1234, 65_534)).toContain("it belongs to another user");
    expect(read(1234, 0)).toBe("");
    expect(read(0, 65_534)).toBe("");
    expect(read(65_534, 65_534)).toBe("");
  });
});

describe("a server that runs", () => {
  test("takes a token up at once, and gives one up with all that was opened by it", async () => {
    const directory = temporaryDirectory();
    const { tokens: path } = tokenPaths(directory);
    const server = await startTestServer({ auth: "on", state_dir: directory });
    expect((await server.get("/stats", bearer("unknown"))).status).toBe(401);
    const { token, record } = await addToken(path, { name: "n", ...forever });
    expect((await server.get("/stats", bearer(token))).status).toBe(200);
    const client = await connect(server.url, { token });
    const stream = await fetch(`${server.url}/api/events/stream`, bearer(token));
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();

    await removeTokens(path, record.id);
    await eventually(() => !client.socket.connected);
    expect(client.received.at(-1)).toMatchObject({ name: "event_error", args: [{ code: "token_invalid" }] });
    let heard = "";
    await eventually(async () => {
      const { done, value } = await reader.read();
      heard += new TextDecoder().decode(value);
      return done;
    });
    expect(heard).toMatch(
      /\n\nevent: error\ndata: \{"code":"token_invalid","message":"The token has been revoked".*\}\n\n$/,
    );
    const { status, body } = await server.get("/stats", bearer(token));
    expect([status, body.error.code]).toEqual([401, "token_invalid"]);
  });

  test("ends a connection when its token expires", async () => {
    const directory = temporaryDirectory();
    const { tokens: path } = tokenPaths(directory);
    const { token } = await addToken(path, {
      name: "n",
      scopes: ["subscribe"],
      expiresAt: Date.now() + 1500,
    });
    const server = await startTestServer({ auth: "on", state_dir: directory });
    const client = await connect(server.url, { token });
    await eventually(() => !client.socket.connected);
    expect((await server.get("/stats", bearer(token))).body.error.message).toBe("The token has expired");
  });

  test("lets nobody in by a file it can read no longer, says so, and recovers", async () => {
    const directory = temporaryDirectory();
    const { tokens: path, local } = tokenPaths(directory);
    const server = await startTestServer({ auth: "on", state_dir: directory, token: "the-configured-one" });
    const { token } = await addToken(path, { name: "n", ...forever });
    const statusOf = async (own: string) => (await server.get("/stats", bearer(own))).status;
    await eventually(async () => (await statusOf(token)) === 200);
    const before = readFileSync(path, "utf8");
    writeFileSync(path, "{");
    await eventually(async () => (await statusOf(token)) === 401);
    // The commands of its own user are let in by another file.
    expect(await statusOf(readLocalToken(local) as string)).toBe(200);
    const health = (await server.get("/health", bearer("the-configured-one"))).body;
    expect(health.checks).toContainEqual(expect.objectContaining({ name: "tokens", status: "degraded" }));
    writeFileSync(path, before);
    await eventually(async () => (await statusOf(token)) === 200);
    expect(await statusOf(readLocalToken(local) as string)).toBe(200);
  });

  test("takes another configured token on a reload, and ends what the old one has opened", async () => {
    const settings = { auth: "on", token: "the-old-configured-one" } as const;
    const server = await startTestServer(settings);
    const client = await connect(server.url, { token: settings.token });
    const stays = await connect(server.url, {
      token: readLocalToken(join(server.paths.directory, "..", "local-token")),
    });
    const { loadConfig } = await import("../../src/config/load.ts");
    const flag = (raw: string) => ({ raw, flag: "test" });
    const { values } = loadConfig({
      flags: { auth: flag("on"), token: flag("the-new-configured-one") },
      env: { HOME: temporaryDirectory() },
      compiled: true,
    });
    server.reload(values);
    await eventually(() => !client.socket.connected);
    expect(stays.socket.connected).toBe(true);
    expect((await server.get("/stats", bearer("the-old-configured-one"))).status).toBe(401);
    expect((await server.get("/stats", bearer("the-new-configured-one"))).status).toBe(200);
  });
});

describe("the token of this user", () => {
  test("is made once, kept, and made anew when it was removed while a server runs", async () => {
    const directory = temporaryDirectory();
    const { local } = tokenPaths(directory);
    expect(readLocalToken(local)).toBeNull();
    const token = keepLocalToken(local);
    expect(keepLocalToken(local)).toBe(token);
    const server = await startTestServer({ auth: "on", state_dir: directory });
    expect((await server.get("/stats", bearer(token))).status).toBe(200);
    rmSync(local);
    await eventually(async () => (await server.get("/stats", bearer(token))).status === 401);
    const next = readLocalToken(local) as string;
    expect(next).not.toBe(token);
    expect((await server.get("/stats", bearer(next))).status).toBe(200);
  });

  test.skipIf(process.platform === "win32")(
    "is not believed where others may have read or written it",
    () => {
      const { local } = tokenPaths(temporaryDirectory());
      keepLocalToken(local);
      chmodSync(local, 0o640);
      expect(() => readLocalToken(local)).toThrow(TokenFileError);
      writeFileSync(local, "short");
      chmodSync(local, 0o600);
      expect(() => readLocalToken(local)).toThrow("it holds no token");
    },
  );
});

test.skipIf(process.platform === "win32")(
  "a local-token that others may read keeps nobody else out",
  async () => {
    const directory = temporaryDirectory();
    const { tokens: path, local } = tokenPaths(directory);
    const server = await startTestServer({ auth: "on", state_dir: directory });
    const { token } = await addToken(path, { name: "n", ...forever });
    const own = readLocalToken(local) as string;
    const statusOf = async (one: string) => (await server.get("/stats", bearer(one))).status;
    chmodSync(local, 0o644);
    await eventually(async () => (await statusOf(own)) === 401);
    expect(await statusOf(token)).toBe(200);
    chmodSync(local, 0o600);
    await eventually(async () => (await statusOf(own)) === 200);
  },
);

describe("guessing", () => {
  test("after ten different wrong tokens an address has to wait, and no longer than a minute", () => {
    let time = 0;
    const throttle = createThrottle({ now: () => time });
    for (let n = 0; n < 9; n += 1) throttle.fail("a", `guess ${n}`);
    for (let n = 0; n < 100; n += 1) throttle.fail("a", "guess 1");
    expect(throttle.wait("a")).toBe(0);
    throttle.fail("a", "guess 10");
    expect(throttle.wait("a")).toBe(60);
    expect(throttle.wait("b")).toBe(0);
    time += 59_500;
    expect(throttle.wait("a")).toBe(1);
    time += 500;
    expect(throttle.wait("a")).toBe(0);
    expect(throttle.failures()).toBe(110);
  });

  test("from a network of IPv6 is that of one address, for whoever has one has all of it", () => {
    const throttle = createThrottle();
    for (let n = 0; n < 10; n += 1) throttle.fail(`2001:db8::${n}:1`, `guess ${n}`);
    expect(throttle.wait("2001:db8:0:0:ffff::9")).toBeGreaterThan(0);
    for (const other of ["2001:db8:0:1::1", "::1", "::ffff:10.0.0.1", "10.0.0.1"])
      expect(throttle.wait(other)).toBe(0);
    for (let n = 0; n < 10; n += 1) throttle.fail("::ffff:10.0.0.1", `guess ${n}`);
    expect(throttle.wait("::ffff:10.0.0.2")).toBe(0);
  });

  test("keeps the right one of a configured token from being tried out, and holds up nobody with a token of ours", async () => {
    const directory = temporaryDirectory();
    const server = await startTestServer({ auth: "on", state_dir: directory, token: "configured" });
    for (let n = 0; n < 10; n += 1)
      expect((await server.get("/stats", bearer(`guess-${n}`))).status).toBe(401);
    const { status, headers, body } = await server.get("/stats", bearer("configured"));
    expect([status, body.error.code]).toEqual([429, "too_many_failures"]);
    expect(Number(headers.get("retry-after"))).toBeWithin(1, 61);
    const own = readLocalToken(tokenPaths(directory).local) as string;
    expect((await server.get("/stats", bearer(own))).status).toBe(200);
    expect((await server.get("/stats")).status).toBe(401);
  });
});
