/**
 * `install.sh` as people run it, under each shell that may be `/bin/sh`, with programs that only say their version;
 * at the end once with the real one.
 */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { repository, version as releaseVersion } from "../../package.json" with { type: "json" };
import {
  archiveName,
  PRODUCT,
  SUMS_FILE,
  TARGET_NAMES,
  TARGETS,
  type Target,
} from "../../src/release/targets.ts";
import { account, binary, type Finished } from "../support/binary.ts";
import { run as runCommand } from "../support/command.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import {
  CALLS_FILE,
  EXITS_FOLDER,
  fakeProgram,
  publish,
  release,
  releases,
  serveFolder,
} from "../support/release.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const SCRIPT = join(import.meta.dir, "../../install.sh");
const SOURCE = readFileSync(SCRIPT, "utf8");

/** All that the script calls, apart from what a shell has built in. */
const TOOLS =
  "cat chmod cp curl df env grep gzip head mkdir mktemp mv readlink rm rmdir sed sha256sum sort tail tar".split(
    " ",
  );

/** What tells one machine from another: by default a user's Linux on x64 with glibc and AVX2. */
const MACHINE = {
  id: "echo 1000",
  uname: "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac",
  ldd: "echo 'ldd (GNU libc) 2.36'",
  getconf: "echo 64",
  sysctl: "exit 1",
  // Only the question for AVX2 is answered here.
  grep: `[ "$2 $3" != "avx2 /proc/cpuinfo" ] || exit 0\nexec ${Bun.which("grep")} "$@"`,
};

interface Place {
  home: string;
  /** Directories of links to the tools, and of fakes before them. */
  path: string;
}

interface Setting {
  fakes?: Record<string, string>;
  without?: readonly string[];
  /** Further tools: name, and the path of what it is. */
  tools?: Record<string, string>;
  home?: string;
}

