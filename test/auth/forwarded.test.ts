import { describe, expect, test } from "bun:test";
import { createSenderOf } from "../../src/auth/forwarded.ts";

/** Who asks, as a server sees it that trusts these proxies. */
function sender(trusted: string[], peer: string, header?: string): string {
  return createSenderOf(trusted)(
    peer,
    new Headers(header === undefined ? {} : { "X-Forwarded-For": header }),
  );
}

describe("who asks", () => {
  test("is who has connected, whatever the header says, where no proxy is trusted", () => {
    expect(sender([], "203.0.113.9", "198.51.100.1")).toBe("203.0.113.9");
    expect(sender(["10.0.0.1"], "203.0.113.9", "198.51.100.1")).toBe("203.0.113.9");
  });

  test("behind a trusted proxy is whom that one names", () => {
    expect(sender(["10.0.0.1"], "10.0.0.1", "198.51.100.1")).toBe("198.51.100.1");
    expect(sender(["10.0.0.0/8"], "10.9.8.7", "2001:db8::1")).toBe("2001:db8::1");
    expect(sender(["fd00::/8"], "fd00::5", "198.51.100.1")).toBe("198.51.100.1");
  });

  test("is not what the client wrote into the header before", () => {
    expect(sender(["10.0.0.1"], "10.0.0.1", "10.0.0.1, 192.0.2.77, 198.51.100.1")).toBe("198.51.100.1");
  });

  test("is looked for behind every proxy that is trusted, and no further", () => {
    expect(sender(["10.0.0.0/8"], "10.0.0.1", "192.0.2.77, 198.51.100.1, 10.0.0.2")).toBe("198.51.100.1");
  });

  test("is the proxy itself where it names nobody", () => {
    expect(sender(["10.0.0.1"], "10.0.0.1")).toBe("10.0.0.1");
    expect(sender(["10.0.0.1"], "10.0.0.1", "198.51.100.1, unknown")).toBe("10.0.0.1");
    expect(sender(["10.0.0.0/8"], "10.0.0.1", "10.0.0.2")).toBe("10.0.0.2");
  });

  test("is known by an address of IPv4, also on a socket of both families", () => {
    expect(sender(["10.0.0.1"], "::ffff:10.0.0.1", "[2001:db8::1]")).toBe("2001:db8::1");
    expect(sender(["::ffff:10.0.0.1"], "10.0.0.1", "::FFFF:198.51.100.1")).toBe("198.51.100.1");
  });
});
