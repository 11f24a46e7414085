/** Which commands open a browser, on each platform; `e2e/open.test.ts` has them run. */
import { describe, expect, test } from "bun:test";
import { browserCommands } from "../../src/cli/browser.ts";

const URL = "http://localhost:8765/#/session/a%20b";
const FILES = ["/opt/Web Browser/bin/web", "C:\\Program Files\\Web\\web.exe", "/opt/100%s/web"];

const commands = (platform: NodeJS.Platform, env: Record<string, string>) =>
  browserCommands(URL, { platform, env }, (path) => FILES.includes(path));

const RUNDLL32 = (name: string) => [name, "url.dll,FileProtocolHandler", URL];
const WSL = { WSL_DISTRO_NAME: "Debian" };

const OWN: [name: string, platform: NodeJS.Platform, env: Record<string, string>, commands: string[][]][] = [
  ["macOS", "darwin", {}, [["open", URL]]],
  ["Windows", "win32", { SystemRoot: "D:\\Win" }, [RUNDLL32("D:\\Win\\System32\\rundll32.exe")]],
  ["Linux with X", "linux", { DISPLAY: ":0" }, [["xdg-open", URL]]],
  ["Linux with Wayland", "linux", { WAYLAND_DISPLAY: "wayland-0" }, [["xdg-open", URL]]],
  ["Linux without a display", "linux", { DISPLAY: "", BROWSER: "" }, []],
  ["WSL", "linux", WSL, [["wslview", URL], RUNDLL32("rundll32.exe")]],
  [
    "WSL with a display",
    "linux",
    { ...WSL, DISPLAY: ":0" },
    [["xdg-open", URL], ["wslview", URL], RUNDLL32("rundll32.exe")],
  ],
  ["FreeBSD", "freebsd", { DISPLAY: ":0" }, [["xdg-open", URL]]],
];

describe("what a platform has", () => {
  for (const [name, platform, env, expected] of OWN)
    test(name, () => expect(commands(platform, env)).toEqual(expected));
});

const NAMED: [variable: string, commands: string[][]][] = [
  ["firefox", [["firefox", URL]]],
  ["firefox --new-tab", [["firefox", "--new-tab", URL]]],
  ["firefox --url=%s --new-tab", [["firefox", `--url=${URL}`, "--new-tab"]]],
  ["firefox %s %s &", [["firefox", URL, URL]]],
  ["web --zoom 90%", [["web", "--zoom", "90%", URL]]],
  [`'/opt/my web' --app="%s x" ''`, [["/opt/my web", `--app=${URL} x`, ""]]],
  [`sh -c 'web "$0"'`, [["sh", "-c", 'web "$0"', URL]]],
  ["/opt/Web Browser/bin/web", [["/opt/Web Browser/bin/web", URL]]],
  ["/opt/100%s/web", [["/opt/100%s/web", URL]]],
  [
    " chromium : :w3m %s:",
    [
      ["chromium", URL],
      ["w3m", URL],
    ],
  ],
];

describe("BROWSER comes before it", () => {
  for (const [variable, expected] of NAMED) {
    test(`as ${variable}`, () => {
      for (const platform of ["linux", "darwin"] as const)
        expect(commands(platform, { BROWSER: variable, DISPLAY: ":0" })).toEqual(expected);
    });
  }

  test("without a display too", () => {
    expect(commands("linux", { BROWSER: "web" })).toEqual([["web", URL]]);
  });

  test("on Windows, where a path holds a colon", () => {
    const BROWSER = "C:\\Program Files\\Web\\web.exe;C:\\bin\\other.exe --private";
    expect(commands("win32", { BROWSER })).toEqual([
      ["C:\\Program Files\\Web\\web.exe", URL],
      ["C:\\bin\\other.exe", "--private", URL],
    ]);
  });

  for (const variable of ["", " : ", '""', "&"]) {
    test(`and is as good as not there when it names none, as in ${JSON.stringify(variable)}`, () => {
      expect(commands("darwin", { BROWSER: variable })).toEqual([["open", URL]]);
    });
  }

  test("takes the URL as it is, whatever is in it", () => {
    const url = "http://localhost:1/#/session/$&$1%25s%s";
    expect(browserCommands(url, { platform: "linux", env: { BROWSER: "web x=%s" } })).toEqual([
      ["web", `x=${url}`],
    ]);
  });
});
