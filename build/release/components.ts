/** What of other people's work is in the program, with its licences: a list for programs (CycloneDX), and one to read. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dependencies as shipped, devDependencies as bundled } from "../../package.json";
import { PRODUCT } from "../../src/release/targets.ts";
import { DESCRIPTION, HOMEPAGE, LICENCE } from "./project.ts";

/** What only the dashboard uses is bundled into it, and so nobody installs it. */
const OWN_DEPENDENCIES = Object.keys({ ...shipped, ...bundled });

/** A package that the bundler took in. */
export interface Component {
  name: string;
  version: string;
  /** An SPDX identifier or expression. */
  licence: string;
  licenceText: string;
  homepage: string | null;
  /** Of these, only what was taken in as well counts. */
  dependencies: string[];
}

/** Reads the packages in some folders; the same one in two places counts once. */
export function componentsOf(folders: Iterable<string>): Component[] {
  const components = [...folders].map((folder): Component => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const { name, version, homepage, dependencies } = manifest;
    return {
      name,
      version,
      licence: licenceIn(manifest),
      licenceText: licenceTextIn(folder),
      homepage: homepage ?? null,
      dependencies: Object.keys(dependencies ?? {}),
    };
  });
  const byPurl = new Map(components.map((component) => [purl(component), component]));
  return [...byPurl.values()].toSorted((a, b) => (purl(a) < purl(b) ? -1 : 1));
}

/** Packages from before SPDX identifiers have a list. */
function licenceIn({ name, license, licenses }: Record<string, unknown>): string {
  const named = license ?? (Array.isArray(licenses) ? licenses.map(({ type }) => type).join(" OR ") : "");
  if (typeof named !== "string" || named === "") throw new Error(`The package ${name} names no licence`);
  return named;
}

function licenceTextIn(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e(\.\w+)?$/i.test(name));
  if (file === undefined) throw new Error(`${folder} has no licence file`);
  return readFileSync(join(folder, file), "utf8").trim();
}

/** https://github.com/package-url/purl-spec/blob/main/types-doc/npm-definition.md */
function purl({ name, version }: { name: string; version: string }): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

const bunPage = (bunVersion: string) => `https://github.com/oven-sh/bun/blob/bun-v${bunVersion}/LICENSE.md`;

export interface Contents {
  version: string;
  bunVersion: string;
  components: readonly Component[];
  time: Date;
}

/** CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/ */
export function sbom({ version, bunVersion, components, time }: Contents): string {
  const own = `pkg:npm/${PRODUCT}@${version}`;
  const bun = `pkg:github/oven-sh/bun@bun-v${bunVersion}`;
  const refs = new Map(components.map((component) => [component.name, purl(component)]));
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: time.toISOString(),
      component: {
        type: "application",
        "bom-ref": own,
        name: PRODUCT,
        version,
        description: DESCRIPTION,
        licenses: licences(LICENCE),
        purl: own,
        externalReferences: [{ type: "vcs", url: HOMEPAGE }],
      },
    },
    components: [
      {
        type: "platform",
        "bom-ref": bun,
        name: "bun",
        version: bunVersion,
        description: "The runtime, which the program begins with",
        licenses: licences("MIT"),
        purl: bun,
        externalReferences: [{ type: "license", url: bunPage(bunVersion) }],
        components: [
          {
            type: "library",
            "bom-ref": `${bun}#javascriptcore`,
            name: "JavaScriptCore",
            description: "Linked into Bun, as are the libraries that Bun's licence names",
            licenses: [{ license: { name: "LGPL-2" } }],
          },
        ],
      },
      ...components.map(({ name, version: of, licence, homepage }) => {
        const [, group, plain = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
        const ref = purl({ name, version: of });
        return {
          type: "library",
          "bom-ref": ref,
          ...(group === undefined ? {} : { group }),
          name: plain,
          version: of,
          licenses: licences(licence),
          purl: ref,
          ...(homepage === null ? {} : { externalReferences: [{ type: "website", url: homepage }] }),
        };
      }),
    ],
    dependencies: [
      {
        ref: own,
        dependsOn: [bun, ...OWN_DEPENDENCIES.flatMap((name) => refs.get(name) ?? [])],
      },
      { ref: bun, dependsOn: [] },
      ...components.map((component) => ({
        ref: purl(component),
        dependsOn: component.dependencies.flatMap((name) => refs.get(name) ?? []),
      })),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(document))}`;
  return `${JSON.stringify({ ...document, serialNumber }, null, 2)}\n`;
}

function licences(licence: string): unknown[] {
  return / (OR|AND|WITH) /.test(licence) ? [{ expression: licence }] : [{ license: { id: licence } }];
}

/** A UUID of version 8 (RFC 9562): the same document has the same. */
function uuidOf(content: string): string {
  const hex = createHash("sha256").update(content).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The texts, which the licences themselves ask to be handed on. */
export function thirdPartyLicences({ bunVersion, components }: Contents): string {
  const rule = "=".repeat(80);
  const sections = components.map(
    ({ name, version, licence, licenceText }) =>
      `${rule}\n${name} ${version} (${licence})\n${rule}\n\n${licenceText.replaceAll("\r\n", "\n")}\n`,
  );
  return `${PRODUCT} holds these works of others.

Bun ${bunVersion}, the runtime (MIT), with what is linked into it, JavaScriptCore (LGPL-2)
among it. Licences, sources, and how to link it anew:
${bunPage(bunVersion)}

${sections.join("\n")}`;
}
