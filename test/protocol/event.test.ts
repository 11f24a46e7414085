import { describe, expect, test } from "bun:test";
import { CodedError } from "../../src/protocol/errors.ts";
import {
  checkEvent,
  indexEvent,
  matchesProject,
  matchesType,
  openEnvelope,
} from "../../src/protocol/event.ts";
import { parseExactJson } from "../../src/protocol/json.ts";

const codeOf = (act: () => unknown) => {
  try {
    act();
    return null;
  } catch (error) {
    return (error as CodedError).code;
  }
};

describe("an envelope with more than claude-mpm puts into it", () => {
  test("gives its event the id and what identifies the session, where the event has none", () => {
    const envelope = { namespace: "/hook", event: "e", data: { x: 1 }, id: "i", sessionId: "s", cwd: "/w" };
    expect(openEnvelope(envelope)).toEqual({ x: 1, type: "e", id: "i", session_id: "s", cwd: "/w" });
    const own = { ...envelope, data: { id: "own", data: { session_id: "inner" } } };
    expect(openEnvelope(own)).toMatchObject({ id: "own", session_id: "inner" });
  });
});

describe("numbers with more digits than a double holds", () => {
  const read = (text: string) => parseExactJson(text);

  test("are no objects", () =>
    expect(codeOf(() => checkEvent(read("1754550000123456789")))).toBe("invalid_event"));

  test("are times, which an envelope's event may have", () => {
    const event = openEnvelope(
      read('{"namespace":"/","event":"e","data":{"data":{"timestamp":1754550000123456789}}}'),
    );
    expect(JSON.stringify(event)).toContain('"timestamp":1754550000123456789}');
  });
});

describe("an event", () => {
  for (const bad of [null, 1, "text", true, [], [{}], undefined]) {
    test(`is not ${JSON.stringify(bad)}`, () => expect(codeOf(() => checkEvent(bad))).toBe("invalid_event"));
  }
  for (const bad of [
    { type: 1 },
    { type: {} },
    { id: 7 },
    { id: "" },
    { id: "x".repeat(257) },
    { type: "x".repeat(257) },
  ]) {
    test(`does not look like ${JSON.stringify(bad).slice(0, 40)}`, () => {
      expect(codeOf(() => checkEvent(bad))).toBe("invalid_event");
    });
  }
  for (const good of [
    {},
    { type: "a" },
    { type: null, id: null },
    { id: "x", anything: [1, { deep: true }] },
  ]) {
    test(`may look like ${JSON.stringify(good)}`, () => expect(checkEvent(good)).toBe(good));
  }
});

describe("claude-mpm's envelope", () => {
  test("is opened: data is the event, kept whole, and what identifies its session is lifted", () => {
    const data = {
      type: "hook",
      subtype: "pre_tool",
      data: {
        data: { sessionId: "s-1", working_directory: "/w", deep: { kept: true } },
        correlation_id: "c-1",
      },
      timestamp: "2026-08-01T00:00:00Z",
    };
    expect(openEnvelope({ namespace: "/", event: "claude_event", data })).toEqual({
      ...data,
      session_id: "s-1",
      cwd: "/w",
      correlation_id: "c-1",
    });
  });

  test("gives its own name to an event without a type", () => {
    expect(openEnvelope({ namespace: "/", event: "claude_event", data: { a: 1 } })).toEqual({
      a: 1,
      type: "claude_event",
    });
  });

  test("lifts a time that is a number, too", () => {
    const data = { data: { timestamp: 1754550000.5 } };
    expect(openEnvelope({ namespace: "/", event: "e", data })).toMatchObject({ timestamp: 1754550000.5 });
  });

  test("lifts nothing from deeper than three levels, and never over what is there", () => {
    const deep = { data: { data: { data: { data: { session_id: "too deep" } } } } };
    expect(openEnvelope({ namespace: "/", event: "e", data: deep })).not.toHaveProperty("session_id");
    const own = { session_id: "own", data: { session_id: "inner" } };
    expect(openEnvelope({ namespace: "/", event: "e", data: own })).toMatchObject({ session_id: "own" });
  });

  test("with data that is no object is refused", () => {
    expect(codeOf(() => openEnvelope({ namespace: "/", event: "e", data: [1] }))).toBe("invalid_event");
  });

  test("is not seen in an event that merely has some of its fields", () => {
    const event = { event: "e", data: { session_id: "x" } };
    expect(openEnvelope(event)).toBe(event);
  });
});

test("an event is indexed by what its sender nested", () => {
  expect(indexEvent({ type: "t", data: { sessionId: "s", data: { cwd: "/w" } } })).toEqual({
    type: "t",
    session_id: "s",
    project: "/w",
  });
  expect(indexEvent({})).toEqual({ type: null, session_id: null, project: null });
});

test("types match exactly, or by a prefix that ends in *", () => {
  expect(matchesType("hook.stop", "hook.*")).toBe(true);
  expect(matchesType("hooked", "hook.*")).toBe(false);
  expect(matchesType("hook.stop", "hook.stop")).toBe(true);
  expect(matchesType("hook.stop", "hook")).toBe(false);
  expect(matchesType(null, "hook")).toBe(false);
});

test("projects match by directory or by its last segment", () => {
  expect(matchesProject("/home/me/app", "/home/me/app")).toBe(true);
  expect(matchesProject("/home/me/app/", "app")).toBe(true);
  expect(matchesProject("C:\\work\\app", "app")).toBe(true);
  expect(matchesProject("/home/me/app", "me")).toBe(false);
  expect(matchesProject(null, "app")).toBe(false);
});