function place({ fakes = {}, without = [], tools = {}, home = temporaryDirectory() }: Setting = {}): Place {
  const path = temporaryDirectory();
  for (const tool of TOOLS) link(path, tool, Bun.which(tool));
  for (const [tool, target] of Object.entries(tools)) link(path, tool, target);
  for (const [tool, text] of Object.entries({ ...MACHINE, ...fakes })) {
    rmSync(join(path, tool), { force: true });
    writeFileSync(join(path, tool), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  for (const tool of without) rmSync(join(path, tool), { force: true });
  return { home, path };
}

function link(folder: string, name: string, target: string | null): void {
  if (target === null) throw new Error(`This machine has no ${name}`);
  symlinkSync(target, join(folder, name));
}

interface Way {
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** The script on standard input, as from a pipe. */
  stdin?: string;
  /** What stands before the shell. */
  by?: readonly string[];
}

/** Runs the script with a shell; the account's directories are all it knows. */
function start(
  shell: Shell,
  at: Place,
  args: readonly string[],
  { env = {}, cwd, stdin, by = [] }: Way = {},
) {
  const argv = [...by, ...shell.argv, ...(stdin === undefined ? [SCRIPT] : ["-s", "--"]), ...args];
  const all = { HOME: at.home, PATH: at.path, SHELL: "/bin/bash", TERM: "xterm", ...env };
  const child = Bun.spawn(argv, {
    cwd: cwd ?? at.home,
    env: Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    // A process group of its own, as a terminal gives it.
    detached: true,
  });
  onEnd(() => child.kill("SIGKILL"));
  return child;
}

async function install(shell: Shell, at: Place, args: readonly string[], way: Way = {}): Promise<Finished> {
  return finished(start(shell, at, args, way));
}

async function finished(child: ReturnType<typeof start>): Promise<Finished> {
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

function programIn(home: string): string {
  return join(home, ".local", "bin", PRODUCT);
}

/** Everything below a directory, with what links and files hold: what a run may not have changed. */
function contents(directory: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted()) {
    const path = join(directory, entry);
    const stat = lstatSync(path);
    all[entry] = stat.isFile() ? `${stat.ino} ${readFileSync(path, "latin1")}` : "";
  }
  return all;
}

function calls(home: string): string[] {
  const file = join(home, CALLS_FILE);
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

function exitsWith(home: string, command: string, code: number): void {
  mkdirSync(join(home, EXITS_FOLDER), { recursive: true });
  writeFileSync(join(home, EXITS_FOLDER, command), `${code}`);
}

const RELEASES = `${repository.replace("github:", "https://github.com/")}/releases`;

/** A failure is one line that says what, and one that says what to do. */
const ERROR = /^Error: .+\n.+\n$/;

interface Shell {
  name: string;
  argv: string[];
}

const toolsObstacle = TOOLS.map(missing).find((obstacle) => obstacle !== null) ?? null;

const shells: (Shell & { obstacle: string | null })[] = [
  { name: "dash", argv: ["dash"] },
  { name: "bash", argv: ["bash"] },
  { name: "busybox sh", argv: ["busybox", "sh"] },
].map(({ name, argv: [program = "", ...rest] }) => {
  return {
    name,
    argv: [Bun.which(program) ?? program, ...rest],
    obstacle: missing(program) ?? toolsObstacle,
  };
});

const SITE = releases(["1.0.0", "2.0.0"]);
const OLD_SITE = releases(["1.0.0"]);

const namespaceObstacle = succeeds(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"])
  ? null
  : "needs the right to mount";

/** Shells with tools of their own ask for none on the PATH. */
function hasBuiltIn({ argv }: Shell, tool: string): boolean {
  return Bun.spawnSync([...argv, "-c", `${tool} --help`], { env: { PATH: "/nowhere" } }).exitCode !== 127;
}

function succeeds(command: string[]): boolean {
  return Bun.which(command[0] ?? "") !== null && Bun.spawnSync(command).success;
}

function skippedTest(name: string, obstacle: string | null, run: () => Promise<void>): void {
  test.skipIf(obstacle !== null)(titled(name, obstacle), run);
}

/** Why something cannot run: the first word is a program that this machine lacks. */
function missing(command: string): string | null {
  const [program = ""] = command.split(" ");
  return Bun.which(program) === null ? `${program} missing` : null;
}

function titled(name: string, obstacle: string | null): string {
  return obstacle === null ? name : `${name} (not run: ${obstacle})`;
}

for (const shell of shells)
  describe.skipIf(shell.obstacle !== null)(titled(`under ${shell.name}`, shell.obstacle), () => {
    const run = (at: Place, args: readonly string[], way?: Way) => install(shell, at, args, way);

    /** Fails with these words; what was there before stays, and nothing is added. */
    async function refuses(
      at: Place,
      args: readonly string[],
      words: string,
      way: Way = {},
    ): Promise<Finished> {
      const before = contents(at.home);
      const result = await run(at, args, way);
      expect(result.stderr).toMatch(ERROR);
      expect(result.stderr).toContain(words);
      expect(result.exitCode).toBe(1);
      expect(contents(at.home)).toEqual(before);
      return result;
    }

    /** As `refuses`, on a machine that has the program already, too. */
    async function refusesAlways(setting: Setting, args: readonly string[], words: string, way: Way = {}) {
      await refuses(place(setting), args, words, way);
      const at = place();
      expect((await run(at, ["--base-url", OLD_SITE])).exitCode).toBe(0);
      await refuses(place({ ...setting, home: at.home }), args, words, way);
    }

    describe("installs", () => {
      test("the newest release of a host, and says what to do next", async () => {
        const at = place();
        const { url, asked } = await serveFolder(SITE);
        const { stdout, stderr, exitCode } = await run(at, ["--base-url", url]);
        const program = programIn(at.home);
        expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
        expect(stdout).toContain(`Installed ${PRODUCT} 2.0.0: ${program}\n`);
        for (const next of ["start", "hooks install", "open"])
          expect(stdout).toContain(`  ${program} ${next} `);
        expect(readFileSync(program, "utf8")).toBe(fakeProgram("2.0.0", "linux-x64"));
        expect(statSync(program).mode & 0o777).toBe(0o755);
        expect(readdirSync(dirname(program))).toEqual([PRODUCT]);
        expect(asked).toEqual([
          `/latest/download/${SUMS_FILE}`,
          `/latest/download/${archiveName("2.0.0", "linux-x64")}`,
        ]);
        expect(calls(at.home)).toEqual([]);
      });

      test("from a host that has one release only, without folders", async () => {
        const at = place();
        const folder = temporaryDirectory();
        publish(folder, "1.0.0");
        const { url, asked } = await serveFolder(folder);
        expect((await run(at, ["--base-url", `${url}/`])).exitCode).toBe(0);
        expect(asked.map((path) => path.slice(1))).toEqual([
          `latest/download/${SUMS_FILE}`,
          SUMS_FILE,
          archiveName("1.0.0", "linux-x64"),
        ]);
      });

      test("from a folder, by its path, a relative one, or file://", async () => {
        const parent = temporaryDirectory();
        const folder = join(parent, "it's 100% mine");
        publish(folder, "1.0.0");
        const escaped = folder.replaceAll("%", "%25").replaceAll(" ", "%20").replaceAll("'", "%27");
        for (const base of [folder, "it's 100% mine/", `file://${escaped}`, `file://localhost${escaped}`]) {
          const at = place({ without: ["curl"] });
          expect(await run(at, [`--base-url=${base}`], { cwd: parent })).toMatchObject({
            stderr: "",
            exitCode: 0,
          });
          expect(existsSync(programIn(at.home))).toBe(true);
        }
      });

      test("into DIR/bin with --prefix, absolute or not, whatever is in the name", async () => {
        const at = place({ home: join(temporaryDirectory(), 'o\'neil $HOME `x` "y"') });
        mkdirSync(at.home);
        for (const [prefix, where] of [
          [join(at.home, "a b"), "a b"],
          ["c d", "c d"],
          ["./e/", "e"],
          ["~/f", "f"],
        ] as const) {
          const bin = join(at.home, where, "bin");
          expect(await run(at, ["--prefix", prefix, "--base-url", SITE])).toMatchObject({
            stdout: expect.stringContaining(`Installed ${PRODUCT} 2.0.0: ${join(bin, PRODUCT)}\n`),
            stderr: "",
            exitCode: 0,
          });
          expect(readdirSync(bin)).toEqual([PRODUCT]);
        }
      });

      test("as one command at the end of a pipe, of which nothing that it runs reads", async () => {
        const at = place();
        const { stdout, exitCode } = await run(at, ["--base-url", SITE], {
          // Far beyond what a shell reads at once.
          stdin: `${SOURCE}\n${"#\n".repeat(100_000)}echo the rest of the pipe\n`,
        });
        expect(exitCode).toBe(0);
        expect(stdout).toEndWith("the rest of the pipe\n");
        expect(stdout).toContain(`Installed ${PRODUCT} 2.0.0`);
      });

      test("by sums that were written on Windows, with other line ends and in capitals", async () => {
        const at = place();
        const folder = temporaryDirectory();
        publish(folder, "1.0.0");
        const sums = readFileSync(join(folder, SUMS_FILE), "utf8");
        writeFileSync(
          join(folder, SUMS_FILE),
          sums.replace(/^\w+/gm, (sum) => sum.toUpperCase()).replaceAll("\n", "\r\n"),
        );
        expect(await run(at, ["--base-url", folder])).toMatchObject({ stderr: "", exitCode: 0 });
        expect(existsSync(programIn(at.home))).toBe(true);
      });

      test("again without changing anything, and says so", async () => {
        const at = place();
        await run(at, ["--base-url", SITE]);
        const before = contents(at.home);
        const { stdout, exitCode } = await run(at, ["--base-url", SITE]);
        expect(exitCode).toBe(0);
        expect(stdout).toContain("is already 2.0.0\n");
        expect(contents(at.home)).toEqual(before);
      });

      test("a newer version in place of one that runs, which runs on", async () => {
        const at = place();
        const slow =
          '#!/bin/sh\n# CLAUDE_MPM_SOCKETIO_\n[ "$1" = --version ] && echo 1.0.0 && exit\nread -r line; echo $line\n';
        const site = releases(["1.0.0"], { program: () => slow });
        await run(at, ["--base-url", site]);
        const running = Bun.spawn([programIn(at.home)], { stdin: "pipe", stdout: "pipe" });
        release(site, "2.0.0");
        const { stdout, exitCode } = await run(at, ["--base-url", site]);
        expect(exitCode).toBe(0);
        expect(stdout).toContain(`Upgraded from 1.0.0 to 2.0.0: ${programIn(at.home)}\n`);
        expect(stdout).not.toContain("restart");
        expect(readdirSync(dirname(programIn(at.home)))).toEqual([PRODUCT]);
        running.stdin.write("still here\n");
        await running.stdin.end();
        expect(await new Response(running.stdout).text()).toBe("still here\n");
      });

      test("a newer version, and says how to change over when a server runs", async () => {
        const at = place();
        await run(at, ["--base-url", OLD_SITE]);
        exitsWith(at.home, "status", 0);
        const { stdout } = await run(at, ["--base-url", SITE]);
        expect(stdout).toContain(`to change over: ${programIn(at.home)} restart\n`);
        // The same again has nothing to change over to.
        expect((await run(at, ["--base-url", SITE])).stdout).not.toContain("restart");
      });

      test("a newer version, and says how to change over each server, whatever its port", async () => {
        const at = place();
        const stateDir = join(at.home, ".claude-mpm", "socketio");
        // One that runs by its configuration, and says so, is in a folder as well.
        const program = (version: string, target: Target) =>
          `${fakeProgram(version, target)}[ "$1 $2" != "status --json" ] || { printf '{\\n  "running": true,\\n  "port": 8765\\n}\\n'; exit 0; }
[ "$1 $2" != "status --port" ] || { [ -e "$HOME/running.$3" ]; exit; }
`.replace('[ "$1" != status ] || exit 3\n', "");
        const site = releases(["1.0.0"], { program });
        await run(at, ["--base-url", site]);
        for (const port of ["8765", "9001", "9002", "9003", "no port"]) {
          mkdirSync(join(stateDir, port), { recursive: true });
          if (port !== "9003") writeFileSync(join(stateDir, port, "server.json"), "{}");
          if (port !== "9002") writeFileSync(join(at.home, `running.${port}`), "");
        }
        release(site, "2.0.0", { program });
        const { stdout, stderr } = await run(at, ["--base-url", site]);
        expect(stderr).toBe("");
        expect(stdout.match(/(?<=to change over: ).*/g)).toEqual([
          `${programIn(at.home)} restart`,
          `${programIn(at.home)} restart --port 9001`,
        ]);
      });

      test("again, and makes a program executable that has lost that", async () => {
        const at = place();
        await run(at, ["--base-url", SITE]);
        chmodSync(programIn(at.home), 0o644);
        exitsWith(at.home, "status", 0);
        const { stdout, stderr, exitCode } = await run(at, ["--base-url", SITE]);
        expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
        expect(stdout).toContain(`Made ${programIn(at.home)} executable again; it is already 2.0.0\n`);
        expect(stdout).not.toContain("restart");
        expect(statSync(programIn(at.home)).mode & 0o777).toBe(0o755);
        expect(readdirSync(dirname(programIn(at.home)))).toEqual([PRODUCT]);
      });

      test("sweeps what killed installers and upgrades have left, and nothing of those at work", async () => {
        for (const args of [["--base-url", SITE], ["--uninstall"]]) {
          const at = place();
          const bin = dirname(programIn(at.home));
          await run(at, ["--base-url", SITE]);
          const { pid: gone } = Bun.spawnSync(["true"]);
          const installerOf = (pid: number, name: string) => {
            mkdirSync(join(bin, name));
            writeFileSync(join(bin, name, "pid"), `${pid}\n`);
            writeFileSync(join(bin, name, "archive"), "");
          };
          installerOf(gone, `.${PRODUCT}.aaaaaa`);
          installerOf(process.pid, `.${PRODUCT}.bbbbbb`);
          mkdirSync(join(bin, `.${PRODUCT}.cccccc`));
          for (const middle of [`${gone}`, `${process.pid}`, "mine"]) {
            writeFileSync(join(bin, `.${PRODUCT}.${middle}.new`), "");
            writeFileSync(join(bin, `${PRODUCT}.${middle}.old`), "");
          }
          expect(await run(at, args)).toMatchObject({ stderr: "", exitCode: 0 });
          expect(readdirSync(bin).toSorted()).toEqual(
            [
              `.${PRODUCT}.bbbbbb`,
              `.${PRODUCT}.cccccc`,
              ...[`${process.pid}`, "mine"].flatMap((middle) => [
                `.${PRODUCT}.${middle}.new`,
                `${PRODUCT}.${middle}.old`,
              ]),
              ...(args[0] === "--uninstall" ? [] : [PRODUCT]),
            ].toSorted(),
          );
        }
      });

      test("another version on request, also an older one", async () => {
        const at = place();
        await run(at, ["--base-url", SITE]);
        for (const [version, words] of [
          ["1.0.0", "Downgraded from 2.0.0 to 1.0.0"],
          ["v2.0.0", "Upgraded from 1.0.0 to 2.0.0"],
        ] as const)
          expect((await run(at, ["--base-url", SITE, "--version", version])).stdout).toContain(words);
      });

      test("a release after its own candidate, which is an upgrade", async () => {
        const at = place();
        const site = releases(["1.0.0", "1.0.0-rc.2"]);
        await run(at, ["--base-url", site]);
        const { stdout } = await run(at, ["--base-url", site, "--version", "1.0.0"]);
        expect(stdout).toContain("Upgraded from 1.0.0-rc.2 to 1.0.0");
      });

      test("the newest of several in one folder, in whatever order its sums are", async () => {
        const folder = temporaryDirectory();
        const sums = ["1.0.0", "1.10.0", "1.9.0", "1.10.0-rc.1"].map((version) => {
          publish(folder, version);
          return readFileSync(join(folder, SUMS_FILE), "utf8");
        });
        for (const order of [sums, sums.toReversed()]) {
          writeFileSync(join(folder, SUMS_FILE), order.join(""));
          const at = place();
          expect((await run(at, ["--base-url", folder])).stdout).toContain(`Installed ${PRODUCT} 1.10.0:`);
          const older = await run(at, ["--base-url", folder, "--version", "1.9.0"]);
          expect(older.stdout).toContain("Downgraded from 1.10.0 to 1.9.0");
        }
      });

      test("another build of the same version, and over a version that no longer runs", async () => {
        const at = place();
        await run(at, ["--base-url", SITE]);
        writeFileSync(programIn(at.home), `${fakeProgram("2.0.0", "linux-x64")}# another build\n`);
        expect((await run(at, ["--base-url", SITE])).stdout).toContain(
          "Replaced 2.0.0 by another build of it",
        );
        writeFileSync(programIn(at.home), "#!/bin/sh\n# CLAUDE_MPM_SOCKETIO_\nexit 1\n");
        const { stdout, stderr } = await run(at, ["--base-url", SITE]);
        expect({ stdout, stderr }).toEqual({
          stdout: expect.stringContaining("from a version that does not run to 2.0.0"),
          stderr: "",
        });
        expect(readFileSync(programIn(at.home), "utf8")).toBe(fakeProgram("2.0.0", "linux-x64"));
      });

      test("with a service on request, which the program itself sets up", async () => {
        const at = place();
        const { exitCode } = await run(at, ["--base-url", SITE, "--service"]);
        expect({ exitCode, calls: calls(at.home) }).toEqual({
          exitCode: 0,
          calls: ["2.0.0 service install --mode user"],
        });
      });

      test("and says what to do next where that is new, and not what a service does", async () => {
        const at = place();
        const first = await run(at, ["--base-url", OLD_SITE, "--service"]);
        expect(first.stdout).toContain(" hooks install  #");
        expect(first.stdout).not.toContain(`${PRODUCT} start`);
        for (const site of [SITE, SITE])
          expect((await run(at, ["--base-url", site])).stdout).not.toMatch(/Next|hooks|open/);

        const root = place({ fakes: { id: "echo 0" } });
        const prefix = ["--prefix", join(root.home, "p")];
        const system = await run(root, ["--base-url", SITE, "--service", ...prefix]);
        expect(system.stdout).toContain(" hooks install --http  # ");
        expect(system.stdout).toContain("the machine's server");
        expect(system.stdout).not.toMatch(/ start | hooks install {2}/);
      });

      test("without a service that cannot be, and fails with both said", async () => {
        const at = place();
        exitsWith(at.home, "service", 1);
        const { stderr, exitCode } = await run(at, ["--base-url", SITE, "--service"]);
        expect(exitCode).toBe(1);
        expect(stderr).toMatch(ERROR);
        expect(stderr).toContain("The program is installed, but not its service (exit 1;");
        expect(existsSync(programIn(at.home))).toBe(true);
      });
    });

    describe("chooses what fits the machine", () => {
      const uname = (system: string, cpu: string) =>
        `case $1 in -s) echo ${system} ;; -m) echo ${cpu} ;; esac`;
      const noAvx2 = MACHINE.grep.replace("exit 0", "exit 1");
      const muslLdd = "echo 'musl libc (x86_64)' >&2; exit 1";
      const translated = '[ "$2" = sysctl.proc_translated ] && echo 1';
      const darwin = { ldd: "exit 127", getconf: "exit 1", grep: noAvx2 };

      const hasMuslLoader =
        existsSync("/lib") && readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));

      const machines: [string, Record<string, string>, Target][] = [
        ["Linux on x64", {}, "linux-x64"],
        ["Linux on x64 without AVX2", { grep: noAvx2 }, "linux-x64-baseline"],
        ["Linux on x64 with musl", { ldd: muslLdd }, "linux-x64-musl"],
        ["Linux on x64 with musl without AVX2", { ldd: muslLdd, grep: noAvx2 }, "linux-x64-musl"],
        ["Linux on x64 without ldd", { ldd: "exit 127" }, hasMuslLoader ? "linux-x64-musl" : "linux-x64"],
        ["Linux on arm64", { uname: uname("Linux", "aarch64"), grep: noAvx2 }, "linux-arm64"],
        ["macOS on arm64", { ...darwin, uname: uname("Darwin", "arm64") }, "darwin-arm64"],
        ["macOS on x64", { ...darwin, uname: uname("Darwin", "x86_64") }, "darwin-x64"],
        [
          "macOS on arm64, in a shell that Rosetta translates",
          { ...darwin, uname: uname("Darwin", "x86_64"), sysctl: translated },
          "darwin-arm64",
        ],
      ];
      for (const [name, fakes, target] of machines)
        test(name, async () => {
          const at = place({ fakes });
          expect(await run(at, ["--base-url", SITE])).toMatchObject({ stderr: "", exitCode: 0 });
          expect(readFileSync(programIn(at.home), "utf8")).toBe(fakeProgram("2.0.0", target));
        });

      const unknown: [string, Record<string, string>, string][] = [
        ["FreeBSD", { uname: uname("FreeBSD", "amd64") }, "for FreeBSD"],
        ["Linux on 32-bit x86", { uname: uname("Linux", "i686") }, "for Linux on i686"],
        [
          "32-bit programs on a 64-bit kernel",
          { uname: uname("Linux", "aarch64"), getconf: "echo 32" },
          "32-bit",
        ],
        [
          "Linux on arm64 with musl",
          { uname: uname("Linux", "aarch64"), ldd: muslLdd },
          "for linux-arm64-musl",
        ],
      ];
      for (const [name, fakes, words] of unknown)
        test(`nothing for ${name}, and names what there is`, async () => {
          const { stderr } = await refuses(place({ fakes }), ["--base-url", SITE], words);
          expect(stderr.trim().split(": ").at(-1)?.split(" ")).toEqual(TARGET_NAMES);
        });

      for (const system of ["MINGW64_NT-10.0-19045", "MSYS_NT-10.0-19045", "CYGWIN_NT-10.0"])
        test(`install.ps1 for ${system}`, async () => {
          await refuses(
            place({ fakes: { uname: uname(system, "x86_64") } }),
            ["--base-url", SITE],
            "install.ps1",
          );
        });
    });

    describe("leaves everything as it was when", () => {
      test("the archive is not what the sums say", async () => {
        const site = releases(["2.0.0"]);
        const archive = join(site, "latest/download", archiveName("2.0.0", "linux-x64"));
        writeFileSync(archive, Buffer.concat([readFileSync(archive), Buffer.from("x")]));
        await refusesAlways({}, ["--base-url", site], "is not what was released");
      });

      for (const loader of ["curl", "wget", "busybox wget"] as const)
        skippedTest(`the server breaks off in the middle, asked by ${loader}`, missing(loader), async () => {
          const half = answerArchives((file, response) => {
            response.writeHead(200, { "content-length": file.length });
            response.write(file.subarray(0, file.length / 2), () => response.destroy());
          });
          const { url } = await serveFolder(SITE, half);
          await refusesAlways(only(loader), ["--base-url", url], "Could not load");
        });

      for (const loader of ["curl", "wget", "busybox wget"] as const)
        skippedTest(`the server has nothing or fails, asked by ${loader}`, missing(loader), async () => {
          const setting = only(loader);
          const answers = (status: number) =>
            answerArchives((_, response) => response.writeHead(status).end("<h1>No</h1>"));
          const gone = await serveFolder(SITE, answers(404));
          await refusesAlways(setting, ["--base-url", gone.url], "but it is not there");
          const failing = await serveFolder(SITE, answers(500));
          await refusesAlways(setting, ["--base-url", failing.url], "answers with status 500");
          const empty = await serveFolder(temporaryDirectory());
          await refuses(place(setting), ["--base-url", empty.url], `There is no release at ${empty.url}`);
          expect(empty.asked).toEqual([`/latest/download/${SUMS_FILE}`, `/${SUMS_FILE}`]);
          // Only what is not there is looked for elsewhere.
          const broken = await serveFolder(SITE, (_, response) => {
            response.writeHead(503).end();
            return true;
          });
          await refuses(place(setting), ["--base-url", broken.url], "answers with status 503");
          expect(broken.asked).toEqual([`/latest/download/${SUMS_FILE}`]);
          const dead = `http://127.0.0.1:${await freePort()}`;
          const { stderr } = await refuses(place(setting), ["--base-url", dead], `Could not load ${dead}`);
          expect(stderr).toContain("https_proxy");
        });

      test("the release has nothing for this machine, or not this version", async () => {
        const site = releases(["2.0.0"], { targets: ["darwin-arm64"] });
        const { stderr } = await refuses(place(), ["--base-url", site], "for linux-x64\n");
        expect(stderr).toContain(archiveName("2.0.0", "darwin-arm64"));
        await refuses(place(), ["--base-url", site, "--version", "3.0.0"], "There is no release 3.0.0");
        const flat = temporaryDirectory();
        publish(flat, "2.0.0");
        await refuses(place(), ["--base-url", flat, "--version", "3.0.0"], `has no ${PRODUCT} 3.0.0 for`);
      });

      test("the sums name a file elsewhere, or are none", async () => {
        const site = temporaryDirectory();
        for (const name of [
          `../${archiveName("2.0.0", "linux-x64")}`,
          archiveName("2.0.0/../x", "linux-x64"),
        ]) {
          writeFileSync(join(site, SUMS_FILE), `${"0".repeat(64)}  ${name}\n`);
          await refuses(place(), ["--base-url", site], "no archives");
        }
        writeFileSync(join(site, SUMS_FILE), "<html>Please log in</html>");
        await refuses(place(), ["--base-url", site], "no archives");
      });

      test("the program does not run here, or is another version", async () => {
        const broken = releases(["2.0.0"], {
          program: () => "#!/bin/sh\necho no such loader >&2; exit 127\n",
        });
        await refusesAlways({}, ["--base-url", broken], "does not run from");
        const musl = place({ fakes: { ldd: "echo musl libc" } });
        expect((await refuses(musl, ["--base-url", broken], "no such loader")).stderr).toContain("apk add");
        const other = releases(["2.0.0"], { program: () => fakeProgram("1.9.9", "linux-x64") });
        await refusesAlways({}, ["--base-url", other], "holds version 1.9.9");
      });

      test("the archive holds something else", async () => {
        const site = releases(["2.0.0"]);
        const folder = join(site, "latest/download");
        copyFileSync(
          join(folder, archiveName("2.0.0", "darwin-x64")),
          join(folder, archiveName("2.0.0", "linux-x64")),
        );
        const sums = readFileSync(join(folder, SUMS_FILE), "utf8");
        const sum = /(\S+)  \S+-darwin-x64/.exec(sums)?.[1];
        writeFileSync(join(folder, SUMS_FILE), `${sum}  ${archiveName("2.0.0", "linux-x64")}\n`);
        await refusesAlways({}, ["--base-url", site], "Could not unpack");
      });

      test("another program or a directory has the place", async () => {
        const at = place();
        mkdirSync(programIn(at.home), { recursive: true });
        await refuses(at, ["--base-url", SITE], "is a directory");
        rmSync(programIn(at.home), { recursive: true });
        writeFileSync(programIn(at.home), "#!/usr/bin/python3\nfrom claude_mpm import main\n");
        await refuses(at, ["--base-url", SITE], "is another program of that name");
        await refuses(at, ["--uninstall"], "is another program of that name");
      });

      test("it may not write there", async () => {
        const at = place();
        writeFileSync(join(at.home, "file"), "");
        for (const prefix of [join(at.home, "file"), join(at.home, "file", "below"), "/proc/nowhere"]) {
          const { url, asked } = await serveFolder(SITE);
          const { stderr } = await refuses(at, ["--base-url", url, "--prefix", prefix], "Cannot write to");
          expect(stderr).toContain("--prefix");
          expect(asked).toEqual([]);
        }
      });

      skippedTest(
        "its user may not write there",
        process.getuid?.() === 0 && Bun.which("setpriv") ? null : "needs root and setpriv",
        async () => {
          const at = place();
          for (const folder of [at.home, at.path, SITE]) chmodSync(folder, 0o755);
          mkdirSync(join(at.home, "p"), { mode: 0o755 });
          const by = [Bun.which("setpriv") ?? "", "--reuid=65534", "--regid=65534", "--clear-groups"];
          // Its own copy, for the folder of the sources may be closed to others.
          const way = { by, stdin: SOURCE, cwd: "/" };
          await refuses(at, ["--base-url", SITE, "--prefix", join(at.home, "p")], "Cannot write to", way);
        },
      );

      skippedTest("the disk is full", namespaceObstacle, async () => {
        // One is too large to load, the other to unpack.
        for (const filling of [noise(600_000), "#\n".repeat(600_000)]) {
          const site = releases(["2.0.0"], {
            targets: ["linux-x64"],
            program: (version, target) => `${fakeProgram(version, target)}exit\n${filling}`,
          });
          const { url } = await serveFolder(site);
          for (const base of [url, site]) {
            const at = place();
            mount(at.home, "size=256k");
            await refuses(at, ["--base-url", base], "is full");
          }
        }
      });

      skippedTest("programs must not run there", namespaceObstacle, async () => {
        const at = place();
        mount(at.home, "noexec");
        await refuses(at, ["--base-url", SITE], "does not run from");
      });

      const withoutTools: [string[], string][] = [
        [["tar"], "tar is missing"],
        [["gzip"], "gzip is missing"],
        [["mktemp"], "mktemp is missing"],
        [["curl", "wget"], "Install curl or wget"],
        [["sha256sum", "shasum", "openssl"], "Install one of sha256sum, shasum and openssl"],
      ];
      for (const [tools, words] of withoutTools)
        skippedTest(
          `${tools.join(" and ")} are missing`,
          tools.some((tool) => hasBuiltIn(shell, tool)) ? "this shell has one built in" : null,
          async () => {
            const { url, asked } = await serveFolder(SITE);
            await refusesAlways({ without: tools }, ["--base-url", url], words);
            expect(asked).toEqual([]);
          },
        );

      test("it is killed in the middle of a download, of which the next one takes away what is left", async () => {
        const at = place();
        const { child } = await stalled(shell, at);
        process.kill(-child.pid, "SIGKILL");
        await child.exited;
        const bin = dirname(programIn(at.home));
        expect(readdirSync(bin)).toHaveLength(1);
        expect((await run(at, ["--base-url", SITE])).exitCode).toBe(0);
        expect(readdirSync(bin)).toEqual([PRODUCT]);
      });

      for (const [signal, to] of [
        ["SIGINT", "group"],
        ["SIGTERM", "shell"],
        ["SIGHUP", "group"],
      ] as const)
        test(`${signal} comes to the ${to} in the middle of a download that stalls`, async () => {
          const at = place();
          const { child, response } = await stalled(shell, at);
          expect(existsSync(dirname(programIn(at.home)))).toBe(true);
          const closed = new Promise<void>((resolve) => void response.on("close", resolve));
          process.kill(to === "group" ? -child.pid : child.pid, signal);
          const { stdout, stderr, exitCode } = await finished(child);
          expect(exitCode).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
          expect(stderr).toEndWith("Interrupted; nothing was changed\n");
          expect(stdout).not.toContain("Installed");
          expect(contents(at.home)).toEqual({});
          // Its loader has gone, too.
          await closed;
        });

      test("HOME is not set", async () => {
        await refuses(place(), ["--base-url", SITE], "HOME is not set", {
          env: { HOME: undefined },
          cwd: "/",
        });
        const at = place();
        const prefix = join(at.home, "p");
        expect(
          await run(at, ["--base-url", SITE, "--prefix", prefix], { env: { HOME: undefined } }),
        ).toMatchObject({ stderr: "", exitCode: 0 });
        expect(readdirSync(at.home)).toEqual(["p"]);
      });

      test("it is called in a wrong way", async () => {
        const at = place();
        for (const args of [
          ["--what"],
          ["here"],
          ["--version"],
          ["--prefix", ""],
          ["--base-url="],
          ["--version", "../../x"],
          ["--base-url", "ftp://host/releases"],
          ["--purge"],
          ["--uninstall", "--version", "1.0.0"],
          ["--uninstall", "--service"],
        ]) {
          const { stderr, exitCode } = await run(at, args);
          expect(stderr).toMatch(ERROR);
          expect({ args, exitCode }).toEqual({ args, exitCode: 2 });
        }
        await refuses(at, ["--base-url", "no such folder"], "There is no folder no such folder");
        expect(contents(at.home)).toEqual({});
      });

      test("the script itself breaks off on its way, wherever", async () => {
        const at = place();
        const end = SOURCE.lastIndexOf("}");
        const cuts = new Set<number>();
        for (let cut = 0; cut < end; cut += 97) cuts.add(cut);
        for (let cut = end - 40; cut <= end; cut += 1) cuts.add(cut);
        for (const cut of cuts) await run(at, ["--base-url", SITE], { stdin: SOURCE.slice(0, cut) });
        expect(contents(at.home)).toEqual({});
        await run(at, ["--base-url", SITE], { stdin: SOURCE.slice(0, end + 1) });
        expect(existsSync(programIn(at.home))).toBe(true);
      });
    });

    describe("takes what the machine has:", () => {
      for (const loader of ["wget", "busybox wget"] as const)
        skippedTest(`${loader} without curl`, missing(loader), async () => {
          const at = place(only(loader));
          const flat = temporaryDirectory();
          publish(flat, "1.0.0");
          const { url } = await serveFolder(flat);
          expect(await run(at, ["--base-url", url])).toMatchObject({ stderr: "", exitCode: 0 });
          expect(existsSync(programIn(at.home))).toBe(true);
        });

      for (const tool of ["shasum", "openssl"])
        skippedTest(`${tool} for the sums`, missing(tool), async () => {
          const setting = {
            without: ["sha256sum"],
            tools: {
              [tool]: Bun.which(tool) as string,
              ...(tool === "shasum" ? { perl: "/usr/bin/perl" } : {}),
            },
          };
          const at = place(setting);
          expect(await run(at, ["--base-url", SITE])).toMatchObject({ stderr: "", exitCode: 0 });
        });

      for (const loader of ["curl", "wget"] as const)
        skippedTest(`the proxy, with ${loader}`, missing(loader), async () => {
          const at = place(only(loader));
          const proxy = await serveFolder(SITE);
          const { exitCode } = await run(at, ["--base-url", "http://releases.invalid"], {
            env: { http_proxy: proxy.url },
          });
          expect(exitCode).toBe(0);
          expect(proxy.asked[0]).toBe(`http://releases.invalid/latest/download/${SUMS_FILE}`);
        });

      test("curl is kept to https, unless the address given is not", async () => {
        for (const [base, protocols] of [
          ["https://releases.invalid", "=https"],
          ["http://releases.invalid", "=http,https"],
        ] as const) {
          const at = place({ fakes: { curl: 'echo "$*" >> "$HOME/asked"; exit 6' } });
          await run(at, ["--base-url", base]);
          expect(readFileSync(join(at.home, "asked"), "utf8")).toContain(`-fL --proto ${protocols} `);
        }
      });
    });

    describe("PATH:", () => {
      const startFiles: [string, string, Record<string, string>, string[]][] = [
        ["bash", "/bin/bash", {}, [".bashrc", ".profile"]],
        [
          "bash with a file for log-on shells",
          "/bin/bash",
          { ".bash_profile": "", ".profile": "" },
          [".bash_profile", ".bashrc"],
        ],
        ["zsh", "/usr/bin/zsh", {}, [".zshrc"]],
        ["fish", "/usr/bin/fish", {}, [`.config/fish/conf.d/${PRODUCT}.fish`]],
        ["any other shell", "/bin/ksh", {}, [".profile"]],
      ];
      for (const [name, SHELL, files, changed] of startFiles)
        test(`${name} gets one line in ${changed.join(" and ")}, which uninstall takes out`, async () => {
          const at = place();
          const text = 'echo "as it was"\n';
          for (const file of Object.keys(files)) writeFileSync(join(at.home, file), text, { mode: 0o640 });
          const { stdout } = await run(at, ["--base-url", SITE], { env: { SHELL } });
          await run(at, ["--base-url", SITE], { env: { SHELL } });
          for (const file of changed) {
            const before = file in files ? text : "";
            const lines = readFileSync(join(at.home, file), "utf8");
            expect(lines).toStartWith(before);
            expect(lines.slice(before.length)).toMatch(new RegExp(`^.*/\\.local/bin.* # ${PRODUCT}\n$`));
          }
          const named = /^New terminals find it, by a line in (.*)$/m.exec(stdout)?.[1];
          expect(named?.split(" and ").toSorted()).toEqual(changed.map((file) => join(at.home, file)));
          expect(startFilesIn(at.home)).toEqual([...new Set([...changed, ...Object.keys(files)])].toSorted());

          const removed = await run(at, ["--uninstall"], { env: { SHELL: "/bin/sh" } });
          expect(removed).toMatchObject({ stderr: "", exitCode: 0 });
          expect(startFilesIn(at.home)).toEqual(Object.keys(files).toSorted());
          for (const file of Object.keys(files)) {
            expect(readFileSync(join(at.home, file), "utf8")).toBe(text);
            expect(statSync(join(at.home, file)).mode & 0o777).toBe(0o640);
          }
        });

      test("ZDOTDIR and XDG_CONFIG_HOME are heeded", async () => {
        const at = place();
        mkdirSync(join(at.home, "z"));
        const env = { ZDOTDIR: join(at.home, "z"), XDG_CONFIG_HOME: join(at.home, "x") };
        await run(at, ["--base-url", SITE], { env: { ...env, SHELL: "zsh/bin/zsh" } });
        await run(at, ["--base-url", SITE], { env: { ...env, SHELL: "/bin/fish" } });
        expect(readdirSync(at.home).toSorted()).toEqual([".local", "x", "z"]);
        expect(readdirSync(join(at.home, "z"))).toEqual([".zshrc"]);
        expect(readdirSync(join(at.home, "x/fish/conf.d"))).toEqual([`${PRODUCT}.fish`]);
        await run(at, ["--uninstall"], { env });
        expect([...readdirSync(join(at.home, "z")), ...readdirSync(join(at.home, "x/fish/conf.d"))]).toEqual(
          [],
        );
      });

      test("a file that is a link stays one, and a last line without an end is kept apart", async () => {
        const at = place();
        mkdirSync(join(at.home, "dotfiles"));
        writeFileSync(join(at.home, "dotfiles", "rc"), "alias a=b");
        symlinkSync("dotfiles/rc", join(at.home, ".bashrc"));
        writeFileSync(join(at.home, "dotfiles", "empty"), "");
        symlinkSync(join(at.home, "dotfiles", "empty"), join(at.home, ".profile"));
        await run(at, ["--base-url", SITE]);
        expect(lstatSync(join(at.home, ".bashrc")).isSymbolicLink()).toBe(true);
        expect(readFileSync(join(at.home, "dotfiles", "rc"), "utf8")).toStartWith("alias a=b\ncase ");
        await run(at, ["--uninstall"]);
        expect(lstatSync(join(at.home, ".bashrc")).isSymbolicLink()).toBe(true);
        expect(readFileSync(join(at.home, "dotfiles", "rc"), "utf8")).toBe("alias a=b\n");
        expect(lstatSync(join(at.home, ".profile")).isSymbolicLink()).toBe(true);
        expect(readdirSync(join(at.home, "dotfiles")).toSorted()).toEqual(["empty", "rc"]);
      });

      test("a start file that cannot be changed is said, with the line to add", async () => {
        const at = place();
        mkdirSync(join(at.home, ".zshrc"));
        const { stdout, exitCode } = await run(at, ["--base-url", SITE], { env: { SHELL: "/bin/zsh" } });
        expect(exitCode).toBe(0);
        expect(stdout).toContain(`Could not change ${join(at.home, ".zshrc")}\n`);
        expect(stdout).toMatch(/add this to your shell's start file:\n {2}case /);
        expect(startFilesIn(at.home)).toEqual([]);
      });

      test("with --no-modify-path nothing is changed, and the line said", async () => {
        const at = place();
        const { stdout } = await run(at, ["--base-url", SITE, "--no-modify-path"]);
        expect(readdirSync(at.home)).toEqual([".local"]);
        expect(stdout).toMatch(/is not on your PATH.*\n {2}case .*\.local\/bin/);
      });

      test("nothing is changed where the folder is on it, and the program is called by its name", async () => {
        const at = place();
        const PATH = `${at.path}:${dirname(programIn(at.home))}`;
        const { stdout } = await run(at, ["--base-url", SITE], { env: { PATH } });
        expect(readdirSync(at.home)).toEqual([".local"]);
        expect(stdout).toContain(`  ${PRODUCT} start `);
      });

      test("another of that name which comes first is said", async () => {
        const at = place({ fakes: { [PRODUCT]: "exit 0" } });
        const PATH = `${at.path}:${dirname(programIn(at.home))}`;
        const { stdout } = await run(at, ["--base-url", SITE], { env: { PATH } });
        expect(stdout).toContain(`Another one comes first on your PATH: ${join(at.path, PRODUCT)}\n`);
        expect(stdout).toContain(`  ${programIn(at.home)} start `);
      });

      test("a folder with a colon in its name cannot be on it", async () => {
        const at = place();
        const { stdout, exitCode } = await run(at, ["--base-url", SITE, "--prefix", "a:b"]);
        expect(exitCode).toBe(0);
        expect(stdout).toContain("cannot be on a PATH");
        expect(startFilesIn(at.home)).toEqual([]);
      });

      for (const [user, flags] of [
        ["bash", ["-ic"]],
        ["bash", ["-lc"]],
        ["zsh", ["-ic"]],
        ["fish", ["-c"]],
        ["dash", ["-lc"]],
      ] as const) {
        const program = Bun.which(user);
        skippedTest(
          `${user} ${flags.join(" ")} finds the program afterwards, once, in a folder with any name`,
          missing(user),
          async () => {
            const at = place({ home: join(temporaryDirectory(), 'o\'neil \\ $HOME `x` "y"') });
            mkdirSync(at.home);
            const env = { SHELL: program ?? "" };
            await run(at, ["--base-url", SITE], { env });
            const child = Bun.spawn(
              [
                program ?? "",
                ...flags,
                `command -v ${PRODUCT}; ${program} ${flags.join(" ")} 'env' | grep ^PATH=`,
              ],
              {
                env: { HOME: at.home, PATH: "/usr/bin:/bin" },
                cwd: at.home,
                stdin: "ignore",
                stdout: "pipe",
                stderr: "ignore",
              },
            );
            const [found, path] = (await new Response(child.stdout).text()).trim().split("\n");
            expect(found).toBe(programIn(at.home));
            expect(
              path?.split(":").filter((folder) => folder.includes("oneil") || folder.includes("o'neil")),
            ).toHaveLength(1);
          },
        );
      }
    });

    describe("uninstall", () => {
      const installed = async () => {
        const at = place();
        await run(at, ["--base-url", SITE]);
        rmSync(join(at.home, CALLS_FILE), { force: true });
        return at;
      };

      test("stops servers, lets the program take itself out, and removes it", async () => {
        const at = await installed();
        writeFileSync(join(dirname(programIn(at.home)), "other"), "");
        const { stdout, exitCode } = await run(at, ["--uninstall"]);
        expect(exitCode).toBe(0);
        expect(stdout).toContain(`Removed ${programIn(at.home)}\n`);
        expect(calls(at.home)).toEqual(["2.0.0 stop --all", "2.0.0 uninstall --mode user"]);
        expect(readdirSync(dirname(programIn(at.home)))).toEqual(["other"]);
        expect(startFilesIn(at.home)).toEqual([]);
      });

      test("is content when the program has removed itself", async () => {
        const at = await installed();
        const program = programIn(at.home);
        writeFileSync(program, `${fakeProgram("2.0.0", "linux-x64")}[ "$1" != uninstall ] || rm "$0"\n`);
        expect(await run(at, ["--uninstall"])).toMatchObject({ stderr: "", exitCode: 0 });
        expect(existsSync(program)).toBe(false);
      });

      test("passes --purge on, and looks where --prefix says", async () => {
        const at = place();
        await run(at, ["--base-url", SITE, "--prefix", "p"]);
        expect((await run(at, ["--uninstall", "--purge", "--prefix", "p"])).exitCode).toBe(0);
        expect(calls(at.home)).toEqual(["2.0.0 stop --all", "2.0.0 uninstall --mode user --purge"]);
        expect(readdirSync(join(at.home, "p/bin"))).toEqual([]);
      });

      test("goes on when the program does not know the command or does not run, and says what may be left", async () => {
        for (const code of [2, 127, 139]) {
          const at = await installed();
          exitsWith(at.home, "uninstall", code);
          const { stdout, exitCode } = await run(at, ["--uninstall"]);
          expect(exitCode).toBe(0);
          expect(stdout).toContain(`(exit ${code})`);
          expect(stdout).toContain("~/.claude/settings.json");
          expect(existsSync(programIn(at.home))).toBe(false);
        }
      });

      test("leaves the program where that fails, for a hook would point at nothing", async () => {
        const at = await installed();
        exitsWith(at.home, "uninstall", 1);
        const { stderr, exitCode } = await run(at, ["--uninstall"]);
        expect(exitCode).toBe(1);
        expect(stderr).toMatch(ERROR);
        expect(existsSync(programIn(at.home))).toBe(true);
        expect(startFilesIn(at.home)).toEqual([".bashrc", ".profile"]);
      });

      /** As servers leave it. */
      const withData = (home: string) => {
        const folder = join(home, ".claude-mpm");
        mkdirSync(join(folder, "socketio", "8765"), { recursive: true });
        writeFileSync(join(folder, "socketio_config.json"), "{}");
        return `${join(folder, "socketio")} ${join(folder, "socketio_config.json")}`;
      };

      test("says where data stays, and which servers it stopped", async () => {
        const at = await installed();
        expect((await run(at, ["--uninstall"])).stdout).not.toMatch(/Data|Stopped/);
        await run(at, ["--base-url", SITE]);
        const program = programIn(at.home);
        const stops = [
          "Stopped: port 8765 (PID 12)",
          "No server runs on port 8766",
          "Killed: port 8767 (PID 13) did not stop in time",
        ];
        writeFileSync(
          program,
          `${fakeProgram("2.0.0", "linux-x64")}[ "$1" != stop ] || { cat <<E\n${stops.join("\n")}\nE\nexit 1; }\n`,
        );
        const data = withData(at.home);
        const { stdout, stderr, exitCode } = await run(at, ["--uninstall"]);
        expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
        expect(stdout).toStartWith(`${stops[0]}\n${stops[2]}\n`);
        expect(stdout).not.toContain("8766");
        expect(stdout).toEndWith(`Data stays in ${at.home}/.claude-mpm; to remove it: rm -r ${data}\n`);
        expect((await run(at, ["--uninstall"])).stdout).toContain(`rm -r ${data}\n`);
      });

      test("with --purge fails where there is no program to remove the data", async () => {
        const at = await installed();
        const data = withData(at.home);
        expect((await run(at, ["--uninstall", "--purge"])).stdout).not.toContain("Data stays");
        const gone = await refuses(
          at,
          ["--uninstall", "--purge"],
          `The data in ${at.home}/.claude-mpm is still there`,
        );
        expect(gone.stderr).toContain(`rm -r ${data}\n`);

        await run(at, ["--base-url", SITE]);
        exitsWith(at.home, "uninstall", 127);
        const { stderr, exitCode } = await run(at, ["--uninstall", "--purge"]);
        expect(exitCode).toBe(1);
        expect(stderr).toMatch(ERROR);
        expect(stderr).toContain(`rm -r ${data}\n`);
        expect(existsSync(programIn(at.home))).toBe(false);
        expect(startFilesIn(at.home)).toEqual([]);

        // As the machine's service, it takes itself out before it comes to root's own data.
        const root = place({ fakes: { id: "echo 0" }, home: at.home });
        const prefix = ["--prefix", join(at.home, ".local")];
        await run(root, ["--base-url", SITE, ...prefix]);
        writeFileSync(
          programIn(at.home),
          `${fakeProgram("2.0.0", "linux-x64").replace(/^\[ ! -e.*\n/m, "")}[ "$1" != uninstall ] || rm "$0"\n`,
        );
        expect(await run(root, ["--uninstall", "--purge", ...prefix])).toMatchObject({
          stderr: expect.stringContaining(`rm -r ${data}\n`),
          exitCode: 1,
        });
      });

      test("of nothing says so, and where there is one", async () => {
        const at = place({ fakes: { [PRODUCT]: "exit 0" } });
        const { stdout, exitCode } = await run(at, ["--uninstall"]);
        expect(exitCode).toBe(0);
        expect(stdout).toContain(`There is no ${PRODUCT} in ${dirname(programIn(at.home))}\n`);
        expect(stdout).toContain(`There is one at ${join(at.path, PRODUCT)}`);
        expect(contents(at.home)).toEqual({});
      });
    });

    skippedTest(
      "root gets it into /usr/local/bin, and a service of the machine",
      namespaceObstacle,
      async () => {
        const at = place({ fakes: { id: "echo 0" } });
        const steps = [
          "/bin/mount -t tmpfs none /usr/local",
          '"$@" --base-url "$SITE" --service',
          "/bin/ls -A /usr/local/bin",
          '"$@" --uninstall',
          "/bin/ls -A /usr/local/bin",
        ].join(" && ");
        const { stdout, exitCode } = await run(at, [], {
          by: [Bun.which("unshare") ?? "", "-m", "/bin/sh", "-c", steps, "sh"],
          env: { SITE },
        });
        expect(exitCode).toBe(0);
        expect(stdout).toContain(`2.0.0: /usr/local/bin/${PRODUCT}\n`);
        expect(stdout.split("\n").filter((line) => line === PRODUCT)).toHaveLength(1);
        expect(calls(at.home).filter((call) => !call.endsWith("stop --all"))).toEqual([
          "2.0.0 service install --mode system",
          "2.0.0 uninstall --mode system",
          "2.0.0 uninstall --mode user",
        ]);
        expect(startFilesIn(at.home)).toEqual([]);
      },
    );

    skippedTest("colours are for terminals, and never with NO_COLOR", missing("script"), async () => {
      const errorOn = async (env: Record<string, string>) => {
        const at = place();
        const command = [...shell.argv, SCRIPT, "--what"].map((word) => `'${word}'`).join(" ");
        const child = Bun.spawn([Bun.which("script") ?? "", "-qec", command, "/dev/null"], {
          env: { HOME: at.home, PATH: at.path, SHELL: "/bin/sh", TERM: "xterm", ...env },
          stdin: "ignore",
          stdout: "pipe",
        });
        return new Response(child.stdout).text();
      };
      expect(await errorOn({})).toContain("\x1b[31mError:\x1b[0m There is no flag");
      expect(await errorOn({ NO_COLOR: "1" })).toStartWith("Error: There is no flag");
    });
  });

describe("the script", () => {
  for (const dialect of ["sh", "dash"])
    skippedTest(`gives shellcheck no reason, as ${dialect}`, missing("shellcheck"), async () => {
      const { stdout } = Bun.spawnSync(["shellcheck", "-s", dialect, SCRIPT]);
      expect(String(stdout)).toBe("");
    });

  test("names the platforms of the table and the project's own releases", () => {
    expect(/^SHIPPED='(.*)'$/m.exec(SOURCE)?.[1]?.split(" ")).toEqual(TARGET_NAMES);
    expect(SOURCE).toContain(`\nPRODUCT=${PRODUCT}\nBASE_URL=${RELEASES}\n`);
    expect(SOURCE.match(/^BASE_URL=/gm)).toHaveLength(1);
  });
});

// There is no PowerShell where these tests run, so this is what can be seen without one.
describe("the script for Windows", () => {
  const source = readFileSync(join(import.meta.dir, "../../build/release/install.ps1"), "utf8");
  const code = withoutTexts(source);

  test("names the platform of the table and the project's own releases", () => {
    const target = TARGET_NAMES.find((name) => TARGETS[name].platform === "win32");
    expect(source).toContain(
      `\n$Product = '${PRODUCT}'\n$Target = '${target}'\n$SumsFile = '${SUMS_FILE}'\n`,
    );
    expect([...source.matchAll(/\$BaseUrl = '(.*)'/g)].map(([, url]) => url)).toEqual([RELEASES]);
  });

  test("has a flag for each of install.sh, and explains it", () => {
    const flags = [...SOURCE.matchAll(/^ {2}--([a-z-]+) /gm)].map(([, flag = ""]) =>
      flag.replaceAll("-", ""),
    );
    const parameters = /^param\((.*?)^\)/ms.exec(source)?.[1] ?? "";
    const names = [...parameters.matchAll(/\]\$(\w+)/g)].map(([, name = ""]) => name);
    expect(names.map((name) => name.toLowerCase()).toSorted()).toEqual(flags.toSorted());
    for (const name of names) expect(source).toMatch(new RegExp(`^  -${name} `, "m"));
  });

  test("closes what it opens", () => {
    const open: string[] = [];
    const pairs: Record<string, string> = { "(": ")", "{": "}", "[": "]" };
    for (const character of code.match(/[(){}[\]]/g) ?? [])
      if (character in pairs) open.push(pairs[character] ?? "");
      else expect(character).toBe(open.pop() as string);
    expect(open).toEqual([]);
  });

  test("calls only what it defines and what Windows PowerShell 5.1 brings along", () => {
    const defined = [...code.matchAll(/^function ([A-Z][a-z]+-\w+)/gm)].map(([, name]) => name);
    const called = new Set([...code.matchAll(/(?<![\w$-])[A-Z]\w+-[A-Z]\w+/g)].map(([name]) => name));
    const brought = `Copy-Item Expand-Archive ForEach-Object Get-ChildItem Get-Command Get-FileHash Get-Item
      Invoke-WebRequest Join-Path Move-Item New-Item New-Object Out-Host Out-Null Out-String Remove-Item Select-Object
      Set-ItemProperty Split-Path Start-Sleep Test-Path Where-Object Write-Host`.split(/\s+/);
    expect([...called].filter((name) => !defined.includes(name)).toSorted()).toEqual(brought);
    expect(defined.filter((name) => code.split(name ?? "").length < 3)).toEqual([]);
    // Version 7 alone has these.
    expect(code).not.toMatch(/\?\?|&&|\|\||\?\.|-Parallel/);
  });

  test("has no colon after a name in a text, which would be taken for a drive", () => {
    expect(source.match(/"[^"\n]*\$(?!env:)\w+:/g)).toBeNull();
  });

  /** Without comments, and without what stands between quotes. */
  function withoutTexts(script: string): string {
    return script.replace(/@"\n[^]*?\n"@|'[^'\n]*'|"(?:[^"`\n]|`.)*"|#.*$/gm, (text) =>
      text.startsWith("#") ? "" : "''",
    );
  }
});

