/** The property list, as strict readers take it, and what is asked of launchctl. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { launchctlManager } from "../../src/service/launchctl.ts";
import { LABEL, launchdPaths, launchdPlist } from "../../src/service/launchd.ts";
import type { Ran } from "../../src/service/tool.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const HARD = ["--set", `a=1 2"3'4\\ & <é> %HOME% $HOME ]]>\ttab\nline`];
const crashLog = "/Library/Logs/claude-mpm-socketio/service.log";

test("the agent of a user", () => {
  expect(launchdPlist({ mode: "user", program: "/opt/a b/c", args: HARD, crashLog })).toMatchSnapshot();
});

test("the daemon of the machine runs as a user without rights", () => {
  const text = launchdPlist({ mode: "system", program: "/usr/local/bin/c", args: [], crashLog });
  expect(text).toMatchSnapshot();
  expect(text).toContain("<key>UserName</key>\n  <string>daemon</string>");
});

test.skipIf(Bun.which("python3") === null)("a strict parser reads what was written (needs python3)", () => {
  const text = launchdPlist({ mode: "user", program: "/opt/a b/c", args: HARD, crashLog });
  const script =
    "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read(), fmt=plistlib.FMT_XML)))";
  const { stdout } = Bun.spawnSync(["python3", "-c", script], { stdin: Buffer.from(text) });
  const list = JSON.parse(`${stdout}`);
  expect(list.ProgramArguments).toEqual(["/opt/a b/c", "serve", "--background", ...HARD]);
  expect(list).toMatchObject({ Label: LABEL, RunAtLoad: true, KeepAlive: { SuccessfulExit: false } });
  expect(list).not.toHaveProperty("ProcessType");
});

test.skipIf(Bun.which("xmllint") === null)("it is as its document type says (needs xmllint)", () => {
  // Apple's own, without its comments: http://www.apple.com/DTDs/PropertyList-1.0.dtd
  const dtd = join(temporaryDirectory(), "plist.dtd");
  writeFileSync(
    dtd,
    `<!ENTITY % plistObject "(array | data | date | dict | real | integer | string | true | false )">
<!ELEMENT plist %plistObject;> <!ATTLIST plist version CDATA "1.0">
<!ELEMENT array (%plistObject;)*> <!ELEMENT dict (key, %plistObject;)*> <!ELEMENT key (#PCDATA)>
<!ELEMENT string (#PCDATA)> <!ELEMENT data (#PCDATA)> <!ELEMENT date (#PCDATA)>
<!ELEMENT true EMPTY> <!ELEMENT false EMPTY> <!ELEMENT real (#PCDATA)> <!ELEMENT integer (#PCDATA)>
`,
  );
  const stdin = Buffer.from(launchdPlist({ mode: "system", program: "/c", args: HARD, crashLog }));
  // It also looks for the document type where Apple keeps it, and says that it may not.
  const checked = Bun.spawnSync(["xmllint", "--nonet", "--noout", "--dtdvalid", dtd, "-"], { stdin });
  expect([checked.exitCode, `${checked.stderr}`]).toEqual([0, expect.not.stringContaining("validity error")]);
});

test("what no XML can hold is refused", () => {
  expect(() => launchdPlist({ mode: "user", program: "/\u0001", args: [], crashLog })).toThrow(
    "control character",
  );
});

/** There is no launchd but on macOS: what it is asked is taken down, and answered as macOS 14 does. */
describe("launchctl", () => {
  const target = `gui/501/${LABEL}`;

  function session(fails: (call: string) => boolean = () => false) {
    const { definition, crashLog: log } = launchdPaths("user", temporaryDirectory());
    const calls: string[] = [];
    let loaded = false;
    const run = (command: string, args: readonly string[]): Ran => {
      const call = args.join(" ");
      calls.push(call);
      if (command !== "launchctl") return { status: null, stdout: "", stderr: "no such tool" };
      if (fails(call)) return { status: 5, stdout: "", stderr: "Bootstrap failed: 5: Input/output error" };
      if (call.startsWith("bootstrap")) loaded = true;
      if (call === `bootout ${target}`) loaded = false;
      if (call !== `print ${target}`) return { status: 0, stdout: "", stderr: "" };
      const stdout = `${target} = {\n\tstate = running\n\tprogram = /opt/a b/c\n\tpid = 4711\n}\n`;
      return loaded
        ? { status: 0, stdout, stderr: "" }
        : { status: 113, stdout: "", stderr: "Could not find service" };
    };
    const directories = [dirname(log)];
    const manager = launchctlManager({
      mode: "user",
      path: definition,
      directories,
      uid: 501,
      self: "/p",
      run,
    });
    return { manager, calls, definition, log };
  }

  test("install writes the list and loads it; a second time it is unloaded first", () => {
    const { manager, calls, definition, log } = session();
    manager.check();
    manager.install("<one/>");
    expect(readFileSync(definition, "utf8")).toBe("<one/>");
    expect(existsSync(dirname(log))).toBe(true);
    expect(manager.state()).toEqual({
      installed: true,
      enabled: true,
      running: true,
      pid: 4711,
      definition,
      program: "/opt/a b/c",
      failure: null,
    });
    calls.length = 0;
    manager.install("<two/>");
    expect(calls.filter((call) => !call.startsWith("print"))).toEqual([
      `bootout ${target}`,
      `enable ${target}`,
      `bootstrap gui/501 ${definition}`,
    ]);
    expect(manager.remove()).toEqual([definition]);
    expect(manager.state().installed).toBe(false);
  });

  test("a list that launchd does not take is taken back", () => {
    const { manager, definition } = session((call) => call.startsWith("bootstrap"));
    expect(() => manager.install("<one/>")).toThrow("Input/output error");
    expect(existsSync(definition)).toBe(false);
    mkdirSync(dirname(definition), { recursive: true });
    writeFileSync(definition, "<old/>");
    expect(() => manager.install("<one/>")).toThrow();
    expect(readFileSync(definition, "utf8")).toBe("<old/>");
  });

  test("stop asks the server itself, whose clean end is not undone; restart takes the program as it is now", () => {
    const { manager, calls } = session();
    manager.install("<one/>");
    calls.length = 0;
    manager.stop();
    manager.start();
    manager.restart();
    expect(calls.filter((call) => !call.startsWith("print"))).toEqual([
      `kill SIGTERM ${target}`,
      `kickstart ${target}`,
      `kickstart -k ${target}`,
    ]);
  });

  test("without a session of the user nothing is tried", () => {
    const { manager } = session((call) => call === "print gui/501");
    expect(() => manager.check()).toThrow("no session");
  });
});

test("what needs root names the program by the path that sudo finds it by", () => {
  const run = () => ({ status: 1, stdout: "", stderr: "" });
  const options = { path: "/unused", directories: [], uid: 501, self: "'/Users/A B/x'", run };
  for (const [mode, hint] of [
    ["system", "Run it with sudo: sudo '/Users/A B/x' …, or use --mode user"],
    ["user", expect.stringContaining("sudo '/Users/A B/x' service install --mode system")],
  ] as const) {
    expect(launchctlManager({ ...options, mode }).check).toThrow(expect.objectContaining({ hint }));
  }
});
