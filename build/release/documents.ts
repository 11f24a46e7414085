/** What stands beside the program in every archive and package. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelOf } from "../../src/cli/command-model.ts";
import { type Shell, SHELLS } from "../../src/cli/completions/shells.ts";
import { manualPage } from "../../src/cli/manual.ts";
import { TREE } from "../../src/cli/tree.ts";
import { archiveFolder, PRODUCT, programName, type Target } from "../../src/release/targets.ts";
import type { Member } from "./archive.ts";
import { type Contents, thirdPartyLicences } from "./components.ts";

export interface Documents {
  readme: string;
  licence: string;
  changelog: string;
  /** The licences of everything in the program that is not of this project. */
  thirdParty: string;
  manual: string;
  completions: Record<Shell, string>;
}

/** The file name under which a shell finds a completion: zsh wants its underscore. */
export const COMPLETION_FILES: Record<Shell, string> = {
  bash: `${PRODUCT}.bash`,
  zsh: `_${PRODUCT}`,
  fish: `${PRODUCT}.fish`,
  powershell: `${PRODUCT}.ps1`,
};

/** Makes and reads them all. */
export async function documentsOf(root: string, contents: Contents): Promise<Documents> {
  const { version, time } = contents;
  const read = (name: string) => readFileSync(join(root, name), "utf8");
  const model = await modelOf(TREE);
  return {
    readme: read("README.md"),
    licence: read("LICENSE"),
    changelog: read("CHANGELOG.md"),
    thirdParty: thirdPartyLicences(contents),
    manual: manualPage({ model, version, date: time.toISOString().slice(0, 10) }),
    completions: Object.fromEntries(
      Object.entries(SHELLS).map(([shell, render]) => [shell, `${render(model).trimEnd()}\n`]),
    ) as Record<Shell, string>,
  };
}

/** What an archive holds: one folder, with the program and what belongs to it. */
export function archiveMembers(
  target: Target,
  { version, program, documents }: { version: string; program: Uint8Array; documents: Documents },
): Member[] {
  const { readme, licence, changelog, thirdParty, manual, completions } = documents;
  const texts: Record<string, string> = {
    "README.md": readme,
    LICENSE: licence,
    "THIRD-PARTY-LICENSES": thirdParty,
    "CHANGELOG.md": changelog,
    [`man/${PRODUCT}.1`]: manual,
    ...Object.fromEntries(
      Object.entries(completions).map(([shell, script]) => [
        `completions/${COMPLETION_FILES[shell as Shell]}`,
        script,
      ]),
    ),
  };
  const folder = archiveFolder(version, target);
  return [
    { path: `${folder}/${programName(target)}`, mode: 0o755, data: program },
    ...Object.entries(texts).map(([name, content]): Member => ({
      path: `${folder}/${name}`,
      mode: 0o644,
      data: Buffer.from(content),
    })),
  ];
}