/** The target that fits this machine, as the script should choose it. */
function ownTarget(): Target {
  const name = `${process.platform}-${process.arch}` as Target;
  if (name !== "linux-x64" || readFileSync("/proc/cpuinfo", "utf8").includes("avx2")) return name;
  return "linux-x64-baseline";
}

skippedTest(
  "the real program is installed over an older one, by any shell, and uninstalled with its server and hooks",
  toolsObstacle,
  async () => {
    const user = account();
    const port = await freePort();
    const env = { ...user.env, CLAUDE_MPM_SOCKETIO_PORT: `${port}`, SHELL: "/bin/bash" };
    const real = readFileSync(await binary());
    const site = temporaryDirectory();
    publish(site, releaseVersion, { targets: [ownTarget()], program: () => real });
    const { url } = await serveFolder(site);
    const prefix = join(user.home, "my programs");
    const program = join(prefix, "bin", PRODUCT);
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, fakeProgram("0.0.1", ownTarget()), { mode: 0o755 });
    expect((await user.run(["start"], { env })).exitCode).toBe(0);

    const sh = (args: string[]) => runCommand(["sh", SCRIPT, "--prefix", prefix, ...args], { env });
    const { stdout, stderr, exitCode } = await sh(["--base-url", url]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toContain(`Upgraded from 0.0.1 to ${releaseVersion}: ${program}\n`);
    // Once, though its folder is there as well.
    expect(stdout.match(/(?<=to change over: ).*/g)).toEqual([`'${program}' restart`]);
    expect(readFileSync(program).equals(real)).toBe(true);

    const settings = join(user.home, ".claude", "settings.json");
    const hooks = Bun.spawnSync([program, "hooks", "install"], { env, cwd: user.home });
    expect({ exitCode: hooks.exitCode, settings: readFileSync(settings, "utf8") }).toEqual({
      exitCode: 0,
      settings: expect.stringContaining(program),
    });

    expect(await sh(["--uninstall"])).toMatchObject({ stderr: "", exitCode: 0 });
    expect(existsSync(settings) && readFileSync(settings, "utf8").includes(PRODUCT)).toBe(false);
    expect(existsSync(program)).toBe(false);
    expect((await user.run(["status"], { env })).exitCode).toBe(3);
    expect(existsSync(user.stateDir)).toBe(true);
  },
);

