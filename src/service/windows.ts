/**
 * The task of the Windows Task Scheduler: a program on Bun cannot be a service of the Service Control Manager, which
 * expects to be answered in its own protocol.
 */
import { PRODUCT } from "../release/targets.ts";
import { escapeXml } from "./xml.ts";

export const TASK = PRODUCT;

/** LOCAL SERVICE: it may listen and write its own files, and nothing else. SYSTEM could do anything. */
export const LOCAL_SERVICE = "S-1-5-19";

export interface TaskOptions {
  mode: "user" | "system";
  program: string;
  /** Flags for `serve`, with absolute paths. */
  args: readonly string[];
  /** `DOMAIN\name`, at whose log-on the user's task runs. */
  user: string;
}

/**
 * The task as XML, in the order of https://learn.microsoft.com/openspecs/windows_protocols/ms-tsch (2.5).
 *
 * `RestartOnFailure` counts as a failure that a task could not be run, not every exit code: hence the trigger fires anew
 * each minute, and is ignored while the server runs.
 */
export function taskXml({ mode, program, args, user }: TaskOptions): string {
  const system = mode === "system";
  const words = [program, "serve", "--background", ...args];
  // A user's task has a console, and that a window, unless its host is told otherwise. The host runs since Windows 10.
  const [command = "", ...rest] = system
    ? words
    : [String.raw`%SystemRoot%\System32\conhost.exe`, "--headless", ...words];
  const trigger = system ? "BootTrigger" : "LogonTrigger";
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <URI>\\${TASK}</URI>
    <Description>Event server for coding agents</Description>
  </RegistrationInfo>
  <Triggers>
    <${trigger}>
      <Enabled>true</Enabled>
      <Repetition>
        <Interval>PT1M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
${system ? "" : `      <UserId>${escapeXml(user)}</UserId>\n`}    </${trigger}>
  </Triggers>
  <Settings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
  </Settings>
  <Principals>
    <Principal id="Author">
      <UserId>${escapeXml(system ? LOCAL_SERVICE : user)}</UserId>
${system ? "" : "      <LogonType>InteractiveToken</LogonType>\n"}      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Actions Context="Author">
    <Exec>
      <Command>${escapeXml(command)}</Command>
      <Arguments>${escapeXml(windowsArguments(rest))}</Arguments>
    </Exec>
  </Actions>
</Task>
`;
}

/** UTF-16, little-endian with a byte order mark: the only form every release's schtasks.exe reads. */
export function encodeTask(xml: string): Buffer {
  return Buffer.from(`\uFEFF${xml.replaceAll("\n", "\r\n")}`, "utf16le");
}

/**
 * Words as CommandLineToArgvW takes them apart: backslashes mean something in front of a quotation mark alone
 * (https://learn.microsoft.com/windows/win32/api/shellapi/nf-shellapi-commandlinetoargvw).
 */
export function windowsArguments(words: readonly string[]): string {
  return words
    .map((word) => {
      // A variable may hold a blank, as a user's name does.
      if (word !== "" && !/[\s"%]/.test(word)) return word;
      return `"${word.replaceAll(/(\\*)"/g, String.raw`$1$1\"`).replace(/(\\+)$/, "$1$1")}"`;
    })
    .join(" ");
}
