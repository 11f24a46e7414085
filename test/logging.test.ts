import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFileSink, createLogging } from "../src/logging.ts";
import { redactText } from "../src/protocol/redact.ts";
import { smallDisk } from "./support/small-disk.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const linesOf = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");

test("a file is rotated when it is full, the oldest one goes, and no line is lost or cut", () => {
  const path = join(temporaryDirectory(), "logs", "server.log");
  const sink = createFileSink(path, 1000, 3);
  for (let n = 0; n < 100; n += 1) sink.write(`line ${String(n).padStart(4, "0")} ${"x".repeat(40)}\n`);
  sink.close();
  expect([1, 2, 3, 4].map((number) => existsSync(`${path}.${number}`))).toEqual([true, true, true, false]);
  const kept = [3, 2, 1].flatMap((number) => linesOf(`${path}.${number}`)).concat(linesOf(path));
  const numbers = kept.map((line) => Number(/^line (\d{4}) x{40}$/.exec(line)?.[1]));
  expect(numbers).toEqual(numbers.map((_, index) => 100 - numbers.length + index));
  expect(numbers.at(-1)).toBe(99);
  for (const file of [path, `${path}.1`]) expect(readFileSync(file).length).toBeLessThanOrEqual(1000);
});

test("where it cannot be renamed the file grows, and the problem is told", () => {
  const path = join(temporaryDirectory(), "server.log");
  // In the way of the only old file there may be.
  mkdirSync(join(`${path}.1`, "occupied"), { recursive: true });
  const sink = createFileSink(path, 100, 1);
  for (let n = 0; n < 10; n += 1) sink.write(`${"x".repeat(50)}\n`);
  expect(sink.problem()).toContain("rotated");
  expect(linesOf(path)).toHaveLength(10);
});

test("a file that cannot be written is a problem until it can be, and nothing throws", () => {
  const directory = temporaryDirectory();
  const path = join(directory, "blocked", "server.log");
  mkdirSync(path, { recursive: true });
  const sink = createFileSink(path, 1000, 3);
  sink.write("lost\n");
  expect(sink.problem()).toBeString();
  const good = createFileSink(join(directory, "server.log"), 1000, 3);
  good.write("kept\n");
  expect(good.problem()).toBeNull();
});

test("repeated lines are all there, as text or JSON, and a client cannot forge one", () => {
  for (const format of ["text", "json"] as const) {
    const file = join(temporaryDirectory(), "server.log");
    const logging = createLogging({ level: "INFO", format, file, stderr: false });
    const logger = logging.logger("test");
    for (let n = 0; n < 50; n += 1) logger.warn("the same");
    logger.debug("not at this level");
    logger.info("a\nb\u001b[31m", { name: 'c\n"d"' });
    logging.setLevel("DEBUG");
    logger.debug("now");
    logging.close();
    const lines = linesOf(file);
    expect(lines).toHaveLength(52);
    expect(lines.join("")).not.toContain("\u001b");
    if (format === "json")
      expect(JSON.parse(lines[50] as string)).toMatchObject({ level: "INFO", tag: "test", name: 'c\n"d"' });
    else expect(lines[50]).toEndWith(String.raw`INFO    [test] a\u000ab\u001b[31m name="c\n\"d\""`);
  }
});

const small = smallDisk("1m");
test.skipIf(small === null)(
  "a line that a full disk has cut does not run into the next one (needs root)",
  () => {
    const disk = small?.path as string;
    const path = join(disk, "server.log");
    const sink = createFileSink(path, 10_000_000, 1);
    const filler = join(disk, "filler");
    sink.write(`${"a".repeat(4000)}\n`);
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler, new Uint8Array(bavail * bsize));
    sink.write(`${"b".repeat(1000)}\n`);
    expect(sink.problem()).toContain("ENOSPC");
    rmSync(filler);
    sink.write("next\n");
    sink.write("last\n");
    sink.close();
    const [, cut, ...lines] = linesOf(path);
    expect(cut).toMatch(/^b{1,999}$/);
    expect(lines).toEqual(["next", "last"]);
  },
);

test("no part of a secret is left where a long text is cut", () => {
  const file = join(temporaryDirectory(), "server.log");
  const mask = (text: string) => redactText(text).text;
  const logging = createLogging({ level: "INFO", format: "text", file, stderr: false, mask });
  const key = `sk-ant-api03-${"Ab3".repeat(31)}AA`;
  for (let before = 3900; before < 4000; before += 10) {
    logging.logger("test").info("cut", { text: `${"x ".repeat(before / 2)}${key} and more` });
  }
  logging.close();
  expect(readFileSync(file, "utf8").match(/sk-ant.{0,20}/)).toBeNull();
});

test("what a line says besides never takes the place of its message", () => {
  const file = join(temporaryDirectory(), "server.log");
  const logging = createLogging({ level: "INFO", format: "json", file, stderr: false });
  logging.logger("test").info("the message", { message: "another", level: "x" });
  logging.close();
  expect(JSON.parse(linesOf(file)[0] as string)).toMatchObject({ message: "the message", level: "INFO" });
});
