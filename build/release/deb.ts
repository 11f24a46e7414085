/** The Debian package: https://www.debian.org/doc/debian-policy/ */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { PRODUCT } from "../../src/release/targets.ts";
import { SECRETS_FILE, UNIT } from "../../src/service/systemd.ts";
import type { Member } from "./archive.ts";
import {
  CONFIG_FILE,
  DOC_FOLDER,
  FIRST_STEPS,
  gzip,
  OLDEST_GLIBC,
  packageFiles,
  type PackagedTarget,
  type PackageOptions,
  packageVersion,
  runTool,
  text,
  withStage,
} from "./linux-package.ts";
import { HOMEPAGE, MAINTAINER, SUMMARY } from "./project.ts";

const ARCHITECTURES: Record<PackagedTarget, string> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

/** Debian 12 looks for units in /lib only, whether or not that is a link to /usr/lib. */
const PLACES = { units: "lib/systemd/system", zshCompletions: "usr/share/zsh/vendor-completions" };

export function debName({ version, target }: { version: string; target: PackagedTarget }): string {
  return `${PRODUCT}_${debVersion(version)}_${ARCHITECTURES[target]}.deb`;
}

/** Makes the package with dpkg-deb. */
export function makeDeb(options: PackageOptions): void {
  const { time, level, folder } = options;
  const files = debFiles(options);
  withStage([...files, ...debControl(options, files)], time, (stage) =>
    runTool(
      [
        "dpkg-deb",
        "--root-owner-group",
        // Debian 11 reads no zstd; gzip is for those in a hurry. Above 6, xz takes twice as long for a hundredth.
        ...(level < 6 ? ["-Zgzip", `-z${level}`] : ["-Zxz", "-z6"]),
        "--build",
        stage,
        join(folder, debName(options)),
      ],
      { time },
    ),
  );
}

/** The files that are installed. */
export function debFiles(options: PackageOptions): Member[] {
  const { documents, version, time } = options;
  return [
    ...packageFiles(options, PLACES),
    text(`${DOC_FOLDER}/copyright`, copyright(documents.licence)),
    text(`${DOC_FOLDER}/README.Debian`, readme()),
    { path: `${DOC_FOLDER}/changelog.gz`, mode: 0o644, data: gzip(documents.changelog) },
    { path: `${DOC_FOLDER}/changelog.Debian.gz`, mode: 0o644, data: gzip(changelog(version, time)) },
    text(`usr/share/lintian/overrides/${PRODUCT}`, LINTIAN_OVERRIDES),
  ];
}

/** What dpkg reads of it: metadata, and the scripts it runs. */
export function debControl({ version, target }: PackageOptions, files: readonly Member[]): Member[] {
  const kibibytes = files.reduce((sum, { data }) => sum + Math.ceil(data.length / 1024), 0);
  const control = `Package: ${PRODUCT}
Version: ${debVersion(version)}
Architecture: ${ARCHITECTURES[target]}
Maintainer: ${MAINTAINER}
Installed-Size: ${kibibytes}
Depends: libc6 (>= ${OLDEST_GLIBC})
Section: devel
Priority: optional
Homepage: ${HOMEPAGE}
Description: ${SUMMARY.replace(/^./, (letter) => letter.toLowerCase())}
 A persistent local server. Sessions of Claude Code and claude-mpm send it their
 events (prompts, tool calls, delegations, failures); it numbers them, keeps
 them on disk, and sends them on at once to every Socket.IO client, browser or
 script that listens.
`;
  const md5sums = files.map(({ path, data }) => `${createHash("md5").update(data).digest("hex")}  ${path}\n`);
  return [
    text("DEBIAN/control", control),
    text("DEBIAN/conffiles", `/${CONFIG_FILE}\n`),
    text("DEBIAN/md5sums", md5sums.join("")),
    text("DEBIAN/postinst", POSTINST, 0o755),
    text("DEBIAN/prerm", PRERM, 0o755),
    text("DEBIAN/postrm", POSTRM, 0o755),
  ];
}

function debVersion(version: string): string {
  return `${packageVersion(version)}-1`;
}

/** dpkg may work on another root than the one that runs (DPKG_ROOT), and on machines without systemd. */
const RUNS_SYSTEMD = '[ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]';

const WHERE_SYSTEMD_RUNS = `if ${RUNS_SYSTEMD}; then`;

