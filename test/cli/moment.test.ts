import { describe, expect, test } from "bun:test";
import { parseMoment } from "../../src/cli/moment.ts";

const NOW = Date.parse("2026-03-10T12:00:00.000Z");
const parse = (text: string) => parseMoment(text, "--since", NOW);
const local = (text: string) => new Date(text).getTime();

describe("a moment is", () => {
  const moments: [text: string, time: number][] = [
    ["0s", NOW],
    ["1500ms", NOW - 1500],
    ["10m", NOW - 600_000],
    ["1h30m", NOW - 5_400_000],
    ["1.5h", NOW - 5_400_000],
    ["2d", NOW - 2 * 86_400_000],
    ["1w", NOW - 7 * 86_400_000],
    ["9999w", 0],
    ["2026-03-10T10:00:00Z", NOW - 2 * 3600_000],
    ["2026-03-10T10:00:00.250+02:00", NOW - 4 * 3600_000 + 250],
    ["2026-03-10T10:00", local("2026-03-10T10:00:00")],
    ["2026-03-10 10:00:07", local("2026-03-10T10:00:07")],
    ["2026-03-09", local("2026-03-09T00:00:00")],
  ];
  for (const [text, time] of moments) {
    test(text, () => expect(parse(text)).toEqual({ time }));
  }

  test("local where it names no zone, a date alone too", () => {
    const { TZ = "UTC" } = process.env;
    try {
      process.env.TZ = "Asia/Kolkata";
      for (const text of ["2026-03-09", "2026-03-09 00:00"]) {
        expect(parse(text)).toEqual({ time: Date.parse("2026-03-08T18:30:00Z") });
      }
    } finally {
      process.env.TZ = TZ;
    }
  });

  test("a time of today, as lines show it", () => {
    const day = new Date(NOW);
    expect(parse("07:08:09")).toEqual({ time: new Date(day).setHours(7, 8, 9, 0) });
    expect(parse("07:08")).toEqual({ time: new Date(day).setHours(7, 8, 0, 0) });
  });

  test("a seq", () => {
    expect(parse("0")).toEqual({ seq: 0 });
    expect(parse("420")).toEqual({ seq: 420 });
  });
});

describe("what is none is refused with what would be one", () => {
  for (const text of [
    "yesterday",
    "-5",
    "10 m",
    "10x",
    "m",
    "25:00",
    "12:61",
    "2026-13-01",
    "",
    "1e3",
    " ",
  ]) {
    test(JSON.stringify(text), () => {
      try {
        parse(text);
        expect.unreachable();
      } catch (error) {
        expect(error).toMatchObject({
          message: `--since ${text} is no duration, time or seq`,
          hint: expect.stringContaining("--since 10m"),
          exitCode: 2,
        });
      }
    });
  }
});
