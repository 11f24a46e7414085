/** What a release consists of, made from programs that are only as large as a test needs. */
import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SHELL_NAMES } from "../../src/cli/completions/shells.ts";
import {
  archiveFolder,
  archiveName,
  programName,
  type Target,
  TARGET_NAMES,
} from "../../src/release/targets.ts";
import { UNIT } from "../../src/service/systemd.ts";
import { COMPLETION_FILES } from "../../build/release/documents.ts";
import { type Made, makeRelease } from "../../build/release/release.ts";
import { onEnd } from "../support/cleanup.ts";
import { output, run } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

const ROOT = join(import.meta.dir, "../..");
const VERSION = "1.2.3-rc.1";
const BASE_URL = "https://example.org/releases";

const scratch = temporaryDirectory();
const folder = join(ROOT, "dist", `release-${process.pid}`);
onEnd(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (file: string) => join(folder, file);
const text = (file: string) => readFileSync(inFolder(file), "utf8");
const fileOf = (pattern: RegExp) => inFolder(readdirSync(folder).find((name) => pattern.test(name)) ?? "");

const programs = new Map(
  TARGET_NAMES.map((target): [Target, string] => {
    const path = join(scratch, target);
    writeFileSync(path, `#!/bin/sh\n# ${target}\necho ${VERSION}\n`);
    chmodSync(path, 0o755);
    return [target, path];
  }),
);
const options = {
  programs,
  packages: [join(ROOT, "node_modules/hono")],
  version: VERSION,
  baseUrl: BASE_URL,
  level: 1,
} as const;

let made: Made[];

beforeAll(async () => {
  // As `npm run build` names it: relative, and the tools that are called run elsewhere.
  made = await makeRelease({ ...options, folder: relative(process.cwd(), folder) });
});

test("what a release consists of lies side by side, and the build names all of it", () => {
  const packages = [
    ["dpkg-deb", "claude-mpm-socketio_1.2.3~rc.1-1_amd64.deb"],
    ["dpkg-deb", "claude-mpm-socketio_1.2.3~rc.1-1_arm64.deb"],
    ["rpmbuild", "claude-mpm-socketio-1.2.3~rc.1-1.x86_64.rpm"],
    ["rpmbuild", "claude-mpm-socketio-1.2.3~rc.1-1.aarch64.rpm"],
    ["npm", "claude-mpm-socketio-1.2.3-rc.1.tgz"],
  ].flatMap(([tool = "", file = ""]) => (Bun.which(tool) === null ? [] : [file]));
  const expected = [
    ...TARGET_NAMES.map((target) => archiveName(VERSION, target)),
    ...packages,
    // The baseline's program is that of the plain target.
    ...TARGET_NAMES.filter((target) => target !== "linux-x64-baseline").map(
      (target) => `claude-mpm-socketio-${target}-1.2.3-rc.1.tgz`,
    ),
    "SHA256SUMS",
    "install.sh",
    "install.ps1",
    "claude-mpm-socketio.rb",
    "claude-mpm-socketio.json",
    "Dockerfile",
    "compose.yaml",
    "claude-mpm-socketio-1.2.3-rc.1.cdx.json",
  ].toSorted();
  expect(readdirSync(folder).toSorted()).toEqual(expected);
  const named = made.flatMap((artefact) => ("bytes" in artefact ? [artefact.file] : []));
  expect(named.toSorted()).toEqual(expected);
});

testWith(["sha256sum"], "the sums are right, and there is one for every file", async () => {
  await output(["sha256sum", "--strict", "--check", "SHA256SUMS"], { cwd: folder });
  const summed = text("SHA256SUMS").match(/(?<=  ).+$/gm) ?? [];
  expect(["SHA256SUMS", ...summed].toSorted()).toEqual(readdirSync(folder).toSorted());
});

test("made again, in another zone of the world, it is the same to the last byte", async () => {
  const again = join(temporaryDirectory(), "release");
  const script = `const { makeRelease } = await import(${JSON.stringify(join(ROOT, "build/release/release.ts"))});
    const options = ${JSON.stringify({ ...options, folder: again })};
    await makeRelease({ ...options, programs: new Map(${JSON.stringify([...programs])}) });`;
  await output([process.execPath, "-e", script], {
    env: { PATH: process.env.PATH ?? "", HOME: scratch, TZ: "Asia/Kathmandu" },
  });
  expect(readFileSync(join(again, "SHA256SUMS"), "utf8")).toBe(text("SHA256SUMS"));
});

test("what needs a tool that is missing is left out, and the build says why", async () => {
  const without = join(temporaryDirectory(), "release");
  const script = `const { makeRelease } = await import(${JSON.stringify(join(ROOT, "build/release/release.ts"))});
    const options = ${JSON.stringify({ ...options, folder: without })};
    const programs = new Map([["linux-x64", ${JSON.stringify(programs.get("linux-x64"))}]]);
    console.log(JSON.stringify(await makeRelease({ ...options, programs })));`;
  const env = { PATH: temporaryDirectory(), HOME: scratch };
  const artefacts: Made[] = JSON.parse(await output([process.execPath, "-e", script], { env }));
  const leftOut = artefacts.flatMap((artefact) =>
    "leftOut" in artefact ? [[artefact.file, artefact.leftOut]] : [],
  );
  expect(leftOut).toEqual([
    ["claude-mpm-socketio_1.2.3~rc.1-1_amd64.deb", "needs dpkg-deb"],
    ["claude-mpm-socketio-1.2.3~rc.1-1.x86_64.rpm", "needs rpmbuild"],
    ["claude-mpm-socketio-1.2.3-rc.1.tgz", "needs npm"],
    ["claude-mpm-socketio.json", "needs the target windows-x64"],
  ]);
  expect(existsSync(join(without, archiveName(VERSION, "linux-x64")))).toBe(true);
});

describe("archives", () => {
  for (const target of TARGET_NAMES) {
    const windows = target === "windows-x64";
    testWith(
      [windows ? "unzip" : "tar"],
      `${target}: one folder with the program and its documents`,
      async () => {
        const archive = inFolder(archiveName(VERSION, target));
        const listed = await output(windows ? ["unzip", "-Z", archive] : ["tar", "-tvzf", archive]);
        const members = listed
          .split("\n")
          .filter((line) => line.startsWith("-"))
          .map((line) => `${line.slice(0, 10)} ${line.split(" ").at(-1)}`);
        const under = archiveFolder(VERSION, target);
        const documents = [
          "README.md",
          "LICENSE",
          "THIRD-PARTY-LICENSES",
          "CHANGELOG.md",
          "man/claude-mpm-socketio.1",
          ...SHELL_NAMES.map((shell) => `completions/${COMPLETION_FILES[shell]}`),
        ];
        expect(members.toSorted()).toEqual(
          [
            `-rwxr-xr-x ${under}/${programName(target)}`,
            ...documents.map((name) => `-rw-r--r-- ${under}/${name}`),
          ].toSorted(),
        );
      },
    );
  }

  testWith(["tar"], "belong to root, and hold the program of their target", async () => {
    const archive = inFolder(archiveName(VERSION, "darwin-arm64"));
    const owners = (await output(["tar", "--numeric-owner", "-tvzf", archive])).match(/\d+\/\d+/g);
    expect(new Set(owners)).toEqual(new Set(["0/0"]));
    const program = `${archiveFolder(VERSION, "darwin-arm64")}/claude-mpm-socketio`;
    expect(await output(["tar", "-xOzf", archive, program])).toContain("# darwin-arm64\n");
  });
});

describe("the deb", () => {
  const deb = () => fileOf(/amd64\.deb$/);
  const service = `lib/systemd/system/${UNIT}`;
  const config = "etc/claude-mpm/socketio_config.json";

  testWith(
    ["dpkg", "dpkg-deb"],
    "installs, keeps the configuration when it is removed, purges all",
    async () => {
      const root = temporaryDirectory();
      mkdirSync(join(root, "var/lib/dpkg/updates"), { recursive: true });
      writeFileSync(join(root, "var/lib/dpkg/status"), "");
      const dpkg = (...args: string[]) =>
        output([
          "dpkg",
          `--root=${root}`,
          "--force-not-root",
          "--force-script-chrootless",
          "--force-depends",
          ...args,
        ]);
      const there = (path: string) => existsSync(join(root, path));

      expect(await dpkg("--install", deb())).toContain("claude-mpm-socketio hooks install");
      expect(there(service)).toBe(true);
      expect(await output([join(root, "usr/bin/claude-mpm-socketio")])).toBe(`${VERSION}\n`);

      writeFileSync(join(root, config), '{ "port": 9999 }\n');
      expect(await dpkg("--install", deb())).not.toContain("claude-mpm-socketio hooks install");
      expect(readFileSync(join(root, config), "utf8")).toBe('{ "port": 9999 }\n');

      for (const state of ["var/lib", "var/lib/private", "var/log"])
        mkdirSync(join(root, state, "claude-mpm-socketio"), { recursive: true });
      await dpkg("--remove", "claude-mpm-socketio");
      expect([there(service), there("usr/bin/claude-mpm-socketio")]).toEqual([false, false]);
      expect([there(config), there("var/lib/claude-mpm-socketio")]).toEqual([true, true]);

      await dpkg("--purge", "claude-mpm-socketio");
      const left = ["etc/claude-mpm", "var/lib/claude-mpm-socketio", "var/lib/private/claude-mpm-socketio"];
      expect([...left, "var/log/claude-mpm-socketio"].filter(there)).toEqual([]);
    },
  );

  testWith(
    ["dpkg-deb"],
    "puts each file where Debian looks for it, and none of them is anybody's but root's",
    async () => {
      const listed = await output(["dpkg-deb", "--contents", deb()]);
      const files = listed.match(/^-.+$/gm) ?? [];
      expect(files.map((line) => line.split("./").at(-1)).toSorted()).toEqual(
        [
          config,
          service,
          "usr/bin/claude-mpm-socketio",
          "usr/share/bash-completion/completions/claude-mpm-socketio",
          "usr/share/fish/vendor_completions.d/claude-mpm-socketio.fish",
          "usr/share/zsh/vendor-completions/_claude-mpm-socketio",
          "usr/share/man/man1/claude-mpm-socketio.1.gz",
          "usr/share/lintian/overrides/claude-mpm-socketio",
          ...[
            "README.Debian",
            "THIRD-PARTY-LICENSES",
            "changelog.Debian.gz",
            "changelog.gz",
            "copyright",
          ].map((name) => `usr/share/doc/claude-mpm-socketio/${name}`),
        ].toSorted(),
      );
      expect(files.filter((line) => !/^-rw(x|-)r-(x|-)r-(x|-) root\/root /.test(line))).toEqual([]);
    },
  );

  testWith(["dpkg-deb"], "each is for its processor", async () => {
    for (const [name, target] of Object.entries({ amd64: "linux-x64", arm64: "linux-arm64" })) {
      const file = fileOf(new RegExp(`${name}\\.deb$`));
      expect(await output(["dpkg-deb", "--field", file, "Architecture"])).toBe(`${name}\n`);
      const unpacked = temporaryDirectory();
      await output(["dpkg-deb", "--extract", file, unpacked]);
      expect(readFileSync(join(unpacked, "usr/bin/claude-mpm-socketio"), "utf8")).toContain(`# ${target}\n`);
    }
  });
});

describe("the rpm", () => {
  const query = (...args: string[]) =>
    output(["rpm", "--query", "--package", fileOf(/x86_64\.rpm$/), ...args]);

  testWith(["rpm", "rpmbuild"], "puts each file where Fedora looks for it, for root", async () => {
    const listed = await query("--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\\n]");
    const files = listed.split("\n").filter((line) => line.startsWith("-"));
    const plain = [
      "/etc/claude-mpm/socketio_config.json",
      `/usr/lib/systemd/system/${UNIT}`,
      "/usr/share/bash-completion/completions/claude-mpm-socketio",
      "/usr/share/fish/vendor_completions.d/claude-mpm-socketio.fish",
      "/usr/share/zsh/site-functions/_claude-mpm-socketio",
      "/usr/share/man/man1/claude-mpm-socketio.1.gz",
      "/usr/share/licenses/claude-mpm-socketio/LICENSE",
      ...["CHANGELOG.md", "README.md", "THIRD-PARTY-LICENSES"].map(
        (name) => `/usr/share/doc/claude-mpm-socketio/${name}`,
      ),
    ];
    expect(files.toSorted()).toEqual(
      [
        "-rwxr-xr-x root /usr/bin/claude-mpm-socketio",
        ...plain.map((name) => `-rw-r--r-- root ${name}`),
      ].toSorted(),
    );
  });

  testWith(["rpm", "rpmbuild"], "keeps a configuration that was changed", async () => {
    const flags = await query("--queryformat", "[%{FILEFLAGS:fflags} %{FILENAMES}\\n]");
    // c: configuration, n: not replaced.
    expect(flags).toMatch(/^cn \/etc\/claude-mpm\/socketio_config\.json$/m);
  });

  testWith(["rpm", "rpmbuild"], "stops the service when it is removed, and starts nothing", async () => {
    const scripts = await query("--scripts");
    expect(scripts).toContain(`systemctl disable --now ${UNIT}`);
    expect(scripts).not.toMatch(/systemctl (enable|start|restart)/);
  });
});

describe("formula and manifest", () => {
  const sumOf = (target: Target) =>
    new RegExp(`^(\\w{64})  ${archiveName(VERSION, target)}$`, "m").exec(text("SHA256SUMS"))?.[1];
  const urlOf = (target: Target) => `${BASE_URL}/download/v${VERSION}/${archiveName(VERSION, target)}`;

  test("Homebrew gets the archive of each of its systems, with its sum", () => {
    const blocks = [
      ...text("claude-mpm-socketio.rb").matchAll(/on_(\w+) do\n(?: {4}on_\w+ do[^]*?end\n)+ {2}end/g),
    ].flatMap(([block, system]) =>
      [...block.matchAll(/on_(arm|intel) do\s+url "(.+)"\s+sha256 "(.+)"/g)].map(([, cpu, url, sum]) => [
        system,
        cpu,
        url,
        sum,
      ]),
    );
    expect(blocks).toEqual(
      (
        [
          ["macos", "arm", "darwin-arm64"],
          ["macos", "intel", "darwin-x64"],
          ["linux", "arm", "linux-arm64"],
          ["linux", "intel", "linux-x64"],
        ] as const
      ).map(([system, cpu, target]) => [system, cpu, urlOf(target), sumOf(target)]),
    );
  });

  test("every block of the formula is closed", () => {
    const formula = text("claude-mpm-socketio.rb");
    const opened = formula.match(/^\s*(class|def|begin)\b|\bdo$/gm) ?? [];
    expect(formula.match(/^\s*end$/gm)).toHaveLength(opened.length);
  });

  testWith(["ruby"], "the formula is Ruby", async () => {
    expect(await output(["ruby", "-c", inFolder("claude-mpm-socketio.rb")])).toBe("Syntax OK\n");
  });

  test("Scoop gets the archive for Windows with its sum, and finds the next version by itself", () => {
    const manifest = JSON.parse(text("claude-mpm-socketio.json"));
    expect(manifest).toMatchObject({ version: VERSION, license: "MIT", bin: "claude-mpm-socketio.exe" });
    expect(manifest.architecture["64bit"]).toEqual({
      url: urlOf("windows-x64"),
      hash: sumOf("windows-x64"),
      extract_dir: archiveFolder(VERSION, "windows-x64"),
    });
    expect(new RegExp(manifest.checkver.regex).exec(text("SHA256SUMS"))?.[1]).toBe(VERSION);
    const next = manifest.autoupdate.architecture["64bit"].url.replaceAll("$version", VERSION);
    expect(next).toBe(urlOf("windows-x64"));
  });

  test("installers load from where the release will lie", () => {
    for (const script of ["install.sh", "install.ps1"]) {
      expect(text(script)).toContain(BASE_URL);
      expect(text(script)).not.toContain("github.com/bobmatnyc/claude-mpm-socketio/releases");
    }
  });
});

describe("the container", () => {
  test("the image is made of the archives of the release, by their sums", () => {
    const dockerfile = text("Dockerfile");
    for (const [architecture, target] of Object.entries({
      amd64: "linux-x64",
      arm64: "linux-arm64",
    } as const)) {
      const archive = archiveName(VERSION, target);
      expect(dockerfile).toContain(`FROM scratch AS archive-${architecture}\nCOPY ${archive} `);
      const [, sum] = new RegExp(`^(\\w{64})  ${archive}$`, "m").exec(text("SHA256SUMS")) ?? [];
      expect(dockerfile).toContain(`${architecture}) sum=${sum} folder=${archiveFolder(VERSION, target)} ;;`);
    }
  });

  test("compose shows the server to this machine alone, and gives it as little as it needs", () => {
    const { services, volumes } = Bun.YAML.parse(text("compose.yaml")) as any;
    const [service] = Object.values<any>(services);
    expect(service).toMatchObject({
      image: `claude-mpm-socketio:${VERSION}`,
      ports: ["127.0.0.1:8765:8765"],
      read_only: true,
      cap_drop: ["ALL"],
      restart: "unless-stopped",
    });
    const [, state] = /^VOLUME (.+)$/m.exec(text("Dockerfile")) ?? [];
    expect(service.volumes).toEqual([`${Object.keys(volumes)[0]}:${state}`]);
  });
});

test("a package without a licence is not passed over", async () => {
  const bare = temporaryDirectory();
  writeFileSync(join(bare, "package.json"), '{ "name": "bare", "version": "1.0.0" }');
  const release = makeRelease({ ...options, packages: [bare], folder: join(bare, "release") });
  await expect(release).rejects.toThrow("The package bare names no licence");
});

test("a release has to be told for what", async () => {
  const { exitCode, stderr } = await run([process.execPath, "build.ts", "--release"], { cwd: ROOT });
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("A release needs to be told for what")]);
});