const POSTINST = `#!/bin/sh
set -e

${WHERE_SYSTEMD_RUNS}
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = configure ] && [ -z "$2" ]; then
  cat <<'EOF'
${FIRST_STEPS}
More: /${DOC_FOLDER}/README.Debian
EOF
elif ${RUNS_SYSTEMD}; then
  # After an upgrade the new program takes over; what does not run is left alone.
  deb-systemd-invoke try-restart ${UNIT} >/dev/null || true
fi
`;

const PRERM = `#!/bin/sh
set -e

if [ "$1" = remove ]; then
  ${WHERE_SYSTEMD_RUNS}
    deb-systemd-invoke stop ${UNIT} || true
  fi
  echo "Hooks in a user's Claude Code settings stay, and fail at every event without the program."
  echo "Each user takes them out while it is installed: ${PRODUCT} hooks uninstall"
fi
`;

/** systemd keeps what belongs to a dynamic user below private/, and a link to it in the usual place. */
const POSTRM = `#!/bin/sh
set -e

if [ "$1" = purge ]; then
  for parent in /var/lib /var/log; do
    rm -rf "$DPKG_ROOT$parent/${PRODUCT}" "$DPKG_ROOT$parent/private/${PRODUCT}"
  done
  rm -f "$DPKG_ROOT${SECRETS_FILE}"
  rm -f "$DPKG_ROOT/etc/systemd/system/multi-user.target.wants/${UNIT}"
fi

if [ "$1" = remove ] || [ "$1" = purge ]; then
  ${WHERE_SYSTEMD_RUNS}
    systemctl --system daemon-reload >/dev/null || true
  fi
fi
`;

function readme(): string {
  return `${PRODUCT} for Debian

${FIRST_STEPS}
The system service keeps its history in /var/lib/${PRODUCT} and logs to
/var/log/${PRODUCT}. It reads /${CONFIG_FILE},
in which every key stands, commented out; users who have no file of their own
(~/.claude-mpm/socketio_config.json) read it as well. Secrets belong in
${SECRETS_FILE}, which only root need read. After a change:

  systemctl restart ${UNIT}

Hooks of Claude Code send to a server of the same user only, for an event holds
prompts and files. So they do not find the system service by themselves, and it
holds the port: a user's own server then needs another one (--port, or the key
"port"). To have them send to the system service, make a token as root

  ${PRODUCT} token create --mode system --scope publish

and let the user configure it: the key "token", or CLAUDE_MPM_SOCKETIO_TOKEN.

On loopback nobody is asked for a token unless "auth" is "on": every user of the
machine can then read what the service holds.

Removing the package stops the service and keeps its data and configuration;
purging it deletes both. Servers that users have started go on until they are
stopped (${PRODUCT} stop --all), and hooks in users' settings stay
(${PRODUCT} hooks uninstall): run both before.
`;
}

function changelog(version: string, time: Date): string {
  return `${PRODUCT} (${debVersion(version)}) unstable; urgency=medium

  * Release ${version}; what is new stands in changelog.gz.

 -- ${MAINTAINER}  ${rfc2822(time)}
`;
}

function rfc2822(time: Date): string {
  return time.toUTCString().replace("GMT", "+0000");
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
function copyright(licence: string): string {
  const [, owner = ""] = /Copyright \(c\) (.+)/.exec(licence) ?? [];
  const terms = licence.slice(licence.indexOf("Permission is")).trim();
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${PRODUCT}
Source: ${HOMEPAGE}
Comment: The program holds the Bun runtime and packages of others, whose
 licences stand in /${DOC_FOLDER}/THIRD-PARTY-LICENSES.

Files: *
Copyright: ${owner}
License: Expat
${terms
  .split("\n")
  .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
  .join("\n")}
`;
}

/** https://lintian.debian.org/manual; a comment stands in front of what it gives the reason for. */
const LINTIAN_OVERRIDES = `# The Bun runtime is linked with its own libraries, so that it runs alike on every distribution.
${PRODUCT}: embedded-library *usr/bin/${PRODUCT}*
# The program's own code stands behind the runtime's last section: stripping would cut it off.
${PRODUCT}: unstripped-binary-or-object *usr/bin/${PRODUCT}*
# The runtime is compiled by its project, at fixed addresses.
${PRODUCT}: hardening-no-pie *usr/bin/${PRODUCT}*
${PRODUCT}: hardening-no-relro *usr/bin/${PRODUCT}*
# It stands in a message of the script, which says what the administrator may run.
${PRODUCT}: maintainer-script-calls-systemctl *postinst*
# It does not come from Debian's archive, where a bug announces a new package.
${PRODUCT}: initial-upload-closes-no-bugs *changelog.Debian.gz*
`;
