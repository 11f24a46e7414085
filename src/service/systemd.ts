/** The unit of systemd: for a user's own manager, and for the whole machine. */
import { PRODUCT } from "../release/targets.ts";

export const UNIT = `${PRODUCT}.service`;

/** The state directory of a system service (contract 2); systemd makes it, and gives it to the service's own user. */
export const SYSTEM_STATE_DIR = `/var/lib/${PRODUCT}`;

/** The log of a system service; nobody but root sees it. */
export const SYSTEM_LOG_FILE = `/var/log/${PRODUCT}/server.log`;

/** Variables of a system service that others need not read: mode 600, read by systemd and not by the service. */
export const SECRETS_FILE = "/etc/claude-mpm/socketio.env";

/** The longest that a server keeps others waiting, saving a damaged log, is half a second. */
const WATCHDOG_SECONDS = 30;

export interface UnitOptions {
  mode: "user" | "system";
  /** Absolute, and without a version. */
  program: string;
  /** Flags for `serve`, with absolute paths. */
  args: readonly string[];
  /** The port is one of those below 1024, for which a capability is needed. System units only. */
  lowPort?: boolean;
}

/** The text of the unit. */
export function systemdUnit({ mode, program, args, lowPort = false }: UnitOptions): string {
  const command = (...verb: string[]) => commandLine(program, [...verb, ...args]);
  const system = mode === "system";
  return `[Unit]
Description=Event server for coding agents
Documentation=https://github.com/bobmatnyc/claude-mpm-socketio
${system ? "Wants=network-online.target\nAfter=network-online.target\n" : ""}# systemd heeds RestartPreventExitStatus for ExecStart alone: this ends the attempts when it is ExecStartPre that fails.
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
# The server says itself when it takes traffic, and that its event loop turns: one that hangs is ended and started anew.
Type=notify
WatchdogSec=${WATCHDOG_SECONDS}
# What hangs can be asked for nothing, and its memory, which others' prompts are in, belongs into no core file.
WatchdogSignal=SIGKILL
LimitCORE=0
ExecStartPre=${command("config", "check")}
ExecStart=${command("serve")}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# An invalid configuration does not mend itself.
RestartPreventExitStatus=78
KillSignal=SIGTERM
# The server takes up to 5 seconds to finish what it has accepted.
TimeoutStopSec=15
WorkingDirectory=/
UMask=0077
LimitNOFILE=65536
${system ? systemSettings(lowPort) : userSettings()}
[Install]
WantedBy=${system ? "multi-user.target" : "default.target"}
`;
}

/** `logs` shows the file; a manager of a user can take away nothing that would need privileges itself. */
function userSettings(): string {
  return `Environment=CLAUDE_MPM_SOCKETIO_LOG_TO_FILE=true
NoNewPrivileges=yes
`;
}

function systemSettings(lowPort: boolean): string {
  const capability = lowPort ? "CAP_NET_BIND_SERVICE" : "";
  return `Environment=CLAUDE_MPM_SOCKETIO_STATE_DIR=${SYSTEM_STATE_DIR}
Environment=CLAUDE_MPM_SOCKETIO_LOG_FILE=${SYSTEM_LOG_FILE}
EnvironmentFile=-${SECRETS_FILE}

DynamicUser=yes
StateDirectory=${PRODUCT}
StateDirectoryMode=0700
LogsDirectory=${PRODUCT}
LogsDirectoryMode=0750

# Not MemoryDenyWriteExecute, and no limit of the address space: a just-in-time compiler needs both.
NoNewPrivileges=yes
CapabilityBoundingSet=${capability}
AmbientCapabilities=${capability}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
`;
}

/**
 * A command line by systemd.service(5), "Command lines". In the path of the program only `%` means something; in
 * arguments `$` does too. A program with a quotation mark or a backslash in its path systemd does not run at all, so
 * that the shell has to become it.
 */
export function commandLine(program: string, args: readonly string[]): string {
  const [command, ...rest] = /["'\\]/.test(program)
    ? ["/bin/sh", "-c", 'exec "$0" "$@"', program, ...args]
    : [program, ...args];
  return [quote(command ?? ""), ...rest.map((arg) => quote(arg.replaceAll("$", "$$$$")))].join(" ");
}

function quote(word: string): string {
  const literal = word.replaceAll("%", "%%");
  if (/^[\w%@$=:,./+-]+$/.test(literal)) return literal;
  // oxlint-disable-next-line no-control-regex
  const escaped = literal.replaceAll(/["\\]/g, "\\$&").replaceAll(/[\u0000-\u001F\u007F]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}
