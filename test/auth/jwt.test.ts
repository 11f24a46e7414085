/** JSON Web Tokens that somebody else makes, with every kind of key, against a real server. */
import { describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKeySet } from "../../src/auth/jwks.ts";
import { createJwtVerifier } from "../../src/auth/jwt.ts";
import { ConfigError } from "../../src/config/load.ts";
import type { Key } from "../../src/config/schema.ts";
import { eventually } from "../support/eventually.ts";
import { onEnd } from "../support/cleanup.ts";
import { startTestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const rsa = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;
const inHour = () => Math.floor(Date.now() / 1000) + 3600;
const CLAIMS = { sub: "ci", scope: "subscribe" };

/** Signed by hand, so that what no library would make can be made too. */
function jwt(header: object, claims: object, sign: (text: string) => Buffer): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${sign(text).toString("base64url")}`;
}

const hs256 = (claims: object, secret: string | Buffer, header: object = {}) =>
  jwt({ alg: "HS256", typ: "JWT", ...header }, claims, (text) =>
    createHmac("sha256", secret).update(text).digest(),
  );
const rs256 = (claims: object, key: KeyObject, header: object = {}) =>
  jwt({ alg: "RS256", typ: "JWT", ...header }, claims, (text) => signBytes("sha256", Buffer.from(text), key));
const es256 = (claims: object, key: KeyObject, header: object = {}) =>
  jwt({ alg: "ES256", typ: "JWT", ...header }, claims, (text) =>
    signBytes("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }),
  );

function file(name: string, content: string): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}

/** What a server with these settings answers to whoever reads with a token. */
async function guard(settings: Partial<Record<Key, string>>) {
  const server = await startTestServer({ auth: "on", ...settings });
  return async (token: string): Promise<"in" | string> => {
    const { status, body } = await server.get("/stats", { headers: { Authorization: `Bearer ${token}` } });
    return status === 200 ? "in" : `${status} ${body.error.message}`;
  };
}

describe("with a shared secret (HS256)", () => {
  const SECRET = "s3cret of the team";

  test("claims decide: scopes in all usual spellings, expiry, not before", async () => {
    const ask = await guard({ jwt_secret: SECRET });
    const now = Math.floor(Date.now() / 1000);
    const cases: [claims: object, outcome: string][] = [
      [{ scope: "subscribe" }, "in"],
      [{ scope: "openid publish subscribe" }, "in"],
      [{ scopes: ["subscribe"] }, "in"],
      [{ scp: "admin" }, "in"],
      [{ scope: "subscribe", exp: inHour(), nbf: now - 5, iat: now + 30 }, "in"],
      [{ scope: "publish" }, '403 The token does not have the scope "subscribe"'],
      [{ scope: "subscriber" }, '403 The token does not have the scope "subscribe"'],
      [{ scope: { subscribe: true } }, '403 The token does not have the scope "subscribe"'],
      [{}, '403 The token does not have the scope "subscribe"'],
      [{ scope: "subscribe", exp: now - 1 }, "401 The token has expired"],
      [{ scope: "subscribe", nbf: now + 60 }, "401 The token is not valid yet"],
    ];
    for (const [claims, outcome] of cases) {
      expect([claims, await ask(hs256(claims, SECRET))]).toEqual([claims, outcome]);
    }
  });

  test("a signature that does not fit, no signature, and another algorithm are refused", async () => {
    const ask = await guard({ jwt_secret: SECRET });
    const good = hs256(CLAIMS, SECRET);
    const [header = "", , signature = ""] = good.split(".");
    const forged = Buffer.from(JSON.stringify({ scope: "admin" })).toString("base64url");
    const bad = [
      hs256(CLAIMS, "another secret"),
      `${header}.${forged}.${signature}`,
      jwt({ alg: "none", typ: "JWT" }, CLAIMS, () => Buffer.alloc(0)),
      jwt({ alg: "HS512", typ: "JWT" }, CLAIMS, (text) => createHmac("sha512", SECRET).update(text).digest()),
      rs256(CLAIMS, rsa().privateKey),
      good.slice(0, -4),
      "a.b.c",
    ];
    expect(await ask(good)).toBe("in");
    for (const token of bad) expect([token, (await ask(token)).slice(0, 4)]).toEqual([token, "401 "]);
  });

  test("another algorithm is named, none at all too", async () => {
    const ask = await guard({ jwt_secret: SECRET });
    const signed = (alg: unknown) => jwt({ alg, typ: "JWT" }, CLAIMS, () => Buffer.from("x"));
    const outcome = (alg: string) => `401 The token's algorithm (${alg}) is not one that is configured`;
    expect(await ask(signed("none"))).toBe(outcome("none"));
    expect(await ask(signed("RS256"))).toBe(outcome("RS256"));
    expect(await ask(signed("x\u001b[31m".repeat(9)))).toBe(outcome("x[31mx[31mx[31mx[31m"));
    expect(await ask(signed(undefined))).toBe(outcome("undefined"));
  });

  test("a subject is told from the names of our own tokens, and cannot act on a terminal", async () => {
    const server = await startTestServer({ auth: "on", jwt_secret: SECRET });
    const nameOf = async (sub: unknown) => {
      const headers = { Authorization: `Bearer ${hs256({ scope: "subscribe", sub }, SECRET)}` };
      return (await server.get("/api/access", { headers })).body.name;
    };
    expect(await nameOf("local")).toBe("jwt:local");
    expect(await nameOf("a\u001b[31mb\nc\u202ed")).toBe("jwt:a[31mbcd");
    expect(await nameOf("x".repeat(500))).toBe(`jwt:${"x".repeat(96)}`);
    expect(await nameOf(7)).toBe("jwt");
  });

  test("issuer and audience are asked for where they are configured", async () => {
    const ask = await guard({ jwt_secret: SECRET, jwt_issuer: "https://id.example", jwt_audience: "events" });
    const right = { ...CLAIMS, iss: "https://id.example", aud: ["other", "events"] };
    expect(await ask(hs256(right, SECRET))).toBe("in");
    expect(await ask(hs256({ ...right, iss: "https://evil.example" }, SECRET))).toContain("another issuer");
    expect(await ask(hs256({ ...right, aud: "other" }, SECRET))).toContain("somebody else");
    expect(await ask(hs256(CLAIMS, SECRET))).toStartWith("401");
  });
});

