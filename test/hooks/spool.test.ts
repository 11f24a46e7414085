import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { droppedFile, openSpool, type SpoolLimits, spoolStatus } from "../../src/hooks/spool.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NOW = Date.now() - 60_000;

function setUp(limits?: SpoolLimits) {
  const directory = join(temporaryDirectory(), "8765", "spool");
  return { directory, spool: openSpool(directory, limits) };
}

/** Acts while a path cannot be read although something is there: by root too. */
function whileUnreadable(path: string, act: () => void): void {
  renameSync(path, `${path}.aside`);
  symlinkSync(path, path);
  act();
  rmSync(path);
  renameSync(`${path}.aside`, path);
}

const text = (n: number) => JSON.stringify({ n });

describe("a spool", () => {
  test("that is not there is empty", () => {
    const { directory, spool } = setUp();
    expect(spool.isEmpty()).toBe(true);
    expect(spool.next()).toEqual([]);
    expect(spoolStatus(directory)).toEqual({
      waiting: 0,
      bytes: 0,
      oldest: null,
      dropped: 0,
      dropped_at: null,
      last_reason: null,
    });
  });

  test("gives events in the order of their hooks, to the microsecond", () => {
    const { spool, directory } = setUp();
    for (const n of [3, 1, 10, 2]) spool.add(text(n), NOW + n / 1000);
    expect(spool.next().map((name) => spool.read(name)?.event.n)).toEqual([1, 2, 3, 10]);
    expect(spoolStatus(directory)).toMatchObject({ waiting: 4, bytes: 4 * 7 + 1 });
  });

  test("is nobody else's to read", () => {
    const { directory, spool } = setUp();
    spool.add(text(1), NOW);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, spool.next()[0] as string)).mode & 0o777).toBe(0o600);
  });

  test("leaves hooks that began meanwhile for the next look, unless the clock was set back", () => {
    const { spool } = setUp();
    spool.add(text(1), Date.now() + 500);
    expect(spool.next()).toEqual([]);
    expect(spool.isEmpty()).toBe(false);
    spool.add(text(2), Date.now() + 3_600_000);
    expect(spool.next()).toHaveLength(1);
  });

  test("numbers keep all their digits", () => {
    const { spool } = setUp();
    const exact = '{"n":12345678901234567890}';
    spool.add(exact, NOW);
    expect(JSON.stringify(spool.read(spool.next()[0] as string)?.event)).toBe(exact);
  });
});

describe("beyond its bounds", () => {
  test("the oldest are given up, and counted", () => {
    const { spool, directory } = setUp({ files: 100, bytes: 1_000_000, checked: 1 });
    for (let n = 1; n <= 101; n += 1) spool.add(text(n), NOW + n);
    const left = spool.next().map((name) => spool.read(name)?.event.n);
    expect(left).toEqual(Array.from({ length: 99 }, (_, index) => index + 3));
    expect(spoolStatus(directory)).toMatchObject({ waiting: 99, dropped: 2, last_reason: "spool_full" });
  });

  test("bytes count as well", () => {
    const { spool, directory } = setUp({ files: 100, bytes: 1000, checked: 1 });
    for (let n = 1; n <= 5; n += 1) spool.add(JSON.stringify({ n, text: "x".repeat(300) }), NOW + n);
    expect(spool.next().map((name) => spool.read(name)?.event.n)).toEqual([3, 4, 5]);
    expect(spoolStatus(directory)).toMatchObject({ dropped: 2 });
  });

  test("what is dropped by two at once is counted once", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    const names = spool.next();
    spool.drop(names, "refused_400");
    openSpool(directory).drop(names, "refused_400");
    expect(spoolStatus(directory)).toMatchObject({ waiting: 0, dropped: 1, last_reason: "refused_400" });
  });
});

