/** What of other people's packages a build takes in: a released binary has to say what it is made of. */
import { resolve } from "node:path";

/** Builds, and adds to the set the folder of every package of which the output holds something. */
export async function buildNoting(packages: Set<string>, config: Bun.BuildConfig): Promise<Bun.BuildOutput> {
  const output = await Bun.build({ ...config, metafile: true } as Bun.BuildConfig);
  for (const { inputs } of Object.values(output.metafile?.outputs ?? {})) {
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = packageFolder(resolve(file));
      if (folder !== null && bytesInOutput > 0) packages.add(folder);
    }
  }
  return output;
}

/** The folder of the package that a file belongs to, of packages within packages the innermost. */
export function packageFolder(file: string): string | null {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0] ?? null;
}
