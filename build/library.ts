/** Builds what `npm pack` ships: the client library and the embedded server as JavaScript, with their types. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { dashboardIncluded } from "./dashboard.ts";

const ROOT = join(import.meta.dir, "..");
const ENTRIES = { client: "client/index.ts", node: "client/node.ts", embedded: "embedded/index.ts" };

/** Writes `client.js`, `client.browser.js`, `client.node.js`, `embedded.js` and `types/` into a directory, which is emptied before. */
export async function buildLibrary(outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true });
  // Packages stay imports: socket.io-client has its own code for Node 20, which has no WebSocket, and one version of it
  // is enough for a program.
  await bundle("client", { target: "node", packages: "external", naming: "client.js", outdir });
  // A page without a bundler loads it as it is, so nothing may be left to import.
  await bundle("client", { target: "browser", minify: true, naming: "client.browser.js", outdir });
  await bundle("node", { target: "node", packages: "external", naming: "client.node.js", outdir });
  const plugins = [await dashboardIncluded()];
  await bundle("embedded", { target: "bun", packages: "external", naming: "embedded.js", outdir, plugins });
  forgetSourceMaps(join(outdir, "embedded.js"));
  writeTypes(join(outdir, "types"));
}

/** Bun takes those that the client bundle within names for the file's own, and warns when it first prints a stack. */
function forgetSourceMaps(file: string): void {
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(/^\/\/# sourceMappingURL=.*$/gm, ""));
}

async function bundle(entry: keyof typeof ENTRIES, options: Partial<Bun.BuildConfig>): Promise<void> {
  const entrypoints = [join(ROOT, "src", ENTRIES[entry])];
  await Bun.build({ ...options, entrypoints, format: "esm" } as Bun.BuildConfig);
}

/** The declarations of the entries, and of what these name; the server's own are nobody's. */
function writeTypes(outdir: string): void {
  const emitted = mkdtempSync(join(tmpdir(), "cms-types-"));
  const all = join(emitted, "src");
  try {
    const tsc = [
      join(ROOT, "node_modules/.bin/tsc"),
      "-p",
      join(ROOT, "build/tsconfig.library.json"),
      "--outDir",
      emitted,
    ];
    const { stdout } = Bun.spawnSync(tsc, { cwd: ROOT });
    const named = new Set<string>();
    for (const entry of Object.values(ENTRIES)) follow(join(all, entry), named);
    // A class without a name has no declaration: no matter in a file that is not shipped.
    const wrong = String(stdout)
      .split("\n")
      .filter((line) => [...named].some((file) => line.startsWith(`src/${relative(all, file)}(`)));
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
    for (const file of named) {
      const target = join(outdir, relative(all, declarationOf(file)));
      mkdirSync(dirname(target), { recursive: true });
      cpSync(declarationOf(file), target);
    }
  } finally {
    rmSync(emitted, { recursive: true, force: true });
  }
}

function follow(file: string, named: Set<string>): void {
  if (named.has(file)) return;
  named.add(file);
  for (const [, target = ""] of readFileSync(declarationOf(file), "utf8").matchAll(/from "(\.[^"]+)"/g))
    follow(join(dirname(file), target), named);
}

function declarationOf(file: string): string {
  return file.replace(/\.ts$/, ".d.ts");
}
