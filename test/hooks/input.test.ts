import { describe, expect, test } from "bun:test";
import { readInput } from "../../src/hooks/input.ts";
import { payloadOf } from "../../src/hooks/payload.ts";

const LIMITS = { headBytes: 1000, tailBytes: 300, silenceMs: 30, totalMs: 300 };

/** A writer of these texts; what follows them is the end, or nothing at all. */
function writer(texts: string[], after: "end" | "silence") {
  const chunks = texts.map((text) => new TextEncoder().encode(text));
  return async () => {
    const chunk = chunks.shift();
    return chunk || after === "end" ? (chunk ?? null) : new Promise<null>(() => {});
  };
}

const read = async (texts: string[], after: "end" | "silence" = "end") =>
  payloadOf(await readInput(writer(texts, after), LIMITS));

describe("standard input", () => {
  test("is read to its end", async () => {
    expect(await read(['{"a":', '"b"', "}\n"])).toEqual({ a: "b" });
  });

  test("is not waited for once a whole object is there", async () => {
    const start = performance.now();
    expect(await read(['{"a":{}', ',"b":2}\n'], "silence")).toEqual({ a: {}, b: 2 });
    expect(performance.now() - start).toBeLessThan(LIMITS.silenceMs);
  });

  test("that falls silent counts as it is", async () => {
    expect(await read(['{"session_id":"s","a":'], "silence")).toEqual({
      session_id: "s",
      _raw: '{"session_id":"s","a":',
    });
  });

  test("that never ends is left after a while", async () => {
    const endless = async () => {
      await Bun.sleep(1);
      return new Uint8Array(500).fill(0x78);
    };
    const input = await readInput(endless, LIMITS);
    expect(input.head).toHaveLength(1000);
    expect(input.tail).toHaveLength(300);
    expect(input.bytes).toBeGreaterThan(1300);
  });

  for (const nothing of ["", " \n"]) {
    test(`of ${JSON.stringify(nothing)} is nothing`, async () => {
      expect(await read([nothing])).toBeNull();
    });
  }
});

describe("a payload", () => {
  const odd: [string, string][] = [
    ["no JSON", "hello"],
    ["an array", "[1]"],
    ["a number", "1"],
    ["nested too deeply", `{"a":${"[".repeat(300)}${"]".repeat(300)}}`],
  ];
  for (const [name, text] of odd) {
    test(`that is ${name} is kept as text`, async () => {
      expect(await read([text])).toMatchObject({ _raw: text });
    });
  }

  test("of broken characters is read as far as it goes", () => {
    const head = Buffer.from([0xef, 0xbb, 0xbf, ...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')]);
    expect(payloadOf({ head, tail: Buffer.alloc(0), bytes: head.length })).toEqual({ a: "\ufffd" });
  });

  test("that is too long keeps what places it, from both its ends", async () => {
    const whole = JSON.stringify({
      session_id: 's\u00e9"1',
      cwd: "/w",
      hook_event_name: "PostToolUse",
      tool_name: "Read",
      tool_response: `${"x".repeat(3000)} "tool_use_id":"inside" `,
      tool_use_id: "toolu_1",
      duration_ms: 5,
    });
    const payload = await read([whole]);
    const { _raw: raw, ...rest } = payload as { _raw: string };
    expect(rest).toEqual({
      session_id: 's\u00e9"1',
      cwd: "/w",
      hook_event_name: "PostToolUse",
      tool_name: "Read",
      tool_use_id: "toolu_1",
      _bytes: Buffer.byteLength(whole),
    } as object);
    expect(Buffer.byteLength(raw)).toBe(1000);
  });
});
