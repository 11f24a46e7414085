/** `bun run build --all` on this machine, and whether each of its files is what its name says. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { KEYS, SCHEMA } from "../../src/config/schema.ts";
import { binaryName, type Target, TARGET_NAMES } from "../../src/release/targets.ts";
import { type Cpu, missingIn, readElf, readMachO, readPe } from "../support/executables.ts";
import { run } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary.ts";

interface Machine {
  platform: "linux" | "darwin" | "win32";
  cpu: Cpu;
  /** Linux only: each C library has its own. */
  interpreter?: string;
}

const MACHINES: Record<Target, Machine> = {
  "linux-x64": { platform: "linux", cpu: "x64", interpreter: "/lib64/ld-linux-x86-64.so.2" },
  "linux-x64-baseline": { platform: "linux", cpu: "x64", interpreter: "/lib64/ld-linux-x86-64.so.2" },
  "linux-arm64": { platform: "linux", cpu: "arm64", interpreter: "/lib/ld-linux-aarch64.so.1" },
  "linux-x64-musl": { platform: "linux", cpu: "x64", interpreter: "/lib/ld-musl-x86_64.so.1" },
  "darwin-x64": { platform: "darwin", cpu: "x64" },
  "darwin-arm64": { platform: "darwin", cpu: "arm64" },
  "windows-x64": { platform: "win32", cpu: "x64" },
};

// The product's name would not do: the compiler writes the output file's name into any program.
const OUR_TEXTS = KEYS.map((key) => SCHEMA[key].description);

// With an empty cache, some 250 MB come from the package registry first.
const BUILD_LIMIT_MS = 10 * 60_000;

const directory = temporaryDirectory();
const outdir = join(directory, "dist");
const fileOf = (target: Target) => join(outdir, binaryName(target));
let printed: string;

beforeAll(async () => {
  const build = Bun.spawn([process.execPath, "build.ts", "--all", "--outdir", outdir], {
    cwd: join(import.meta.dir, "../.."),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: BUILD_LIMIT_MS,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(build.stdout).text(),
    new Response(build.stderr).text(),
    build.exited,
  ]);
  if (exitCode !== 0) throw new Error(`The build ended with ${exitCode}: ${stderr}`);
  printed = stdout;
}, BUILD_LIMIT_MS);

// Some 800 MB, which need not wait for the end of the whole run.
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the build makes one executable file for each target, names it, and leaves nothing else", () => {
  expect(readdirSync(outdir).toSorted()).toEqual(TARGET_NAMES.map(binaryName).toSorted());
  for (const file of TARGET_NAMES.map(binaryName)) {
    const path = join(outdir, file);
    expect(statSync(path).mode & 0o111).toBe(0o111);
    expect(printed).toContain(`${path}  `);
  }
});

test("a bare Bun holds none of the texts that the targets are searched for", () => {
  expect(missingIn(process.execPath, OUR_TEXTS)).toEqual(OUR_TEXTS);
});

for (const target of Object.keys(MACHINES) as Target[]) {
  const { platform, cpu, interpreter } = MACHINES[target];

  describe(target, () => {
    if (platform === "linux")
      test(`is an ELF program for ${cpu} that is started by ${interpreter}`, () => {
        expect(readElf(fileOf(target))).toMatchObject({ cpu, interpreter });
      });
    if (platform === "win32")
      test(`is a PE32+ console program for ${cpu}`, () => {
        expect(readPe(fileOf(target))).toEqual({ cpu, subsystem: "console" });
      });
    if (platform === "darwin")
      test(`is a Mach-O program for ${cpu}, all of it signed ad hoc and every page as it was signed`, () => {
        const { cpu: actual, signature } = readMachO(fileOf(target));
        expect(actual).toBe(cpu);
        expect(signature.pages).toBeGreaterThan(0);
        expect(signature).toMatchObject({
          adHoc: true,
          codeLimit: signature.dataOffset,
          badPages: [],
          badSlots: [],
        });
      });

    test("holds this program", () => {
      expect(missingIn(fileOf(target), OUR_TEXTS)).toEqual([]);
    });

    const obstacle = obstacleTo(MACHINES[target]);
    test.skipIf(obstacle !== null)(
      `prints its version${obstacle === null ? "" : ` (${obstacle})`}`,
      async () => {
        const home = temporaryDirectory();
        const ended = await run([fileOf(target), "--version"], { cwd: home, env: { HOME: home } });
        expect(ended).toEqual({ stdout: `${version}\n`, stderr: "", exitCode: 0 });
      },
    );
  });
}

function obstacleTo({ platform, cpu, interpreter }: Machine): string | null {
  if (platform !== process.platform || cpu !== process.arch) return `needs ${platform} on ${cpu}`;
  if (interpreter !== undefined && !existsSync(interpreter)) return `needs ${interpreter}`;
  return null;
}

// "On x64, Bun ships a single binary that targets Nehalem (SSE4.2) [...]. The -baseline and -modern target
// suffixes [...] resolve to the same binary": https://bun.com/docs/bundler/executables#supported-targets
test("the baseline target and the plain one for Linux on x64 are the same runtime, as Bun has only one", () => {
  const [plain, baseline] = [readElf(fileOf("linux-x64")), readElf(fileOf("linux-x64-baseline"))];
  expect(plain.buildId).toMatch(/^[0-9a-f]{40}$/);
  expect(baseline.buildId).toBe(plain.buildId);
  expect(readElf(fileOf("linux-x64-musl")).buildId).not.toBe(plain.buildId);
});

test("the check of signatures names each page that was changed after signing, the last one too", () => {
  const original = readMachO(fileOf("darwin-arm64")).signature;
  const copy = join(directory, "changed");
  copyFileSync(fileOf("darwin-arm64"), copy);

  const middle = Math.floor(original.pages / 2);
  flipBit(copy, middle * original.pageSize + 100);
  expect(readMachO(copy).signature).toEqual({ ...original, badPages: [middle] });
  flipBit(copy, original.codeLimit - 1);
  expect(readMachO(copy).signature).toEqual({ ...original, badPages: [middle, original.pages - 1] });
});

function flipBit(path: string, offset: number): void {
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  writeSync(
    file,
    byte.map((value) => value ^ 1),
    0,
    1,
    offset,
  );
  closeSync(file);
}
