import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFileSink, createLogging } from "../src/logging.ts";
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
