/**
 * Runs programs for Windows under Wine, in a Windows of their own. Wine 8 lacks `ProcessPrng`, which Bun takes its random
 * numbers from: a library of four lines beside the program gives it.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Subprocess } from "bun";
import { onEnd } from "./cleanup.ts";
import { temporaryDirectory } from "./temporary.ts";

const COMPILER = "x86_64-w64-mingw32-gcc";

const RANDOM_NUMBERS = `
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, size); }
`;

/** Why there is no Windows here; null where there is one. */
export const noWine = [COMPILER, "wine"].every((tool) => Bun.which(tool) !== null)
  ? null
  : `needs Windows, or wine and ${COMPILER}`;

export interface Windows {
  /** The program's state directory, as this system names it. */
  stateDir: string;
  run(args: readonly string[]): Promise<{ stdout: string; stderr: string; exitCode: number }>;
  spawn(args: readonly string[]): Subprocess;
}

/** Sets up a Windows for one program; whatever runs in it ends with the test run. */
export async function windowsFor(program: string): Promise<Windows> {
  const directory = temporaryDirectory();
  const prefix = join(directory, "prefix");
  const home = join(directory, "home");
  mkdirSync(home);
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: home,
    WINEPREFIX: prefix,
    WINEDEBUG: "-all",
    // Neither asks for what only browsers and .NET need, nor puts anything into menus.
    WINEDLLOVERRIDES: "mscoree=;mshtml=;winemenubuilder.exe=",
  };
  const source = join(directory, "random.c");
  writeFileSync(source, RANDOM_NUMBERS);
  await done([COMPILER, "-shared", "-o", join(directory, "bcryptprimitives.dll"), source, "-ladvapi32"], env);
  copyFileSync(join(directory, "bcryptprimitives.dll"), join(dirname(program), "bcryptprimitives.dll"));
  onEnd(() => Bun.spawnSync(["wineserver", "--kill"], { env, stdio: ["ignore", "ignore", "ignore"] }));
  await done(["wineboot", "--init"], env);

  const users = join(prefix, "drive_c", "users");
  const user = readdirSync(users).find((name) => name !== "Public") ?? "";
  let runs = 0;
  const start = (args: readonly string[], stdout: string, stderr: string) =>
    Bun.spawn(["wine", program, ...args], {
      cwd: home,
      env,
      stdin: "ignore",
      stdout: Bun.file(stdout),
      stderr: Bun.file(stderr),
    });
  return {
    stateDir: join(users, user, ".claude-mpm", "socketio"),
    spawn: (args) => start(args, "/dev/null", "/dev/null"),
    async run(args) {
      // Not pipes: Wine leaves them open in every program that the one we wait for has started.
      const [stdout, stderr] = ["stdout", "stderr"].map((name) => join(directory, `${runs++}-${name}`)) as [
        string,
        string,
      ];
      const exitCode = await start(args, stdout, stderr).exited;
      const textOf = (path: string) => readFileSync(path, "utf8").replaceAll("\r\n", "\n");
      return { stdout: textOf(stdout), stderr: textOf(stderr), exitCode };
    },
  };
}

async function done(command: string[], env: Record<string, string>): Promise<void> {
  const child = Bun.spawn(command, { env, stdio: ["ignore", "ignore", "pipe"] });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${stderr}`);
}
