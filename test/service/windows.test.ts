/** The task, as Windows reads it, and what is asked of schtasks. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { schtasksManager } from "../../src/service/schtasks.ts";
import type { Ran } from "../../src/service/tool.ts";
import { encodeTask, taskXml, windowsArguments } from "../../src/service/windows.ts";

const PROGRAM = String.raw`C:\Users\A & B\AppData\Local\Programs\claude-mpm-socketio\claude-mpm-socketio.exe`;
const user = String.raw`HOST\A & B`;
const userTask = taskXml({ mode: "user", program: PROGRAM, args: ["--set", `server_id=a "b"\\`], user });
const systemTask = taskXml({ mode: "system", program: PROGRAM, args: [], user });

/** The elements of each type in the order Microsoft publishes ([MS-TSCH] 2.5), as far as we use them or could. */
const PUBLISHED: Record<string, string[]> = {
  Task: "RegistrationInfo Triggers Settings Data Principals Actions".split(" "),
  RegistrationInfo: "URI SecurityDescriptor Source Date Author Version Description Documentation".split(" "),
  LogonTrigger: "Enabled StartBoundary EndBoundary Repetition ExecutionTimeLimit UserId Delay".split(" "),
  BootTrigger: "Enabled StartBoundary EndBoundary Repetition ExecutionTimeLimit Delay".split(" "),
  Repetition: "Interval Duration StopAtDurationEnd".split(" "),
  Settings: (
    "AllowStartOnDemand RestartOnFailure MultipleInstancesPolicy DisallowStartIfOnBatteries StopIfGoingOnBatteries " +
    "AllowHardTerminate StartWhenAvailable NetworkProfileName RunOnlyIfNetworkAvailable WakeToRun Enabled Hidden " +
    "DeleteExpiredTaskAfter IdleSettings NetworkSettings ExecutionTimeLimit Priority RunOnlyIfIdle"
  ).split(" "),
  RestartOnFailure: ["Interval", "Count"],
  Principal: "UserId LogonType GroupId DisplayName RunLevel".split(" "),
  Exec: "Command Arguments WorkingDirectory".split(" "),
};

test("the task of a user, and that of the machine", () => {
  expect(userTask).toMatchSnapshot();
  expect(systemTask).toMatchSnapshot();
});

test("elements stand in the published order", () => {
  for (const xml of [userTask, systemTask]) {
    const found = childrenByElement(xml);
    for (const [parent, children] of Object.entries(found)) {
      const order = PUBLISHED[parent];
      if (order === undefined) expect(children).toHaveLength(1);
      else expect(children).toEqual(order.filter((name) => children.includes(name)));
    }
    expect(Object.keys(found)).toEqual(expect.arrayContaining(["Task", "Settings", "Principal", "Exec"]));
  }
});

test("it is UTF-16 with a byte order mark, as its declaration says", () => {
  const bytes = encodeTask(userTask);
  expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0xfe, "<".charCodeAt(0), 0]);
  expect(bytes.subarray(2).toString("utf16le").replaceAll("\r\n", "\n")).toBe(userTask);
});

test.skipIf(Bun.which("xmllint") === null)(
  "a parser of XML reads it in that encoding (needs xmllint)",
  () => {
    const xpath = 'string(//*[local-name()="Arguments"])';
    const { stdout, exitCode } = Bun.spawnSync(["xmllint", "--xpath", xpath, "-"], {
      stdin: encodeTask(userTask),
    });
    expect([exitCode, `${stdout}`.trim()]).toEqual([
      0,
      String.raw`--headless "${PROGRAM}" serve --background --set "server_id=a \"b\"\\"`,
    ]);
  },
);

test("arguments come apart again as CommandLineToArgvW takes them apart", () => {
  const words = ["a", "", "a b", `a"b`, "\\", "a\\", "a b\\", `\\"`, `a\\\\"b c\\\\`, "\t", "é & | ^ % <x>"];
  expect(takenApart(windowsArguments(words))).toEqual(words);
});

test("a path that begins with a variable is quoted, for the user's name in it may have a blank", () => {
  const program = String.raw`%LOCALAPPDATA%\Programs\claude-mpm-socketio.exe`;
  expect(taskXml({ mode: "user", program, args: [], user })).toContain(
    `<Arguments>--headless &quot;${program}&quot; serve --background</Arguments>`,
  );
});

