import { describe, expect, test } from "bun:test";
import { parseRedisUrl } from "../../src/protocol/redis-url.ts";

describe("a Redis URL", () => {
  test.each([
    ["redis://localhost", { hosts: [{ host: "localhost", port: 6379 }], db: 0, tls: false }],
    ["rediss://cache.example:7000/3", { hosts: [{ host: "cache.example", port: 7000 }], db: 3, tls: true }],
    ["redis://[::1]:6380", { hosts: [{ host: "::1", port: 6380 }] }],
    ["redis://:p%40ss@h", { username: null, password: "p@ss", shown: "redis://h" }],
    ["redis://secret@h", { username: null, password: "secret" }],
    ["redis://me:a:b@h/1", { username: "me", password: "a:b", db: 1, shown: "redis://h/1" }],
    [
      "redis-sentinel://u:p@a:1,b,[::1]:3/mymaster/2",
      {
        master: "mymaster",
        db: 2,
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 26379 },
          { host: "::1", port: 3 },
        ],
      },
    ],
  ])("%s", (text, expected) => {
    expect(parseRedisUrl(text)).toMatchObject(expected);
  });

  test.each([
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://a,b",
    "redis://h:0",
    "redis://h:99999",
    "redis://h/x",
    "redis://h/1/2",
    "redis://u:secret@h h",
    "redis-sentinel://a:1",
  ])("%p is refused, and what is allowed is said", (text) => {
    expect(() => parseRedisUrl(text)).toThrow(/redis:\/\/\[USER/);
    expect(() => parseRedisUrl(text)).not.toThrow(/secret/);
  });
});
