/** Versions fixed at build time; the bundler inlines just these fields of each package.json. */
import { repository, version as packageVersion } from "../package.json" with { type: "json" };
import type { Target } from "./release/targets.ts";
import { version as socketioVersion } from "socket.io/package.json" with { type: "json" };

declare const BUILD_VERSION: string | undefined;

/** The release: what `--version` prints. A build may be given another version than package.json's. */
export const RELEASE_VERSION: string = typeof BUILD_VERSION === "undefined" ? packageVersion : BUILD_VERSION;

/** Where releases are looked for. */
export const RELEASES_URL = `https://github.com/${repository.replace("github:", "")}/releases`;

/** The server's own schema, independent of the release; the key into the compatibility matrix. */
export const SERVER_VERSION = "1.0.0";

export const SOCKETIO_VERSION: string = socketioVersion;
export const BUN_VERSION: string = Bun.version;

declare const COMPILED_BINARY: true | undefined;

/** Whether this is the released binary, not a checkout: build.ts defines the constant. */
export const IS_COMPILED: boolean = typeof COMPILED_BINARY !== "undefined";

declare const BUILD_TARGET: Target | undefined;

/** The platform this binary was made for; null in a checkout. */
export const OWN_TARGET: Target | null = typeof BUILD_TARGET === "undefined" ? null : BUILD_TARGET;