describe("damage", () => {
  for (const [name, content] of Object.entries({
    "half a document": '{"a":',
    nothing: "",
    "no object": "[1]",
  })) {
    test(`${name} is given up and counted`, () => {
      const { spool, directory } = setUp();
      spool.add(content, NOW);
      expect(spool.read(spool.next()[0] as string)).toBeNull();
      expect(spool.isEmpty()).toBe(true);
      expect(spoolStatus(directory)).toMatchObject({ dropped: 1, last_reason: "damaged" });
    });
  }

  test.skipIf(process.platform === "win32")("a pipe in the place of an event keeps nobody waiting", () => {
    const { spool } = setUp();
    mkdirSync(spool.directory, { recursive: true });
    const name = "1795376614888955-b4c6f608-10.json";
    Bun.spawnSync(["mkfifo", join(spool.directory, name)]);
    expect(spool.next().map(spool.read)).toEqual([null]);
    expect(spool.next()).toEqual([]);
    expect(spoolStatus(spool.directory)).toMatchObject({ waiting: 0, dropped: 1, last_reason: "damaged" });
  });

  test("a directory in the place of an event is given up too", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    const name = (spool.next()[0] as string).replace(/^\d/, "0");
    mkdirSync(join(directory, name));
    expect(spool.read(name)).toBeNull();
    expect(readdirSync(directory)).not.toContain(name);
  });

  test("what cannot be read for now waits, and throws", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    const [name = ""] = spool.next();
    whileUnreadable(join(directory, name), () => expect(() => spool.read(name)).toThrow("ELOOP"));
    whileUnreadable(directory, () => {
      expect(() => spool.isEmpty()).toThrow("ELOOP");
      expect(() => spool.next()).toThrow("ELOOP");
      expect(() => spoolStatus(directory)).toThrow("ELOOP");
    });
    expect(spoolStatus(directory)).toMatchObject({ waiting: 1, dropped: 0 });
    expect(spool.read(name)?.event).toEqual({ n: 1 });
  });

  test("what cannot be counted is not given up", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    mkdirSync(droppedFile(directory));
    expect(() => spool.drop(spool.next(), "refused_400")).toThrow("EISDIR");
    expect(spoolStatus(directory).waiting).toBe(1);
    rmSync(droppedFile(directory), { recursive: true });
    spool.drop(spool.next(), "refused_400");
    expect(spoolStatus(directory)).toMatchObject({ waiting: 0, dropped: 1 });
  });

  test("what is gone meanwhile is nothing, and not counted", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    const [name = ""] = spool.next();
    spool.remove(name);
    expect(spool.read(name)).toBeNull();
    expect(spoolStatus(directory).dropped).toBe(0);
  });

  test("what is no event's file is left alone", () => {
    const { spool, directory } = setUp();
    spool.add(text(1), NOW);
    writeFileSync(join(directory, "notes.json"), "{");
    expect(spool.next()).toHaveLength(1);
    spool.add(text(2), NOW);
    expect(readdirSync(directory)).toContain("notes.json");
  });

  test("what a writer that was killed left goes after a minute", () => {
    const { spool, directory } = setUp({ files: 10, bytes: 1000, checked: 1 });
    spool.add(text(1), NOW);
    const left = (age: number) => `.${String((Date.now() - age) * 1000).padStart(16, "0")}-00000000-7.json`;
    const [old, fresh] = [left(120_000), left(1000)];
    for (const name of [old, fresh]) writeFileSync(join(directory, name), "{");
    spool.add(text(2), NOW);
    expect(readdirSync(directory)).not.toContain(old);
    expect(readdirSync(directory)).toContain(fresh);
    expect(spool.next()).toHaveLength(2);
  });

  test("it goes as well when all has been sent, and the directory with it", () => {
    const { spool, directory } = setUp();
    const left = (age: number) => `.${String((Date.now() - age) * 1000).padStart(16, "0")}-00000000-7.json`;
    mkdirSync(directory, { recursive: true });
    const fresh = left(1000);
    for (const name of [left(120_000), fresh]) writeFileSync(join(directory, name), "{");
    spool.tidy();
    expect(readdirSync(directory)).toEqual([fresh]);
    rmSync(join(directory, fresh));
    writeFileSync(join(directory, left(120_000)), "{");
    spool.tidy();
    expect(existsSync(directory)).toBe(false);
  });
});
