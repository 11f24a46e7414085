import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../src/protocol/event.ts";
import { shortenToFit } from "../../src/protocol/shorten.ts";

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const MARK = /… \[([\d,]+) characters left out\]$/;

/** The text that is left, and how many characters its mark says are missing. */
function taken(value: unknown): { head: string; missing: number } {
  const [mark, count] = MARK.exec(String(value)) ?? [];
  return {
    head: String(value).slice(0, String(value).length - (mark ?? "").length),
    missing: Number((count ?? "0").replaceAll(",", "")),
  };
}

test("an event that fits is given back as it is", () => {
  const event = { data: { text: "x".repeat(1000) } };
  expect(shortenToFit(event, bytes(event))).toBe(event);
});

test("the longest strings are shortened, with a mark that says by how much, and the room is used", () => {
  const event = {
    type: "t",
    data: { a: "a".repeat(12_000_000), list: [{ b: "b".repeat(900_000) }], c: "short" },
  };
  const fit = shortenToFit(event, 1_000_000) as any;
  expect(bytes(fit)).toBeLessThanOrEqual(1_000_000);
  expect(bytes(fit)).toBeGreaterThan(999_900);
  for (const [value, length] of [
    [fit.data.a, 12_000_000],
    [fit.data.list[0].b, 900_000],
  ]) {
    const { head, missing } = taken(value);
    expect(head.length + missing).toBe(length);
  }
  expect(Math.abs(fit.data.a.length - fit.data.list[0].b.length)).toBeLessThan(5);
  expect(fit.data.c).toBe("short");
  expect(fit.data.a).toMatch(/\[11,[\d,]+ characters left out\]$/);
});

test("a string that is not among the longest stays whole", () => {
  const fit = shortenToFit({ data: { a: "a".repeat(50_000), b: "b".repeat(3000) } }, 10_000) as any;
  expect(fit.data.b).toBe("b".repeat(3000));
  expect(bytes(fit)).toBeGreaterThan(9990);
});

describe("what counts is bytes of JSON, and no character is cut in two:", () => {
  const texts = {
    "quotes and newlines": '"\n',
    "control characters": "\u0001\u001f",
    backslashes: "\\",
    "two-byte characters": "äöü",
    "characters of two units": "😀",
    "lone surrogates": "\ud800x\udc00",
    "escapes beside pairs": "\u0002😀\\",
  };
  for (const [name, text] of Object.entries(texts)) {
    test(name, () => {
      // Every remainder, so that the cut falls on each place of the pattern.
      for (let extra = 0; extra < 14; extra += 1) {
        const original = text.repeat(3000);
        const fit = shortenToFit({ data: { text: original } }, 2000 + extra) as any;
        const { head, missing } = taken(fit.data.text);
        expect(bytes(fit)).toBeLessThanOrEqual(2000 + extra);
        expect(bytes(fit)).toBeGreaterThan(1970);
        expect(original.startsWith(head)).toBe(true);
        expect(head.length + missing).toBe(original.length);
        if (original.isWellFormed()) expect(head.isWellFormed()).toBe(true);
      }
    });
  }
});

test("numbers without end become the text of their field", () => {
  const event: JsonObject = {
    session_id: "s",
    data: { tool: "T", numbers: Array.from({ length: 50_000 }, (_, i) => i) },
  };
  const fit = shortenToFit(event, 10_000) as any;
  expect(bytes(fit)).toBeLessThanOrEqual(10_000);
  expect(fit).toMatchObject({ session_id: "s", data: { tool: "T" } });
  expect(fit.data.numbers).toStartWith("[0,1,2,");
  expect(fit.data.numbers).toMatch(MARK);
});

test("fields without end become one text", () => {
  const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key${i}`, "v"]));
  const fit = shortenToFit({ type: "t", data }, 10_000) as any;
  expect(bytes(fit)).toBeLessThanOrEqual(10_000);
  expect(fit.type).toBe("t");
  const { _raw: text } = fit.data;
  expect(text).toStartWith('{"key0":"v",');
  expect(text).toMatch(MARK);
});
