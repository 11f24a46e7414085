/** A release of the real program, used as its users would: archive, Debian package, image, npm packages, contents. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { packages as locked } from "../../package-lock.json";
import { version } from "../../package.json";
import { archiveFolder, archiveName } from "../../src/release/targets.ts";
import { onEnd } from "../support/cleanup.ts";
import { output, run } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { packageRegistry } from "../support/package-registry.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testWith } from "../support/tools.ts";

const ROOT = join(import.meta.dir, "../..");
const PRODUCT = "claude-mpm-socketio";

const scratch = temporaryDirectory();
const folder = join(scratch, "release");
const inFolder = (name: string) => join(folder, name);
const home = temporaryDirectory();
const env = {
  PATH: process.env.PATH ?? "",
  HOME: home,
  npm_config_cache: join(home, ".npm"),
  npm_config_update_notifier: "false",
};

const ownTarget =
  process.platform === "linux" && process.arch === "x64" && existsSync("/lib64/ld-linux-x86-64.so.2");
const describeHere = describe.skipIf(!ownTarget);
const elsewhere = ownTarget ? "" : " (needs Linux on x64 with glibc)";

beforeAll(async () => {
  if (!ownTarget) return;
  const build = ["build.ts", "--release", "--target", "linux-x64", "--outdir", scratch, "--compression", "1"];
  await output([process.execPath, ...build], { cwd: ROOT });
});

describeHere(`the archive${elsewhere}`, () => {
  testWith(["tar"], "holds the program, which runs", async () => {
    await output(["tar", "-xzf", inFolder(archiveName(version, "linux-x64")), "-C", scratch]);
    const program = join(scratch, archiveFolder(version, "linux-x64"), PRODUCT);
    expect(await run([program, "--version"], { env })).toEqual({
      exitCode: 0,
      stdout: `${version}\n`,
      stderr: "",
    });
  });
});

describeHere(`the deb${elsewhere}`, () => {
  testWith(
    ["dpkg-deb", "lintian"],
    "has nothing that lintian minds and no override gives a reason for",
    async () => {
      const deb = inFolder(`${PRODUCT}_${version}-1_amd64.deb`);
      const { stdout } = await run(["lintian", "--allow-root", "--tag-display-limit", "0", deb], { env });
      expect(stdout).toBe("");
    },
  );

  testWith(
    ["dpkg-deb"],
    "brings a configuration that changes nothing and that the program takes",
    async () => {
      const unpacked = temporaryDirectory();
      await output(["dpkg-deb", "--extract", inFolder(`${PRODUCT}_${version}-1_amd64.deb`), unpacked]);
      const config = join(unpacked, "etc/claude-mpm/socketio_config.json");
      const check = [join(unpacked, "usr/bin", PRODUCT), "config", "check", "--config", config];
      expect(await run(check, { env })).toEqual({
        exitCode: 0,
        stdout: `The configuration is valid (${config})\n`,
        stderr: "",
      });
    },
  );
});

describeHere(`the image${elsewhere}`, () => {
  const obstacle = Bun.spawnSync(["unshare", "-m", "-p", "-f", "mount", "-t", "tmpfs", "none", "/mnt"], {
    stdio: ["ignore", "ignore", "ignore"],
  }).success
    ? ""
    : " (not run: needs root and namespaces)";

  // No Docker engine: the same with the kernel's own means.
  test.skipIf(obstacle !== "")(
    `holds all that the program needs, without root and on a disk that is read-only${obstacle}`,
    async () => {
      const instructions = readFileSync(inFolder("Dockerfile"), "utf8");
      const instruction = (name: string) =>
        new RegExp(`^${name} (.+)$`, "m").exec(instructions.slice(instructions.lastIndexOf("FROM")))?.[1] ??
        "";
      const port = await freePort();
      const given = [...instructions.matchAll(/CLAUDE_MPM_\w+=\S+/g)].map(([variable]) => variable);
      const state = instruction("VOLUME");
      const user = instruction("USER");
      const root = join(scratch, "image");
      layOutImage(
        root,
        join(scratch, archiveFolder(version, "linux-x64"), PRODUCT),
        state,
        Number(user.split(":")[0]),
      );

      const settings = [...given, `CLAUDE_MPM_SOCKETIO_PORT=${port}`, "HOME=/home/nonroot"].join(" ");
      const enter = `env -i ${settings} /usr/sbin/chroot --userspec=${user} ${root}`.split(" ");
      const [entrypoint] = JSON.parse(instruction("ENTRYPOINT"));
      const [argument] = JSON.parse(instruction("CMD"));
      const apart = "unshare --mount --pid --fork --kill-child --propagation private".split(" ");
      const container = Bun.spawn(
        [...apart, "sh", "-c", ENTER_IMAGE, "sh", root, state, ...enter, entrypoint, argument],
        { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      );
      onEnd(() => container.kill("SIGKILL"));
      let said = "";
      void (async () => {
        for await (const chunk of container.stdout) said += new TextDecoder().decode(chunk);
      })();

      const url = `http://127.0.0.1:${port}`;
      const health = await eventually(
        async () => (await fetch(`${url}/health`).catch(() => null))?.json() ?? container.exitCode,
        { what: "the server's answer" },
      );
      // Who has no token learns no more.
      expect(health).toEqual({ status: "healthy" });
      const token = await eventually(() => /cms_[\w-]{43}/.exec(said)?.[0], { what: "the first token" });
      const headers = { Authorization: `Bearer ${token}` };
      const told = await (await fetch(`${url}/health`, { headers })).json();
      expect(told).toMatchObject({ status: "healthy", pid: 1, host: "0.0.0.0" });
      const stored = await fetch(`${url}/api/events`, { method: "POST", body: '{"type":"kept"}', headers });
      expect(await stored.json()).toMatchObject({ accepted: 1 });

      const pid = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, "utf8").trim();
      const [, check = "[]"] = /HEALTHCHECK .* CMD (.+)$/m.exec(instructions) ?? [];
      const checked = await run(["nsenter", "-t", pid, "-m", "-p", "--", ...enter, ...JSON.parse(check)]);
      expect(checked).toMatchObject({ exitCode: 0, stderr: "", stdout: expect.stringContaining("log_file") });

      process.kill(Number(pid), "SIGTERM");
      expect(await container.exited).toBe(0);
      expect(readdirSync(join(root, state, `${port}`))).toContain("events.db");
    },
  );
});

describeHere(`npm's packages${elsewhere}`, () => {
  const consumer = join(scratch, "consumer");
  const bin = join(consumer, "node_modules/.bin", PRODUCT);
  const platform = join(consumer, "node_modules/@claude-mpm-socketio/linux-x64");

  testWith(["node", "npm"], "install from local files: a command, and the client library", async () => {
    mkdirSync(consumer);
    writeFileSync(join(consumer, "package.json"), '{ "private": true, "type": "module" }');
    const archives = [`${PRODUCT}-${version}.tgz`, `${PRODUCT}-linux-x64-${version}.tgz`].map(inFolder);
    // A peer of a package we use is TypeScript, which is large and not needed here.
    const flags = ["--registry", packageRegistry(), "--omit=peer", "--no-audit", "--no-fund"];
    await output(["npm", "install", ...flags, ...archives], { cwd: consumer, env });

    expect(await output([bin, "--version"], { env })).toBe(`${version}\n`);
    expect(await output(["npx", "--offline", PRODUCT, "--version"], { cwd: consumer, env })).toBe(
      `${version}\n`,
    );
    const program = `import("claude-mpm-socketio/client").then((client) => console.log(typeof client.ClientManager))`;
    expect(await output(["node", "-e", program], { cwd: consumer, env })).toBe("function\n");
  });

  testWith(["node", "npm"], "the command passes output, exit code and signals through", async () => {
    const nothing = await run([bin, "status", "--port", `${await freePort()}`], { env });
    expect(nothing).toMatchObject({ exitCode: 3, stdout: expect.stringContaining("No server runs") });

    const { command, health } = await serve();
    command.kill("SIGTERM");
    expect(await command.exited).toBe(0);
    await expect(fetch(`http://127.0.0.1:${health.port}/health`)).rejects.toThrow();
  });

  testWith(["node", "npm"], "the command ends by the signal that ended the program", async () => {
    const { command, health } = await serve();
    process.kill(health.pid, "SIGKILL");
    await command.exited;
    expect(command.signalCode).toBe("SIGKILL");
  });

  /** A server by the command, once it answers. */
  async function serve(): Promise<{ command: Subprocess; health: any }> {
    const port = await freePort();
    const command = Bun.spawn([bin, "serve", "--port", `${port}`], {
      env,
      stdout: "ignore",
      stderr: "ignore",
    });
    onEnd(() => command.kill("SIGKILL"));
    const health = await eventually(
      async () => (await fetch(`http://127.0.0.1:${port}/health`).catch(() => null))?.json(),
      { what: "the server's answer" },
    );
    onEnd(() => process.kill(health.pid, "SIGKILL"));
    return { command, health };
  }

  testWith(["node", "npm"], "without the package of its platform the command says so", async () => {
    renameSync(platform, `${platform}-away`);
    const { exitCode, stderr } = await run([bin, "--version"], { env });
    renameSync(`${platform}-away`, platform);
    expect(exitCode).toBe(1);
    expect(stderr.split("\n")).toEqual([
      "There is no program for linux-x64: the package @claude-mpm-socketio/linux-x64 is missing",
      expect.stringContaining("without --omit=optional"),
      "",
    ]);
  });
});