/** There is no Task Scheduler but on Windows: what it is asked is taken down. */
describe("schtasks", () => {
  function scheduler(fails: (call: string) => boolean = () => false) {
    const calls: string[] = [];
    let task: string | null = null;
    const run = (command: string, args: readonly string[]): Ran => {
      const call = [command, ...args].join(" ");
      calls.push(call.replace(/\/XML \S+task\.xml/, "/XML FILE"));
      if (fails(call)) return { status: 1, stdout: "", stderr: "ERROR: Access is denied." };
      if (args[0] === "/Create")
        task = readFileSync(args.at(-1) ?? "")
          .subarray(2)
          .toString("utf16le");
      if (args[0] === "/Delete") task = null;
      if (args[0] === "/Query") return { status: task === null ? 1 : 0, stdout: task ?? "", stderr: "" };
      return { status: 0, stdout: command === "powershell.exe" ? "4\r\n" : "", stderr: "" };
    };
    const managerOf = (mode: "user" | "system") => schtasksManager({ mode, stateDir: "unused", run });
    return { managerOf, calls };
  }

  test("install registers the file and runs it, and keeps the user's apart from the machine's", () => {
    const { managerOf, calls } = scheduler();
    const manager = managerOf("user");
    expect(manager.state().installed).toBe(false);
    manager.install(userTask);
    expect(calls.filter((call) => !call.includes("/Query"))).toEqual([
      "schtasks.exe /Create /F /TN claude-mpm-socketio /XML FILE",
      "schtasks.exe /Change /TN claude-mpm-socketio /ENABLE",
      "schtasks.exe /Run /TN claude-mpm-socketio",
    ]);
    expect(manager.state()).toMatchObject({ installed: true, enabled: true, running: true, pid: null });
    expect(managerOf("system").state().installed).toBe(false);
    expect(manager.remove()).toEqual(["task claude-mpm-socketio"]);
    expect(manager.state().installed).toBe(false);
  });

  test("the machine's does not take the place of the user's, which has the same name", () => {
    const { managerOf } = scheduler();
    managerOf("user").install(userTask);
    expect(() => managerOf("system").install(systemTask)).toThrow("of mode user");
    expect(managerOf("user").state()).toMatchObject({ installed: true });
  });

  test("stop keeps the trigger from starting it again", () => {
    const { managerOf, calls } = scheduler();
    managerOf("user").stop();
    expect(calls).toEqual([
      "schtasks.exe /Change /TN claude-mpm-socketio /DISABLE",
      "schtasks.exe /End /TN claude-mpm-socketio",
    ]);
  });

  test("a task that cannot be run is taken back", () => {
    const { managerOf } = scheduler((call) => call.includes("/Run"));
    expect(() => managerOf("user").install(userTask)).toThrow("Access is denied");
    expect(managerOf("user").state().installed).toBe(false);
  });

  test("the machine's is for administrators", () => {
    const { managerOf } = scheduler((call) => call.startsWith("net.exe"));
    expect(() => managerOf("system").check()).toThrow("administrators");
    managerOf("user").check();
  });
});

/** The names of every element's children, in their order. */
function childrenByElement(xml: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  const open: string[] = [];
  for (const [, close, name = ""] of xml.matchAll(/<(\/?)([A-Za-z]+)[^>]*>/g)) {
    if (close === "/") expect(open.pop()).toBe(name);
    else {
      const parent = open.at(-1);
      if (parent !== undefined) (found[parent] ??= []).push(name);
      open.push(name);
    }
  }
  expect(open).toEqual([]);
  return found;
}

/** The rules of CommandLineToArgvW for what follows the program. */
function takenApart(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const backslashes = /^\\*/.exec(line.slice(at))?.[0].length ?? 0;
    if (backslashes > 0) {
      const beforeQuote = line[at + backslashes] === '"';
      word = (word ?? "") + "\\".repeat(beforeQuote ? Math.floor(backslashes / 2) : backslashes);
      at += backslashes - 1;
      if (beforeQuote && backslashes % 2 === 1) {
        word += '"';
        at += 1;
      }
    } else if (line[at] === '"') {
      quoted = !quoted;
      word ??= "";
    } else if (!quoted && /[ \t]/.test(line[at] ?? "")) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + line[at];
  }
  return word === null ? words : [...words, word];
}
