/** The job of launchd: an agent in a user's session, or a daemon of the machine (launchd.plist(5)). */
import { posix } from "node:path";
import { escapeXml } from "./xml.ts";

export const LABEL = "io.claude-mpm.socketio";

/** Where macOS itself runs what needs no rights: there are no dynamic users, and to make an account is an installer's. */
export const DAEMON_USER = "daemon";

export interface JobOptions {
  mode: "user" | "system";
  program: string;
  /** Flags for `serve`, with absolute paths. */
  args: readonly string[];
  /** Where what the runtime says at a crash goes; the server's own log rotates, and this file has no lines of it. */
  crashLog: string;
}

/**
 * The property list. It names no `ProcessType`: with `Background` an answer takes six times as long. Nothing keeps
 * launchd from trying again after exit code 78, hence the interval.
 */
export function launchdPlist({ mode, program, args, crashLog }: JobOptions): string {
  const entries = {
    Label: LABEL,
    ProgramArguments: [program, "serve", "--background", ...args],
    ...(mode === "system" ? { UserName: DAEMON_USER } : {}),
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: 10,
    // More than the 5 seconds the server may take to finish what it has accepted.
    ExitTimeOut: 15,
    WorkingDirectory: "/",
    Umask: 0o077,
    SoftResourceLimits: { NumberOfFiles: 65_536 },
    HardResourceLimits: { NumberOfFiles: 65_536 },
    StandardOutPath: crashLog,
    StandardErrorPath: crashLog,
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${element(entries, "")}
</plist>
`;
}

/** The definition and the crash log of a mode. */
export function launchdPaths(
  mode: "user" | "system",
  home: string,
): { definition: string; crashLog: string } {
  const library = mode === "user" ? posix.join(home, "Library") : "/Library";
  return {
    definition: posix.join(library, mode === "user" ? "LaunchAgents" : "LaunchDaemons", `${LABEL}.plist`),
    crashLog: posix.join(library, "Logs", "claude-mpm-socketio", "service.log"),
  };
}

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

function element(value: Value, indent: string): string {
  const inner = `${indent}  `;
  if (typeof value === "string") return `${indent}<string>${escapeXml(value)}</string>`;
  if (typeof value === "number") return `${indent}<integer>${value}</integer>`;
  if (typeof value === "boolean") return `${indent}<${value}/>`;
  if (isList(value)) {
    return `${indent}<array>\n${value.map((item) => element(item, inner)).join("\n")}\n${indent}</array>`;
  }
  const entries = Object.entries(value).map(
    ([key, item]) => `${inner}<key>${key}</key>\n${element(item, inner)}`,
  );
  return `${indent}<dict>\n${entries.join("\n")}\n${indent}</dict>`;
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}
