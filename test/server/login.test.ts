/** Logging in by a link. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createLoginCodes } from "../../src/auth/login-codes.ts";
import { addToken, readTokens, removeTokens } from "../../src/auth/token-file.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { connectLater } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

async function guarded(): Promise<TestServer & { link(token?: string): Promise<string>; login: Login }> {
  const server = await startTestServer({ auth: "on" });
  return {
    ...server,
    link: async (token = server.localToken ?? "") =>
      (await server.post("/api/admin/login-link", "", bearer(token))).body.code,
    login: (code) => server.post("/api/login", "", bearer(code)),
  };
}

type Login = (code: string) => Promise<{ status: number; headers: Headers; body: any }>;

test("a link is good once, for a token with the rights of who made it", async () => {
  const server = await guarded();
  const code = await server.link();
  expect(code).toMatch(/^cml_[\w-]{43}$/);
  const { status, body } = await server.login(code);
  expect(status).toBe(200);
  expect(body).toEqual({
    token: expect.stringMatching(/^cms_/),
    scopes: ["admin"],
    expires_at: expect.any(String),
  });
  expect(Math.round((Date.parse(body.expires_at) - Date.now()) / 86_400_000)).toBe(30);
  expect((await server.get("/api/clients", bearer(body.token))).status).toBe(200);
  expect(await server.login(code)).toMatchObject({ status: 401, body: { error: { code: "token_invalid" } } });
  const [listed] = readTokens(tokenPaths(server.config.state_dir).tokens);
  expect(listed).toMatchObject({ name: "dashboard", scopes: ["admin"] });
});

test("with a token go those that pages got by its links, and theirs, and nobody else's", async () => {
  const server = await guarded();
  const path = tokenPaths(server.config.state_dir).tokens;
  const { token, record } = await addToken(path, { name: "leaked", scopes: ["admin"], expiresAt: null });
  const follow = async (asker?: string) => (await server.login(await server.link(asker))).body.token;
  const [child, others] = [await follow(token), await follow()];
  const grandchild = await follow(child);
  expect((await removeTokens(path, record.id)).map(({ name }) => name)).toEqual([
    "leaked",
    "dashboard",
    "dashboard",
  ]);
  const admitted = async (one: string) => (await server.get("/api/clients", bearer(one))).status;
  await eventually(async () => (await admitted(grandchild)) === 401);
  expect([await admitted(token), await admitted(child), await admitted(others)]).toEqual([401, 401, 200]);
});

test("logging out takes back a page's own token, and no other", async () => {
  const server = await guarded();
  const path = tokenPaths(server.config.state_dir).tokens;
  const { token: made } = await addToken(path, { name: "dashboard", scopes: ["publish"], expiresAt: null });
  const [own, others] = [await server.login(await server.link()), await server.login(await server.link())];
  expect(readTokens(path).map(({ origin }) => origin)).toEqual([undefined, "local", "local"]);
  const logOut = async (token: string) => (await server.post("/api/logout", "", bearer(token))).body;
  expect(await logOut(own.body.token)).toEqual({ revoked: true });
  expect(await logOut(made)).toEqual({ revoked: false });
  expect(await logOut(server.localToken ?? "")).toEqual({ revoked: false });
  await eventually(async () => (await logOut(own.body.token)).error?.code === "token_invalid");
  expect((await server.get("/stats", bearer(others.body.token))).status).toBe(200);
  expect(readTokens(path)).toHaveLength(2);
});

test("a code is no token, and a token no code", async () => {
  const server = await guarded();
  const code = await server.link();
  expect((await server.get("/stats", bearer(code))).status).toBe(403);
  expect((await server.get("/api/access", bearer(code))).status).toBe(403);
  const { socket } = connectLater(server.url, { token: code });
  const error: any = await new Promise((resolve) => socket.once("connect_error", resolve));
  expect(error.data.code).toBe(403);
  expect((await server.login(server.localToken ?? "")).status).toBe(401);
  expect((await server.post("/api/login", "")).body.error.code).toBe("token_missing");
  // None of this has used it up.
  expect((await server.login(code)).status).toBe(200);
});

test("only who may do everything makes links, and guesses are counted", async () => {
  const server = await guarded();
  const path = tokenPaths(server.config.state_dir).tokens;
  const { token } = await addToken(path, { name: "r", scopes: ["subscribe", "publish"], expiresAt: null });
  expect((await server.post("/api/admin/login-link", "", bearer(token))).status).toBe(403);
  for (let guess = 0; guess < 12; guess += 1) expect((await server.login(`cml_${guess}`)).status).toBe(401);
  expect((await server.get("/stats", bearer("another"))).status).toBe(429);
  // Who knows a code does not have to wait for those who guess.
  expect((await server.login(await server.link())).status).toBe(200);
});

test("where nobody is asked for a token there is nothing to log in to", async () => {
  const server = await startTestServer();
  expect((await server.post("/api/admin/login-link", "")).body.error.code).toBe("login_not_needed");
  expect((await server.post("/api/login", "")).body.error.code).toBe("login_not_needed");
});

describe("codes", () => {
  const asker = { name: "x", scopes: ["admin"] as const, expiresAt: null, isRevoked: () => false };
  const at = async (path: string) => {
    let time = Date.now();
    return { codes: createLoginCodes(path, () => time), pass: (ms: number) => (time += ms) };
  };
  const file = () => join(temporaryDirectory(), "tokens.json");

  test("are good for a minute, and not for longer than what their asker has", async () => {
    const { codes, pass } = await at(file());
    const { code } = codes.make(asker);
    pass(59_999);
    expect(codes.find(code)?.scopes).toEqual([]);
    pass(1);
    expect(codes.find(code)).toBeNull();
    expect(await codes.exchange(code)).toBeNull();
    const revoked = codes.make({ ...asker, isRevoked: () => true });
    expect(await codes.exchange(revoked.code)).toBeNull();
    const end = Date.now() + 3_600_000;
    expect((await codes.exchange(codes.make({ ...asker, expiresAt: end }).code))?.expiresAt).toBe(end);
  });

  test("two at once, only one gets the token", async () => {
    const { codes } = await at(file());
    const { code } = codes.make(asker);
    const both = await Promise.all([codes.exchange(code), codes.exchange(code)]);
    expect(both.filter((token) => token !== null)).toHaveLength(1);
  });

  test("leave no heap of old tokens behind", async () => {
    const path = file();
    const { codes, pass } = await at(path);
    await addToken(path, { name: "kept", scopes: ["publish"], expiresAt: 1 });
    await codes.exchange(codes.make(asker).code);
    pass(31 * 86_400_000);
    await codes.exchange(codes.make(asker).code);
    expect(readTokens(path).map(({ name }) => name)).toEqual(["kept", "dashboard"]);
    expect(await removeTokens(path, "dashboard")).toHaveLength(1);
  });
});
