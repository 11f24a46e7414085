/**
 * Everything CI runs, behind one command: system parts, lint, format, types, tests. `--soak` runs the long and large
 * tests at their full figure.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../build/compile.ts";
import { BINARY_VARIABLE } from "./support/binary.ts";

const ROOT = join(import.meta.dir, "..");
const BIN = join(ROOT, "node_modules", ".bin");

/** What tests need of the system: how to see that it is there, and Debian's package of it. */
const SYSTEM_PARTS = [
  {
    name: "Python client",
    present: () => imports("socketio, aiohttp, requests, websocket"),
    packages: ["python3-socketio", "python3-aiohttp", "python3-requests", "python3-websocket"],
  },
  { name: "curl", present: () => Bun.which("curl") !== null, packages: ["curl"] },
  { name: "OpenSSL", ...tools({ openssl: "openssl" }) },
  {
    name: "Chromium",
    present: () => Bun.which("chromium") !== null || Bun.which("google-chrome") !== null,
    packages: ["chromium", "fonts-dejavu-core"],
  },
  { name: "Wine", ...tools({ wine: "wine", "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32" }) },
  {
    name: "systemd",
    ...tools({ "systemd-analyze": "systemd", setpriv: "util-linux", xmllint: "libxml2-utils" }),
  },
  {
    name: "shells and manuals",
    ...tools({
      zsh: "zsh",
      fish: "fish",
      man: "man-db",
      groff: "groff",
      mandoc: "mandoc",
      shellcheck: "shellcheck",
      wget: "wget",
      busybox: "busybox",
    }),
  },
  { name: "Prometheus", ...tools({ prometheus: "prometheus", promtool: "prometheus" }) },
  { name: "load balancers", ...tools({ nginx: "nginx", haproxy: "haproxy" }) },
  { name: "Redis", ...tools({ "redis-server": "redis-server", "redis-cli": "redis-tools" }) },
  { name: "tools of packages", ...tools({ "dpkg-deb": "dpkg", rpmbuild: "rpm", lintian: "lintian" }) },
];

const TEST_LIMIT_MS = 60_000;

const soak = process.argv.includes("--soak");

setUpSystem();
check("lint", ["oxlint", "--deny-warnings"]);
check("format", ["oxfmt", "--check"]);
check("types", ["tsc", "--noEmit"]);
process.exit(await runTests());

/** Installs what is missing where that is possible; elsewhere the tests that need it are skipped by name. */
function setUpSystem(): void {
  const missing = SYSTEM_PARTS.filter(({ present }) => !present());
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(", ");
  const mayInstall = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  if (!mayInstall) {
    say(
      `system: missing ${names}; tests that need it are skipped (Debian: apt-get install ${missing.flatMap(({ packages }) => packages).join(" ")})`,
    );
    return;
  }
  say(`system: installing ${names}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const command of [
    ["apt-get", "update", "-qq"],
    [
      "apt-get",
      "install",
      "-y",
      "-qq",
      "--no-install-recommends",
      ...missing.flatMap(({ packages }) => packages),
    ],
  ]) {
    const { success, stderr } = Bun.spawnSync(command, { env, stdout: "ignore" });
    if (!success) {
      say(
        `system: ${command.slice(0, 2).join(" ")} failed, tests that need ${names} are skipped: ${String(stderr).trim().split("\n").at(-1)}`,
      );
      return;
    }
  }
}

/** Programs that have to be on PATH, and Debian's package of each. */
function tools(packageOf: Record<string, string>) {
  return {
    present: () => Object.keys(packageOf).every((program) => Bun.which(program) !== null),
    packages: Object.values(packageOf),
  };
}

function imports(modules: string): boolean {
  return (
    existsSync("/usr/bin/python3") && Bun.spawnSync(["/usr/bin/python3", "-c", `import ${modules}`]).success
  );
}

function check(name: string, [command = "", ...args]: string[]): void {
  const { exitCode } = Bun.spawnSync([join(BIN, command), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) {
    say(`${name}: failed`);
    process.exit(1);
  }
  say(`${name}: fine`);
}

/**
 * Runs the tests and closes with a count in which the skipped ones are named. Two files at a time: much of what they do
 * is waiting. The soak run measures as well, and so has the machine to itself.
 */
async function runTests(): Promise<number> {
  // By this name a test knows a server for one of its own.
  const directory = mkdtempSync(join(tmpdir(), "cms-test-binary-"));
  const report = join(directory, "junit.xml");
  const program = join(directory, "claude-mpm-socketio");
  await compile({ outfile: program });
  const { exitCode } = Bun.spawnSync(
    [
      process.execPath,
      "test",
      `--timeout=${TEST_LIMIT_MS}`,
      ...(soak ? [] : ["--parallel=2", "--no-isolate"]),
      "--reporter=junit",
      `--reporter-outfile=${report}`,
    ],
    {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, [BINARY_VARIABLE]: program, ...(soak ? { SOAK: "1" } : {}) },
    },
  );
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(directory, { recursive: true, force: true });
  const cases = [
    ...xml.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*?(\/>|>([\s\S]*?)<\/testcase>)/g),
  ];
  const skipped = cases
    .filter(([, , , , inner]) => inner?.includes("<skipped"))
    .map(([, name, group]) => (group ? `${group} > ${name}` : name));
  const failed = cases.filter(([, , , , inner]) => inner?.includes("<failure")).length;
  for (const name of skipped) say(`skipped: ${unescapeXml(name ?? "")}`);
  say(`${cases.length - failed - skipped.length} passed, ${failed} failed, ${skipped.length} skipped`);
  return exitCode;
}

function unescapeXml(text: string): string {
  const characters: Record<string, string> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };
  return text.replace(/&(\w+);/g, (entity, name: string) => characters[name] ?? entity);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
