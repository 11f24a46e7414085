/** Releases as installers find them: folders with archives and sums, and servers that give them out, well or badly. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { compile } from "../../build/compile.ts";
import {
  archiveFolder,
  archiveName,
  PRODUCT,
  programName,
  SUMS_FILE,
  TARGET_NAMES,
  TARGETS,
  type Target,
} from "../../src/release/targets.ts";
import { onEnd } from "./cleanup.ts";
import { temporaryDirectory } from "./temporary.ts";

/** What the fake program wrote down: each call but those of `--version`. */
export const CALLS_FILE = "calls";

/** `$HOME/exits/<command>` holds what a command of the fake program exits with. */
export const EXITS_FOLDER = "exits";

const SCRIPT_TARGETS = TARGET_NAMES.filter((target) => TARGETS[target].platform !== "win32");

/** A program that says its version and writes down how else it is called. */
export function fakeProgram(version: string, target: Target): string {
  return `#!/bin/sh
# ${target}; the text that tells ours from others: CLAUDE_MPM_SOCKETIO_
[ "$1" != --version ] || { cat; echo ${version}; exit 0; }
echo "${version} $*" >> "$HOME/${CALLS_FILE}"
[ ! -e "$HOME/${EXITS_FOLDER}/$1" ] || exit "$(cat "$HOME/${EXITS_FOLDER}/$1")"
[ "$1" != status ] || exit 3
`;
}

/** This machine's. */
export const OWN_TARGET = `${process.platform}-${process.arch}` as Target;

/** A program of this version, compiled from the sources as they are. */
export async function programOf(version: string): Promise<string> {
  const outfile = join(temporaryDirectory(), programName(OWN_TARGET));
  await compile({ outfile, version });
  return outfile;
}

export interface Published {
  targets?: readonly Target[];
  program?: (version: string, target: Target) => string | Buffer;
}

/** Makes a release in a folder, next to what is there; its sums replace those that were. */
export function publish(
  folder: string,
  version: string,
  { targets = SCRIPT_TARGETS, program = fakeProgram }: Published = {},
): void {
  mkdirSync(folder, { recursive: true });
  const sums = targets.map((target) => {
    const archive = archiveOf(version, target, program);
    writeFileSync(join(folder, archiveName(version, target)), archive);
    return `${createHash("sha256").update(archive).digest("hex")}  ${archiveName(version, target)}\n`;
  });
  writeFileSync(join(folder, SUMS_FILE), sums.join(""));
}

const fakes = new Map<string, Buffer>();

function archiveOf(version: string, target: Target, program: Required<Published>["program"]): Buffer {
  const key = `${version} ${target}`;
  const known = program === fakeProgram ? fakes.get(key) : undefined;
  if (known) return known;
  const directory = temporaryDirectory();
  const folder = archiveFolder(version, target);
  const file = join(directory, folder, programName(target));
  mkdirSync(dirname(file));
  const content = program(version, target);
  writeFileSync(file, content);
  chmodSync(file, 0o755);
  writeFileSync(join(directory, folder, "README.md"), `${PRODUCT}\n`);
  const { stdout } = Bun.spawnSync(["tar", "-C", directory, "-cf", "-", folder]);
  // A hundred megabytes of real program take seconds to compress.
  const level = typeof content === "string" ? 1 : 0;
  const archive = Buffer.from(Bun.gzipSync(new Uint8Array(stdout), { level }));
  if (program === fakeProgram) fakes.set(key, archive);
  return archive;
}

/** A release host: the newest release of those given, and each by its number. */
export function releases(versions: readonly string[], published: Published = {}): string {
  const site = temporaryDirectory();
  for (const version of versions) release(site, version, published);
  return site;
}

/** Adds a release to a host, as its newest. */
export function release(site: string, version: string, published: Published = {}): void {
  publish(join(site, "download", `v${version}`), version, published);
  publish(join(site, "latest", "download"), version, published);
}

export interface Host {
  url: string;
  /** Paths in the order they were asked for; whole URLs where it was asked as a proxy. */
  asked: string[];
}

/** Serves a folder; `answer` may take a request over by returning true. */
export async function serveFolder(
  folder: string,
  answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<Host> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (answer(request, response)) return;
    const file = join(folder, decodeURIComponent(new URL(request.url ?? "", "http://host").pathname));
    if (!existsSync(file)) response.writeHead(404).end("There is no such file");
    else response.end(readFileSync(file));
  });
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked };
}
