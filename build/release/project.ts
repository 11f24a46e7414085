/** What every artefact says of the project, from package.json. */
import { description, license, name, repository } from "../../package.json";

const [, path = ""] = repository.split("github:");

export const HOMEPAGE = `https://github.com/${path}`;

/** Where releases lie unless a build is told another place. */
export const RELEASES = `${HOMEPAGE}/releases`;

export const LICENCE = license;

/** A line without a full stop, as package managers want it. */
export const SUMMARY = "Event server for coding agents";

export const DESCRIPTION = description;

/** Packages need one; who forks the project sets their own. */
export const MAINTAINER = `${name} contributors <${path.split("/")[0]}@users.noreply.github.com>`;

/** What is loaded from a release: its version stands in the address, so the address never holds anything else. */
export function downloadUrl(baseUrl: string, version: string, file: string): string {
  return `${baseUrl}/download/v${version}/${file}`;
}

export function newestUrl(baseUrl: string, file: string): string {
  return `${baseUrl}/latest/download/${file}`;
}
