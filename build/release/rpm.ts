/** The RPM package: https://rpm-software-management.github.io/rpm/manual/spec.html */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PRODUCT } from "../../src/release/targets.ts";
import { UNIT } from "../../src/service/systemd.ts";
import type { Level, Member } from "./archive.ts";
import {
  CONFIG_FILE,
  DOC_FOLDER,
  packageFiles,
  type PackagedTarget,
  type PackageOptions,
  packageVersion,
  runTool,
  text,
  withStage,
} from "./linux-package.ts";
import { DESCRIPTION, HOMEPAGE, LICENCE, MAINTAINER, SUMMARY } from "./project.ts";

const ARCHITECTURES: Record<PackagedTarget, string> = { "linux-x64": "x86_64", "linux-arm64": "aarch64" };

const PLACES = { units: "usr/lib/systemd/system", zshCompletions: "usr/share/zsh/site-functions" };

const LICENCE_FILE = `usr/share/licenses/${PRODUCT}/LICENSE`;

export function rpmName({ version, target }: { version: string; target: PackagedTarget }): string {
  return `${PRODUCT}-${packageVersion(version)}-1.${ARCHITECTURES[target]}.rpm`;
}

/** Makes the package with rpmbuild. */
export function makeRpm(options: PackageOptions): void {
  const { time, folder, target } = options;
  const files = rpmFiles(options);
  const topdir = mkdtempSync(join(tmpdir(), "cms-rpm-"));
  try {
    withStage(files, time, (stage) => {
      const spec = join(topdir, `${PRODUCT}.spec`);
      writeFileSync(spec, rpmSpec(options, files, stage));
      const architecture = ARCHITECTURES[target];
      runTool(
        ["rpmbuild", "-bb", "--target", `${architecture}-linux`, "--define", `_topdir ${topdir}`, spec],
        {
          time,
        },
      );
      copyFileSync(join(topdir, "RPMS", architecture, rpmName(options)), join(folder, rpmName(options)));
    });
  } finally {
    rmSync(topdir, { recursive: true, force: true });
  }
}

function rpmFiles(options: PackageOptions): Member[] {
  const { licence, readme, changelog } = options.documents;
  return [
    ...packageFiles(options, PLACES),
    text(LICENCE_FILE, licence),
    text(`${DOC_FOLDER}/README.md`, readme),
    text(`${DOC_FOLDER}/CHANGELOG.md`, changelog),
  ];
}

/** The spec of a package whose files stand ready in a folder. */
export function rpmSpec(
  { version, time, level }: PackageOptions,
  files: readonly Member[],
  stage: string,
): string {
  const listed = files.map(({ path, mode }) => {
    const kind = path === CONFIG_FILE ? "%config(noreplace) " : documentKind(path);
    return `%attr(0${mode.toString(8)}, root, root) ${kind}/${path}`;
  });
  return `# What the program carries stands behind its last section: stripping it would leave a bare runtime.
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
%global _binary_payload ${payload(level)}
%global _buildhost localhost
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1

Name: ${PRODUCT}
Version: ${packageVersion(version)}
Release: 1
Summary: ${escape(SUMMARY)}
License: ${LICENCE}
URL: ${HOMEPAGE}

%description
${escape(DESCRIPTION)}

Nothing runs after installing. For yourself: ${PRODUCT} start, then
${PRODUCT} hooks install. As a system service:
systemctl enable --now ${UNIT}

%install
cp -a "${escape(stage)}/." "%{buildroot}"

%files
%dir /etc/claude-mpm
%dir /${DOC_FOLDER}
%dir /usr/share/licenses/${PRODUCT}
${listed.join("\n")}

%post
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || :
fi

%preun
# 0 packages are left after this one: it is removed, not upgraded.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
  systemctl disable --now ${UNIT} || :
fi

%postun
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || :
  if [ "$1" -ge 1 ]; then
    systemctl try-restart ${UNIT} || :
  fi
fi

%changelog
* ${day(time)} ${MAINTAINER} - ${packageVersion(version)}-1
- Release ${version}; what is new stands in CHANGELOG.md
`;
}

/** Every rpm reads xz; gzip is for those in a hurry. Above 6, xz takes twice as long for a hundredth. */
function payload(level: Level): string {
  return level < 6 ? `w${level}.gzdio` : "w6.xzdio";
}

function documentKind(path: string): string {
  if (path === LICENCE_FILE) return "%license ";
  return path.startsWith("usr/share/doc/") || path.startsWith("usr/share/man/") ? "%doc " : "";
}

function escape(literal: string): string {
  return literal.replaceAll("%", "%%");
}

/** As in `Mon Nov 23 2026`. */
function day(time: Date): string {
  const [weekday = "", date, month, year] = time.toUTCString().split(/[ ,]+/);
  return `${weekday} ${month} ${date} ${year}`;
}