describe("with a public key", () => {
  for (const [alg, makePair, make] of [
    ["RS256", rsa, rs256],
    ["ES256", ec, es256],
  ] as const) {
    test(`${alg}: only what the private key has signed is taken`, async () => {
      const pair = makePair();
      const path = file("key.pem", pem(pair.publicKey));
      const ask = await guard({ jwt_public_key: path });
      expect(await ask(make(CLAIMS, pair.privateKey))).toBe("in");
      expect(await ask(make(CLAIMS, makePair().privateKey))).toStartWith("401");
      // The public key is no secret: what is "signed" with it by HS256 must not be taken for signed.
      expect(await ask(hs256(CLAIMS, pem(pair.publicKey)))).toContain(
        "algorithm (HS256) is not one that is configured",
      );
      const other = alg === "RS256" ? es256(CLAIMS, ec().privateKey) : rs256(CLAIMS, rsa().privateKey);
      expect(await ask(other)).toContain("is not one that is configured");
    });
  }

  test("a file that holds no such key is said before the server takes requests", async () => {
    for (const [path, why] of [
      ["/nowhere/key.pem", "no such file"],
      [file("key.pem", "not a key"), "jwt_public_key"],
      [file("key.pem", pem(generateKeyPairSync("ed25519").publicKey)), "P-256"],
    ] as const) {
      const start = startTestServer({ auth: "on", jwt_public_key: path });
      const error = await start.then(
        () => null,
        (failure: unknown) => failure,
      );
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toContain(path);
      expect((error as Error).message).toContain(why);
    }
  });
});

