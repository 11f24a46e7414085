import { describe, expect, test } from "bun:test";
import { createRedact, redactValue } from "../../src/protocol/redact.ts";
import { createPatterns, problemOf, readPatterns } from "../../src/protocol/secret-patterns.ts";
import { random } from "../support/secrets.ts";

const masking = (...patterns: string[]) => {
  const kinds: string[] = [];
  const redact = createRedact({ patterns: readPatterns(patterns), onMask: (kind) => kinds.push(kind) });
  return { redact, kinds };
};

describe("patterns of a user's own", () => {
  test("mask what they match, in values and in names, beside what is known anyway", () => {
    const { redact, kinds } = masking("corp-\\d+", "(?<=id )[a-z]+");
    const token = `ghp_${random(36)}`;
    const event = { text: `corp-1, corp-22 and id abc; ${token}`, list: ["a", { "x corp-3": 1 }], n: 4 };
    const masked = redact(event) as any;
    expect(masked.text).toBe(
      "[redacted:custom], [redacted:custom] and id [redacted:custom]; [redacted:github-token]",
    );
    expect(Object.keys(masked.list[1])[0]).toMatch(/^x \[redacted:custom\]#[0-9a-f]{16}$/);
    expect(kinds.toSorted()).toEqual([...Array.from({ length: 4 }, () => "custom"), "github-token"]);
    expect(redact(masked)).toBe(masked);
  });

  test("leave an event they do not match as it is", () => {
    const event = { text: "nothing here", list: [1, null] };
    expect(masking("corp-\\d+").redact(event)).toBe(event);
  });

  test("do not mask what is masked", () => {
    const { redact } = masking("[a-z-]{5,}");
    expect(redact("it is [redacted:api-key]")).toBe("it is [redacted:api-key]");
  });

  test("are found wherever they lie in a long text, once each", () => {
    const { redact, kinds } = masking("corp-\\d+");
    for (const before of [0, 1493, 1496, 1500, 1999, 2000, 100_000]) {
      expect(redact(`${"a".repeat(before)}corp-123 ${"b".repeat(3000)}`)).toBe(
        `${"a".repeat(before)}[redacted:custom] ${"b".repeat(3000)}`,
      );
    }
    expect(kinds.length).toBe(7);
  });

  test("take a bounded time for one event: what is left then is masked whole", () => {
    let clock = 0;
    const { redact } = createPatterns([/corp-\d+/g], () => (clock += 100));
    const masked = redact("a".repeat(20_000), (kind) => `[${kind}]`);
    expect(masked).toMatch(/^a{1000,9000}\[custom\]$/);
    expect(redact("short", (kind) => `[${kind}]`)).toBe("[custom]");
  });

  test("are refused with the reason where they cannot be used", () => {
    for (const pattern of ["(", "a{2,1}", "[z-a]"]) expect(problemOf(pattern)).toMatch(/regular expression/i);
    for (const pattern of ["", "a*", "x|", "\\b", "(?=a)", "^"])
      expect(problemOf(pattern)).toBe("it matches the empty text");
    for (const pattern of [
      "(a+)+$",
      "x(a*)*y",
      "(\\w+\\s?)+:",
      "(?:[a-z]+|b)+c",
      "((a+))+b",
      "(a+){2,}b",
      "(?:(?:a|b)*c?)*d",
    ]) {
      expect({ pattern, problem: problemOf(pattern) }).toEqual({
        pattern,
        problem: expect.stringContaining("repeats what repeats"),
      });
    }
    for (const pattern of [
      "corp-[0-9a-f]{8,}",
      "(?:\\d+-)+x",
      "[(a+)+]",
      "\\(a+\\)+",
      "(abc)+",
      "(?<name>a+)b+",
      "(a|b)+c",
      "(?i:corp)-\\w+",
      "(a+)?b",
    ])
      expect({ pattern, problem: problemOf(pattern) }).toEqual({ pattern, problem: null });
  });
});

describe("what tells one thing from another", () => {
  test("still does when there is a secret in it, and is masked the same each time", () => {
    const [one, two] = [`ghp_${random(36)}`, `ghp_${random(36)}`];
    const event = (token: string) => ({ id: `a:${token}`, session_id: token, data: { sessionId: token } });
    const [first, again, other] = [one, one, two].map((token) => redactValue(event(token)).value) as any[];
    expect(JSON.stringify(first)).not.toContain(one);
    expect(first).toEqual(again);
    expect(first.session_id).toBe(first.data.sessionId);
    for (const name of ["id", "session_id"]) expect(first[name]).not.toBe(other[name]);
  });

  test("two names with secrets in them stay two", () => {
    const value = { [`ghp_${random(36)}`]: 1, [`ghp_${random(36)}`]: 2 };
    const masked = redactValue(value).value;
    expect(Object.values(masked)).toEqual([1, 2]);
    expect(Object.keys(masked).every((name) => name.startsWith("[redacted:github-token]#"))).toBe(true);
  });
});
