import { describe, expect, test } from "bun:test";
import { createSseParser, type SseMessage } from "../../src/client/sse.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What a parser makes of a stream that comes in pieces of so many bytes. */
function parse(stream: string, size = Number.POSITIVE_INFINITY): SseMessage[] {
  const parser = createSseParser();
  const all = bytes(stream);
  const messages: SseMessage[] = [];
  for (let at = 0; at < all.length; at += Math.min(size, all.length)) {
    messages.push(...parser.push(all.subarray(at, at + size)));
  }
  return messages;
}

const message = (data: string, lastEventId = "", event = "message"): SseMessage => {
  return { event, data, lastEventId };
};

describe("a stream is read", () => {
  const streams: [what: string, stream: string, messages: SseMessage[]][] = [
    ["a message with an id", "id: e:1\ndata: {}\n\n", [message("{}", "e:1")]],
    ["a named one", "event: history_gap\ndata: {}\n\n", [message("{}", "", "history_gap")]],
    ["comments and keep-alives", ": connected\n\ndata: a\n: more\n\n: keep-alive\n\n", [message("a")]],
    ["several lines of data", "data: a\ndata:b\ndata:  c\n\n", [message("a\nb\n c")]],
    ["line ends of all three kinds", "data: a\r\ndata: b\r\rdata: c\n\n", [message("a\nb"), message("c")]],
    ["a field without a value", "data\n\n", [message("")]],
    ["unknown fields", "retry: 5\nfoo: bar\ndata: a\n\n", [message("a")]],
    [
      "an id that stays until the next",
      "id: 1\ndata: a\n\ndata: b\n\n",
      [message("a", "1"), message("b", "1")],
    ],
    ["an id without data", "id: 7\n\ndata: a\n\n", [message("a", "7")]],
    ["a name that does not stay", "event: x\ndata: a\n\ndata: b\n\n", [message("a", "", "x"), message("b")]],
    ["no id with a NUL in it", "id: 1\nid: 2\0\ndata: a\n\n", [message("a", "1")]],
    ["a byte order mark", "\uFEFFdata: a\n\n", [message("a")]],
    ["what is not one line feed to JSON", "data: a\u2028b\u0085c\n\n", [message("a\u2028b\u0085c")]],
    ["many bytes to a character", "data: é日👩‍💻\n\n", [message("é日👩‍💻")]],
    ["nothing that is not complete", "data: a\n\ndata: b\n", [message("a")]],
  ];
  for (const [what, stream, messages] of streams) {
    test(`${what}, wherever it is cut`, () => {
      expect(parse(stream)).toEqual(messages);
      for (let size = 1; size <= 7; size += 1) expect([size, parse(stream, size)]).toEqual([size, messages]);
    });
  }

  test("an event of a megabyte in small pieces takes no time to speak of", () => {
    const data = "x".repeat(1_000_000);
    const start = performance.now();
    expect(parse(`data: ${data}\n\n`, 100)).toEqual([message(data)]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