describe("with a key set", () => {
  const keyOf = (key: KeyObject, kid: string, more = {}) => ({
    ...key.export({ format: "jwk" }),
    kid,
    ...more,
  });

  test("in a file: the key is found by its id, or by being the only one of its kind", async () => {
    const [one, two, curve] = [rsa(), rsa(), ec()];
    const keys = [
      keyOf(one.publicKey, "one", { alg: "RS256", use: "sig" }),
      keyOf(two.publicKey, "two", { use: "enc" }),
      keyOf(curve.publicKey, "curve"),
    ];
    const ask = await guard({ jwt_jwks_url: file("keys.json", JSON.stringify({ keys })) });
    expect(await ask(rs256(CLAIMS, one.privateKey, { kid: "one" }))).toBe("in");
    expect(await ask(es256(CLAIMS, curve.privateKey, { kid: "curve" }))).toBe("in");
    expect(await ask(es256(CLAIMS, curve.privateKey))).toBe("in");
    expect(await ask(rs256(CLAIMS, one.privateKey))).toBe("in");
    // For encryption, of another key, of another algorithm.
    expect(await ask(rs256(CLAIMS, two.privateKey, { kid: "two" }))).toStartWith("401");
    expect(await ask(rs256(CLAIMS, two.privateKey, { kid: "one" }))).toStartWith("401");
    expect(await ask(rs256(CLAIMS, one.privateKey, { kid: "curve" }))).toStartWith("401");
    expect(await ask(hs256(CLAIMS, "x", { kid: "one" }))).toStartWith("401");
  });

  test("that cannot be read is degraded health, and read at once on a reload", async () => {
    const [pair, path] = [rsa(), join(temporaryDirectory(), "keys.json")];
    const server = await startTestServer({ auth: "on", jwt_jwks_url: path, token: "the-configured-one" });
    const check = async () => {
      const init = { headers: { Authorization: "Bearer the-configured-one" } };
      const { checks } = (await server.get("/health", init)).body;
      return checks.find(({ name }: { name: string }) => name === "tokens");
    };
    const ask = async () => {
      const token = rs256(CLAIMS, pair.privateKey, { kid: "one" });
      return (await server.get("/stats", { headers: { Authorization: `Bearer ${token}` } })).status;
    };
    const [missing, bad] = ["no such file", "no JSON Web Key Set"];
    await eventually(async () => (await check()).status === "degraded");
    expect((await check()).message).toContain(missing);
    expect((await check()).message).toContain(path);
    writeFileSync(path, "{}");
    server.reload(server.config);
    await eventually(async () => (await check()).message.includes(bad));
    expect(await ask()).toBe(401);
    writeFileSync(path, JSON.stringify({ keys: [keyOf(pair.publicKey, "one")] }));
    server.reload(server.config);
    await eventually(async () => (await check()).status === "healthy");
    expect(await ask()).toBe(200);
    // What was read stays.
    writeFileSync(path, "{");
    server.reload(server.config);
    await eventually(async () => (await check()).status === "degraded");
    expect(await ask()).toBe(200);
  });

  test("at a URL: read when it is needed, again for a key nobody knows, and not for each made-up one", async () => {
    const [first, second] = [rsa(), rsa()];
    let keys = [keyOf(first.publicKey, "first")];
    let asked = 0;
    let isDown = false;
    const issuer = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        asked += 1;
        return isDown ? new Response("down", { status: 500 }) : Response.json({ keys });
      },
    });
    onEnd(() => issuer.stop(true));
    let time = Date.now();
    const verify = createJwtVerifier({
      secret: null,
      publicKey: null,
      keySet: createKeySet(`http://127.0.0.1:${issuer.port}/keys`, { now: () => time }),
      issuer: null,
      audience: null,
      now: () => time,
    });
    const isGood = (token: string) =>
      (verify as NonNullable<typeof verify>)(token).then(
        () => true,
        () => false,
      );
    const early = rs256({ ...CLAIMS, n: 1 }, first.privateKey, { kid: "first" });
    expect(await Promise.all([early, early, early].map(isGood))).toEqual([true, true, true]);
    expect(asked).toBe(1);
    // The issuer changes its key; somebody makes up ids.
    keys = [keyOf(second.publicKey, "second")];
    const late = rs256(CLAIMS, second.privateKey, { kid: "second" });
    for (let n = 0; n < 20; n += 1)
      expect(await isGood(rs256(CLAIMS, first.privateKey, { kid: `x${n}` }))).toBe(false);
    expect(asked).toBe(1);
    time += 31_000;
    expect(await isGood(late)).toBe(true);
    expect(asked).toBe(2);
    // What was read stays good while the issuer is away.
    isDown = true;
    time += 11 * 60_000;
    expect(await isGood(rs256({ ...CLAIMS, n: 2 }, second.privateKey, { kid: "second" }))).toBe(true);
    expect(asked).toBe(3);
  });
});