describeHere(`what the program holds${elsewhere}`, () => {
  const bom = () => JSON.parse(readFileSync(inFolder(`${PRODUCT}-${version}.cdx.json`), "utf8"));
  const versionIn = (name: string) => locked[`node_modules/${name}` as keyof typeof locked].version;

  test("is listed: the server's packages, the dashboard's, and Bun, in their versions", () => {
    const listed = Object.fromEntries(
      bom().components.map(({ group, name, version: of }: Record<string, string>) => [
        group === undefined ? name : `${group}/${name}`,
        of,
      ]),
    );
    for (const name of [
      "socket.io",
      "engine.io",
      "hono",
      "citty",
      "preact",
      "@preact/signals",
      "uplot",
      "bun",
    ])
      expect([name, listed[name]]).toEqual([name, versionIn(name)]);
    // Tools of the build, and what Bun has of its own.
    for (const name of ["typescript", "oxlint", "axe-core", "ws"]) expect(listed[name]).toBeUndefined();
  });

  test("each with its licence, an address of its own, and what it needs", () => {
    const { components, dependencies, metadata } = bom();
    const refs = components.map((component: any) => component["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    expect(
      components.filter(({ licenses, purl }: any) => licenses.length === 0 || !purl.startsWith("pkg:")),
    ).toEqual([]);
    const known = new Set([...refs, metadata.component["bom-ref"]]);
    const unknown = dependencies.flatMap(({ ref, dependsOn }: any) => [ref, ...dependsOn]);
    expect(unknown.filter((ref: string) => !known.has(ref))).toEqual([]);
    const below = dependencies.find(({ ref }: any) => ref.startsWith("pkg:npm/socket.io@")).dependsOn;
    expect(below).toContain(`pkg:npm/engine.io@${versionIn("engine.io")}`);
  });

  testWith(["tar"], "is handed on with the licences' own words", () => {
    const notices = readFileSync(
      join(scratch, archiveFolder(version, "linux-x64"), "THIRD-PARTY-LICENSES"),
      "utf8",
    );
    const packages = bom().components.filter(({ name }: any) => name !== "bun");
    for (const { group, name, version: of } of packages)
      expect(notices).toContain(`\n${group === undefined ? "" : `${group}/`}${name} ${of} (`);
    expect(
      notices.match(
        /Permission is hereby granted|Permission to use, copy|Apache License\n? *(?:Version 2|http)|Licensed under the Apache License/g,
      )?.length,
    ).toBeGreaterThanOrEqual(packages.length);
  });
});

/** What a distroless base image has that matters here: a C library, a user, and nothing else. */
function layOutImage(root: string, program: string, state: string, uid: number): void {
  for (const path of ["lib64", "lib/x86_64-linux-gnu", "usr/bin", "etc", "tmp", "proc", "dev", state])
    mkdirSync(join(root, path), { recursive: true });
  copyFileSync("/lib64/ld-linux-x86-64.so.2", join(root, "lib64/ld-linux-x86-64.so.2"));
  for (const library of ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"]) {
    const path = join("lib/x86_64-linux-gnu", library);
    copyFileSync(join("/", path), join(root, path));
  }
  writeFileSync(join(root, "etc/passwd"), `nonroot:x:${uid}:${uid}:nonroot:/home/nonroot:/sbin/nologin\n`);
  copyFileSync(program, join(root, "usr/bin", PRODUCT));
  chownSync(join(root, state), uid, uid);
  chmodSync(join(root, state), 0o700);
}

/** `sh root state command…`: the devices and mounts that every container has; only state and /tmp can be written. */
const ENTER_IMAGE = `set -e
root=$1 state=$2
shift 2
mount --bind "$root" "$root"
mount -t tmpfs none "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mount -t proc none "$root/proc"
mount -t tmpfs none "$root/tmp"
mount --bind "$root$state" "$root$state"
mount -o remount,ro,bind "$root"
exec "$@"`;
