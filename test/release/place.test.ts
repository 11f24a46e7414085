/** Putting a program into its place. */
import { describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { stageProgram } from "../../src/release/place.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** No process has it: the kernel's highest is 2^22. */
const NO_PID = 4_194_305;

function place(before: string | null = "old") {
  const bin = temporaryDirectory();
  const program = join(bin, "tool");
  if (before !== null) writeFileSync(program, before, { mode: 0o755 });
  const write = (path: string) => writeFileSync(path, "new", { flag: "wx" });
  return {
    bin,
    program,
    stage: (by = write) => stageProgram(program, { mode: 0o755, write: by }),
    content: () => readFileSync(program, "utf8"),
    files: () => readdirSync(bin).toSorted(),
  };
}

describe("a program that is put in place", () => {
  test("is there with its mode, and the old one is gone once it is let go", () => {
    const { stage, program, content, files } = place();
    const replaced = stage().replace();
    expect([content(), statSync(program).mode & 0o777]).toEqual(["new", 0o755]);
    expect(files()).toEqual(["tool", `tool.${process.pid}.old`]);
    replaced.keep();
    expect(files()).toEqual(["tool"]);
  });

  test("gives way to what was there, or to nothing", () => {
    const there = place();
    there.stage().replace().undo();
    expect([there.content(), there.files()]).toEqual(["old", ["tool"]]);
    const fresh = place(null);
    fresh.stage().replace().undo();
    expect(fresh.files()).toEqual([]);
  });

  test("takes the place of a link, and not of what that leads to", () => {
    const { bin, program, stage, content } = place(null);
    const target = join(temporaryDirectory(), "target");
    writeFileSync(target, "elsewhere");
    symlinkSync(target, program);
    const replaced = stage().replace();
    expect([content(), readFileSync(target, "utf8")]).toEqual(["new", "elsewhere"]);
    replaced.undo();
    expect([lstatSync(program).isSymbolicLink(), readdirSync(bin)]).toEqual([true, ["tool"]]);
  });
});

test("one that cannot be written leaves nothing", () => {
  const { stage, content, files } = place();
  const full = (path: string) => {
    writeFileSync(path, "ne", { flag: "wx" });
    throw new Error("no space left");
  };
  expect(() => stage(full)).toThrow("no space left");
  expect([content(), files()]).toEqual(["old", ["tool"]]);
});

test("what cannot be replaced stays, and nothing else", () => {
  const { bin, program, stage, files } = place(null);
  const staged = stage();
  mkdirSync(program);
  expect(() => staged.replace()).toThrow();
  expect([files(), readdirSync(join(bin, "tool"))]).toEqual([["tool"], []]);
});

test("what attempts that were killed have left is swept away, and nothing that somebody else may need", () => {
  const { bin, stage, files } = place();
  const gone = [`.tool.${NO_PID}.new`, `.tool.${process.pid}.new`, `tool.${NO_PID}.old`];
  const kept = [`.tool.${process.ppid}.new`, "tool.old", "tool.1.2.old", `other.${NO_PID}.old`, ".tool..new"];
  const outside = join(temporaryDirectory(), "outside");
  writeFileSync(outside, "mine");
  for (const name of [...gone, ...kept]) {
    if (name === gone[1]) symlinkSync(outside, join(bin, name));
    else writeFileSync(join(bin, name), "");
  }
  stage().discard();
  expect(files()).toEqual([...kept, "tool"].toSorted());
  expect(readFileSync(outside, "utf8")).toBe("mine");
});
