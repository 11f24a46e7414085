/** Which claude-mpm versions this server serves. The only import of semver. */
import compare from "semver/functions/compare.js";
import parse from "semver/functions/parse.js";
import satisfies from "semver/functions/satisfies.js";
import { isObject, type JsonObject } from "./event.ts";
import type { VersionInfo } from "./messages.ts";

export interface MatrixRow {
  claude_mpm_versions: string[];
  min_python: string;
  socketio_min: string;
  features: string[];
}

/** By server version. Claude-mpm's clients read this shape from `GET /version`. */
export const COMPATIBILITY_MATRIX: Record<string, MatrixRow> = {
  "1.0.0": {
    claude_mpm_versions: [">=0.7.0"],
    min_python: "3.8",
    socketio_min: "5.11.0",
    features: [
      "persistent_server",
      "version_compatibility",
      "process_isolation",
      "health_monitoring",
      "event_namespacing",
    ],
  },
};

/** The answer to `POST /compatibility`, and the payload of `compatibility_warning`. */
export interface Compatibility {
  compatible: boolean;
  server_version: string;
  client_version: string;
  warnings: string[];
  supported_features: string[];
  requirements: { min_python: string; socketio_min: string };
}

const PRE_RELEASE_NAMES: Record<string, string> = {
  alpha: "a",
  beta: "b",
  c: "rc",
  pre: "rc",
  preview: "rc",
};

// PEP 440, appendix B, without epochs: release, pre, post, dev, local.
const PEP440 =
  /^v?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$/;

/**
 * Reads a semantic version or a PEP 440 version (Python's form: `4.1.0rc1`, `4.0.20.dev3`,
 * `5.0.0.post1`) and returns it as a semantic version that sorts the same way, or null.
 *
 * A bare `-dev` is what claude-mpm sends when it cannot tell its own version; it counts as the release.
 */
export function normalizeVersion(version: string): string | null {
  const text = version.trim().toLowerCase();
  if (text.length > 100) return null;
  const bare = text.replace(/^v/, "").replace(/-dev$/, "");
  const semantic = parse(bare);
  if (semantic) return semantic.version;

  const match = PEP440.exec(bare);
  if (!match) return null;
  const [, release = "", preName, preNumber, post, dev, devNumber] = match;
  const [major = 0, minor = 0, patch = 0] = release.split(".").map(Number);
  if (![major, minor, patch].every(Number.isSafeInteger)) return null;

  // PEP 440 sorts dev < a < b < rc < release, and x.devN before x. In semver a numeric identifier
  // sorts before a word, which gives `0` for "dev" and a closing 0 or 1 for "dev of" or "the" pre-release.
  const devParts = dev ? [0, Number(devNumber || 0)] : [1];
  const parts = preName
    ? [PRE_RELEASE_NAMES[preName] ?? preName, Number(preNumber || 0), ...devParts]
    : dev && !post
      ? devParts
      : [];
  return `${major}.${minor}.${patch}${parts.length > 0 ? `-${parts.join(".")}` : ""}`;
}

/** Negative when `a` is the older version, 0 when both are the same, or when either cannot be read. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [normalizeVersion(a), normalizeVersion(b)];
  return left === null || right === null ? 0 : compare(left, right);
}

/**
 * Judges a client's version against the matrix row of this server.
 *
 * @param clientVersion what the client said; undefined (it said nothing) counts as compatible
 * @param minClientVersion the configured lower bound; it can only narrow the matrix
 */
export function checkCompatibility(
  clientVersion: string | undefined,
  serverVersion: string,
  minClientVersion: string,
): Compatibility {
  const row = COMPATIBILITY_MATRIX[serverVersion];
  if (!row) throw new Error(`no compatibility row for server version ${serverVersion}`);
  const warnings: string[] = [];
  if (clientVersion !== undefined) {
    const normalized = normalizeVersion(clientVersion);
    const minimum = normalizeVersion(minClientVersion);
    if (normalized === null) {
      warnings.push(`"${clientVersion.slice(0, 100)}" is not a version this server can read`);
    } else if (
      !row.claude_mpm_versions.every((range) => satisfies(normalized, range, { includePrerelease: true }))
    ) {
      warnings.push(
        `claude-mpm ${clientVersion} is outside ${row.claude_mpm_versions.join(", ")}, which server ${serverVersion} supports`,
      );
    } else if (minimum !== null && compare(normalized, minimum) < 0) {
      warnings.push(`claude-mpm ${clientVersion} is older than ${minClientVersion}, the configured minimum`);
    }
  }
  return {
    compatible: warnings.length === 0,
    server_version: serverVersion,
    client_version: clientVersion ?? "unknown",
    warnings,
    supported_features: row.features,
    requirements: { min_python: row.min_python, socketio_min: row.socketio_min },
  };
}

/** Of ours, or of claude-mpm's own server. */
export function isVersionInfo(value: unknown): value is JsonObject & VersionInfo {
  return (
    isObject(value) &&
    typeof value.server_version === "string" &&
    normalizeVersion(value.server_version) !== null &&
    typeof value.server_id === "string" &&
    Array.isArray(value.features)
  );
}
