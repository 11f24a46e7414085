/**
 * Modules whose imports are bundled into them beforehand. With `splitting`, what a lazy part shares with any other
 * becomes a chunk of its own, and each chunk costs a start a tenth of a millisecond and more; a hook had seven.
 */
import { dirname, isAbsolute, resolve } from "node:path";
import { buildNoting } from "./contents.ts";

/**
 * @param files absolute paths; what they import dynamically stays a chunk of its own
 * @param packages gets the folders of the packages that they hold
 */
export async function oneFileEach(
  files: readonly string[],
  packages = new Set<string>(),
): Promise<Bun.BunPlugin> {
  const bundled = new Map(
    await Promise.all(
      files.map(async (file): Promise<[string, string]> => [file, await bundle(file, packages)]),
    ),
  );
  return {
    name: "one-file-each",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = bundled.get(path);
        return contents === undefined ? undefined : { contents, loader: "js" };
      });
    },
  };
}

async function bundle(file: string, packages: Set<string>): Promise<string> {
  const { outputs } = await buildNoting(packages, {
    entrypoints: [file],
    target: "bun",
    plugins: [dynamicStaysOut],
  });
  return (outputs[0] as Bun.BuildArtifact).text();
}

const dynamicStaysOut: Bun.BunPlugin = {
  name: "dynamic-stays-out",
  setup(build) {
    build.onResolve({ filter: /^[./]/ }, ({ kind, path, importer }) => {
      if (kind !== "dynamic-import") return undefined;
      return { path: isAbsolute(path) ? path : resolve(dirname(importer), path), external: true };
    });
  },
};
