/** The Scoop manifest: https://github.com/ScoopInstaller/Scoop/wiki/App-Manifests */
import { archiveFolder, archiveName, programName, SUMS_FILE } from "../../src/release/targets.ts";
import { downloadUrl, HOMEPAGE, LICENCE, newestUrl, SUMMARY } from "./project.ts";

const TARGET = "windows-x64";

/** What Scoop puts in the place of a version. */
const ANY_VERSION = "$version";

/** @param sha256 of the archive */
export function scoopManifest(version: string, baseUrl: string, sha256: string): string {
  const archiveOf = (of: string) => ({
    url: downloadUrl(baseUrl, of, archiveName(of, TARGET)),
    extract_dir: archiveFolder(of, TARGET),
  });
  const [before = "", after = ""] = archiveName(ANY_VERSION, TARGET).split(ANY_VERSION);
  const manifest = {
    version,
    description: SUMMARY,
    homepage: HOMEPAGE,
    license: LICENCE,
    architecture: { "64bit": { ...archiveOf(version), hash: sha256 } },
    bin: programName(TARGET),
    notes: [
      "To connect Claude Code: claude-mpm-socketio hooks install",
      "Before it is updated or uninstalled: claude-mpm-socketio stop --all",
      "Before it is uninstalled: claude-mpm-socketio hooks uninstall",
    ],
    checkver: {
      url: newestUrl(baseUrl, SUMS_FILE),
      regex: `${literally(before)}(\\d[\\w.+-]*?)${literally(after)}`,
    },
    autoupdate: {
      architecture: { "64bit": archiveOf(ANY_VERSION) },
      hash: { url: `$baseurl/${SUMS_FILE}` },
    },
  };
  return `${JSON.stringify(manifest, null, 4)}\n`;
}

function literally(text: string): string {
  return text.replaceAll(/[.+*?^${}()|[\]\\]/g, "\\$&");
}
