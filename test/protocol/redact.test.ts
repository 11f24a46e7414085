import { describe, expect, test } from "bun:test";
import { parseExactJson } from "../../src/protocol/json.ts";
import { redactText, redactValue } from "../../src/protocol/redact.ts";
import { BASE64, bash, jwt, LOOKALIKES, random, secrets, UPPER } from "../support/secrets.ts";

const SECRETS = secrets();

describe("a secret is masked, and nothing else of its event:", () => {
  for (const [index, [kind, secret, event]] of SECRETS.entries()) {
    test(`${index + 1}: ${kind}`, () => {
      const before = event(secret);
      const original = structuredClone(before);
      const { value, count } = redactValue(before);
      const masked = event(`[redacted:${kind}]`);
      expect(withoutId(value)).toEqual(withoutId(masked));
      expect(count).toBe(1);
      expect(before).toEqual(original);
      const again = redactValue(value);
      expect(again.value).toBe(value);
      expect(again.count).toBe(0);
    });
  }
});

describe("what looks like a secret is left alone:", () => {
  for (const [name, texts] of Object.entries(LOOKALIKES)) {
    test(name, () => {
      for (const text of texts) {
        expect(redactText(text)).toEqual({ text, count: 0 });
        const event = bash(`${text}\n`);
        expect(redactValue(event).value).toBe(event);
      }
    });
  }

  test("names of other things", () => {
    for (const value of [
      {
        max_tokens: 4096,
        token_type: "bearer",
        next_page_token: "abc12345",
        tokens: "12",
        monkey: "abc12345",
      },
      { pwd: "/home/me/app", key: "abc12345", public_key: "abc12345", password: "", token: "$TOKEN" },
      { secret: null, password: { type: "string" }, api_key: true, passwords: 3, authorizations: "abc12345" },
      { authorization: "Bearer [redacted:jwt]", Authorization: "Bearer ${TOKEN}" },
      { password: "process.env.DB_PASSWORD", token: "[redacted:token]", secret: "********" },
    ]) {
      expect(redactValue(value)).toEqual({ value, count: 0 });
    }
  });

  test("there are enough of either", () => {
    expect(SECRETS.length).toBeGreaterThanOrEqual(60);
    expect(Object.values(LOOKALIKES).flat().length).toBeGreaterThanOrEqual(60);
  });
});

/** Of its content, which is what changes. */
function withoutId(event: object): object {
  return { ...event, id: undefined };
}

test("every secret in a text is counted and masked, whatever lies between them", () => {
  const text = SECRETS.map(([, secret, event]) => JSON.stringify(event(secret))).join("\n");
  const tokens = [`ghp_${random(36)}`, `glpat-${random(20)}`, `AKIA${random(16, UPPER)}`];
  const { text: masked, count } = redactText(`${tokens.join(",")} ${tokens.join(" ")}`);
  expect(masked).toBe(
    [",", " "]
      .map((between) =>
        ["github-token", "gitlab-token", "aws-key-id"].map((kind) => `[redacted:${kind}]`).join(between),
      )
      .join(" "),
  );
  expect(count).toBe(6);
  const once = redactText(text);
  expect(redactText(once.text)).toEqual({ text: once.text, count: 0 });
});

test("a token that was escaped is found behind what is left of its escape", () => {
  const token = `ghp_${random(36)}`;
  for (const before of ["\\n", "\\\\t", "%3D", "=", "/", "\n", "-----"]) {
    expect(redactText(`a${before}${token}`).text).toBe(`a${before}[redacted:github-token]`);
  }
  expect(redactText(`a${token}`).count).toBe(0);
});

test("whatever is put together, once is enough, and in an event it is the same as alone", () => {
  const signs = `password PASSWORD token Secret api_key authorization Bearer Basic -- - = : " ' \\" \\n ; & ? :// user: @ / => , —`;
  const tokens = [`ghp_${random(36)}`, `sk-ant-api03-${random(40)}`, `AKIA${random(16, UPPER)}`, jwt()];
  const lines = [`-----BEGIN PRIVATE ${"KEY"}-----`, random(64, BASE64), `-----END PRIVATE ${"KEY"}-----`];
  const texts = [" ", "\n", "$", "{", "hunter2", "a1b2c3d4e5", "[redacted:token]"];
  const pieces = [...signs.split(" "), ...tokens, ...lines, ...texts];
  let masked = 0;
  for (let round = 0; round < 3000; round += 1) {
    const text = Array.from(
      { length: 10 },
      () => pieces[Number(random(4, "0123456789")) % pieces.length],
    ).join("");
    const once = redactText(text);
    expect(redactText(once.text)).toEqual({ text: once.text, count: 0 });
    expect(redactValue({ text })).toEqual({ value: { text: once.text }, count: once.count });
    masked += once.count;
  }
  expect(masked).toBeGreaterThan(1000);
});

test("whoever has the JSON gets the same", () => {
  const event = bash(`echo ghp_${random(36)}`);
  expect(redactValue(event, JSON.stringify(event))).toEqual(redactValue(event));
});

test("values of any type pass, and names that every object has", () => {
  const exact = parseExactJson('{"secret": 12345678901234567890}');
  for (const value of [null, undefined, 1, true, "", "text", [], {}, [null, [1]], exact]) {
    expect(redactValue(value)).toEqual({ value, count: 0 });
  }
  const value = JSON.parse('{"__proto__": {"password": "abc"}, "constructor": "key", "a": "token"}');
  const { value: masked, count } = redactValue(value);
  expect(JSON.stringify(masked)).toBe(
    '{"__proto__":{"password":"[redacted:password]"},"constructor":"key","a":"token"}',
  );
  expect(count).toBe(1);
});

describe("what a megabyte takes grows with its length alone, whatever is in it:", () => {
  const PIECES = [
    "a - _ = token= token: --token TOKEN= ; a= token=; a.b. /a \\ password=... password=x password=a;b",
    "eyJ eyJ- eyJa. eyJaaaaaaaaaa.eyaaaaaaaa sk- sk-ant- ghp_ SG. glpat-aaaaaaaaaaaaaaaaaaaa. AKIA xoxb- SK0",
    ':// ://a: ://a:b @ bearer Bearer= password:" password:\' password=\\" password:${',
  ].flatMap((pieces) => pieces.split(" "));
  const LONGER = [
    "token: ",
    "bearer a ",
    "authorization: basic ",
    "secret:   \t",
    "-----BEGIN PRIVATE KEY-----",
  ];
  const BEGINNINGS = ["token=", "password: ", "--token ", "://u:", "Bearer ", 'password:"', ...LONGER];

  for (const piece of [...PIECES, ...LONGER]) {
    test(JSON.stringify(piece), () => {
      const many = (length: number) => piece.repeat(Math.ceil(length / piece.length));
      expect(redactText(`${many(1_000_000)} token @`).text).toEndWith(" token @");
      const after = many(100_000);
      const text = BEGINNINGS.map((beginning) => beginning + after).join("\n");
      expect(redactText(text).text.length).toBeGreaterThan(0);
    });
  }
});
