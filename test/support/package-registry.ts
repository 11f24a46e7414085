/** A package registry on this machine, which gives out what lies in this checkout's own `node_modules`. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { packages } from "../../package-lock.json";
import { LEVELS, tarGz } from "../../build/release/archive.ts";
import { onEnd } from "./cleanup.ts";

const ROOT = join(import.meta.dir, "../..");

/** Starts it; asked for anything else it answers as a registry that does not have it. */
export function packageRegistry(): string {
  const packed = new Map<string, Uint8Array>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch({ url }) {
      const path = decodeURIComponent(new URL(url).pathname).slice(1);
      const tarball = packed.get(path);
      if (tarball !== undefined) return new Response(Buffer.from(tarball));
      const versions = foldersOf(path).map((folder) => {
        const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = `${path}/-/${manifest.version}.tgz`;
        const archive = packed.get(file) ?? pack(folder);
        packed.set(file, archive);
        const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
        return { ...manifest, dist: { tarball: new URL(`/${file}`, url).href, integrity } };
      });
      if (versions.length === 0) return new Response("{}", { status: 404 });
      return Response.json({
        name: path,
        "dist-tags": { latest: versions[0].version },
        versions: Object.fromEntries(versions.map((manifest) => [manifest.version, manifest])),
      });
    },
  });
  onEnd(() => server.stop(true));
  return server.url.href;
}

/** Packages within packages as well. */
function foldersOf(name: string): string[] {
  return Object.keys(packages)
    .filter((path) => path.endsWith(`node_modules/${name}`))
    .map((path) => join(ROOT, path))
    .filter((folder) => existsSync(join(folder, "package.json")));
}

function pack(folder: string): Uint8Array {
  const files = [...new Bun.Glob("**/*").scanSync({ cwd: folder, dot: true })].filter(
    (path) => !path.startsWith("node_modules/"),
  );
  return tarGz(
    files.map((path) => ({
      path: `package/${path}`,
      mode: (statSync(join(folder, path)).mode & 0o111) === 0 ? 0o644 : 0o755,
      data: readFileSync(join(folder, path)),
    })),
    { time: new Date(0), level: LEVELS[0] },
  );
}