/** Only this program to load files with. */
function only(loader: "curl" | "wget" | "busybox wget"): Setting {
  if (loader === "curl") return {};
  if (loader === "wget") return { without: ["curl"], tools: { wget: Bun.which("wget") ?? "" } };
  return { without: ["curl"], fakes: { wget: `exec ${Bun.which("busybox")} wget "$@"` } };
}

/** The installer, while its download stands still. */
async function stalled(shell: Shell, at: Place) {
  let waiting: ServerResponse | null = null;
  const stall = answerArchives((file, response) => {
    response.writeHead(200, { "content-length": file.length });
    response.write(file.subarray(0, 10));
    waiting = response;
  });
  const { url } = await serveFolder(SITE, stall);
  const child = start(shell, at, ["--base-url", url]);
  const response = await eventually(() => waiting as ServerResponse | null, { what: "the download" });
  return { child, response };
}

/** Takes over the requests for archives. */
function answerArchives(answer: (file: Buffer, response: ServerResponse) => void) {
  return ({ url = "" }: IncomingMessage, response: ServerResponse) => {
    if (!url.endsWith(".tar.gz")) return false;
    answer(readFileSync(join(SITE, url)), response);
    return true;
  };
}

/** Start files of shells in a home directory. */
function startFilesIn(home: string): string[] {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /rc$|profile$|login$|\.fish$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
    .toSorted();
}

/** What no archive makes smaller. */
function noise(bytes: number): string {
  const random = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 60_000) crypto.getRandomValues(random.subarray(at, at + 60_000));
  return `# ${Buffer.from(random).toString("base64")}\n`;
}

function mount(directory: string, options: string): void {
  const { success, stderr } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "none", directory]);
  if (!success) throw new Error(String(stderr));
  onEnd(() => Bun.spawnSync(["umount", directory]));
}
