/** Where Claude Code keeps its settings (https://code.claude.com/docs/en/settings). */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const SCOPES = ["user", "project", "local"] as const;

export type Scope = (typeof SCOPES)[number];

export interface Surroundings {
  env: Record<string, string | undefined>;
  cwd: string;
  platform: NodeJS.Platform;
}

/** The file of a scope; project and local are those of the current directory. */
export function settingsPath(scope: Scope, { env, cwd }: Surroundings): string {
  if (scope === "project") return join(cwd, ".claude", "settings.json");
  if (scope === "local") return join(cwd, ".claude", "settings.local.json");
  const directory = env.CLAUDE_CONFIG_DIR;
  return directory
    ? resolve(cwd, directory, "settings.json")
    : join(env.HOME || homedir(), ".claude", "settings.json");
}

/** What an administrator sets for everybody. */
export function managedSettingsPath({ platform }: Surroundings): string {
  switch (platform) {
    case "darwin":
      return "/Library/Application Support/ClaudeCode/managed-settings.json";
    case "win32":
      return String.raw`C:\Program Files\ClaudeCode\managed-settings.json`;
    default:
      return "/etc/claude-code/managed-settings.json";
  }
}
